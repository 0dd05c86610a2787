-- Every table behind row-level security, so that a query sees one organization's rows, all as the system, or none.

-- Two settings say whose a query is. `tollgate.organization`, of a transaction: it sees that organization's
-- rows. `tollgate.system`, of a connection: it sees all rows where no organization is named. Neither: none.

ALTER TABLE "User" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "User" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "User" FOR SELECT USING (EXISTS (SELECT FROM "Member" WHERE "Member"."userId" = "User"."id") OR EXISTS (SELECT FROM "Invitation" WHERE "Invitation"."inviterId" = "User"."id"));

ALTER TABLE "Session" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Session" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "Account" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Account" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "VerificationToken" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "VerificationToken" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "Organization" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Organization" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Organization" USING ("id" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "Member" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Member" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Member" USING ("organizationId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "Invitation" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Invitation" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Invitation" USING ("organizationId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "Jwks" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Jwks" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "Customer" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Customer" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Customer" FOR SELECT USING ("ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')) AND "ownerType" = 'organization');

ALTER TABLE "Product" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Product" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Product" FOR SELECT USING (true);

ALTER TABLE "Price" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Price" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Price" FOR SELECT USING (true);

ALTER TABLE "Subscription" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Subscription" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Subscription" FOR SELECT USING (EXISTS (SELECT FROM "Customer" WHERE "Customer"."id" = "Subscription"."customerId"));

ALTER TABLE "Invoice" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Invoice" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Invoice" FOR SELECT USING (EXISTS (SELECT FROM "Customer" WHERE "Customer"."id" = "Invoice"."customerId"));

ALTER TABLE "Payment" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Payment" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Payment" FOR SELECT USING (EXISTS (SELECT FROM "Customer" WHERE "Customer"."id" = "Payment"."customerId"));

ALTER TABLE "Refund" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Refund" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Refund" FOR SELECT USING (EXISTS (SELECT FROM "Customer" WHERE "Customer"."id" = "Refund"."customerId"));

ALTER TABLE "CheckoutSession" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "CheckoutSession" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "CheckoutSession" FOR SELECT USING (EXISTS (SELECT FROM "Customer" WHERE "Customer"."id" = "CheckoutSession"."customerId"));

ALTER TABLE "TrialRedemption" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "TrialRedemption" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "Effect" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Effect" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "Booking" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Booking" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Booking" FOR SELECT USING (EXISTS (SELECT FROM "Customer" WHERE "Customer"."id" = "Booking"."customerId"));

ALTER TABLE "NurtureSequence" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "NurtureSequence" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "NurtureEmailVariant" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "NurtureEmailVariant" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "NurtureEnrollment" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "NurtureEnrollment" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "JobWorker" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "JobWorker" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "WebhookEvent" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "WebhookEvent" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
