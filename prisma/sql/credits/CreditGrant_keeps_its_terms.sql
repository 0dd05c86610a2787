-- A lot keeps its owner, amount and date, and is never deleted. Only its remaining credits and its expiry change.
CREATE OR REPLACE FUNCTION "CreditGrant_keeps_its_terms"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."CreditGrant"'::regclass THEN
    RAISE EXCEPTION 'CreditGrant_keeps_its_terms: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RAISE EXCEPTION 'CreditGrant_keeps_its_terms: a lot keeps its owner and amount, and is never deleted.'
    USING ERRCODE = 'restrict_violation';
END $$;

CREATE OR REPLACE TRIGGER "CreditGrant_is_kept" BEFORE DELETE ON "CreditGrant"
  FOR EACH ROW EXECUTE FUNCTION "CreditGrant_keeps_its_terms"();
CREATE OR REPLACE TRIGGER "CreditGrant_keeps_its_terms" BEFORE UPDATE OF "id", "ownerId", "creditType", "amount", "createdAt"
  ON "CreditGrant" FOR EACH ROW EXECUTE FUNCTION "CreditGrant_keeps_its_terms"();
CREATE OR REPLACE TRIGGER "CreditGrant_no_truncate" BEFORE TRUNCATE ON "CreditGrant"
  FOR EACH STATEMENT EXECUTE FUNCTION "CreditGrant_keeps_its_terms"();
