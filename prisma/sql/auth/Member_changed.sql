-- Denies a member's access tokens when the member is removed or gets another role.
CREATE OR REPLACE FUNCTION "Member_changed"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."Member"'::regclass THEN
    RAISE EXCEPTION 'Member_changed: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM "deny_access"(ARRAY[OLD."userId"]);
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER "Member_deleted" AFTER DELETE ON "Member"
  FOR EACH ROW EXECUTE FUNCTION "Member_changed"();
CREATE OR REPLACE TRIGGER "Member_role_changed" AFTER UPDATE ON "Member"
  FOR EACH ROW WHEN (
    (OLD."role", OLD."userId", OLD."organizationId")
      IS DISTINCT FROM (NEW."role", NEW."userId", NEW."organizationId"))
  EXECUTE FUNCTION "Member_changed"();
