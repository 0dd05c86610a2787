-- Denies the access tokens of a deleted session.
CREATE OR REPLACE FUNCTION "Session_deleted"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."Session"'::regclass THEN
    RAISE EXCEPTION 'Session_deleted: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM "deny_access"(array_agg("id")) FROM "gone" HAVING count(*) > 0;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER "Session_deleted" AFTER DELETE ON "Session"
  REFERENCING OLD TABLE AS "gone" FOR EACH STATEMENT EXECUTE FUNCTION "Session_deleted"();
