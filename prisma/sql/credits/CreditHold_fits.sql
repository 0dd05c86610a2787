-- A hold belongs to a deduction of its account and captures no more than the deduction took. A settled hold has given
-- back the rest by the end of its transaction. A hold is settled and never deleted.
CREATE OR REPLACE FUNCTION "CreditHold_fits"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  v_taken bigint;
  v_refunded bigint;
BEGIN
  IF TG_RELID <> 'public."CreditHold"'::regclass THEN
    RAISE EXCEPTION 'CreditHold_fits: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
    RAISE EXCEPTION 'CreditHold_fits: a hold is settled, and never deleted.' USING ERRCODE = 'restrict_violation';
  END IF;
  IF TG_OP = 'UPDATE' AND (NEW."id", NEW."ownerId", NEW."creditType", NEW."transactionId")
    IS DISTINCT FROM (OLD."id", OLD."ownerId", OLD."creditType", OLD."transactionId")
  THEN
    RAISE EXCEPTION 'CreditHold_fits: hold % keeps its account and its transaction.', OLD."id"
      USING ERRCODE = 'restrict_violation';
  END IF;
  SELECT -t."amount" INTO v_taken FROM "CreditTransaction" t
    WHERE t."id" = NEW."transactionId" AND t."ownerId" = NEW."ownerId" AND t."creditType" = NEW."creditType"
      AND t."type" = 'deduction';
  IF v_taken IS NULL OR NEW."captured" > v_taken THEN
    RAISE EXCEPTION 'CreditHold_fits: hold % is for a deduction of its account, and keeps no more than that took.', NEW."id"
      USING ERRCODE = 'check_violation';
  END IF;
  -- A hold that is settled gives the rest back in the same transaction: the second trigger asks at its end.
  IF NEW."status" = 'open' OR TG_NAME = 'CreditHold_gives_back' THEN
    SELECT coalesce(sum(r."amount"), 0) INTO v_refunded FROM "CreditTransaction" r
      WHERE r."refundOf" = NEW."transactionId";
    IF NEW."status" = 'open' AND v_refunded > 0
      OR NEW."status" <> 'open' AND v_refunded < v_taken - NEW."captured"
    THEN
      RAISE EXCEPTION 'CreditHold_fits: hold % gives back what it does not keep, when it is settled.', NEW."id"
        USING ERRCODE = 'check_violation';
    END IF;
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER "CreditHold_fits" AFTER INSERT OR UPDATE ON "CreditHold"
  FOR EACH ROW EXECUTE FUNCTION "CreditHold_fits"();
DROP TRIGGER IF EXISTS "CreditHold_gives_back" ON "CreditHold";
CREATE CONSTRAINT TRIGGER "CreditHold_gives_back" AFTER INSERT OR UPDATE ON "CreditHold"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW."status" <> 'open') EXECUTE FUNCTION "CreditHold_fits"();
CREATE OR REPLACE TRIGGER "CreditHold_is_kept" BEFORE DELETE ON "CreditHold"
  FOR EACH ROW WHEN (OLD."status" = 'open') EXECUTE FUNCTION "CreditHold_fits"();
CREATE OR REPLACE TRIGGER "CreditHold_no_truncate" BEFORE TRUNCATE ON "CreditHold"
  FOR EACH STATEMENT EXECUTE FUNCTION "CreditHold_fits"();
