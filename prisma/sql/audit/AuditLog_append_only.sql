-- Entries of the audit log are never changed, and are deleted only when they are older than 90 days.
CREATE OR REPLACE FUNCTION "AuditLog_append_only"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."AuditLog"'::regclass THEN
    RAISE EXCEPTION 'AuditLog_append_only: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF TG_OP = 'DELETE' AND OLD."createdAt" < now() - interval '90 days' THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'The audit log is only added to, and kept for 90 days at least.';
END $$;

CREATE OR REPLACE TRIGGER "AuditLog_append_only" BEFORE UPDATE OR DELETE ON "AuditLog"
  FOR EACH ROW EXECUTE FUNCTION "AuditLog_append_only"();
CREATE OR REPLACE TRIGGER "AuditLog_no_truncate" BEFORE TRUNCATE ON "AuditLog"
  FOR EACH STATEMENT EXECUTE FUNCTION "AuditLog_append_only"();
