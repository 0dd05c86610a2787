-- Processes read denials by their transaction instead of hearing each by NOTIFY, which made the transactions that end
-- sessions commit one after the other. A process of an older version hears of later revocations only when its tokens
-- expire, within five minutes, so deploy the applications before this migration, or directly after it.

-- AlterTable
ALTER TABLE "AccessDenial" ADD COLUMN "transaction" BIGINT NOT NULL DEFAULT ((pg_current_xact_id())::text)::bigint;

-- CreateIndex
CREATE INDEX "AccessDenial_transaction_idx" ON "AccessDenial"("transaction");

-- Denies the access tokens of sessions and users that were issued until now. The clock is read after the changed row
-- is locked. Whoever signs an access token reads the rows it speaks of FOR SHARE, and dates it by a clock read until
-- then but not before a denial it knows of. So a token either knows a change or is denied by it, also within one
-- second. There is no NOTIFY here: it would make all transactions that end sessions commit one after the other.
-- What an organization's transaction sets off is written by the system, for this function's length.
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
