-- Refuses an account's balance, debt or time that is not that of its newest transaction. A new account is empty.
CREATE OR REPLACE FUNCTION "CreditAccount_follows"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
  v_last record;
  v_debt bigint := 0;
BEGIN
  IF TG_RELID <> 'public."CreditAccount"'::regclass THEN
    RAISE EXCEPTION 'CreditAccount_follows: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF TG_OP = 'UPDATE' AND NEW."ownerId" = OLD."ownerId" AND NEW."creditType" = OLD."creditType" THEN
    IF NEW."lastTransactionId" > coalesce(OLD."lastTransactionId", 0) THEN
      IF NEW."debt" <> OLD."debt" THEN
        SELECT sum(t."debt") INTO v_debt FROM "CreditTransaction" t
          WHERE t."ownerId" = NEW."ownerId" AND t."creditType" = NEW."creditType"
            AND t."id" > coalesce(OLD."lastTransactionId", 0) AND t."id" <= NEW."lastTransactionId";
      END IF;
      SELECT t."ownerId", t."creditType", t."balanceAfter", t."createdAt" INTO v_last
        FROM "CreditTransaction" t WHERE t."id" = NEW."lastTransactionId";
      IF v_last."ownerId" = NEW."ownerId" AND v_last."creditType" = NEW."creditType"
        AND v_last."balanceAfter" = NEW."balance" AND v_last."createdAt" = NEW."updatedAt"
        AND OLD."debt" + v_debt = NEW."debt"
      THEN
        RETURN NULL;
      END IF;
    ELSIF (NEW."balance", NEW."debt", NEW."updatedAt", NEW."lastTransactionId")
      IS NOT DISTINCT FROM (OLD."balance", OLD."debt", OLD."updatedAt", OLD."lastTransactionId")
    THEN
      RETURN NULL;
    END IF;
  END IF;
  RAISE EXCEPTION 'CreditAccount_follows: balance and debt change with a transaction alone.'
    USING ERRCODE = 'restrict_violation';
END $$;

-- An account that begins in the future is refused: no transaction could follow, or every lot would lapse.
CREATE OR REPLACE TRIGGER "CreditAccount_begins_empty" AFTER INSERT ON "CreditAccount"
  FOR EACH ROW WHEN (NEW."balance" <> 0 OR NEW."debt" <> 0 OR NEW."lastTransactionId" IS NOT NULL
    OR NEW."updatedAt" > now() + interval '1 minute')
  EXECUTE FUNCTION "CreditAccount_follows"();
CREATE OR REPLACE TRIGGER "CreditAccount_follows" AFTER UPDATE ON "CreditAccount"
  FOR EACH ROW EXECUTE FUNCTION "CreditAccount_follows"();
