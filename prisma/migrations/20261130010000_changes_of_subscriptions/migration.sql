-- A change of a subscription that takes two requests is written down before the first; pauses and waiting payments are told.
ALTER TABLE "Subscription"
  ADD COLUMN "pauseBehavior" TEXT,
  ADD COLUMN "pauseResumesAt" TIMESTAMPTZ(3),
  ADD COLUMN "pendingPlan" TEXT,
  ADD COLUMN "pendingInterval" TEXT,
  ADD COLUMN "pendingQuantity" INTEGER,
  ADD COLUMN "pendingUntil" TIMESTAMPTZ(3),
  ADD COLUMN "pendingUrl" TEXT,
  ADD COLUMN "changeScheduleId" TEXT,
  ADD COLUMN "changePriceId" TEXT,
  ADD COLUMN "changeQuantity" INTEGER,
  ADD COLUMN "changeNextPriceId" TEXT,
  ADD COLUMN "changeNextQuantity" INTEGER,
  ADD COLUMN "changeAskedAt" TIMESTAMPTZ(3);
