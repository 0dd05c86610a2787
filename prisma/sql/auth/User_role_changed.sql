-- Denies a user's access tokens when the user gets another role, or from now on needs a second factor.
CREATE OR REPLACE FUNCTION "User_role_changed"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."User"'::regclass THEN
    RAISE EXCEPTION 'User_role_changed: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM "deny_access"(ARRAY[OLD."id"]);
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER "User_role_changed" AFTER UPDATE OF "role" ON "User"
  FOR EACH ROW WHEN (OLD."role" IS DISTINCT FROM NEW."role")
  EXECUTE FUNCTION "User_role_changed"();
CREATE OR REPLACE TRIGGER "User_needs_second_factor" AFTER UPDATE OF "twoFactorEnabled" ON "User"
  FOR EACH ROW WHEN (NEW."twoFactorEnabled" AND NOT OLD."twoFactorEnabled")
  EXECUTE FUNCTION "User_role_changed"();
