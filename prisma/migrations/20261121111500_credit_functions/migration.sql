-- The one writer of the ledger, as functions: one round trip for each change, whatever it takes.

SELECT set_config('tollgate.system', 'on', true);

-- Takes credits out of the open lots: `p_first` if it is given, then by priority, soonest expiry, age.
-- Returns what it took as `[[grant id, -amount], …]`. The account is locked by the caller.
CREATE FUNCTION "Credit_burn"(
  p_owner text, p_credit_type text, p_amount bigint, p_first bigint DEFAULT NULL
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_lot record;
  v_left bigint := p_amount;
  v_took bigint;
  v_lots jsonb := '[]';
BEGIN
  IF p_first IS NOT NULL AND v_left > 0 THEN
    SELECT g."id", g."remaining" INTO v_lot FROM "CreditGrant" g WHERE g."id" = p_first AND g."open";
    IF FOUND THEN
      v_took := least(v_lot."remaining", v_left);
      UPDATE "CreditGrant" g SET "remaining" = v_lot."remaining" - v_took, "open" = v_lot."remaining" > v_took
        WHERE g."id" = v_lot."id";
      v_left := v_left - v_took;
      v_lots := jsonb_build_array(jsonb_build_array(v_lot."id", -v_took));
    END IF;
  END IF;
  IF v_left > 0 THEN
    FOR v_lot IN
      SELECT g."id", g."remaining" FROM "CreditGrant" g
      WHERE g."ownerId" = p_owner AND g."creditType" = p_credit_type AND g."open"
      ORDER BY g."priority", g."expiresAt" NULLS LAST, g."id"
    LOOP
      v_took := least(v_lot."remaining", v_left);
      UPDATE "CreditGrant" g SET "remaining" = v_lot."remaining" - v_took, "open" = v_lot."remaining" > v_took
        WHERE g."id" = v_lot."id";
      v_left := v_left - v_took;
      v_lots := v_lots || jsonb_build_array(jsonb_build_array(v_lot."id", -v_took));
      EXIT WHEN v_left = 0;
    END LOOP;
  END IF;
  IF v_left <> 0 THEN
    RAISE EXCEPTION 'Credit_burn: the lots do not cover the balance.' USING ERRCODE = 'data_corrupted';
  END IF;
  RETURN v_lots;
END $$;

-- Makes one change, or says why not. Positive amounts come in, negative ones go out.
--   purchase, grant, adjustment > 0   a new lot, with p_expires_at and p_priority; with p_series it takes the
--                                     place of the open lots of that name, of which p_rollover are carried
--                                     over, to lapse with it, and the rest lapses
--   deduction, adjustment < 0         burns lots; with p_hold_seconds it is a hold; with p_owing what is
--                                     not there becomes debt, and the lot of p_purchase_key is burnt first
--   refund                            gives back to the lots of the deduction p_refund_of, or of the newest
--                                     that has so much left
--   adjustment with p_refund_of       takes an adjustment back: lowers the debt that made, then gives back
--   expiry                            only takes out what has lapsed, as every call does first
-- Status: posted, replayed (the key has been here with the same facts), conflict (with others),
-- insufficient, not_found, hold_open, over_refund, nothing_to_refund, over_limit, expired.
-- What comes in while there is debt pays it at once, by an adjustment of its own.
-- Where the balance falls below p_threshold, a job is added that says so: once, because that is seen under
-- the lock, and with the change or not at all.
CREATE FUNCTION "Credit_post"(
  p_owner text, p_credit_type text, p_type text, p_amount bigint, p_key text, p_description text,
  p_actor text DEFAULT NULL, p_expires_at timestamptz DEFAULT NULL, p_priority int DEFAULT NULL,
  p_refund_of bigint DEFAULT NULL, p_owing boolean DEFAULT false, p_purchase_key text DEFAULT NULL,
  p_hold_seconds int DEFAULT NULL, p_threshold bigint DEFAULT NULL, p_now timestamptz DEFAULT NULL,
  p_series text DEFAULT NULL, p_rollover bigint DEFAULT NULL,
  OUT status text, OUT id bigint, OUT balance bigint, OUT amount bigint, OUT debt bigint,
  OUT hold_id bigint, OUT hold_status text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_limit constant bigint := 1000000000000000;
  v_account "CreditAccount";
  v_past "CreditTransaction";
  v_lot record;
  v_lots jsonb := '[]';
  v_now timestamptz;
  v_balance bigint;
  v_amount bigint := p_amount;
  v_debt bigint := 0;
  v_refund_of bigint := p_refund_of;
  v_left bigint;
  v_skip bigint;
  v_part bigint;
  v_last bigint;
BEGIN
  -- 1. Lock the account: from here on this is the only change under way.
  SELECT * INTO v_account FROM "CreditAccount" a
    WHERE a."ownerId" = p_owner AND a."creditType" = p_credit_type FOR UPDATE;
  IF NOT FOUND AND (p_amount > 0 AND p_type IN ('purchase', 'grant', 'adjustment') OR p_owing) THEN
    INSERT INTO "CreditAccount" ("ownerId", "creditType", "createdAt", "updatedAt")
      VALUES (p_owner, p_credit_type, coalesce(p_now, clock_timestamp()), to_timestamp(0))
      ON CONFLICT DO NOTHING;
    SELECT * INTO v_account FROM "CreditAccount" a
      WHERE a."ownerId" = p_owner AND a."creditType" = p_credit_type FOR UPDATE;
  END IF;

  -- 2. Look the key up: whoever was here before has committed.
  SELECT * INTO v_past FROM "CreditTransaction" t
    WHERE t."ownerId" = p_owner AND t."idempotencyKey" = p_key;
  IF FOUND THEN
    id := v_past."id"; amount := v_past."amount"; debt := v_past."debt";
    SELECT h."id", h."status" INTO hold_id, hold_status FROM "CreditHold" h
      WHERE h."transactionId" = v_past."id";
    -- What it paid of a debt belongs to its result.
    SELECT t."balanceAfter" INTO balance FROM "CreditTransaction" t
      WHERE t."ownerId" = p_owner AND t."idempotencyKey" = 'ledger:debt:' || v_past."id";
    balance := coalesce(balance, v_past."balanceAfter");
    status := CASE WHEN v_past."creditType" = p_credit_type AND v_past."type" = p_type
        AND v_past."amount" - v_past."debt" = p_amount
        AND (v_past."refundOf" IS NOT DISTINCT FROM p_refund_of OR p_type = 'refund' AND p_refund_of IS NULL)
        AND v_past."expiresAt" IS NOT DISTINCT FROM p_expires_at
        AND v_past."priority" IS NOT DISTINCT FROM p_priority
        AND (hold_id IS NULL) = (p_hold_seconds IS NULL)
      THEN 'replayed' ELSE 'conflict' END;
    RETURN;
  END IF;

  IF v_account."ownerId" IS NULL THEN
    status := CASE p_type WHEN 'deduction' THEN 'insufficient' WHEN 'adjustment' THEN 'insufficient'
      WHEN 'expiry' THEN 'posted' ELSE 'not_found' END;
    IF p_type = 'refund' AND p_refund_of IS NULL THEN status := 'nothing_to_refund'; END IF;
    balance := 0;
    RETURN;
  END IF;

  -- 3. Read the clock now, so that time follows the order of the changes. Where it ran back, the account's
  -- stands still.
  v_now := greatest(
    date_trunc('milliseconds', coalesce(p_now, clock_timestamp())), v_account."updatedAt");
  v_balance := v_account."balance";

  -- 4. What has lapsed goes first.
  FOR v_lot IN
    SELECT g."id", g."remaining" FROM "CreditGrant" g
    WHERE g."ownerId" = p_owner AND g."creditType" = p_credit_type AND g."open" AND g."expiresAt" <= v_now
    ORDER BY g."expiresAt", g."id"
  LOOP
    v_balance := v_balance - v_lot."remaining";
    UPDATE "CreditGrant" g SET "remaining" = 0, "open" = false WHERE g."id" = v_lot."id";
    INSERT INTO "CreditTransaction" ("ownerId", "creditType", "type", "amount", "balanceAfter",
        "idempotencyKey", "lots", "description", "createdAt")
      VALUES (p_owner, p_credit_type, 'expiry', -v_lot."remaining", v_balance,
        'ledger:expiry:' || gen_random_uuid(),
        jsonb_build_array(jsonb_build_array(v_lot."id", -v_lot."remaining")), 'expired', v_now)
      RETURNING "CreditTransaction"."id" INTO v_last;
  END LOOP;

  <<posting>>
  BEGIN
    status := 'posted';
    EXIT posting WHEN p_type = 'expiry';

    -- 5. Check, then take from lots, give back to lots, or make one.
    IF p_amount < 0 THEN
      IF v_balance + p_amount < 0 THEN
        IF NOT p_owing THEN status := 'insufficient'; EXIT posting; END IF;
        v_amount := -v_balance;
        v_debt := v_amount - p_amount;
        IF v_account."debt" + v_debt > v_limit THEN status := 'over_limit'; EXIT posting; END IF;
      END IF;
      IF p_purchase_key IS NOT NULL THEN
        SELECT (t."lots" -> 0 ->> 0)::bigint INTO v_part FROM "CreditTransaction" t
          WHERE t."ownerId" = p_owner AND t."creditType" = p_credit_type
            AND t."idempotencyKey" = p_purchase_key AND t."type" IN ('purchase', 'grant');
      END IF;
      v_lots := "Credit_burn"(p_owner, p_credit_type, -v_amount, v_part);

    ELSIF p_type = 'refund' OR p_refund_of IS NOT NULL THEN
      IF p_refund_of IS NULL THEN
        SELECT t."id" INTO v_refund_of FROM "CreditTransaction" t
          WHERE t."ownerId" = p_owner AND t."creditType" = p_credit_type
            AND t."type" = 'deduction' AND t."amount" <= -p_amount
            AND NOT EXISTS (
              SELECT FROM "CreditHold" h WHERE h."transactionId" = t."id" AND h."status" = 'open')
            AND -t."amount" - p_amount >= (
              SELECT coalesce(sum(r."amount"), 0) FROM "CreditTransaction" r WHERE r."refundOf" = t."id")
          ORDER BY t."id" DESC LIMIT 1;
        IF NOT FOUND THEN status := 'nothing_to_refund'; EXIT posting; END IF;
      END IF;
      SELECT * INTO v_past FROM "CreditTransaction" t
        WHERE t."id" = v_refund_of AND t."ownerId" = p_owner AND t."creditType" = p_credit_type
          AND t."type" = CASE p_type WHEN 'refund' THEN 'deduction' ELSE 'adjustment' END;
      IF NOT FOUND THEN status := 'not_found'; EXIT posting; END IF;
      IF EXISTS (SELECT FROM "CreditHold" h WHERE h."transactionId" = v_refund_of AND h."status" = 'open') THEN
        status := 'hold_open'; EXIT posting;
      END IF;
      SELECT coalesce(sum(t."amount"), 0), coalesce(sum(t."amount" - t."debt"), 0) INTO v_skip, v_part
        FROM "CreditTransaction" t WHERE t."refundOf" = v_refund_of;
      IF v_part + p_amount > v_past."debt" - v_past."amount" THEN
        status := 'over_refund'; EXIT posting;
      END IF;
      v_debt := -least(v_account."debt", v_past."debt", p_amount);
      v_amount := p_amount + v_debt;
      v_left := v_amount;
      -- The lot that was burnt last is the first to get back. One that has lapsed lives seven days more.
      FOR v_lot IN
        SELECT (e ->> 0)::bigint AS "id", -(e ->> 1)::bigint AS "amount"
        FROM jsonb_array_elements(v_past."lots") WITH ORDINALITY AS q(e, o) ORDER BY o DESC
      LOOP
        EXIT WHEN v_left = 0;
        v_part := least(greatest(v_lot."amount" - v_skip, 0), v_left);
        v_skip := greatest(v_skip - v_lot."amount", 0);
        CONTINUE WHEN v_part = 0;
        UPDATE "CreditGrant" g SET "remaining" = g."remaining" + v_part, "open" = true,
          "expiresAt" = CASE WHEN g."expiresAt" <= v_now THEN v_now + interval '168 hours' ELSE g."expiresAt" END
          WHERE g."id" = v_lot."id";
        v_left := v_left - v_part;
        v_lots := v_lots || jsonb_build_array(jsonb_build_array(v_lot."id", v_part));
      END LOOP;
      -- Debt that has been paid since was paid with other lots; what it took comes back as one.
      IF v_left > 0 THEN
        INSERT INTO "CreditGrant" ("ownerId", "creditType", "amount", "remaining", "priority", "createdAt")
          VALUES (p_owner, p_credit_type, v_left, v_left, 50, v_now)
          RETURNING "CreditGrant"."id" INTO v_part;
        v_lots := v_lots || jsonb_build_array(jsonb_build_array(v_part, v_left));
      END IF;

    ELSE
      IF v_balance + p_amount > v_limit THEN status := 'over_limit'; EXIT posting; END IF;
      IF p_expires_at <= v_now THEN status := 'expired'; EXIT posting; END IF;
      IF p_series IS NOT NULL THEN
        v_left := p_rollover;
        FOR v_lot IN
          SELECT g."id", g."remaining" FROM "CreditGrant" g
          WHERE g."ownerId" = p_owner AND g."creditType" = p_credit_type AND g."open" AND g."series" = p_series
          ORDER BY g."id" DESC
        LOOP
          v_part := least(v_lot."remaining", v_left);
          v_left := v_left - v_part;
          UPDATE "CreditGrant" g
            SET "remaining" = v_part, "open" = v_part > 0, "expiresAt" = greatest(g."expiresAt", p_expires_at)
            WHERE g."id" = v_lot."id";
          CONTINUE WHEN v_part = v_lot."remaining";
          v_part := v_lot."remaining" - v_part;
          v_balance := v_balance - v_part;
          INSERT INTO "CreditTransaction" ("ownerId", "creditType", "type", "amount", "balanceAfter",
              "idempotencyKey", "lots", "description", "createdAt")
            VALUES (p_owner, p_credit_type, 'expiry', -v_part, v_balance,
              'ledger:expiry:' || gen_random_uuid(),
              jsonb_build_array(jsonb_build_array(v_lot."id", -v_part)), 'not rolled over', v_now)
            RETURNING "CreditTransaction"."id" INTO v_last;
        END LOOP;
      END IF;
      INSERT INTO "CreditGrant" ("ownerId", "creditType", "amount", "remaining", "priority", "expiresAt",
          "series", "createdAt")
        VALUES (p_owner, p_credit_type, p_amount, p_amount, p_priority, p_expires_at, p_series, v_now)
        RETURNING "CreditGrant"."id" INTO v_part;
      v_lots := jsonb_build_array(jsonb_build_array(v_part, p_amount));
    END IF;

    -- 6. Append; the insert moves the account's balance and debt.
    v_balance := v_balance + v_amount;
    INSERT INTO "CreditTransaction" ("ownerId", "creditType", "type", "amount", "balanceAfter", "debt",
        "idempotencyKey", "refundOf", "lots", "expiresAt", "priority", "description", "actor", "createdAt")
      VALUES (p_owner, p_credit_type, p_type, v_amount, v_balance, v_debt,
        p_key, v_refund_of, v_lots, p_expires_at, p_priority, p_description, p_actor, v_now)
      RETURNING "CreditTransaction"."id" INTO v_last;
    id := v_last; amount := v_amount; debt := v_debt;

    IF p_hold_seconds IS NOT NULL THEN
      INSERT INTO "CreditHold" ("ownerId", "creditType", "transactionId", "expiresAt")
        VALUES (p_owner, p_credit_type, id, clock_timestamp() + make_interval(secs => p_hold_seconds))
        RETURNING "CreditHold"."id" INTO hold_id;
      hold_status := 'open';
    END IF;

    -- 7. What came in pays what is owed.
    v_part := least(v_balance, v_account."debt" + v_debt);
    IF v_amount > 0 AND v_part > 0 THEN
      v_balance := v_balance - v_part;
      INSERT INTO "CreditTransaction" ("ownerId", "creditType", "type", "amount", "balanceAfter", "debt",
          "idempotencyKey", "lots", "description", "createdAt")
        VALUES (p_owner, p_credit_type, 'adjustment', -v_part, v_balance, -v_part,
          'ledger:debt:' || id, "Credit_burn"(p_owner, p_credit_type, v_part), 'debt paid', v_now)
        RETURNING "CreditTransaction"."id" INTO v_last;
    END IF;
  END;

  balance := v_balance;
  IF v_account."balance" >= p_threshold AND v_balance < p_threshold THEN
    PERFORM graphile_worker.add_job(identifier => 'billing.lowBalance', payload => json_build_object(
      'ownerId', p_owner, 'creditType', p_credit_type, 'transactionId', v_last::text,
      'balance', v_balance, 'threshold', p_threshold));
  END IF;
END $$;

-- Captures so much of a hold (null: all of it, 0: releases it) and refunds the rest to the very lots. With
-- p_overdue only where its deadline has passed. Thresholds are by credit type. Status: posted, replayed, conflict (settled otherwise),
-- not_found, over_capture, not_due.
CREATE FUNCTION "Credit_settle"(
  p_hold bigint, p_captured bigint, p_overdue boolean DEFAULT false, p_thresholds jsonb DEFAULT NULL,
  p_now timestamptz DEFAULT NULL,
  OUT status text, OUT captured bigint, OUT balance bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_hold "CreditHold";
  v_amount bigint;
  v_captured bigint;
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
  UPDATE "CreditHold" h
    SET "status" = CASE WHEN v_captured = 0 THEN 'released' ELSE 'captured' END,
      "captured" = v_captured, "settledAt" = clock_timestamp()
    WHERE h."id" = p_hold;
  status := 'posted';
  IF v_captured < v_amount THEN
    SELECT p."status", p."balance" INTO status, balance FROM "Credit_post"(
      v_hold."ownerId", v_hold."creditType", 'refund', v_amount - v_captured, 'ledger:hold:' || p_hold,
      CASE WHEN p_overdue THEN 'hold overdue' ELSE 'hold settled' END,
      p_refund_of => v_hold."transactionId",
      p_threshold => (p_thresholds ->> v_hold."creditType")::bigint, p_now => p_now) p;
    IF status <> 'posted' THEN
      RAISE EXCEPTION 'Credit_settle: hold % could not be settled: %.', p_hold, status
        USING ERRCODE = 'data_corrupted';
    END IF;
  END IF;
END $$;

-- Takes the adjustment under the key p_of back: lowers the debt it made, then gives back what it took.
CREATE FUNCTION "Credit_restore"(
  p_owner text, p_credit_type text, p_of text, p_key text, p_description text,
  p_actor text DEFAULT NULL, p_threshold bigint DEFAULT NULL, p_now timestamptz DEFAULT NULL,
  OUT status text, OUT id bigint, OUT balance bigint, OUT amount bigint, OUT debt bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_past "CreditTransaction";
BEGIN
  PERFORM FROM "CreditAccount" a
    WHERE a."ownerId" = p_owner AND a."creditType" = p_credit_type FOR UPDATE;
  SELECT * INTO v_past FROM "CreditTransaction" t
    WHERE t."ownerId" = p_owner AND t."creditType" = p_credit_type AND t."idempotencyKey" = p_of
      AND t."type" = 'adjustment' AND t."amount" < t."debt";
  IF NOT FOUND THEN status := 'not_found'; RETURN; END IF;
  SELECT p."status", p."id", p."balance", p."amount", p."debt" INTO status, id, balance, amount, debt
    FROM "Credit_post"(p_owner, p_credit_type, 'adjustment', v_past."debt" - v_past."amount", p_key,
      p_description, p_actor => p_actor, p_refund_of => v_past."id", p_threshold => p_threshold,
      p_now => p_now) p;
END $$;

-- Whether an automatic top-up may begin because of this transaction: `claimed`, `replayed` (it has begun),
-- `limit_reached`.
CREATE FUNCTION "Credit_claim_top_up"(
  p_owner text, p_credit_type text, p_transaction bigint, p_per_day int, p_now timestamptz DEFAULT NULL
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_day date := (coalesce(p_now, clock_timestamp()) AT TIME ZONE 'UTC')::date;
  v_number int;
BEGIN
  PERFORM FROM "CreditAccount" a
    WHERE a."ownerId" = p_owner AND a."creditType" = p_credit_type FOR UPDATE;
  PERFORM FROM "CreditTopUp" u WHERE u."transactionId" = p_transaction;
  IF FOUND THEN RETURN 'replayed'; END IF;
  SELECT coalesce(max(u."number"), 0) + 1 INTO v_number FROM "CreditTopUp" u
    WHERE u."ownerId" = p_owner AND u."creditType" = p_credit_type AND u."day" = v_day;
  IF v_number > p_per_day THEN RETURN 'limit_reached'; END IF;
  INSERT INTO "CreditTopUp" ("transactionId", "ownerId", "creditType", "day", "number")
    VALUES (p_transaction, p_owner, p_credit_type, v_day, v_number);
  RETURN 'claimed';
END $$;
