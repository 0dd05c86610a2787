-- Why: the lists of an owner's subscriptions, payments and bookings come in pages, each read from an index in its order.
--
-- An index is built while its table takes no writes. On a large table build it first, under the same name, with
-- CREATE INDEX CONCURRENTLY; the migration then finds it. "Subscription_flagged" has few rows. Each dropped index is
-- the beginning of the one that is built.

CREATE INDEX IF NOT EXISTS "Subscription_customerId_createdAt_idx" ON "Subscription"("customerId", "createdAt");
DROP INDEX "Subscription_customerId_idx";
CREATE INDEX IF NOT EXISTS "Payment_customerId_createdAt_idx" ON "Payment"("customerId", "createdAt");
DROP INDEX "Payment_customerId_idx";
CREATE INDEX IF NOT EXISTS "Booking_customerId_startsAt_idx" ON "Booking"("customerId", "startsAt");
DROP INDEX "Booking_customerId_idx";

-- Only what the list of flagged subscriptions shows, so that flagged subscriptions that have ended are not read.
DROP INDEX "Subscription_flagged";
CREATE INDEX "Subscription_flagged" ON "Subscription" ("createdAt", "id")
  WHERE "needsAttention" IS NOT NULL AND "status" IN ('trialing', 'active', 'past_due', 'unpaid', 'paused');
