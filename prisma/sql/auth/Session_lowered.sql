-- Denies the present access tokens of a session that is cut short, loses its second factor or gets another user,
-- because they say more than its row. The denial names the user and not the session, which may go on: tokens that
-- are signed later are valid.
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
