-- Refuses a transaction at whose end a new organization has no owner.
CREATE OR REPLACE FUNCTION "Organization_has_an_owner"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."Organization"'::regclass THEN
    RAISE EXCEPTION 'Organization_has_an_owner: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM "Organization_require_owner"(NEW."id");
  RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS "Organization_has_an_owner" ON "Organization";
CREATE CONSTRAINT TRIGGER "Organization_has_an_owner" AFTER INSERT ON "Organization"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "Organization_has_an_owner"();
