-- Records the event `membersChanged` of an organization.
CREATE OR REPLACE FUNCTION "Member_tells"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."Member"'::regclass THEN
    RAISE EXCEPTION 'Member_tells: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF TG_OP = 'INSERT' THEN
    PERFORM "AuthEvent_add"('membersChanged', NEW."organizationId");
  ELSE
    PERFORM "AuthEvent_add"('membersChanged', OLD."organizationId");
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER "Member_tells" AFTER INSERT OR DELETE ON "Member"
  FOR EACH ROW EXECUTE FUNCTION "Member_tells"();
CREATE OR REPLACE TRIGGER "Member_tells_of_role" AFTER UPDATE OF "role" ON "Member"
  FOR EACH ROW WHEN (OLD."role" IS DISTINCT FROM NEW."role") EXECUTE FUNCTION "Member_tells"();
