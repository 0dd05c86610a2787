-- The one table of schema.prisma that is used, with the index that the plugin's look-up needs and its schema lacks.
CREATE TABLE "Subscription" (
  "id" text PRIMARY KEY,
  "plan" text NOT NULL,
  "referenceId" text NOT NULL,
  "stripeCustomerId" text,
  "stripeSubscriptionId" text,
  "status" text NOT NULL DEFAULT 'incomplete',
  "periodStart" timestamptz(3),
  "periodEnd" timestamptz(3),
  "trialStart" timestamptz(3),
  "trialEnd" timestamptz(3),
  "cancelAtPeriodEnd" boolean DEFAULT false,
  "cancelAt" timestamptz(3),
  "canceledAt" timestamptz(3),
  "endedAt" timestamptz(3),
  "seats" integer,
  "billingInterval" text,
  "stripeScheduleId" text
);
CREATE INDEX ON "Subscription" ("stripeSubscriptionId");
