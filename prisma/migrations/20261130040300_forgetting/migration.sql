-- Payloads of dead and flagged events are emptied like others, and trials are kept as keyed hashes: both are found by
-- these. The indexes were of processed and ignored events alone. Where the archive is large, make the new ones
-- CONCURRENTLY before, under these names.

CREATE INDEX IF NOT EXISTS "WebhookEvent_full" ON "WebhookEvent" ("receivedAt")
  WHERE "payload" IS NOT NULL AND "status" <> 'pending';
CREATE INDEX IF NOT EXISTS "WebhookEvent_full_subject" ON "WebhookEvent" ("subject")
  WHERE "payload" IS NOT NULL AND "status" <> 'pending';
DROP INDEX "WebhookEvent_kept";
DROP INDEX "WebhookEvent_kept_subject";

CREATE INDEX "TrialRedemption_unkeyed" ON "TrialRedemption" ("key")
  WHERE "key" LIKE 'email:%' OR "key" LIKE 'card:%';

-- Only what waits has to keep its body.
ALTER TABLE "WebhookEvent" DROP CONSTRAINT "WebhookEvent_payload_check";
ALTER TABLE "WebhookEvent" ADD CONSTRAINT "WebhookEvent_payload_check"
  CHECK ("payload" IS NOT NULL OR "status" <> 'pending') NOT VALID;
ALTER TABLE "WebhookEvent" VALIDATE CONSTRAINT "WebhookEvent_payload_check";
