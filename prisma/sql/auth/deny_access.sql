-- Denies all access tokens of sessions and users that were issued until now. `subjects` are ids of both. The clock is
-- read after the changed row was locked. "Session_statement" locks the rows of a token FOR SHARE, reads the clock not
-- later than that, and dates the token no earlier than the newest denial that it sees. So a token either contains a
-- change or is denied by it, also within one second. There is no NOTIFY here, because it would make all transactions
-- that end sessions commit one after the other. The function writes as the system, because a transaction that an
-- organization is confined to may cause the denial.
CREATE OR REPLACE FUNCTION "deny_access"(subjects text[]) RETURNS void LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
  system_before text := coalesce(current_setting('tollgate.system', true), '');
  organization_before text := coalesce(current_setting('tollgate.organization', true), '');
  seconds integer := floor(extract(epoch FROM clock_timestamp()));
BEGIN
  PERFORM set_config('tollgate.system', 'on', true), set_config('tollgate.organization', '', true);
  INSERT INTO "AccessDenial" ("subject", "notBefore")
    SELECT u.subject, greatest(seconds, max(d."notBefore")) + 1
    FROM unnest(subjects) AS u(subject) LEFT JOIN "AccessDenial" d ON d."subject" = u.subject
    GROUP BY u.subject;
  -- No token is as old as these. What another transaction is deleting is left to it.
  DELETE FROM "AccessDenial" WHERE "id" IN (
    SELECT "id" FROM "AccessDenial" WHERE "notBefore" < seconds - 900
      LIMIT 1000 FOR UPDATE SKIP LOCKED);
  PERFORM set_config('tollgate.system', system_before, true),
    set_config('tollgate.organization', organization_before, true);
END $$;
