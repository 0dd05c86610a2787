-- No statement that runs for an event, each minute or for a page reads a growing table whole.
--
-- An index is built while its table takes no writes. On a large table build it first, under the same name, with
-- CREATE INDEX CONCURRENTLY; the migration then finds it.

CREATE INDEX IF NOT EXISTS "AuditLog_action_id_idx" ON "AuditLog"("action", "id");
CREATE INDEX IF NOT EXISTS "AuthEvent_untried" ON "AuthEvent" ("createdAt") WHERE "attempts" = 0;
CREATE INDEX IF NOT EXISTS "CreditHold_ownerId_creditType_idx" ON "CreditHold"("ownerId", "creditType");
CREATE INDEX IF NOT EXISTS "Customer_forgotten" ON "Customer" ("id") WHERE "forgottenAt" IS NOT NULL;
CREATE INDEX IF NOT EXISTS "Effect_of_orders" ON "Effect" ("createdAt") WHERE "name" IN ('order.completed', 'order.refunded');
CREATE INDEX IF NOT EXISTS "Invitation_inviterId_idx" ON "Invitation"("inviterId");
CREATE INDEX IF NOT EXISTS "Invoice_stripePaymentIntentId_idx" ON "Invoice"("stripePaymentIntentId");
CREATE INDEX IF NOT EXISTS "OauthAccessToken_expiresAt_idx" ON "OauthAccessToken"("expiresAt");
CREATE INDEX IF NOT EXISTS "OauthRefreshToken_expiresAt_idx" ON "OauthRefreshToken"("expiresAt");
CREATE INDEX IF NOT EXISTS "OauthRefreshToken_replay" ON "OauthRefreshToken" ("rotationReplayExpiresAt") WHERE "rotationReplayResponse" IS NOT NULL;
CREATE INDEX IF NOT EXISTS "OauthRefreshToken_revoked" ON "OauthRefreshToken" ("revoked") WHERE "revoked" IS NOT NULL;
CREATE INDEX IF NOT EXISTS "Order_createdAt_idx" ON "Order"("createdAt");
CREATE INDEX IF NOT EXISTS "Order_flagged" ON "Order" ("createdAt") WHERE "needsAttention" IS NOT NULL;
CREATE INDEX IF NOT EXISTS "Session_expiresAt_idx" ON "Session"("expiresAt");
CREATE INDEX IF NOT EXISTS "Subscription_flagged" ON "Subscription" ("createdAt") WHERE "needsAttention" IS NOT NULL;
CREATE INDEX IF NOT EXISTS "User_unverified" ON "User" ("createdAt") WHERE NOT "emailVerified";
CREATE INDEX IF NOT EXISTS "VerificationToken_value_idx" ON "VerificationToken" USING HASH ("value");
CREATE INDEX IF NOT EXISTS "WebhookEvent_kept" ON "WebhookEvent" ("receivedAt") WHERE "status" IN ('processed', 'ignored') AND "payload" IS NOT NULL;
CREATE INDEX IF NOT EXISTS "WebhookEvent_kept_subject" ON "WebhookEvent" ("subject") WHERE "status" IN ('processed', 'ignored') AND "payload" IS NOT NULL;

-- The rows that are an organization's are looked up once for a query, by an index, and not at all for the system.
-- As EXISTS they became a hash of every customer, member and invitation, for each query, whoever asked.
DROP POLICY "of_organization" ON "Booking";
CREATE POLICY "of_organization" ON "Booking" FOR SELECT USING ("Booking"."customerId" = ANY (ARRAY(SELECT "Customer"."id" FROM "Customer" WHERE "Customer"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')) AND "Customer"."ownerType" = 'organization')));
DROP POLICY "of_organization" ON "CheckoutSession";
CREATE POLICY "of_organization" ON "CheckoutSession" FOR SELECT USING ("CheckoutSession"."customerId" = ANY (ARRAY(SELECT "Customer"."id" FROM "Customer" WHERE "Customer"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')) AND "Customer"."ownerType" = 'organization')));
DROP POLICY "of_organization" ON "Invoice";
CREATE POLICY "of_organization" ON "Invoice" FOR SELECT USING ("Invoice"."customerId" = ANY (ARRAY(SELECT "Customer"."id" FROM "Customer" WHERE "Customer"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')) AND "Customer"."ownerType" = 'organization')));
DROP POLICY "of_organization" ON "Payment";
CREATE POLICY "of_organization" ON "Payment" FOR SELECT USING ("Payment"."customerId" = ANY (ARRAY(SELECT "Customer"."id" FROM "Customer" WHERE "Customer"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')) AND "Customer"."ownerType" = 'organization')));
DROP POLICY "of_organization" ON "Refund";
CREATE POLICY "of_organization" ON "Refund" FOR SELECT USING ("Refund"."customerId" = ANY (ARRAY(SELECT "Customer"."id" FROM "Customer" WHERE "Customer"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')) AND "Customer"."ownerType" = 'organization')));
DROP POLICY "of_organization" ON "Subscription";
CREATE POLICY "of_organization" ON "Subscription" FOR SELECT USING ("Subscription"."customerId" = ANY (ARRAY(SELECT "Customer"."id" FROM "Customer" WHERE "Customer"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')) AND "Customer"."ownerType" = 'organization')));
DROP POLICY "of_organization" ON "User";
CREATE POLICY "of_organization" ON "User" FOR SELECT USING ("User"."id" = ANY (ARRAY(SELECT "Member"."userId" FROM "Member" WHERE "Member"."organizationId" = (SELECT nullif(current_setting('tollgate.organization', true), '')))) OR "User"."id" = ANY (ARRAY(SELECT "Invitation"."inviterId" FROM "Invitation" WHERE "Invitation"."organizationId" = (SELECT nullif(current_setting('tollgate.organization', true), '')))));
