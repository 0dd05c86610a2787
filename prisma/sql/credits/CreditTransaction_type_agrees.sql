-- Whether a transaction's amount, debt and reference fit its type, for a CHECK. It is a function because PostgreSQL keeps
-- a function's plan, but parses the text of a CHECK for each statement.
CREATE OR REPLACE FUNCTION "CreditTransaction_type_agrees"(p_type text, p_amount bigint, p_debt bigint, p_refund_of bigint)
RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = public, pg_temp AS $$
BEGIN
  RETURN CASE p_type
    WHEN 'deduction' THEN p_amount < 0 AND p_debt = 0 AND p_refund_of IS NULL
    WHEN 'purchase' THEN p_amount > 0 AND p_debt = 0 AND p_refund_of IS NULL
    WHEN 'grant' THEN p_amount > 0 AND p_debt = 0 AND p_refund_of IS NULL
    WHEN 'refund' THEN p_amount > 0 AND p_debt = 0 AND p_refund_of IS NOT NULL
    WHEN 'expiry' THEN p_amount < 0 AND p_debt = 0 AND p_refund_of IS NULL
    WHEN 'adjustment' THEN p_amount <> 0 OR p_debt <> 0
    ELSE false
  END;
END $$;
