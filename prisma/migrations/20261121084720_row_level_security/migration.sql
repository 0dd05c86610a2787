-- Every table behind row-level security, so that a query sees one organization's rows, all as the system, or none.

-- The organization that a transaction names. Null: none.
CREATE FUNCTION "tollgate_organization"() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT nullif(current_setting('tollgate.organization', true), '')
$$;

-- Whether the connection is the system's and no organization is named. Said nowhere: no.
CREATE FUNCTION "tollgate_system"() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT coalesce(current_setting('tollgate.system', true), '') = 'on'
     AND coalesce(current_setting('tollgate.organization', true), '') = ''
$$;

ALTER TABLE "User" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "User" USING ((SELECT "tollgate_system"()));
CREATE POLICY "organization" ON "User" FOR SELECT USING (EXISTS (SELECT FROM "Member" WHERE "Member"."userId" = "User"."id") OR EXISTS (SELECT FROM "Invitation" WHERE "Invitation"."inviterId" = "User"."id"));

ALTER TABLE "Session" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "Session" USING ((SELECT "tollgate_system"()));

ALTER TABLE "Account" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "Account" USING ((SELECT "tollgate_system"()));

ALTER TABLE "VerificationToken" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "VerificationToken" USING ((SELECT "tollgate_system"()));

ALTER TABLE "Organization" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "Organization" USING ((SELECT "tollgate_system"()));
CREATE POLICY "organization" ON "Organization" USING ("id" = (SELECT "tollgate_organization"()));

ALTER TABLE "Member" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "Member" USING ((SELECT "tollgate_system"()));
CREATE POLICY "organization" ON "Member" USING ("organizationId" = (SELECT "tollgate_organization"()));

ALTER TABLE "Invitation" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "Invitation" USING ((SELECT "tollgate_system"()));
CREATE POLICY "organization" ON "Invitation" USING ("organizationId" = (SELECT "tollgate_organization"()));

ALTER TABLE "Jwks" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "Jwks" USING ((SELECT "tollgate_system"()));

ALTER TABLE "Customer" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "Customer" USING ((SELECT "tollgate_system"()));
CREATE POLICY "organization" ON "Customer" FOR SELECT USING ("ownerId" = (SELECT "tollgate_organization"()) AND "ownerType" = 'organization');

ALTER TABLE "Product" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "Product" USING ((SELECT "tollgate_system"()));
CREATE POLICY "organization" ON "Product" FOR SELECT USING (true);

ALTER TABLE "Price" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "Price" USING ((SELECT "tollgate_system"()));
CREATE POLICY "organization" ON "Price" FOR SELECT USING (true);

ALTER TABLE "Subscription" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "Subscription" USING ((SELECT "tollgate_system"()));
CREATE POLICY "organization" ON "Subscription" FOR SELECT USING (EXISTS (SELECT FROM "Customer" WHERE "Customer"."id" = "Subscription"."customerId"));

ALTER TABLE "Invoice" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "Invoice" USING ((SELECT "tollgate_system"()));
CREATE POLICY "organization" ON "Invoice" FOR SELECT USING (EXISTS (SELECT FROM "Customer" WHERE "Customer"."id" = "Invoice"."customerId"));

ALTER TABLE "Payment" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "Payment" USING ((SELECT "tollgate_system"()));
CREATE POLICY "organization" ON "Payment" FOR SELECT USING (EXISTS (SELECT FROM "Customer" WHERE "Customer"."id" = "Payment"."customerId"));

ALTER TABLE "Refund" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "Refund" USING ((SELECT "tollgate_system"()));
CREATE POLICY "organization" ON "Refund" FOR SELECT USING (EXISTS (SELECT FROM "Customer" WHERE "Customer"."id" = "Refund"."customerId"));

ALTER TABLE "CheckoutSession" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "CheckoutSession" USING ((SELECT "tollgate_system"()));
CREATE POLICY "organization" ON "CheckoutSession" FOR SELECT USING (EXISTS (SELECT FROM "Customer" WHERE "Customer"."id" = "CheckoutSession"."customerId"));

ALTER TABLE "TrialRedemption" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "TrialRedemption" USING ((SELECT "tollgate_system"()));

ALTER TABLE "Effect" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "Effect" USING ((SELECT "tollgate_system"()));

ALTER TABLE "Booking" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "Booking" USING ((SELECT "tollgate_system"()));
CREATE POLICY "organization" ON "Booking" FOR SELECT USING (EXISTS (SELECT FROM "Customer" WHERE "Customer"."id" = "Booking"."customerId"));

ALTER TABLE "NurtureSequence" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "NurtureSequence" USING ((SELECT "tollgate_system"()));

ALTER TABLE "NurtureEmailVariant" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "NurtureEmailVariant" USING ((SELECT "tollgate_system"()));

ALTER TABLE "NurtureEnrollment" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "NurtureEnrollment" USING ((SELECT "tollgate_system"()));

ALTER TABLE "JobWorker" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "JobWorker" USING ((SELECT "tollgate_system"()));

ALTER TABLE "WebhookEvent" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "WebhookEvent" USING ((SELECT "tollgate_system"()));
