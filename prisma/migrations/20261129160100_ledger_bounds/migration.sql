-- Holds each row of the ledger to its bounds, an account to its newest transaction and a hold to its deduction, whoever writes.

SELECT set_config('tollgate.system', 'on', true);

-- Which transaction an account stands at. By it the newest is found with one look-up by its key, however the
-- planner thinks of the log.
ALTER TABLE "CreditAccount" ADD COLUMN "lastTransactionId" BIGINT;
UPDATE "CreditAccount" a SET "lastTransactionId" = (
  SELECT max(t."id") FROM "CreditTransaction" t
  WHERE t."ownerId" = a."ownerId" AND t."creditType" = a."creditType");

-- As "CreditTransaction_type_agrees": one CHECK in a function, whose plan is kept. The table is asked, too, because
-- a table that inherits from the ledger inherits its CHECKs and none of its triggers. A number of JavaScript holds
-- the amounts exactly; times are finite, and no later than the library can write them.
CREATE FUNCTION "CreditTransaction_in_bounds"(
  p_table oid, p_id bigint, p_amount bigint, p_balance_after bigint, p_debt bigint, p_created_at timestamptz,
  p_expires_at timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = public, pg_temp AS $$
BEGIN
  RETURN p_table = 'public."CreditTransaction"'::regclass AND p_id > 0
    AND p_balance_after BETWEEN 0 AND 9007199254740991
    AND p_amount BETWEEN -9007199254740991 AND 9007199254740991
    AND p_debt BETWEEN -9007199254740991 AND 9007199254740991
    AND p_created_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00'
    AND (p_expires_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00') IS NOT FALSE;
END $$;
CREATE FUNCTION "CreditAccount_in_bounds"(
  p_table oid, p_balance bigint, p_debt bigint, p_created_at timestamptz, p_updated_at timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = public, pg_temp AS $$
BEGIN
  RETURN p_table = 'public."CreditAccount"'::regclass
    AND p_balance BETWEEN 0 AND 9007199254740991 AND p_debt BETWEEN 0 AND 9007199254740991
    AND p_created_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00'
    AND p_updated_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00';
END $$;
CREATE FUNCTION "CreditGrant_in_bounds"(
  p_table oid, p_id bigint, p_amount bigint, p_remaining bigint, p_open boolean, p_priority int,
  p_created_at timestamptz, p_expires_at timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = public, pg_temp AS $$
BEGIN
  RETURN p_table = 'public."CreditGrant"'::regclass AND p_id > 0
    AND p_amount BETWEEN 1 AND 9007199254740991 AND p_remaining BETWEEN 0 AND p_amount
    AND p_open = (p_remaining > 0) AND p_priority BETWEEN 0 AND 100
    AND p_created_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00'
    AND (p_expires_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00') IS NOT FALSE;
END $$;
CREATE FUNCTION "CreditHold_in_bounds"(
  p_table oid, p_id bigint, p_expires_at timestamptz, p_settled_at timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = public, pg_temp AS $$
BEGIN
  RETURN p_table = 'public."CreditHold"'::regclass AND p_id > 0
    AND p_expires_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00'
    AND (p_settled_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00') IS NOT FALSE;
END $$;

ALTER TABLE "CreditTransaction" ADD CONSTRAINT "CreditTransaction_bounds_check" CHECK (
  "CreditTransaction_in_bounds"(tableoid, "id", "amount", "balanceAfter", "debt", "createdAt", "expiresAt")) NOT VALID;
ALTER TABLE "CreditAccount"
  DROP CONSTRAINT "CreditAccount_bounds_check",
  ADD CONSTRAINT "CreditAccount_bounds_check" CHECK (
    "CreditAccount_in_bounds"(tableoid, "balance", "debt", "createdAt", "updatedAt")) NOT VALID;
DROP FUNCTION "CreditAccount_in_bounds"(bigint, bigint);
ALTER TABLE "CreditGrant"
  DROP CONSTRAINT "CreditGrant_bounds_check",
  ADD CONSTRAINT "CreditGrant_bounds_check" CHECK (
    "CreditGrant_in_bounds"(tableoid, "id", "amount", "remaining", "open", "priority", "createdAt", "expiresAt")) NOT VALID;
DROP FUNCTION "CreditGrant_in_bounds"(bigint, bigint, boolean);
ALTER TABLE "CreditHold" ADD CONSTRAINT "CreditHold_bounds_check" CHECK (
  "CreditHold_in_bounds"(tableoid, "id", "expiresAt", "settledAt")) NOT VALID;
ALTER TABLE "CreditTopUp" ADD CONSTRAINT "CreditTopUp_bounds_check" CHECK (
  "transactionId" > 0 AND isfinite("day") AND isfinite("createdAt")) NOT VALID;

-- A row of before that breaks its bounds does not stop the migration: it can be neither changed nor deleted. New rows
-- are held to the bounds all the same, and `reconcileCredits` reports the constraint and the row.
DO $$
DECLARE
  v record;
BEGIN
  FOR v IN
    SELECT c.conrelid::regclass AS table, c.conname FROM pg_constraint c
    WHERE c.connamespace = 'public'::regnamespace AND c.conname LIKE 'Credit%_bounds_check' AND NOT c.convalidated
  LOOP
    BEGIN
      EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', v.table, v.conname);
    EXCEPTION WHEN check_violation THEN
      RAISE WARNING '% has rows from before that break %: run "billing credits reconcile".', v.table, v.conname;
    END;
  END LOOP;
END $$;

-- In the order of what is added, each follows the one before it: id, balance and time, and no debt is below 0 after
-- any of them. What refers to a transaction never gives back more than that took, counted under the account's lock,
-- and nothing of a hold that is open.
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

-- Says what an account is, instead of asking from where the change comes: any trigger of anybody's can say that it is
-- one. After the change, so that nothing changes the row behind it.
DROP TRIGGER "CreditAccount_follows" ON "CreditAccount";
DROP TRIGGER "CreditAccount_begins_empty" ON "CreditAccount";
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
CREATE TRIGGER "CreditAccount_follows" AFTER UPDATE ON "CreditAccount"
  FOR EACH ROW EXECUTE FUNCTION "CreditAccount_follows"();
-- An account that began in the future would let no transaction follow, or let every lot lapse.
CREATE TRIGGER "CreditAccount_begins_empty" AFTER INSERT ON "CreditAccount"
  FOR EACH ROW WHEN (NEW."balance" <> 0 OR NEW."debt" <> 0 OR NEW."lastTransactionId" IS NOT NULL
    OR NEW."updatedAt" > now() + interval '1 minute')
  EXECUTE FUNCTION "CreditAccount_follows"();

-- A lot keeps what came, whose it is and when; only what remains of it, and until when, changes.
CREATE FUNCTION "CreditGrant_keeps_its_terms"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."CreditGrant"'::regclass THEN
    RAISE EXCEPTION 'CreditGrant_keeps_its_terms: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RAISE EXCEPTION 'CreditGrant_keeps_its_terms: a lot keeps its owner and amount, and is never deleted.'
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER "CreditGrant_keeps_its_terms" BEFORE UPDATE OF "id", "ownerId", "creditType", "amount", "createdAt"
  ON "CreditGrant" FOR EACH ROW EXECUTE FUNCTION "CreditGrant_keeps_its_terms"();
CREATE TRIGGER "CreditGrant_is_kept" BEFORE DELETE ON "CreditGrant"
  FOR EACH ROW EXECUTE FUNCTION "CreditGrant_keeps_its_terms"();
CREATE TRIGGER "CreditGrant_no_truncate" BEFORE TRUNCATE ON "CreditGrant"
  FOR EACH STATEMENT EXECUTE FUNCTION "CreditGrant_keeps_its_terms"();

-- A hold is of a deduction of its account and keeps no more than that took. It is settled and not deleted.
CREATE FUNCTION "CreditHold_fits"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
CREATE TRIGGER "CreditHold_fits" AFTER INSERT OR UPDATE ON "CreditHold"
  FOR EACH ROW EXECUTE FUNCTION "CreditHold_fits"();
CREATE CONSTRAINT TRIGGER "CreditHold_gives_back" AFTER INSERT OR UPDATE ON "CreditHold"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW."status" <> 'open') EXECUTE FUNCTION "CreditHold_fits"();
CREATE TRIGGER "CreditHold_is_kept" BEFORE DELETE ON "CreditHold"
  FOR EACH ROW WHEN (OLD."status" = 'open') EXECUTE FUNCTION "CreditHold_fits"();
CREATE TRIGGER "CreditHold_no_truncate" BEFORE TRUNCATE ON "CreditHold"
  FOR EACH STATEMENT EXECUTE FUNCTION "CreditHold_fits"();

-- The top-ups of a day are counted by their rows.
CREATE FUNCTION "CreditTopUp_is_kept"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."CreditTopUp"'::regclass THEN
    RAISE EXCEPTION 'CreditTopUp_is_kept: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RAISE EXCEPTION 'CreditTopUp_is_kept: a top-up that was begun is never changed or deleted.'
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER "CreditTopUp_is_kept" BEFORE UPDATE OR DELETE ON "CreditTopUp"
  FOR EACH ROW EXECUTE FUNCTION "CreditTopUp_is_kept"();
CREATE TRIGGER "CreditTopUp_no_truncate" BEFORE TRUNCATE ON "CreditTopUp"
  FOR EACH STATEMENT EXECUTE FUNCTION "CreditTopUp_is_kept"();

-- What is given back is held to the limit of an account, as what comes in is.
DO $migration$
DECLARE
  v_source constant text := pg_get_functiondef('"Credit_post"'::regproc);
  v_changed constant text := replace(v_source, $from$
      v_amount := p_amount + v_debt;
      v_left := v_amount;
$from$, $to$
      v_amount := p_amount + v_debt;
      IF v_balance + v_amount > v_limit THEN status := 'over_limit'; EXIT posting; END IF;
      v_left := v_amount;
$to$);
BEGIN
  IF v_changed = v_source THEN
    RAISE EXCEPTION 'Credit_post is not as the migration before left it.';
  END IF;
  EXECUTE v_changed;
END $migration$;

-- Captures so much of a hold (null: all of it, 0: releases it) and refunds the rest to the very lots. With
-- p_overdue only where its deadline has passed. Thresholds are by credit type. Status: posted, replayed, conflict
-- (settled otherwise), not_found, over_capture, not_due, over_limit (the account cannot hold the rest, and the hold
-- stays open).
CREATE OR REPLACE FUNCTION "Credit_settle"(
  p_hold bigint, p_captured bigint, p_overdue boolean DEFAULT false, p_thresholds jsonb DEFAULT NULL,
  p_now timestamptz DEFAULT NULL,
  OUT status text, OUT captured bigint, OUT balance bigint
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_limit constant bigint := 1000000000000000;
  v_hold "CreditHold";
  v_amount bigint;
  v_captured bigint;
  v_threshold bigint;
BEGIN
  SELECT * INTO v_hold FROM "CreditHold" h WHERE h."id" = p_hold;
  IF NOT FOUND THEN status := 'not_found'; RETURN; END IF;
  -- The account first, as everywhere, then the hold as it is now.
  SELECT a."balance" INTO balance FROM "CreditAccount" a
    WHERE a."ownerId" = v_hold."ownerId" AND a."creditType" = v_hold."creditType" FOR UPDATE;
  SELECT * INTO v_hold FROM "CreditHold" h WHERE h."id" = p_hold;
  SELECT -t."amount" INTO v_amount FROM "CreditTransaction" t WHERE t."id" = v_hold."transactionId";
  v_captured := coalesce(p_captured, v_amount);
  captured := v_captured;
  IF v_hold."status" <> 'open' THEN
    status := CASE WHEN v_hold."captured" = v_captured THEN 'replayed' ELSE 'conflict' END;
    RETURN;
  END IF;
  IF v_captured > v_amount THEN status := 'over_capture'; RETURN; END IF;
  IF p_overdue AND v_hold."expiresAt" > clock_timestamp() THEN status := 'not_due'; RETURN; END IF;
  v_threshold := (p_thresholds ->> v_hold."creditType")::bigint;
  IF v_captured < v_amount AND balance + v_amount - v_captured > v_limit THEN
    -- What has lapsed makes room.
    SELECT p."balance" INTO balance FROM "Credit_post"(v_hold."ownerId", v_hold."creditType", 'expiry', 0,
      'ledger:expiry:' || gen_random_uuid(), '', p_threshold => v_threshold, p_now => p_now) p;
    IF balance + v_amount - v_captured > v_limit THEN status := 'over_limit'; RETURN; END IF;
  END IF;
  UPDATE "CreditHold" h
    SET "status" = CASE WHEN v_captured = 0 THEN 'released' ELSE 'captured' END,
      "captured" = v_captured, "settledAt" = clock_timestamp()
    WHERE h."id" = p_hold;
  status := 'posted';
  IF v_captured < v_amount THEN
    SELECT p."status", p."balance" INTO status, balance FROM "Credit_post"(
      v_hold."ownerId", v_hold."creditType", 'refund', v_amount - v_captured, 'ledger:hold:' || p_hold,
      CASE WHEN p_overdue THEN 'hold overdue' ELSE 'hold settled' END,
      p_refund_of => v_hold."transactionId", p_threshold => v_threshold, p_now => p_now) p;
    IF status <> 'posted' THEN
      RAISE EXCEPTION 'Credit_settle: hold % could not be settled: %.', p_hold, status
        USING ERRCODE = 'data_corrupted';
    END IF;
  END IF;
END $$;
