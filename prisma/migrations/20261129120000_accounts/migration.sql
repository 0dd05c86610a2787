-- What account holders expect: another e-mail address, the deletion of the account, the organization they acted
-- for last. A second factor knows since when it is there, so that taking a change of address back removes one
-- that was turned on after it.

-- AlterTable
ALTER TABLE "TwoFactor" ADD COLUMN     "secretSetAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;

-- CreateTable
CREATE TABLE "EmailChange" (
    "id" BIGSERIAL NOT NULL,
    "userId" TEXT NOT NULL,
    "oldEmail" TEXT NOT NULL,
    "newEmail" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "confirmedAt" TIMESTAMPTZ(3),

    CONSTRAINT "EmailChange_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "UserDeletion" (
    "userId" TEXT NOT NULL,
    "requestedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "dueAt" TIMESTAMPTZ(3) NOT NULL,
    "blockedAt" TIMESTAMPTZ(3),

    CONSTRAINT "UserDeletion_pkey" PRIMARY KEY ("userId")
);

-- CreateTable
CREATE TABLE "LastOrganization" (
    "userId" TEXT NOT NULL,
    "organizationId" TEXT,

    CONSTRAINT "LastOrganization_pkey" PRIMARY KEY ("userId")
);

-- CreateIndex
CREATE INDEX "EmailChange_userId_id_idx" ON "EmailChange"("userId", "id");

-- CreateIndex
CREATE INDEX "EmailChange_createdAt_idx" ON "EmailChange"("createdAt");

-- CreateIndex
CREATE INDEX "UserDeletion_dueAt_idx" ON "UserDeletion"("dueAt");

-- AddForeignKey
ALTER TABLE "EmailChange" ADD CONSTRAINT "EmailChange_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "UserDeletion" ADD CONSTRAINT "UserDeletion_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "LastOrganization" ADD CONSTRAINT "LastOrganization_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "EmailChange" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "EmailChange" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "LastOrganization" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "LastOrganization" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "UserDeletion" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "UserDeletion" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

-- The address of a user is in lower case; a change leads from one to another.
ALTER TABLE "EmailChange" ADD CONSTRAINT "EmailChange_email_check" CHECK (
  "oldEmail" <> "newEmail" AND "newEmail" = lower("newEmail")
);

-- Turning the second factor on anew keeps the row and replaces the secret.
CREATE FUNCTION "TwoFactor_dates_secret"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW."secretSetAt" := clock_timestamp();
  RETURN NEW;
END $$;
CREATE TRIGGER "TwoFactor_dates_secret" BEFORE UPDATE OF "secret" ON "TwoFactor"
  FOR EACH ROW WHEN (OLD."secret" IS DISTINCT FROM NEW."secret")
  EXECUTE FUNCTION "TwoFactor_dates_secret"();

-- Two purposes more: a link that confirms a new address, and a link that takes a change of address back.
ALTER TABLE "VerificationToken" DROP CONSTRAINT "VerificationToken_identifier_check";
ALTER TABLE "VerificationToken" ADD CONSTRAINT "VerificationToken_identifier_check" CHECK (
  "identifier" ~ '^(authorization-code|email-change|email-change-undo|email-confirmation|magic-link|oauth-state|passkey-challenge|password-reset|second-factor-attempts|second-factor-challenge|unproven-access-lock):[A-Za-z0-9_-]{43}$'
);
