-- Reverses the adjustment with the key p_of: lowers the debt that it made, then gives back the credits that it took.
CREATE OR REPLACE FUNCTION "Credit_restore"(
  p_owner text, p_credit_type text, p_of text, p_key text, p_description text,
  p_actor text DEFAULT NULL, p_threshold bigint DEFAULT NULL, p_now timestamptz DEFAULT NULL,
  OUT status text, OUT id bigint, OUT balance bigint, OUT amount bigint, OUT debt bigint
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
