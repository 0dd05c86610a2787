-- Why: several payments may pay one invoice, and each is an order. A payment is an order once, as before.

DROP INDEX "Order_provider_invoiceId_key";

-- Builds under a lock that keeps out writes of "Order". At a large table, create it concurrently before.
CREATE INDEX IF NOT EXISTS "Order_provider_invoiceId_idx" ON "Order"("provider", "invoiceId");
