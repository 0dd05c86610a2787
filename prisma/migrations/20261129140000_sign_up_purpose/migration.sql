-- What was chosen at a sign-up waits in a verification row of its own purpose. The purpose is added to those that
-- the constraint names, whichever these are by now.
DO $$
DECLARE
  purposes text := (
    SELECT substring(pg_get_constraintdef("oid") FROM '\^\(([a-z0-9|-]+)\):')
    FROM pg_constraint
    WHERE "conrelid" = '"VerificationToken"'::regclass
      AND "conname" = 'VerificationToken_identifier_check'
  );
BEGIN
  -- A form that lists no purposes allows this one already.
  IF purposes IS NULL THEN
    RETURN;
  END IF;
  ALTER TABLE "VerificationToken" DROP CONSTRAINT "VerificationToken_identifier_check";
  EXECUTE format(
    'ALTER TABLE "VerificationToken" ADD CONSTRAINT "VerificationToken_identifier_check" CHECK ("identifier" ~ %L)',
    '^(' || purposes || '|sign-up):[A-Za-z0-9_-]{43}$'
  );
END $$;
