-- A credit transaction is never changed or deleted.
CREATE OR REPLACE FUNCTION "CreditTransaction_append_only"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."CreditTransaction"'::regclass THEN
    RAISE EXCEPTION 'CreditTransaction_append_only: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RAISE EXCEPTION 'CreditTransaction_append_only: a credit transaction is never changed or deleted.'
    USING ERRCODE = 'restrict_violation';
END $$;

CREATE OR REPLACE TRIGGER "CreditTransaction_append_only" BEFORE UPDATE OR DELETE ON "CreditTransaction"
  FOR EACH ROW EXECUTE FUNCTION "CreditTransaction_append_only"();
CREATE OR REPLACE TRIGGER "CreditTransaction_no_truncate" BEFORE TRUNCATE ON "CreditTransaction"
  FOR EACH STATEMENT EXECUTE FUNCTION "CreditTransaction_append_only"();
