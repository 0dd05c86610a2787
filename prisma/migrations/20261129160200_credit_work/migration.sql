-- Lets work that is paid by a hold run once per key, in whichever process, and tells the calls that wait what came of it.

SELECT set_config('tollgate.system', 'on', true);

-- CreateTable
CREATE TABLE "CreditWork" (
    "ownerId" TEXT NOT NULL,
    "idempotencyKey" TEXT NOT NULL,
    "creditType" TEXT NOT NULL,
    "amount" BIGINT NOT NULL,
    "holdId" BIGINT NOT NULL,
    "attempt" INTEGER NOT NULL,
    "turn" INTEGER NOT NULL DEFAULT 1,
    "worker" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'working',
    "outcome" TEXT,
    "finishedAt" TIMESTAMPTZ(6),

    CONSTRAINT "CreditWork_pkey" PRIMARY KEY ("ownerId","idempotencyKey")
);

-- CreateIndex
CREATE UNIQUE INDEX "CreditWork_holdId_key" ON "CreditWork"("holdId");

-- AddForeignKey
ALTER TABLE "CreditWork" ADD CONSTRAINT "CreditWork_holdId_fkey" FOREIGN KEY ("holdId") REFERENCES "CreditHold"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

ALTER TABLE "CreditWork" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "CreditWork" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "CreditWork" FOR SELECT USING ("ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "CreditWork" ADD CONSTRAINT "CreditWork_status_check" CHECK (
  CASE "status"
    WHEN 'working' THEN "outcome" IS NULL AND "finishedAt" IS NULL
    WHEN 'done' THEN isfinite("finishedAt")
    WHEN 'failed' THEN isfinite("finishedAt")
    ELSE false
  END IS TRUE);

-- Begins the work under p_key, or says why not. The hold is the lease: work whose hold is open and not overdue is under
-- way, and may only be taken over by the worker that began it, which knows that it stopped. A call that began before
-- the work ended is answered with its outcome; p_began is when, in milliseconds of this database's clock.
-- Status: begun, working, done and failed (with the outcome), settled (the work was done before), conflict,
-- insufficient, over_limit (a hold that is overdue cannot be given back).
-- The first hold is made under p_key itself, so that the key means nothing else; later ones under keys of the ledger.
CREATE FUNCTION "Credit_begin_work"(
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

-- Settles the hold of work that ended, and writes down what came of it, in one transaction. Status: as "Credit_settle",
-- with conflict where the work was taken over meanwhile.
CREATE FUNCTION "Credit_end_work"(
  p_hold bigint, p_turn int, p_captured bigint, p_failed boolean, p_outcome text,
  p_thresholds jsonb DEFAULT NULL, p_now timestamptz DEFAULT NULL,
  OUT status text, OUT captured bigint, OUT balance bigint, OUT clock float8
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_hold "CreditHold";
BEGIN
  SELECT * INTO v_hold FROM "CreditHold" h WHERE h."id" = p_hold;
  PERFORM FROM "CreditAccount" a
    WHERE a."ownerId" = v_hold."ownerId" AND a."creditType" = v_hold."creditType" FOR UPDATE;
  PERFORM FROM "CreditWork" w WHERE w."holdId" = p_hold AND w."turn" = p_turn;
  IF NOT FOUND THEN status := 'conflict'; RETURN; END IF;
  SELECT s."status", s."captured", s."balance" INTO status, captured, balance
    FROM "Credit_settle"(p_hold, p_captured, false, p_thresholds, p_now) s;
  IF status IN ('posted', 'replayed') THEN
    UPDATE "CreditWork" w SET "status" = CASE WHEN p_failed THEN 'failed' ELSE 'done' END,
        "outcome" = p_outcome, "finishedAt" = clock_timestamp()
      WHERE w."holdId" = p_hold;
  END IF;
  clock := extract(epoch FROM clock_timestamp()) * 1000;
END $$;
