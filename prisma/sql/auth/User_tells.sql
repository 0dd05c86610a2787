-- Records the events `userCreated`, `emailChanged` and `userDeleted`. It deletes as the system, because a host's own
-- connection, which declares nothing, may delete the user.
CREATE OR REPLACE FUNCTION "User_tells"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
  system_before text := coalesce(current_setting('tollgate.system', true), '');
  organization_before text := coalesce(current_setting('tollgate.organization', true), '');
BEGIN
  IF TG_RELID <> 'public."User"'::regclass THEN
    RAISE EXCEPTION 'User_tells: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF TG_OP = 'INSERT' THEN
    PERFORM "AuthEvent_add"('userCreated', NEW."id");
  ELSIF TG_OP = 'UPDATE' THEN
    PERFORM "AuthEvent_add"('emailChanged', NEW."id");
  ELSE
    -- Nobody should be told of an address, or make a customer, of somebody who is gone.
    PERFORM set_config('tollgate.system', 'on', true), set_config('tollgate.organization', '', true);
    DELETE FROM "AuthEvent"
      WHERE "subjectId" = OLD."id" AND "name" IN ('userCreated', 'emailChanged');
    PERFORM set_config('tollgate.system', system_before, true),
      set_config('tollgate.organization', organization_before, true);
    PERFORM "AuthEvent_add"('userDeleted', OLD."id");
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER "User_tells" AFTER INSERT OR DELETE ON "User"
  FOR EACH ROW EXECUTE FUNCTION "User_tells"();
CREATE OR REPLACE TRIGGER "User_tells_of_email" AFTER UPDATE OF "email" ON "User"
  FOR EACH ROW WHEN (OLD."email" IS DISTINCT FROM NEW."email") EXECUTE FUNCTION "User_tells"();
