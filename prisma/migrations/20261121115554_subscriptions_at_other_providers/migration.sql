-- A plan bought at any provider writes the same row of Subscription.

-- AlterTable
ALTER TABLE "Subscription" ADD COLUMN     "provider" TEXT NOT NULL DEFAULT 'stripe',
ADD COLUMN     "providerSubscriptionId" TEXT,
ADD COLUMN     "sku" TEXT,
ALTER COLUMN "stripeSubscriptionId" DROP NOT NULL,
ALTER COLUMN "priceId" DROP NOT NULL;

-- CreateIndex
CREATE UNIQUE INDEX "Subscription_provider_providerSubscriptionId_key" ON "Subscription"("provider", "providerSubscriptionId");

ALTER TABLE "Subscription" ADD CONSTRAINT "Subscription_provider_check" CHECK (
  CASE WHEN "provider" = 'stripe'
    THEN "stripeSubscriptionId" IS NOT NULL AND "priceId" IS NOT NULL
      AND "providerSubscriptionId" IS NULL AND "sku" IS NULL
    ELSE "provider" IN ('creem', 'local') AND "providerSubscriptionId" IS NOT NULL
      AND "stripeSubscriptionId" IS NULL AND "priceId" IS NULL END);
