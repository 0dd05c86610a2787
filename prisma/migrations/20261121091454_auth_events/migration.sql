-- What happens to users and members is written down with it, so that a host is told of it for certain.

SELECT set_config('tollgate.system', 'on', true);

-- CreateTable
CREATE TABLE "AuthEvent" (
    "name" TEXT NOT NULL,
    "subjectId" TEXT NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "nextAttemptAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "AuthEvent_pkey" PRIMARY KEY ("name","subjectId")
);

-- CreateIndex
CREATE INDEX "AuthEvent_nextAttemptAt_idx" ON "AuthEvent"("nextAttemptAt");

-- Written down by the system, whoever's statement sets it off.
CREATE FUNCTION "AuthEvent_add"(event text, subject text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  system_before text := coalesce(current_setting('tollgate.system', true), '');
  organization_before text := coalesce(current_setting('tollgate.organization', true), '');
BEGIN
  PERFORM set_config('tollgate.system', 'on', true), set_config('tollgate.organization', '', true);
  INSERT INTO "AuthEvent" ("name", "subjectId") VALUES (event, subject)
  ON CONFLICT ("name", "subjectId") DO UPDATE SET "version" = "AuthEvent"."version" + 1;
  PERFORM set_config('tollgate.system', system_before, true),
    set_config('tollgate.organization', organization_before, true);
END $$;

CREATE FUNCTION "User_tells"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM "AuthEvent_add"('userCreated', NEW."id");
  ELSIF TG_OP = 'UPDATE' THEN
    PERFORM "AuthEvent_add"('emailChanged', NEW."id");
  ELSE
    -- Nobody should be told of an address, or make a customer, of somebody who is gone.
    DELETE FROM "AuthEvent"
      WHERE "subjectId" = OLD."id" AND "name" IN ('userCreated', 'emailChanged');
    PERFORM "AuthEvent_add"('userDeleted', OLD."id");
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER "User_tells" AFTER INSERT OR DELETE ON "User"
  FOR EACH ROW EXECUTE FUNCTION "User_tells"();
CREATE TRIGGER "User_tells_of_email" AFTER UPDATE OF "email" ON "User"
  FOR EACH ROW WHEN (OLD."email" IS DISTINCT FROM NEW."email") EXECUTE FUNCTION "User_tells"();

CREATE FUNCTION "Member_tells"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM "AuthEvent_add"('membersChanged', NEW."organizationId");
  ELSE
    PERFORM "AuthEvent_add"('membersChanged', OLD."organizationId");
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER "Member_tells" AFTER INSERT OR DELETE ON "Member"
  FOR EACH ROW EXECUTE FUNCTION "Member_tells"();
CREATE TRIGGER "Member_tells_of_role" AFTER UPDATE OF "role" ON "Member"
  FOR EACH ROW WHEN (OLD."role" IS DISTINCT FROM NEW."role") EXECUTE FUNCTION "Member_tells"();
