-- The bounds of a transaction's values, for a CHECK. It is a function because PostgreSQL keeps a function's plan, but
-- parses the text of a CHECK for each statement. The table is checked, too, because a table that inherits from the
-- ledger inherits its CHECKs and none of its triggers. A JavaScript number holds these amounts exactly. Times are
-- finite, and no later than the library can write them.
CREATE OR REPLACE FUNCTION "CreditTransaction_in_bounds"(
  p_table oid, p_id bigint, p_amount bigint, p_balance_after bigint, p_debt bigint, p_created_at timestamptz,
  p_expires_at timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = public, pg_temp AS $$
BEGIN
  RETURN p_table = 'public."CreditTransaction"'::regclass AND p_id > 0
    AND p_balance_after BETWEEN 0 AND 9007199254740991
    AND p_amount BETWEEN -9007199254740991 AND 9007199254740991
    AND p_debt BETWEEN -9007199254740991 AND 9007199254740991
    AND p_created_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00'
    AND (p_expires_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00') IS NOT FALSE;
END $$;
