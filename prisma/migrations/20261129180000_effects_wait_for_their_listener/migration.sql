-- An effect that the running instance cannot do waits for one that can. Instances say what they are made of, so
-- that one which lacks something notices. The two columns are added without a rewrite; the index reads "Effect"
-- once and holds up its writes meanwhile: where it is large, make the index CONCURRENTLY before.
ALTER TABLE "Effect" ADD COLUMN "awaits" TEXT[] DEFAULT ARRAY[]::TEXT[], ADD COLUMN "handled" BOOLEAN;
ALTER TABLE "Effect" ADD CONSTRAINT "Effect_awaits_check"
  CHECK ("awaits" <@ ARRAY['handler', 'plan_credits']) NOT VALID;
CREATE INDEX IF NOT EXISTS "Effect_awaits" ON "Effect" ("key") WHERE "awaits" <> '{}';

CREATE TABLE "BillingDeclaration" (
    "kind" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "seenAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "BillingDeclaration_pkey" PRIMARY KEY ("kind","name")
);

ALTER TABLE "BillingDeclaration" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "BillingDeclaration" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
