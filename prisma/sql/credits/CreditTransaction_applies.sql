-- Applies the transactions that one statement adds to their account, and refuses transactions that do not follow. In the
-- order of their ids, each must follow the one before it in balance and time, and the debt must not be below 0 after
-- any of them. A transaction that refers to another gives back no more than the other took, counted under the account's
-- lock, and nothing of an open hold. The queries about that are inside `IF v_refunds`, because PL/pgSQL runs a query in
-- the condition of an IF for every statement.
CREATE OR REPLACE FUNCTION "CreditTransaction_applies"() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  v record;
  v_last record;
  v_first bigint;
  v_balance bigint;
  v_began timestamptz;
  v_debt bigint := 0;
  v_least bigint := 0;
  v_follows boolean := true;
  v_refunds boolean := false;
BEGIN
  IF TG_RELID <> 'public."CreditTransaction"'::regclass THEN
    RAISE EXCEPTION 'CreditTransaction_applies: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  FOR v IN
    SELECT t."id", t."ownerId", t."creditType", t."amount", t."balanceAfter", t."debt", t."refundOf", t."createdAt"
    FROM added t ORDER BY t."id"
  LOOP
    IF v_last IS NULL THEN
      v_first := v."id";
      v_balance := v."balanceAfter" - v."amount";
      v_began := v."createdAt";
    ELSE
      v_follows := v_follows AND v."ownerId" = v_last."ownerId" AND v."creditType" = v_last."creditType"
        AND v."balanceAfter" = v_last."balanceAfter" + v."amount" AND v."createdAt" >= v_last."createdAt";
    END IF;
    v_debt := v_debt + v."debt";
    v_least := least(v_least, v_debt);
    v_refunds := v_refunds OR v."refundOf" IS NOT NULL;
    v_last := v;
  END LOOP;
  IF NOT FOUND THEN RETURN NULL; END IF;

  -- The account's CHECK tells of a debt that ends below 0.
  UPDATE "CreditAccount" a
    SET "balance" = v_last."balanceAfter", "debt" = a."debt" + v_debt, "updatedAt" = v_last."createdAt",
      "lastTransactionId" = v_last."id"
    WHERE v_follows AND a."ownerId" = v_last."ownerId" AND a."creditType" = v_last."creditType"
      AND a."balance" = v_balance AND a."updatedAt" <= v_began AND a."debt" + v_least >= least(0, a."debt" + v_debt)
      AND coalesce(a."lastTransactionId", 0) < v_first;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'CreditTransaction_applies: the transaction does not follow the one before it.'
      USING ERRCODE = 'check_violation';
  END IF;

  -- Inside, because an IF that holds a query is one, also where it need not ask.
  IF v_refunds THEN
    PERFORM FROM added n LEFT JOIN "CreditTransaction" t
      ON t."id" = n."refundOf" AND t."ownerId" = n."ownerId" AND t."creditType" = n."creditType"
        AND t."type" = CASE n."type" WHEN 'refund' THEN 'deduction' ELSE 'adjustment' END
    WHERE n."refundOf" IS NOT NULL AND (t."id" IS NULL OR t."debt" - t."amount" < (
      SELECT sum(r."amount" - r."debt") FROM "CreditTransaction" r WHERE r."refundOf" = t."id"));
    IF FOUND THEN
      RAISE EXCEPTION 'CreditTransaction_applies: it would give back more than was taken.'
        USING ERRCODE = 'check_violation';
    END IF;
    PERFORM FROM added n JOIN "CreditHold" h ON h."transactionId" = n."refundOf" WHERE h."status" = 'open';
    IF FOUND THEN
      RAISE EXCEPTION 'CreditTransaction_applies: the hold is open; settle it instead of refunding it.'
        USING ERRCODE = 'check_violation';
    END IF;
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER "CreditTransaction_applies" AFTER INSERT ON "CreditTransaction"
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION "CreditTransaction_applies"();
