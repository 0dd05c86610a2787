-- Notes when a second factor got new backup codes. Using a code only removes it from the list, which is not noted.
CREATE OR REPLACE FUNCTION "TwoFactor_dates_backup_codes"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."TwoFactor"'::regclass THEN
    RAISE EXCEPTION 'TwoFactor_dates_backup_codes: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NOT NEW."backupCodes"::jsonb <@ OLD."backupCodes"::jsonb THEN
    NEW."backupCodesSetAt" := clock_timestamp();
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER "TwoFactor_dates_backup_codes" BEFORE UPDATE OF "backupCodes" ON "TwoFactor"
  FOR EACH ROW EXECUTE FUNCTION "TwoFactor_dates_backup_codes"();
