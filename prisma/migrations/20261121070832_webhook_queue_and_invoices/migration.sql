-- Events become the queue of their own processing; invoices, refunds, open checkouts and trials that
-- were taken get tables; effects are done in the transaction that records the fact.

-- What was recorded and not yet sent is recorded anew, and sent, by the customer's next sync.
DELETE FROM "Effect" WHERE "doneAt" IS NULL;
UPDATE "Effect" SET "key" = replace("key", ':confirmed', ':activated'), "name" = 'subscription.activated'
  WHERE "name" = 'email.SubscriptionConfirmedEmail';
UPDATE "Effect" SET "name" = 'invoice.payment_failed' WHERE "name" = 'email.PaymentFailedEmail';

-- DropIndex
DROP INDEX "Effect_customerId_doneAt_idx";

-- DropIndex
DROP INDEX "WebhookEvent_provider_eventId_key";

-- DropIndex
DROP INDEX "WebhookEvent_status_receivedAt_idx";

-- AlterTable
ALTER TABLE "Customer" ADD COLUMN     "unlinkedAt" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "Effect" DROP COLUMN "doneAt";

-- AlterTable
ALTER TABLE "Payment" ADD COLUMN     "amountRefunded" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "disputeStatus" TEXT;

-- AlterTable
ALTER TABLE "Product" ADD COLUMN     "plan" TEXT;

-- AlterTable
ALTER TABLE "Subscription" ADD COLUMN     "cancellationComment" TEXT,
ADD COLUMN     "cancellationFeedback" TEXT,
ADD COLUMN     "scheduledFor" TIMESTAMPTZ(3),
ADD COLUMN     "scheduledPriceId" TEXT,
ADD COLUMN     "scheduledQuantity" INTEGER,
ADD COLUMN     "stripeScheduleId" TEXT;

-- AlterTable
ALTER TABLE "WebhookEvent" DROP CONSTRAINT "WebhookEvent_pkey",
DROP COLUMN "id",
ADD COLUMN     "lease" TEXT,
ADD COLUMN     "livemode" BOOLEAN,
ADD COLUMN     "nextAttemptAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN     "source" TEXT NOT NULL DEFAULT 'delivery',
ADD COLUMN     "subject" TEXT,
ALTER COLUMN "payload" DROP NOT NULL,
ADD CONSTRAINT "WebhookEvent_pkey" PRIMARY KEY ("provider", "eventId");

-- CreateTable
CREATE TABLE "Invoice" (
    "id" TEXT NOT NULL,
    "customerId" TEXT NOT NULL,
    "stripeInvoiceId" TEXT NOT NULL,
    "subscriptionId" TEXT,
    "number" TEXT,
    "status" TEXT NOT NULL,
    "billingReason" TEXT,
    "total" INTEGER NOT NULL,
    "amountDue" INTEGER NOT NULL,
    "amountPaid" INTEGER NOT NULL,
    "amountRefunded" INTEGER NOT NULL DEFAULT 0,
    "currency" TEXT NOT NULL,
    "attemptCount" INTEGER NOT NULL DEFAULT 0,
    "nextPaymentAttempt" TIMESTAMPTZ(3),
    "hostedInvoiceUrl" TEXT,
    "invoicePdf" TEXT,
    "periodStart" TIMESTAMPTZ(3) NOT NULL,
    "periodEnd" TIMESTAMPTZ(3) NOT NULL,
    "paidAt" TIMESTAMPTZ(3),
    "stripePaymentIntentId" TEXT,
    "disputeStatus" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Invoice_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Refund" (
    "id" TEXT NOT NULL,
    "customerId" TEXT NOT NULL,
    "stripeRefundId" TEXT NOT NULL,
    "stripePaymentIntentId" TEXT,
    "paymentId" TEXT,
    "invoiceId" TEXT,
    "amount" INTEGER NOT NULL,
    "currency" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "reason" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Refund_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "CheckoutSession" (
    "id" TEXT NOT NULL,
    "customerId" TEXT NOT NULL,
    "terms" TEXT NOT NULL,
    "stripeSessionId" TEXT,
    "status" TEXT NOT NULL DEFAULT 'open',
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "CheckoutSession_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "TrialRedemption" (
    "key" TEXT NOT NULL,
    "stripeSubscriptionId" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "TrialRedemption_pkey" PRIMARY KEY ("key")
);

-- CreateIndex
CREATE UNIQUE INDEX "Invoice_stripeInvoiceId_key" ON "Invoice"("stripeInvoiceId");

-- CreateIndex
CREATE INDEX "Invoice_customerId_createdAt_idx" ON "Invoice"("customerId", "createdAt");

-- CreateIndex
CREATE INDEX "Invoice_subscriptionId_idx" ON "Invoice"("subscriptionId");

-- CreateIndex
CREATE UNIQUE INDEX "Refund_stripeRefundId_key" ON "Refund"("stripeRefundId");

-- CreateIndex
CREATE INDEX "Refund_customerId_idx" ON "Refund"("customerId");

-- CreateIndex
CREATE INDEX "Refund_paymentId_idx" ON "Refund"("paymentId");

-- CreateIndex
CREATE INDEX "Refund_invoiceId_idx" ON "Refund"("invoiceId");

-- CreateIndex
CREATE UNIQUE INDEX "CheckoutSession_stripeSessionId_key" ON "CheckoutSession"("stripeSessionId");

-- CreateIndex
CREATE INDEX "CheckoutSession_customerId_idx" ON "CheckoutSession"("customerId");

-- CreateIndex
CREATE INDEX "TrialRedemption_stripeSubscriptionId_idx" ON "TrialRedemption"("stripeSubscriptionId");

-- CreateIndex
CREATE INDEX "Effect_customerId_idx" ON "Effect"("customerId");

-- CreateIndex
CREATE INDEX "WebhookEvent_receivedAt_idx" ON "WebhookEvent"("receivedAt");

-- AddForeignKey
ALTER TABLE "Subscription" ADD CONSTRAINT "Subscription_scheduledPriceId_fkey" FOREIGN KEY ("scheduledPriceId") REFERENCES "Price"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Invoice" ADD CONSTRAINT "Invoice_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "Customer"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Invoice" ADD CONSTRAINT "Invoice_subscriptionId_fkey" FOREIGN KEY ("subscriptionId") REFERENCES "Subscription"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Refund" ADD CONSTRAINT "Refund_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "Customer"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Refund" ADD CONSTRAINT "Refund_paymentId_fkey" FOREIGN KEY ("paymentId") REFERENCES "Payment"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Refund" ADD CONSTRAINT "Refund_invoiceId_fkey" FOREIGN KEY ("invoiceId") REFERENCES "Invoice"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "CheckoutSession" ADD CONSTRAINT "CheckoutSession_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "Customer"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma cannot express.
ALTER TABLE "WebhookEvent" DROP CONSTRAINT "WebhookEvent_status_check";
ALTER TABLE "WebhookEvent" ADD CONSTRAINT "WebhookEvent_status_check"
  CHECK ("status" IN ('pending', 'processed', 'ignored', 'needs_attention', 'dead'));
ALTER TABLE "WebhookEvent" ADD CONSTRAINT "WebhookEvent_source_check" CHECK ("source" IN ('delivery', 'pull'));
-- An event is emptied only once nothing is left to do with it.
ALTER TABLE "WebhookEvent" ADD CONSTRAINT "WebhookEvent_payload_check"
  CHECK ("payload" IS NOT NULL OR "status" IN ('processed', 'ignored'));
ALTER TABLE "Refund" ADD CONSTRAINT "Refund_amount_check" CHECK ("amount" > 0);
ALTER TABLE "CheckoutSession" ADD CONSTRAINT "CheckoutSession_status_check" CHECK ("status" IN ('open', 'closed'));

-- The queue proper: small, however large the archive grows.
CREATE INDEX "WebhookEvent_due" ON "WebhookEvent" ("nextAttemptAt") WHERE "status" = 'pending';
CREATE INDEX "WebhookEvent_pending_subject" ON "WebhookEvent" ("subject") WHERE "status" = 'pending';
CREATE INDEX "WebhookEvent_open" ON "WebhookEvent" ("receivedAt") WHERE "status" IN ('needs_attention', 'dead');

-- Two clicks at once get one checkout.
CREATE UNIQUE INDEX "CheckoutSession_one_open_per_terms" ON "CheckoutSession" ("customerId", "terms")
  WHERE "status" = 'open';
