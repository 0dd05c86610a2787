-- Whose the rows of limits, denials, events and the audit log are; what an organization sets off the system writes down.

ALTER TABLE "AccessDenial" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "AccessDenial" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "AuditLog" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "AuditLog" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "AuditLog" USING ("organizationId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "AuthEvent" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "AuthEvent" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "RateLimit" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "RateLimit" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

-- Both write on behalf of the system, whoever's statement sets them off.
CREATE OR REPLACE FUNCTION "deny_access"(subjects text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  system_before text := coalesce(current_setting('tollgate.system', true), '');
  organization_before text := coalesce(current_setting('tollgate.organization', true), '');
  seconds integer := floor(extract(epoch FROM clock_timestamp()));
  denial record;
BEGIN
  PERFORM set_config('tollgate.system', 'on', true), set_config('tollgate.organization', '', true);
  FOR denial IN
    INSERT INTO "AccessDenial" ("subject", "notBefore")
      SELECT u.subject, greatest(seconds, max(d."notBefore")) + 1
      FROM unnest(subjects) AS u(subject) LEFT JOIN "AccessDenial" d ON d."subject" = u.subject
      GROUP BY u.subject
      RETURNING "subject", "notBefore"
  LOOP
    PERFORM pg_notify('tollgate_denials', denial."subject" || ' ' || denial."notBefore");
  END LOOP;
  -- No token is as old as these. What another transaction is deleting is left to it.
  DELETE FROM "AccessDenial" WHERE "id" IN (
    SELECT "id" FROM "AccessDenial" WHERE "notBefore" < seconds - 900
      LIMIT 1000 FOR UPDATE SKIP LOCKED);
  PERFORM set_config('tollgate.system', system_before, true),
    set_config('tollgate.organization', organization_before, true);
END $$;

CREATE OR REPLACE FUNCTION "AuthEvent_add"(event text, subject text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  system_before text := coalesce(current_setting('tollgate.system', true), '');
  organization_before text := coalesce(current_setting('tollgate.organization', true), '');
BEGIN
  PERFORM set_config('tollgate.system', 'on', true), set_config('tollgate.organization', '', true);
  INSERT INTO "AuthEvent" ("name", "subjectId") VALUES (event, subject)
  ON CONFLICT ("name", "subjectId") DO UPDATE SET "version" = "AuthEvent"."version" + 1;
  PERFORM set_config('tollgate.system', system_before, true),
    set_config('tollgate.organization', organization_before, true);
END $$;
