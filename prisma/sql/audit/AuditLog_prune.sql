-- Deletes the entries of before then, of those that are old enough (trigger "AuditLog_append_only"), for a
-- role that may not. Returns how many.
CREATE OR REPLACE FUNCTION "AuditLog_prune"(p_before timestamptz) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  v_count bigint;
BEGIN
  DELETE FROM "AuditLog" WHERE "createdAt" < p_before;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
