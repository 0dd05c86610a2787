-- Begins the work under p_key, or returns why it cannot begin. The hold is the lease: while a hold is open and not
-- overdue, its work is under way, and only the worker that began it may begin it again, because that worker knows that
-- it stopped. A call that began before the work ended gets the work's outcome; p_began is the time of the call, in
-- milliseconds of this database's clock.
-- Status: begun, working, done and failed (with the outcome), settled (the work was done before this call began),
-- conflict, insufficient, over_limit (an overdue hold cannot be given back).
-- The first hold is made under p_key itself, so that the key can mean nothing else; later holds have keys of the ledger.
CREATE OR REPLACE FUNCTION "Credit_begin_work"(
  p_owner text, p_credit_type text, p_amount bigint, p_key text, p_description text, p_hold_seconds int,
  p_worker text, p_began float8, p_thresholds jsonb DEFAULT NULL, p_now timestamptz DEFAULT NULL,
  OUT status text, OUT hold_id bigint, OUT turn int, OUT balance bigint, OUT outcome text, OUT clock float8
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_work "CreditWork";
  v_hold "CreditHold";
  v_post record;
  v_attempt int;
BEGIN
  PERFORM FROM "CreditAccount" a
    WHERE a."ownerId" = p_owner AND a."creditType" = p_credit_type FOR UPDATE;
  clock := extract(epoch FROM clock_timestamp()) * 1000;
  SELECT * INTO v_work FROM "CreditWork" w WHERE w."ownerId" = p_owner AND w."idempotencyKey" = p_key;
  IF FOUND THEN
    IF v_work."creditType" <> p_credit_type OR v_work."amount" <> p_amount THEN status := 'conflict'; RETURN; END IF;
    IF v_work."status" = 'working' THEN
      SELECT * INTO v_hold FROM "CreditHold" h WHERE h."id" = v_work."holdId";
      IF v_hold."status" = 'captured' THEN status := 'settled'; RETURN; END IF;
      IF v_hold."status" = 'open' AND v_work."worker" = p_worker THEN
        UPDATE "CreditHold" h SET "expiresAt" = clock_timestamp() + make_interval(secs => p_hold_seconds)
          WHERE h."id" = v_work."holdId";
        UPDATE "CreditWork" w SET "turn" = w."turn" + 1 WHERE w."holdId" = v_work."holdId"
          RETURNING w."turn" INTO turn;
        status := 'begun'; hold_id := v_work."holdId";
        RETURN;
      END IF;
      IF v_hold."status" = 'open' AND v_hold."expiresAt" > clock_timestamp() THEN status := 'working'; RETURN; END IF;
      IF v_hold."status" = 'open' THEN
        SELECT s."status" INTO status FROM "Credit_settle"(v_work."holdId", 0, true, p_thresholds, p_now) s;
        IF status = 'over_limit' THEN RETURN; END IF;
      END IF;
    ELSIF v_work."finishedAt" >= to_timestamp(p_began / 1000) THEN
      status := v_work."status"; outcome := v_work."outcome";
      RETURN;
    ELSIF v_work."status" = 'done' THEN
      status := 'settled';
      RETURN;
    END IF;
  END IF;

  v_attempt := coalesce(v_work."attempt", 0);
  LOOP
    v_attempt := v_attempt + 1;
    SELECT p.* INTO v_post FROM "Credit_post"(p_owner, p_credit_type, 'deduction', -p_amount,
      CASE v_attempt WHEN 1 THEN p_key ELSE 'ledger:work:' || v_attempt || ':' || p_key END, p_description,
      p_hold_seconds => p_hold_seconds, p_threshold => (p_thresholds ->> p_credit_type)::bigint, p_now => p_now) p;
    EXIT WHEN v_post."status" = 'posted';
    CONTINUE WHEN v_post."status" = 'replayed' AND v_post."hold_status" = 'released';
    status := CASE WHEN v_post."status" <> 'replayed' THEN v_post."status"
      WHEN v_post."hold_status" = 'captured' THEN 'settled' ELSE 'conflict' END;
    balance := v_post."balance";
    RETURN;
  END LOOP;
  INSERT INTO "CreditWork" ("ownerId", "idempotencyKey", "creditType", "amount", "holdId", "attempt", "worker")
    VALUES (p_owner, p_key, p_credit_type, p_amount, v_post."hold_id", v_attempt, p_worker)
    ON CONFLICT ("ownerId", "idempotencyKey") DO UPDATE SET "holdId" = excluded."holdId",
      "attempt" = excluded."attempt", "worker" = excluded."worker", "turn" = "CreditWork"."turn" + 1,
      "status" = 'working', "outcome" = NULL, "finishedAt" = NULL
    RETURNING "CreditWork"."turn" INTO turn;
  status := 'begun'; hold_id := v_post."hold_id"; balance := v_post."balance";
END $$;
