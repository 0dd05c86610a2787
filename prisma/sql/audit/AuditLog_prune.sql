-- Deletes the entries from before p_before, on behalf of a role that has no right to delete them. The trigger
-- "AuditLog_append_only" refuses entries that are not yet 90 days old. Returns the number of deleted entries.
CREATE OR REPLACE FUNCTION "AuditLog_prune"(p_before timestamptz) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  v_count bigint;
BEGIN
  DELETE FROM "AuditLog" WHERE "createdAt" < p_before;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
