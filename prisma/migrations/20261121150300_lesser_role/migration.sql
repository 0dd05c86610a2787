-- Lets an app work as a role that owns nothing and may not change what is only added to (`db:grant`).

SELECT set_config('tollgate.system', 'on', true);

-- Moves an account for a role that may not, and for nobody else's tables of the same name.
ALTER FUNCTION "CreditTransaction_applies"() SECURITY DEFINER SET search_path = public, pg_temp;

-- Deletes the entries of before then, of those that are old enough (trigger "AuditLog_append_only"), for a
-- role that may not. Returns how many.
CREATE FUNCTION "AuditLog_prune"(p_before timestamptz) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  v_count bigint;
BEGIN
  DELETE FROM "AuditLog" WHERE "createdAt" < p_before;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
REVOKE ALL ON FUNCTION "AuditLog_prune"(timestamptz) FROM PUBLIC;
