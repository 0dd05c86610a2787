-- A customer has one open purchase of a plan, whichever way it was begun, and a refused request is tried under another key.

SELECT set_config('tollgate.system', 'on', true);

ALTER TABLE "CheckoutSession" ADD COLUMN "orderId" TEXT;
CREATE UNIQUE INDEX "CheckoutSession_orderId_key" ON "CheckoutSession"("orderId");
ALTER TABLE "CheckoutSession" ADD CONSTRAINT "CheckoutSession_orderId_fkey"
  FOREIGN KEY ("orderId") REFERENCES "Order"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Of those that are open the newest stays. The pages of the others close by themselves within a day.
UPDATE "CheckoutSession" s SET "status" = 'closed'
  WHERE s."status" = 'open' AND EXISTS (
    SELECT FROM "CheckoutSession" o WHERE o."customerId" = s."customerId" AND o."status" = 'open'
      AND (o."createdAt", o."id") > (s."createdAt", s."id"));
DROP INDEX "CheckoutSession_one_open_per_terms";
CREATE UNIQUE INDEX "CheckoutSession_one_open_per_customer" ON "CheckoutSession" ("customerId")
  WHERE "status" = 'open';

CREATE TABLE "RefusedRequest" (
    "name" TEXT NOT NULL,
    "refusals" INTEGER NOT NULL,
    "refusedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "RefusedRequest_pkey" PRIMARY KEY ("name")
);
ALTER TABLE "RefusedRequest" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "RefusedRequest" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
