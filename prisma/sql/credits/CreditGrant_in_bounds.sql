-- The bounds of a lot's values, as a function: see "CreditTransaction_in_bounds".
CREATE OR REPLACE FUNCTION "CreditGrant_in_bounds"(
  p_table oid, p_id bigint, p_amount bigint, p_remaining bigint, p_open boolean, p_priority int,
  p_created_at timestamptz, p_expires_at timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = public, pg_temp AS $$
BEGIN
  RETURN p_table = 'public."CreditGrant"'::regclass AND p_id > 0
    AND p_amount BETWEEN 1 AND 9007199254740991 AND p_remaining BETWEEN 0 AND p_amount
    AND p_open = (p_remaining > 0) AND p_priority BETWEEN 0 AND 100
    AND p_created_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00'
    AND (p_expires_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00') IS NOT FALSE;
END $$;
