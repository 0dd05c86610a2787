-- Five roles in organizations, one to a member, and an owner in each organization, always.

-- Until now there were OWNER, ADMIN and USER, and members could hold several, joined by commas. Who
-- acted as an owner or an admin stays one; everybody else could look and change nothing, like a
-- VIEWER. Names in small letters were stored and never gave a right.
UPDATE "Member" SET "role" = CASE
  WHEN 'OWNER' = ANY (string_to_array("role", ',')) THEN 'OWNER'
  WHEN 'ADMIN' = ANY (string_to_array("role", ',')) THEN 'ADMIN'
  ELSE 'VIEWER' END
  WHERE "role" NOT IN ('OWNER', 'ADMIN', 'MANAGER', 'OPERATOR', 'VIEWER');
UPDATE "Invitation" SET "role" = CASE
  WHEN 'OWNER' = ANY (string_to_array("role", ',')) THEN 'OWNER'
  WHEN 'ADMIN' = ANY (string_to_array("role", ',')) THEN 'ADMIN'
  ELSE 'VIEWER' END
  WHERE "role" IS NULL OR "role" NOT IN ('OWNER', 'ADMIN', 'MANAGER', 'OPERATOR', 'VIEWER');

-- An organization that has lost its owner gets the admin who has been there longest, else the member.
UPDATE "Member" SET "role" = 'OWNER' WHERE "id" IN (
  SELECT DISTINCT ON ("organizationId") "id" FROM "Member" AS candidate
  WHERE NOT EXISTS (
    SELECT 1 FROM "Member" WHERE "organizationId" = candidate."organizationId" AND "role" = 'OWNER')
  ORDER BY "organizationId", "role" = 'ADMIN' DESC, "createdAt", "id");

-- One role each. Which there are is the host's to say: `defineRoles`.
ALTER TABLE "Invitation" ALTER COLUMN "role" SET NOT NULL;

ALTER TABLE "Member" ADD CONSTRAINT "Member_role_check"
  CHECK ("role" ~ '^[A-Z][A-Z0-9_]{0,49}$');
ALTER TABLE "Invitation" ADD CONSTRAINT "Invitation_role_check"
  CHECK ("role" ~ '^[A-Z][A-Z0-9_]{0,49}$');
ALTER TABLE "Invitation" ADD CONSTRAINT "Invitation_status_check"
  CHECK ("status" IN ('pending', 'accepted', 'rejected', 'canceled'));

-- Asked when the transaction ends, so that an owner can be exchanged within one. The organization's
-- row is locked first: two owners who leave at once would each count the other.
CREATE FUNCTION "Organization_require_owner"(organization text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM "Organization" WHERE "id" = organization FOR NO KEY UPDATE;
  IF FOUND AND NOT EXISTS (
    SELECT 1 FROM "Member" WHERE "organizationId" = organization AND "role" = 'OWNER')
  THEN
    RAISE EXCEPTION 'organization % must have an owner', organization
      USING ERRCODE = 'check_violation', CONSTRAINT = 'Organization_keeps_an_owner';
  END IF;
END $$;

CREATE FUNCTION "Organization_has_an_owner"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM "Organization_require_owner"(NEW."id");
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER "Organization_has_an_owner" AFTER INSERT ON "Organization"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "Organization_has_an_owner"();

CREATE FUNCTION "Organization_keeps_an_owner"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM "Organization_require_owner"(OLD."organizationId");
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER "Organization_keeps_an_owner" AFTER UPDATE OR DELETE ON "Member"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD."role" = 'OWNER')
  EXECUTE FUNCTION "Organization_keeps_an_owner"();
