-- An account is never deleted.
CREATE OR REPLACE FUNCTION "CreditAccount_stays"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."CreditAccount"'::regclass THEN
    RAISE EXCEPTION 'CreditAccount_stays: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RAISE EXCEPTION 'CreditAccount_stays: an account is never deleted.' USING ERRCODE = 'restrict_violation';
END $$;

CREATE OR REPLACE TRIGGER "CreditAccount_no_truncate" BEFORE TRUNCATE ON "CreditAccount"
  FOR EACH STATEMENT EXECUTE FUNCTION "CreditAccount_stays"();
CREATE OR REPLACE TRIGGER "CreditAccount_stays" BEFORE DELETE ON "CreditAccount"
  FOR EACH ROW EXECUTE FUNCTION "CreditAccount_stays"();
