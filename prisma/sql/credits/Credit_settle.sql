-- Captures p_captured credits of a hold (null: all, 0: none, which releases the hold) and refunds the rest to the lots
-- that it came from. With p_overdue, only a hold whose deadline has passed is settled. p_thresholds are by credit type.
-- Status: posted, replayed, conflict (it was settled with another amount), not_found, over_capture, not_due, over_limit
-- (the account cannot take the rest, and the hold stays open).
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
