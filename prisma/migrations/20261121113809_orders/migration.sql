-- Orders: what somebody set out to buy, and what became of it.

-- CreateTable
CREATE TABLE "Order" (
    "id" TEXT NOT NULL,
    "ownerId" TEXT NOT NULL,
    "customerId" TEXT NOT NULL,
    "sku" TEXT,
    "provider" TEXT NOT NULL,
    "amount" INTEGER NOT NULL,
    "currency" TEXT NOT NULL,
    "credits" INTEGER NOT NULL DEFAULT 0,
    "plan" TEXT,
    "interval" TEXT,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "checkoutId" TEXT,
    "paymentId" TEXT,
    "subscriptionId" TEXT,
    "providerCustomerId" TEXT,
    "amountPaid" INTEGER NOT NULL DEFAULT 0,
    "amountRefunded" INTEGER NOT NULL DEFAULT 0,
    "creditsRefunded" INTEGER[] DEFAULT ARRAY[]::INTEGER[],
    "disputeId" TEXT,
    "disputeStatus" TEXT,
    "creditsDisputed" INTEGER NOT NULL DEFAULT 0,
    "disputes" INTEGER NOT NULL DEFAULT 0,
    "needsAttention" TEXT,
    "successUrl" TEXT,
    "cancelUrl" TEXT,
    "returnKey" TEXT NOT NULL,
    "idempotencyKey" TEXT,
    "settledTicket" BIGINT NOT NULL DEFAULT 0,
    "nextCheckAt" TIMESTAMPTZ(3),
    "checks" INTEGER NOT NULL DEFAULT 0,
    "paidAt" TIMESTAMPTZ(3),
    "completedAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Order_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "Order_ownerId_createdAt_idx" ON "Order"("ownerId", "createdAt");

-- CreateIndex
CREATE INDEX "Order_customerId_idx" ON "Order"("customerId");

-- CreateIndex
CREATE INDEX "Order_provider_subscriptionId_idx" ON "Order"("provider", "subscriptionId");

-- CreateIndex
CREATE INDEX "Order_paidAt_idx" ON "Order"("paidAt");

-- CreateIndex
CREATE UNIQUE INDEX "Order_provider_checkoutId_key" ON "Order"("provider", "checkoutId");

-- CreateIndex
CREATE UNIQUE INDEX "Order_provider_paymentId_key" ON "Order"("provider", "paymentId");

-- CreateIndex
CREATE UNIQUE INDEX "Order_ownerId_idempotencyKey_key" ON "Order"("ownerId", "idempotencyKey");

-- AddForeignKey
ALTER TABLE "Order" ADD CONSTRAINT "Order_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "Customer"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "Order" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Order" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Order" FOR SELECT USING ("ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

-- What Prisma's schema language cannot say; each is named in the comment of the model.

ALTER TABLE "Order" ADD CONSTRAINT "Order_provider_check" CHECK ("provider" IN ('stripe', 'creem', 'local'));
ALTER TABLE "Order" ADD CONSTRAINT "Order_amount_check" CHECK ("amount" > 0);
ALTER TABLE "Order" ADD CONSTRAINT "Order_credits_check" CHECK ("credits" >= 0);
ALTER TABLE "Order" ADD CONSTRAINT "Order_plan_check" CHECK (("plan" IS NULL) = ("interval" IS NULL));
ALTER TABLE "Order" ADD CONSTRAINT "Order_status_check"
  CHECK ("status" IN ('pending', 'completed', 'cancelled'));
ALTER TABLE "Order" ADD CONSTRAINT "Order_completed_check"
  CHECK (("status" = 'completed') = ("completedAt" IS NOT NULL)
    AND ("status" <> 'completed' OR num_nonnulls("paymentId", "subscriptionId") > 0));
ALTER TABLE "Order" ADD CONSTRAINT "Order_refunded_check"
  CHECK ("amountRefunded" >= 0 AND "amountPaid" >= "amountRefunded");

CREATE UNIQUE INDEX "Order_one_open_per_product" ON "Order" ("ownerId", "sku")
  WHERE "status" = 'pending' AND "needsAttention" IS NULL AND "sku" IS NOT NULL;
CREATE INDEX "Order_due" ON "Order" ("nextCheckAt") WHERE "nextCheckAt" IS NOT NULL;

CREATE FUNCTION "Order_keeps_its_word"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF OLD."status" = 'completed' AND NEW."status" <> 'completed'
      OR OLD."status" = 'cancelled' AND NEW."status" = 'pending' THEN
      RAISE EXCEPTION 'order % is % and cannot become %', OLD."id", OLD."status", NEW."status"
        USING ERRCODE = 'check_violation', CONSTRAINT = 'Order_keeps_its_word';
    END IF;
    IF (OLD."ownerId", OLD."sku", OLD."provider", OLD."amount", OLD."currency", OLD."credits", OLD."plan", OLD."interval")
      IS DISTINCT FROM
      (NEW."ownerId", NEW."sku", NEW."provider", NEW."amount", NEW."currency", NEW."credits", NEW."plan", NEW."interval")
      OR OLD."status" = 'completed' AND OLD."paymentId" IS DISTINCT FROM NEW."paymentId" THEN
      RAISE EXCEPTION 'the terms of order % do not change', OLD."id"
        USING ERRCODE = 'check_violation', CONSTRAINT = 'Order_keeps_its_word';
    END IF;
  END IF;
  IF NEW."creditsDisputed" < 0 OR 0 > ANY (NEW."creditsRefunded")
    OR NEW."creditsDisputed" + (SELECT coalesce(sum(c), 0) FROM unnest(NEW."creditsRefunded") c) > NEW."credits"
    OR NEW."status" <> 'completed' AND (NEW."creditsDisputed" > 0 OR cardinality(NEW."creditsRefunded") > 0) THEN
    RAISE EXCEPTION 'order % gave % credits and cannot take back more', NEW."id", NEW."credits"
      USING ERRCODE = 'check_violation', CONSTRAINT = 'Order_keeps_its_word';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER "Order_keeps_its_word" BEFORE INSERT OR UPDATE ON "Order"
  FOR EACH ROW EXECUTE FUNCTION "Order_keeps_its_word"();
