-- Orders name the invoice with which a plan was paid that was bought at a checkout for it.

-- AlterTable
ALTER TABLE "Order" ADD COLUMN     "invoiceId" TEXT;

-- CreateIndex
CREATE UNIQUE INDEX "Order_provider_invoiceId_key" ON "Order"("provider", "invoiceId");

-- What Prisma's schema language cannot say; named in the comment of the field.
ALTER TABLE "Order" ADD CONSTRAINT "Order_invoice_check"
  CHECK ("invoiceId" IS NULL OR ("status" = 'completed' AND "credits" = 0 AND "checkoutId" IS NULL
    AND num_nulls("paymentId", "subscriptionId") = 0));
