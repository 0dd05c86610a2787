-- Why: the nightly comparison of orders with the ledger reads what changed, and not both tables whole.
--
-- An index is built while its table takes no writes. On a large table build it first, under the same name, with
-- CREATE INDEX CONCURRENTLY; the migration then finds it.

CREATE INDEX IF NOT EXISTS "Order_granting" ON "Order" ("updatedAt", "id")
  WHERE "status" = 'completed' AND "credits" > 0 AND "paymentId" IS NOT NULL;
CREATE INDEX IF NOT EXISTS "CreditTransaction_of_orders" ON "CreditTransaction" ("createdAt", "id")
  WHERE "type" = 'purchase' AND "idempotencyKey" LIKE 'order:%:fulfil';
