-- When a payment of an order failed last: the success of payments is counted with those that failed, and 25 of 30
-- that failed went unseen.

ALTER TABLE "Order" ADD COLUMN "failedAt" TIMESTAMPTZ(3);

CREATE INDEX "Order_failed" ON "Order" ("failedAt") WHERE "failedAt" IS NOT NULL;
