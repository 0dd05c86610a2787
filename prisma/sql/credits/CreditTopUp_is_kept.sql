-- Refuses to change or delete a top-up, because the daily limit counts the rows.
CREATE OR REPLACE FUNCTION "CreditTopUp_is_kept"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."CreditTopUp"'::regclass THEN
    RAISE EXCEPTION 'CreditTopUp_is_kept: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RAISE EXCEPTION 'CreditTopUp_is_kept: a top-up that was begun is never changed or deleted.'
    USING ERRCODE = 'restrict_violation';
END $$;

CREATE OR REPLACE TRIGGER "CreditTopUp_is_kept" BEFORE UPDATE OR DELETE ON "CreditTopUp"
  FOR EACH ROW EXECUTE FUNCTION "CreditTopUp_is_kept"();
CREATE OR REPLACE TRIGGER "CreditTopUp_no_truncate" BEFORE TRUNCATE ON "CreditTopUp"
  FOR EACH STATEMENT EXECUTE FUNCTION "CreditTopUp_is_kept"();
