-- Backup codes are dated, so that those of somebody else can be taken back. A code that is used is taken out of
-- the list, which makes no new one.
SELECT set_config('tollgate.system', 'on', true);

ALTER TABLE "TwoFactor" ADD COLUMN "backupCodesSetAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;
UPDATE "TwoFactor" SET "backupCodesSetAt" = "secretSetAt";

CREATE FUNCTION "TwoFactor_dates_backup_codes"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT NEW."backupCodes"::jsonb <@ OLD."backupCodes"::jsonb THEN
    NEW."backupCodesSetAt" := clock_timestamp();
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER "TwoFactor_dates_backup_codes" BEFORE UPDATE OF "backupCodes" ON "TwoFactor"
  FOR EACH ROW EXECUTE FUNCTION "TwoFactor_dates_backup_codes"();
