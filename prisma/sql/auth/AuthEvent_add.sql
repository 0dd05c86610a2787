-- Records an event of auth for its handlers. It writes as the system, because a statement of an organization may
-- cause the event.
CREATE OR REPLACE FUNCTION "AuthEvent_add"(event text, subject text) RETURNS void LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
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
