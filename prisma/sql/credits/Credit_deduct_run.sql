-- Makes the deductions p_changes from one account in one statement, ordered by `number`, with the result that
-- "Credit_post" would have one after the other. That works if all are plain and the next lot covers them. In every
-- other case (a key was used before or comes twice, a lot lapses or is used up, a threshold is crossed, a hold) the
-- function changes nothing and returns no row.
CREATE OR REPLACE FUNCTION "Credit_deduct_run"(p_owner text, p_credit_type text, p_threshold bigint, p_changes jsonb)
RETURNS TABLE (number bigint, id bigint, balance bigint, amount bigint) LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_account "CreditAccount";
  v_run record;
  v_lot record;
  v_now timestamptz;
BEGIN
  SELECT * INTO v_account FROM "CreditAccount" a
    WHERE a."ownerId" = p_owner AND a."creditType" = p_credit_type FOR UPDATE;
  SELECT sum(c."amount")::bigint AS "amount", min(c."now") AS "now", array_agg(c."key") AS "keys",
      count(DISTINCT c."key") = count(*) AND min(c."now") IS NOT DISTINCT FROM max(c."now")
        AND bool_and(c."type" = 'deduction' AND c."amount" < 0 AND c."holdSeconds" IS NULL) AS "isPlain"
    INTO v_run FROM jsonb_to_recordset(p_changes) AS c("type" text, "amount" bigint, "key" text,
      "now" timestamptz, "holdSeconds" int);
  v_now := greatest(
    date_trunc('milliseconds', coalesce(v_run."now", clock_timestamp())), v_account."updatedAt");
  SELECT * INTO v_lot FROM "Credit_lot_in_turn"(p_owner, p_credit_type, v_now);
  IF (v_run."isPlain" AND v_lot."remaining" > -v_run."amount" AND NOT v_lot."lapses") IS NOT TRUE
    OR v_account."balance" >= p_threshold AND v_account."balance" + v_run."amount" < p_threshold
    OR EXISTS (SELECT FROM "CreditTransaction" t
      WHERE t."ownerId" = p_owner AND t."idempotencyKey" = ANY (v_run."keys"))
  THEN
    RETURN;
  END IF;
  UPDATE "CreditGrant" g SET "remaining" = v_lot."remaining" + v_run."amount" WHERE g."id" = v_lot."id";
  RETURN QUERY
    WITH run AS MATERIALIZED (
      SELECT nextval('"CreditTransaction_id_seq"') AS "id", s.* FROM (
        SELECT c.*, v_account."balance" + sum(c."amount") OVER (ORDER BY c."number")::bigint AS "balance"
        FROM jsonb_to_recordset(p_changes) AS c("number" bigint, "amount" bigint, "key" text,
          "description" text, "actor" text)
        ORDER BY c."number") s
    ), appended AS (
      INSERT INTO "CreditTransaction" ("id", "ownerId", "creditType", "type", "amount", "balanceAfter",
          "idempotencyKey", "lots", "description", "actor", "createdAt")
        SELECT r."id", p_owner, p_credit_type, 'deduction', r."amount", r."balance", r."key",
          jsonb_build_array(jsonb_build_array(v_lot."id", r."amount")), r."description", r."actor", v_now
        FROM run r
    )
    SELECT r."number", r."id", r."balance", r."amount" FROM run r;
END $$;
