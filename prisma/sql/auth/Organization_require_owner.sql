-- Refuses an organization without an owner. Deferred triggers call it when the transaction ends, so that a transaction
-- can exchange the owner. It locks the organization's row first, because two owners who leave at the same time would
-- each count the other.
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
