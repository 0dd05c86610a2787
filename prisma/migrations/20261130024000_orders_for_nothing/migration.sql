-- An order of which nothing was due, by a coupon of 100 %, is completed without a payment: its checkout confirms it.

ALTER TABLE "Order" DROP CONSTRAINT "Order_completed_check";
ALTER TABLE "Order" ADD CONSTRAINT "Order_completed_check"
  CHECK (("status" = 'completed') = ("completedAt" IS NOT NULL)
    AND ("status" <> 'completed' OR num_nonnulls("paymentId", "subscriptionId", "checkoutId") > 0));
