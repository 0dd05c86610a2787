-- The bounds of an account's values, as a function: see "CreditTransaction_in_bounds".
CREATE OR REPLACE FUNCTION "CreditAccount_in_bounds"(
  p_table oid, p_balance bigint, p_debt bigint, p_created_at timestamptz, p_updated_at timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = public, pg_temp AS $$
BEGIN
  RETURN p_table = 'public."CreditAccount"'::regclass
    AND p_balance BETWEEN 0 AND 9007199254740991 AND p_debt BETWEEN 0 AND 9007199254740991
    AND p_created_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00'
    AND p_updated_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00';
END $$;
