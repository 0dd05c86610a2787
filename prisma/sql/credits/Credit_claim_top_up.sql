-- Claims the automatic top-up that a transaction set off. Returns `claimed`, `replayed` (it was claimed before) or
-- `limit_reached` (the owner has had p_per_day top-ups of this credit type today, in UTC).
CREATE OR REPLACE FUNCTION "Credit_claim_top_up"(
  p_owner text, p_credit_type text, p_transaction bigint, p_per_day int, p_now timestamptz DEFAULT NULL
) RETURNS text LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
