-- Notes when a second factor got its secret or was verified: turning it on again keeps the row and replaces the secret.
CREATE OR REPLACE FUNCTION "TwoFactor_dates_secret"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."TwoFactor"'::regclass THEN
    RAISE EXCEPTION 'TwoFactor_dates_secret: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  NEW."secretSetAt" := clock_timestamp();
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER "TwoFactor_dates_secret" BEFORE UPDATE OF "secret", "verified" ON "TwoFactor"
  FOR EACH ROW WHEN (OLD."secret" IS DISTINCT FROM NEW."secret" OR (NEW."verified" AND NOT OLD."verified"))
  EXECUTE FUNCTION "TwoFactor_dates_secret"();
