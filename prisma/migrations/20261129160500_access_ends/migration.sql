-- The end of access takes along what is under way; a change of address that was replaced stays so; a second factor
-- dates from when it was turned on, whenever its secret was made.
ALTER TABLE "User" ADD COLUMN "accessEndedAt" TIMESTAMPTZ(3), ADD COLUMN "accessEndedBy" BIGINT;
ALTER TABLE "EmailChange" ADD COLUMN "closedAt" TIMESTAMPTZ(3);

DROP TRIGGER "TwoFactor_dates_secret" ON "TwoFactor";
CREATE TRIGGER "TwoFactor_dates_secret" BEFORE UPDATE OF "secret", "verified" ON "TwoFactor"
  FOR EACH ROW WHEN (OLD."secret" IS DISTINCT FROM NEW."secret" OR (NEW."verified" AND NOT OLD."verified"))
  EXECUTE FUNCTION "TwoFactor_dates_secret"();
