-- A session that is cut short or loses its second factor keeps no access token that says more than its row. The
-- session may go on, so the tokens of its user are dated: the next one is good again.
CREATE OR REPLACE FUNCTION "Session_lowered"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."Session"'::regclass THEN
    RAISE EXCEPTION 'Session_lowered: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM "deny_access"(ARRAY[OLD."userId"]);
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER "Session_lowered" AFTER UPDATE OF "expiresAt", "aal", "userId" ON "Session"
  FOR EACH ROW WHEN (NEW."expiresAt" < OLD."expiresAt" OR NEW."aal" < OLD."aal"
    OR NEW."userId" IS DISTINCT FROM OLD."userId")
  EXECUTE FUNCTION "Session_lowered"();
