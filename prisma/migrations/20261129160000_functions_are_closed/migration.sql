-- Closes the functions of the schema: a login without a grant calls none of them and hangs none on a table of its own.

SELECT set_config('tollgate.system', 'on', true);

-- Also functions that come later. Written without a schema: the right that PostgreSQL gives to everybody is none of
-- a schema's and cannot be taken there. What `db:grant` gives a role, it gives by name.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC;

-- The lot that is burnt first, by priority, soonest expiry, age, and whether any lot lapses before that. Its tables
-- are bound when it is made, because a search path of its own would keep it from becoming part of the query that
-- asks it.
CREATE OR REPLACE FUNCTION "Credit_lot_in_turn"(p_owner text, p_credit_type text, p_now timestamptz)
RETURNS TABLE ("id" bigint, "remaining" bigint, "lapses" boolean) LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT g."id", g."remaining", EXISTS (
      SELECT FROM "CreditGrant" l
      WHERE l."ownerId" = p_owner AND l."creditType" = p_credit_type AND l."open" AND l."expiresAt" <= p_now)
    FROM "CreditGrant" g
    WHERE g."ownerId" = p_owner AND g."creditType" = p_credit_type AND g."open"
    ORDER BY g."priority", g."expiresAt" NULLS LAST, g."id" LIMIT 1;
END;

-- Each function keeps to the tables of this schema, whatever the session's search path names first. A trigger's
-- function begins by refusing every table but its own: a temporary table, a copy or a child that somebody hangs it
-- on. The one that many tables share refuses a table without the foreign key that it stands behind.
DO $migration$
DECLARE
  v record;
  v_guard text;
BEGIN
  FOR v IN
    SELECT p.oid, p.oid::regprocedure AS name, p.proname, p.prosqlbody IS NOT NULL AS is_bound,
      p.prorettype = 'trigger'::regtype AS is_trigger,
      ARRAY(SELECT DISTINCT c.relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE t.tgfoid = p.oid) AS tables
    FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace AND p.proowner = current_user::regrole
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
  LOOP
    EXECUTE format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', v.name);
    CONTINUE WHEN v.is_bound;
    IF v.is_trigger THEN
      IF v.proname = 'Tenancy_refers_inside' THEN
        v_guard := $guard$NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = TG_RELID
    AND k.contype = 'f' AND k.confrelid = format('public.%I', TG_ARGV[0])::regclass)$guard$;
      ELSIF cardinality(v.tables) = 1 THEN
        v_guard := format('TG_RELID <> %L::regclass', 'public.' || quote_ident(v.tables[1]));
      ELSE
        RAISE EXCEPTION 'The function % belongs to % tables; say which it may work for.', v.name, cardinality(v.tables);
      END IF;
      EXECUTE regexp_replace(pg_get_functiondef(v.oid), '\mBEGIN\n', replace(format($guard$BEGIN
  IF %s THEN
    RAISE EXCEPTION '%s: it works for its own table alone, and not for %%.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
$guard$, v_guard, v.proname), '\', '\\'));
    END IF;
    EXECUTE format('ALTER ROUTINE %s SET search_path = public, pg_temp', v.name);
  END LOOP;
END $migration$;
