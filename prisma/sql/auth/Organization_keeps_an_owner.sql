-- Refuses a transaction at whose end an organization has no owner, because an owner left or got another role.
CREATE OR REPLACE FUNCTION "Organization_keeps_an_owner"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."Member"'::regclass THEN
    RAISE EXCEPTION 'Organization_keeps_an_owner: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM "Organization_require_owner"(OLD."organizationId");
  RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS "Organization_keeps_an_owner" ON "Member";
CREATE CONSTRAINT TRIGGER "Organization_keeps_an_owner" AFTER UPDATE OR DELETE ON "Member"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD."role" = 'OWNER')
  EXECUTE FUNCTION "Organization_keeps_an_owner"();
