-- The bounds of a hold's values, as a function: see "CreditTransaction_in_bounds".
CREATE OR REPLACE FUNCTION "CreditHold_in_bounds"(
  p_table oid, p_id bigint, p_expires_at timestamptz, p_settled_at timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = public, pg_temp AS $$
BEGIN
  RETURN p_table = 'public."CreditHold"'::regclass AND p_id > 0
    AND p_expires_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00'
    AND (p_settled_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00') IS NOT FALSE;
END $$;
