-- Repair that ends and goes on: long runs keep their place in a row, the account at Stripe is noted and held
-- against the key, a flagged event can be acknowledged, and a sync of a part of a customer has a ticket of its
-- own. All columns are added without a rewrite.
ALTER TABLE "Customer" ADD COLUMN "partTicket" BIGINT NOT NULL DEFAULT 0, ADD COLUMN "billingEmail" TEXT;
ALTER TABLE "WebhookEvent" ADD COLUMN "acknowledgedAt" TIMESTAMPTZ(3), ADD COLUMN "acknowledgedBy" TEXT;

CREATE TABLE "StripeAccount" (
    "environment" TEXT NOT NULL,
    "stripeAccountId" TEXT,
    "livemode" BOOLEAN,
    "keyFingerprint" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "StripeAccount_pkey" PRIMARY KEY ("environment")
);

CREATE TABLE "RepairRun" (
    "name" TEXT NOT NULL,
    "position" JSONB NOT NULL DEFAULT '{}',
    "lease" TEXT,
    "leaseUntil" TIMESTAMPTZ(3),
    "startedAt" TIMESTAMPTZ(3),
    "finishedAt" TIMESTAMPTZ(3),
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "RepairRun_pkey" PRIMARY KEY ("name")
);

-- As every global table.
ALTER TABLE "StripeAccount" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "StripeAccount" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
ALTER TABLE "RepairRun" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "RepairRun" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

-- An ended subscription never comes back, whatever arrives late. A person's command may bring one back that was
-- taken for ended by mistake: it names that subscription, for its own transaction.
CREATE OR REPLACE FUNCTION "Subscription_ended_is_final"() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."Subscription"'::regclass THEN
    RAISE EXCEPTION 'Subscription_ended_is_final: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF OLD."status" IN ('canceled', 'incomplete_expired') AND NEW."status" IS DISTINCT FROM OLD."status"
    AND coalesce(current_setting('tollgate.restores', true), '') <> OLD."id" THEN
    RAISE EXCEPTION 'subscription % has ended as % and cannot become %', OLD."id", OLD."status", NEW."status"
      USING ERRCODE = 'check_violation', CONSTRAINT = 'Subscription_ended_is_final';
  END IF;
  RETURN NEW;
END $$;
