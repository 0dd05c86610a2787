-- Session tokens are exchanged at each refresh, and what ends a session or changes a role denies the
-- access tokens that were issued before, in the same transaction.

-- AlterTable
ALTER TABLE "Session" ADD COLUMN     "aal" INTEGER NOT NULL DEFAULT 1,
ADD COLUMN     "predecessorHash" TEXT,
ADD COLUMN     "successorSeenAt" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "AccessDenial" (
    "id" BIGSERIAL NOT NULL,
    "subject" TEXT NOT NULL,
    "notBefore" INTEGER NOT NULL,

    CONSTRAINT "AccessDenial_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "AccessDenial_subject_idx" ON "AccessDenial"("subject");

-- CreateIndex
CREATE INDEX "AccessDenial_notBefore_idx" ON "AccessDenial"("notBefore");

ALTER TABLE "Session" ADD CONSTRAINT "Session_aal_check" CHECK ("aal" IN (1, 2, 3));

-- The clock is read after the changed row is locked. Whoever signs an access token reads the rows it
-- speaks of FOR SHARE, and dates it by a clock read until then but not before a denial it knows of. So
-- a token either knows a change or is denied by it, also within one second.
CREATE FUNCTION "deny_access"(subjects text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  seconds integer := floor(extract(epoch FROM clock_timestamp()));
  denial record;
BEGIN
  FOR denial IN
    INSERT INTO "AccessDenial" ("subject", "notBefore")
      SELECT u.subject, greatest(seconds, max(d."notBefore")) + 1
      FROM unnest(subjects) AS u(subject) LEFT JOIN "AccessDenial" d ON d."subject" = u.subject
      GROUP BY u.subject
      RETURNING "subject", "notBefore"
  LOOP
    PERFORM pg_notify('tollgate_denials', denial."subject" || ' ' || denial."notBefore");
  END LOOP;
  -- No token is as old as these. What another transaction is deleting is left to it.
  DELETE FROM "AccessDenial" WHERE "id" IN (
    SELECT "id" FROM "AccessDenial" WHERE "notBefore" < seconds - 900
      LIMIT 1000 FOR UPDATE SKIP LOCKED);
END $$;

CREATE FUNCTION "Session_deleted"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM "deny_access"(array_agg("id")) FROM "gone" HAVING count(*) > 0;
  RETURN NULL;
END $$;
CREATE TRIGGER "Session_deleted" AFTER DELETE ON "Session"
  REFERENCING OLD TABLE AS "gone" FOR EACH STATEMENT EXECUTE FUNCTION "Session_deleted"();

CREATE FUNCTION "User_role_changed"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM "deny_access"(ARRAY[OLD."id"]);
  RETURN NULL;
END $$;
CREATE TRIGGER "User_role_changed" AFTER UPDATE OF "role" ON "User"
  FOR EACH ROW WHEN (OLD."role" IS DISTINCT FROM NEW."role")
  EXECUTE FUNCTION "User_role_changed"();

CREATE FUNCTION "Member_changed"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM "deny_access"(ARRAY[OLD."userId"]);
  RETURN NULL;
END $$;
CREATE TRIGGER "Member_role_changed" AFTER UPDATE ON "Member"
  FOR EACH ROW WHEN (
    (OLD."role", OLD."userId", OLD."organizationId")
      IS DISTINCT FROM (NEW."role", NEW."userId", NEW."organizationId"))
  EXECUTE FUNCTION "Member_changed"();
CREATE TRIGGER "Member_deleted" AFTER DELETE ON "Member"
  FOR EACH ROW EXECUTE FUNCTION "Member_changed"();
