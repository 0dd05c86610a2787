-- Makes one change of an account, or returns why it was refused. Positive amounts add credits, negative amounts take
-- credits.
--   purchase, grant, adjustment > 0   make a new lot, with p_expires_at and p_priority. With p_series the lot replaces
--                                     the open lots of that series: p_rollover of their credits are carried over and
--                                     lapse with the new lot, and the rest lapses now.
--   deduction, adjustment < 0         take from lots. With p_hold_seconds the deduction is a hold. With p_owing, the
--                                     credits that are missing become debt. The lot of p_purchase_key is spent first.
--   refund                            gives back to the lots of the deduction p_refund_of. Without p_refund_of it is the
--                                     newest deduction with so much left, among the last 10,000 transactions only,
--                                     because the account is locked during the search.
--   adjustment with p_refund_of       reverses an adjustment: lowers the debt that it made, then gives back its credits.
--   expiry                            only takes out lapsed credits, which every other call does first.
-- Status: posted, replayed (the key was used before with the same facts), conflict (with other facts),
-- insufficient, not_found, hold_open, over_refund, nothing_to_refund, over_limit, expired.
-- Credits that are added to an account with debt pay the debt at once, by an adjustment of their own.
-- If the balance falls below p_threshold, a job is queued, in the transaction of the change. The crossing is seen under
-- the lock, so it queues one job.
CREATE OR REPLACE FUNCTION "Credit_post"(
  p_owner text, p_credit_type text, p_type text, p_amount bigint, p_key text, p_description text,
  p_actor text DEFAULT NULL, p_expires_at timestamptz DEFAULT NULL, p_priority int DEFAULT NULL,
  p_refund_of bigint DEFAULT NULL, p_owing boolean DEFAULT false, p_purchase_key text DEFAULT NULL,
  p_hold_seconds int DEFAULT NULL, p_threshold bigint DEFAULT NULL, p_now timestamptz DEFAULT NULL,
  p_series text DEFAULT NULL, p_rollover bigint DEFAULT NULL,
  OUT status text, OUT id bigint, OUT balance bigint, OUT amount bigint, OUT debt bigint,
  OUT hold_id bigint, OUT hold_status text
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_limit constant bigint := 1000000000000000;
  v_newest constant int := 10000;
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

  -- 2. Read the clock now, so that time follows the order of the changes. Where it ran back, the account's
  -- stands still.
  v_now := greatest(
    date_trunc('milliseconds', coalesce(p_now, clock_timestamp())), v_account."updatedAt");

  -- 3. What nearly every call is: a deduction that the lot in turn covers. It is appended unless its key has
  -- been here.
  IF p_type = 'deduction' AND p_hold_seconds IS NULL THEN
    SELECT * INTO v_lot FROM "Credit_lot_in_turn"(p_owner, p_credit_type, v_now);
    v_balance := v_account."balance" + p_amount;
    IF v_lot."remaining" > -p_amount AND NOT v_lot."lapses"
      AND (v_account."balance" >= p_threshold AND v_balance < p_threshold) IS NOT TRUE
    THEN
      INSERT INTO "CreditTransaction" ("ownerId", "creditType", "type", "amount", "balanceAfter",
          "idempotencyKey", "lots", "description", "actor", "createdAt")
        VALUES (p_owner, p_credit_type, p_type, p_amount, v_balance,
          p_key, jsonb_build_array(jsonb_build_array(v_lot."id", p_amount)), p_description, p_actor, v_now)
        ON CONFLICT ("ownerId", "idempotencyKey") DO NOTHING
        RETURNING "CreditTransaction"."id" INTO id;
      IF FOUND THEN
        UPDATE "CreditGrant" g SET "remaining" = v_lot."remaining" + p_amount WHERE g."id" = v_lot."id";
        status := 'posted'; balance := v_balance; amount := p_amount; debt := 0;
        RETURN;
      END IF;
    END IF;
  END IF;

  -- 4. Look the key up: whoever was here before has committed.
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

  -- 5. What has lapsed goes first.
  v_balance := v_account."balance";
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

    -- 6. Check, then take from lots, give back to lots, or make one.
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
        SELECT t."id" INTO v_refund_of FROM (
            SELECT n."id", n."type", n."amount" FROM "CreditTransaction" n
            WHERE n."ownerId" = p_owner AND n."creditType" = p_credit_type
            ORDER BY n."id" DESC LIMIT v_newest) t
          WHERE t."type" = 'deduction' AND t."amount" <= -p_amount
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
      IF v_balance + v_amount > v_limit THEN status := 'over_limit'; EXIT posting; END IF;
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

    -- 7. Append; the insert moves the account's balance and debt.
    v_balance := v_balance + v_amount;
    INSERT INTO "CreditTransaction" ("ownerId", "creditType", "type", "amount", "balanceAfter", "debt",
        "idempotencyKey", "refundOf", "lots", "expiresAt", "priority", "description", "actor", "createdAt", "held")
      VALUES (p_owner, p_credit_type, p_type, v_amount, v_balance, v_debt,
        p_key, v_refund_of, v_lots, p_expires_at, p_priority, p_description, p_actor, v_now,
        p_hold_seconds IS NOT NULL)
      RETURNING "CreditTransaction"."id" INTO v_last;
    id := v_last; amount := v_amount; debt := v_debt;

    IF p_hold_seconds IS NOT NULL THEN
      INSERT INTO "CreditHold" ("ownerId", "creditType", "transactionId", "expiresAt")
        VALUES (p_owner, p_credit_type, id, clock_timestamp() + make_interval(secs => p_hold_seconds))
        RETURNING "CreditHold"."id" INTO hold_id;
      hold_status := 'open';
    END IF;

    -- 8. What came in pays what is owed.
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
