-- Settles the hold of work that ended and stores the work's outcome, in one transaction. Status: as "Credit_settle", and
-- conflict if another worker took the work over meanwhile.
CREATE OR REPLACE FUNCTION "Credit_end_work"(
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
