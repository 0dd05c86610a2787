-- Asked when the transaction ends, so that an owner can be exchanged within one. The organization's
-- row is locked first: two owners who leave at once would each count the other.
CREATE OR REPLACE FUNCTION "Organization_require_owner"(organization text) RETURNS void LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM 1 FROM "Organization" WHERE "id" = organization FOR NO KEY UPDATE;
  IF FOUND AND NOT EXISTS (
    SELECT 1 FROM "Member" WHERE "organizationId" = organization AND "role" = 'OWNER')
  THEN
    RAISE EXCEPTION 'organization % must have an owner', organization
      USING ERRCODE = 'check_violation', CONSTRAINT = 'Organization_keeps_an_owner';
  END IF;
END $$;
