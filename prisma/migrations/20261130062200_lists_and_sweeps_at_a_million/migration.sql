-- Lists by status and the pages of the ledger's comparison do not read tables whole at a million customers.
--
-- An index is built while its table takes no writes. On a large table build it first, under the same name, with
-- CREATE INDEX CONCURRENTLY; the migration then finds it.

CREATE INDEX IF NOT EXISTS "CreditGrant_ownerId_creditType_idx" ON "CreditGrant"("ownerId", "creditType");
CREATE INDEX IF NOT EXISTS "Order_status_createdAt_idx" ON "Order"("status", "createdAt");
CREATE INDEX IF NOT EXISTS "WebhookEvent_ignored" ON "WebhookEvent" ("receivedAt") WHERE "status" = 'ignored';
CREATE INDEX IF NOT EXISTS "Order_pending" ON "Order" ("customerId") WHERE "status" = 'pending';
CREATE INDEX IF NOT EXISTS "Order_paid_or_completed" ON "Order" ("provider", greatest("paidAt", "completedAt"), "id") WHERE "paymentId" IS NOT NULL;
CREATE INDEX IF NOT EXISTS "Subscription_running" ON "Subscription" ("customerId") WHERE "provider" = 'stripe' AND "status" NOT IN ('canceled', 'incomplete_expired');
CREATE INDEX IF NOT EXISTS "Subscription_granting" ON "Subscription" ("id") WHERE "status" IN ('active', 'trialing') AND "needsAttention" IS NULL;
