-- Holds what owners have in credits as a ledger that is only added to, and that nobody can argue with.

SELECT set_config('tollgate.system', 'on', true);

-- CreateTable
CREATE TABLE "CreditAccount" (
    "ownerId" TEXT NOT NULL,
    "creditType" TEXT NOT NULL DEFAULT 'credits',
    "balance" BIGINT NOT NULL DEFAULT 0,
    "debt" BIGINT NOT NULL DEFAULT 0,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "CreditAccount_pkey" PRIMARY KEY ("ownerId","creditType")
);

-- CreateTable
CREATE TABLE "CreditTransaction" (
    "id" BIGSERIAL NOT NULL,
    "ownerId" TEXT NOT NULL,
    "creditType" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "amount" BIGINT NOT NULL,
    "balanceAfter" BIGINT NOT NULL,
    "debt" BIGINT NOT NULL DEFAULT 0,
    "idempotencyKey" TEXT NOT NULL,
    "refundOf" BIGINT,
    "lots" JSONB NOT NULL,
    "expiresAt" TIMESTAMPTZ(3),
    "priority" SMALLINT,
    "description" TEXT NOT NULL,
    "actor" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "CreditTransaction_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "CreditGrant" (
    "id" BIGSERIAL NOT NULL,
    "ownerId" TEXT NOT NULL,
    "creditType" TEXT NOT NULL,
    "amount" BIGINT NOT NULL,
    "remaining" BIGINT NOT NULL,
    "open" BOOLEAN NOT NULL DEFAULT true,
    "priority" SMALLINT NOT NULL,
    "expiresAt" TIMESTAMPTZ(3),
    "series" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "CreditGrant_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "CreditHold" (
    "id" BIGSERIAL NOT NULL,
    "ownerId" TEXT NOT NULL,
    "creditType" TEXT NOT NULL,
    "transactionId" BIGINT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'open',
    "captured" BIGINT,
    "expiresAt" TIMESTAMPTZ(3) NOT NULL,
    "settledAt" TIMESTAMPTZ(3),

    CONSTRAINT "CreditHold_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "CreditTopUp" (
    "transactionId" BIGINT NOT NULL,
    "ownerId" TEXT NOT NULL,
    "creditType" TEXT NOT NULL,
    "day" DATE NOT NULL,
    "number" SMALLINT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "CreditTopUp_pkey" PRIMARY KEY ("transactionId")
);

-- CreateIndex
CREATE INDEX "CreditTransaction_ownerId_creditType_id_idx" ON "CreditTransaction"("ownerId", "creditType", "id");

-- CreateIndex
CREATE UNIQUE INDEX "CreditTransaction_ownerId_idempotencyKey_key" ON "CreditTransaction"("ownerId", "idempotencyKey");

-- CreateIndex
CREATE UNIQUE INDEX "CreditHold_transactionId_key" ON "CreditHold"("transactionId");

-- CreateIndex
CREATE UNIQUE INDEX "CreditTopUp_ownerId_creditType_day_number_key" ON "CreditTopUp"("ownerId", "creditType", "day", "number");

-- AddForeignKey
ALTER TABLE "CreditTransaction" ADD CONSTRAINT "CreditTransaction_ownerId_creditType_fkey" FOREIGN KEY ("ownerId", "creditType") REFERENCES "CreditAccount"("ownerId", "creditType") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "CreditTransaction" ADD CONSTRAINT "CreditTransaction_refundOf_fkey" FOREIGN KEY ("refundOf") REFERENCES "CreditTransaction"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "CreditGrant" ADD CONSTRAINT "CreditGrant_ownerId_creditType_fkey" FOREIGN KEY ("ownerId", "creditType") REFERENCES "CreditAccount"("ownerId", "creditType") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "CreditHold" ADD CONSTRAINT "CreditHold_ownerId_creditType_fkey" FOREIGN KEY ("ownerId", "creditType") REFERENCES "CreditAccount"("ownerId", "creditType") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "CreditHold" ADD CONSTRAINT "CreditHold_transactionId_fkey" FOREIGN KEY ("transactionId") REFERENCES "CreditTransaction"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

ALTER TABLE "CreditAccount" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "CreditAccount" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "CreditAccount" FOR SELECT USING ("ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "CreditGrant" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "CreditGrant" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "CreditGrant" FOR SELECT USING ("ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "CreditHold" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "CreditHold" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "CreditHold" FOR SELECT USING ("ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "CreditTopUp" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "CreditTopUp" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "CreditTopUp" FOR SELECT USING ("ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "CreditTransaction" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "CreditTransaction" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "CreditTransaction" FOR SELECT USING ("ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

-- An account's row is written by every transaction, in place: none of its indexes changes.
ALTER TABLE "CreditAccount" SET (fillfactor = 50);
ALTER TABLE "CreditGrant" SET (fillfactor = 50);

-- What a number of JavaScript holds exactly.
ALTER TABLE "CreditAccount"
  ADD CONSTRAINT "CreditAccount_balance_check" CHECK ("balance" BETWEEN 0 AND 9007199254740991),
  ADD CONSTRAINT "CreditAccount_debt_check" CHECK ("debt" BETWEEN 0 AND 9007199254740991);

-- In a function, whose plan is kept: PostgreSQL reads a CHECK anew for each statement, and long ones cost.
CREATE FUNCTION "CreditTransaction_type_agrees"(p_type text, p_amount bigint, p_debt bigint, p_refund_of bigint)
RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN CASE p_type
    WHEN 'deduction' THEN p_amount < 0 AND p_debt = 0 AND p_refund_of IS NULL
    WHEN 'purchase' THEN p_amount > 0 AND p_debt = 0 AND p_refund_of IS NULL
    WHEN 'grant' THEN p_amount > 0 AND p_debt = 0 AND p_refund_of IS NULL
    WHEN 'refund' THEN p_amount > 0 AND p_debt = 0 AND p_refund_of IS NOT NULL
    WHEN 'expiry' THEN p_amount < 0 AND p_debt = 0 AND p_refund_of IS NULL
    WHEN 'adjustment' THEN p_amount <> 0 OR p_debt <> 0
    ELSE false
  END;
END $$;

ALTER TABLE "CreditTransaction"
  ADD CONSTRAINT "CreditTransaction_type_check" CHECK (
    "CreditTransaction_type_agrees"("type", "amount", "debt", "refundOf")),
  ADD CONSTRAINT "CreditTransaction_balanceAfter_check" CHECK ("balanceAfter" >= 0);

CREATE INDEX "CreditTransaction_refundOf" ON "CreditTransaction" ("refundOf")
  WHERE "refundOf" IS NOT NULL;

ALTER TABLE "CreditGrant"
  ADD CONSTRAINT "CreditGrant_remaining_check" CHECK ("remaining" BETWEEN 0 AND "amount"),
  ADD CONSTRAINT "CreditGrant_amount_check" CHECK ("amount" > 0),
  ADD CONSTRAINT "CreditGrant_open_check" CHECK ("open" = ("remaining" > 0));

CREATE INDEX "CreditGrant_open" ON "CreditGrant" ("ownerId", "creditType", "priority", "expiresAt", "id")
  WHERE "open";
CREATE INDEX "CreditGrant_due" ON "CreditGrant" ("expiresAt") WHERE "open" AND "expiresAt" IS NOT NULL;

ALTER TABLE "CreditHold"
  ADD CONSTRAINT "CreditHold_status_check" CHECK (
    CASE "status"
      WHEN 'open' THEN "captured" IS NULL AND "settledAt" IS NULL
      WHEN 'captured' THEN "captured" > 0 AND "settledAt" IS NOT NULL
      WHEN 'released' THEN "captured" = 0 AND "settledAt" IS NOT NULL
      ELSE false
    END);

CREATE INDEX "CreditHold_open" ON "CreditHold" ("expiresAt") WHERE "status" = 'open';
CREATE INDEX "CreditHold_open_of" ON "CreditHold" ("ownerId", "creditType") WHERE "status" = 'open';

ALTER TABLE "CreditTopUp" ADD CONSTRAINT "CreditTopUp_number_check" CHECK ("number" > 0);

-- The log is only added to.
CREATE FUNCTION "CreditTransaction_append_only"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'CreditTransaction_append_only: a credit transaction is never changed or deleted.'
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER "CreditTransaction_append_only" BEFORE UPDATE OR DELETE ON "CreditTransaction"
  FOR EACH ROW EXECUTE FUNCTION "CreditTransaction_append_only"();
CREATE TRIGGER "CreditTransaction_no_truncate" BEFORE TRUNCATE ON "CreditTransaction"
  FOR EACH STATEMENT EXECUTE FUNCTION "CreditTransaction_append_only"();

-- Balance and debt are what the transactions sum up to, whoever adds one: the insert changes the account,
-- and nothing else can. After it and not before, so that an insert that conflicts changes nothing.
CREATE FUNCTION "CreditTransaction_applies"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "CreditAccount" a
    SET "balance" = NEW."balanceAfter", "debt" = a."debt" + NEW."debt", "updatedAt" = NEW."createdAt"
    WHERE a."ownerId" = NEW."ownerId" AND a."creditType" = NEW."creditType"
      AND a."balance" + NEW."amount" = NEW."balanceAfter" AND a."updatedAt" <= NEW."createdAt";
  IF NOT FOUND THEN
    RAISE EXCEPTION 'CreditTransaction_applies: the transaction does not follow the one before it.'
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER "CreditTransaction_applies" AFTER INSERT ON "CreditTransaction"
  FOR EACH ROW EXECUTE FUNCTION "CreditTransaction_applies"();

CREATE FUNCTION "CreditAccount_follows"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'CreditAccount_follows: balance and debt change with a transaction alone.'
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER "CreditAccount_follows" BEFORE UPDATE OF "balance", "debt" ON "CreditAccount"
  FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION "CreditAccount_follows"();
CREATE TRIGGER "CreditAccount_begins_empty" BEFORE INSERT ON "CreditAccount"
  FOR EACH ROW WHEN (NEW."balance" <> 0 OR NEW."debt" <> 0)
  EXECUTE FUNCTION "CreditAccount_follows"();

-- What refers to a transaction never gives back more than that took. Whoever adds two at once waits.
CREATE FUNCTION "CreditTransaction_refund_fits"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  took bigint;
  given bigint;
BEGIN
  SELECT t."debt" - t."amount" INTO took FROM "CreditTransaction" t
    WHERE t."id" = NEW."refundOf" AND t."ownerId" = NEW."ownerId" AND t."creditType" = NEW."creditType"
      AND t."type" = CASE NEW."type" WHEN 'refund' THEN 'deduction' ELSE 'adjustment' END
    FOR NO KEY UPDATE;
  SELECT coalesce(sum(t."amount" - t."debt"), 0) INTO given FROM "CreditTransaction" t
    WHERE t."refundOf" = NEW."refundOf";
  IF took IS NULL OR given + NEW."amount" - NEW."debt" > took THEN
    RAISE EXCEPTION 'CreditTransaction_refund_fits: it would give back more than was taken.'
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER "CreditTransaction_refund_fits" BEFORE INSERT ON "CreditTransaction"
  FOR EACH ROW WHEN (NEW."refundOf" IS NOT NULL) EXECUTE FUNCTION "CreditTransaction_refund_fits"();

CREATE FUNCTION "CreditHold_settled_is_final"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'CreditHold_settled_is_final: hold % was settled.', OLD."id"
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER "CreditHold_settled_is_final" BEFORE UPDATE OR DELETE ON "CreditHold"
  FOR EACH ROW WHEN (OLD."status" <> 'open') EXECUTE FUNCTION "CreditHold_settled_is_final"();
