-- CreateTable
CREATE TABLE "AuditLog" (
    "id" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "userId" TEXT,
    "actorId" TEXT,
    "organizationId" TEXT,
    "sessionId" TEXT,
    "subject" TEXT,
    "detail" JSONB,
    "ip" TEXT,
    "userAgent" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "AuditLog_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "User" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "emailVerified" BOOLEAN NOT NULL DEFAULT false,
    "image" TEXT,
    "role" TEXT NOT NULL DEFAULT 'USER',
    "locale" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,
    "twoFactorEnabled" BOOLEAN NOT NULL DEFAULT false,
    "accessEndedAt" TIMESTAMPTZ(3),
    "accessEndedBy" BIGINT,

    CONSTRAINT "User_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "EmailChange" (
    "id" BIGSERIAL NOT NULL,
    "userId" TEXT NOT NULL,
    "oldEmail" TEXT NOT NULL,
    "newEmail" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "confirmedAt" TIMESTAMPTZ(3),
    "closedAt" TIMESTAMPTZ(3),

    CONSTRAINT "EmailChange_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "UserDeletion" (
    "userId" TEXT NOT NULL,
    "requestedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "dueAt" TIMESTAMPTZ(3) NOT NULL,
    "blockedAt" TIMESTAMPTZ(3),

    CONSTRAINT "UserDeletion_pkey" PRIMARY KEY ("userId")
);

-- CreateTable
CREATE TABLE "LastOrganization" (
    "userId" TEXT NOT NULL,
    "organizationId" TEXT,

    CONSTRAINT "LastOrganization_pkey" PRIMARY KEY ("userId")
);

-- CreateTable
CREATE TABLE "Session" (
    "id" TEXT NOT NULL,
    "token" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "expiresAt" TIMESTAMPTZ(3) NOT NULL,
    "ipAddress" TEXT,
    "userAgent" TEXT,
    "activeOrganizationId" TEXT,
    "aal" INTEGER NOT NULL DEFAULT 1,
    "predecessorHash" TEXT,
    "successorSeenAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Session_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "AccessDenial" (
    "id" BIGSERIAL NOT NULL,
    "subject" TEXT NOT NULL,
    "notBefore" INTEGER NOT NULL,
    "transaction" BIGINT NOT NULL DEFAULT ((pg_current_xact_id())::text)::bigint,

    CONSTRAINT "AccessDenial_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Account" (
    "id" TEXT NOT NULL,
    "accountId" TEXT NOT NULL,
    "providerId" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "accessToken" TEXT,
    "refreshToken" TEXT,
    "idToken" TEXT,
    "accessTokenExpiresAt" TIMESTAMPTZ(3),
    "refreshTokenExpiresAt" TIMESTAMPTZ(3),
    "scope" TEXT,
    "password" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Account_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Passkey" (
    "id" TEXT NOT NULL,
    "name" TEXT,
    "publicKey" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "credentialID" TEXT NOT NULL,
    "counter" INTEGER NOT NULL,
    "deviceType" TEXT NOT NULL,
    "backedUp" BOOLEAN NOT NULL,
    "transports" TEXT,
    "createdAt" TIMESTAMPTZ(3) DEFAULT CURRENT_TIMESTAMP,
    "aaguid" TEXT,

    CONSTRAINT "Passkey_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "TwoFactor" (
    "id" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "secret" TEXT NOT NULL,
    "backupCodes" TEXT NOT NULL,
    "verified" BOOLEAN NOT NULL DEFAULT true,
    "failedVerificationCount" INTEGER NOT NULL DEFAULT 0,
    "lockedUntil" TIMESTAMPTZ(3),
    "lastUsedStep" INTEGER,
    "secretSetAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "backupCodesSetAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "TwoFactor_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "VerificationToken" (
    "id" TEXT NOT NULL,
    "identifier" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    "expiresAt" TIMESTAMPTZ(3) NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "VerificationToken_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Organization" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "slug" TEXT NOT NULL,
    "logo" TEXT,
    "metadata" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Organization_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Member" (
    "id" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Member_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Invitation" (
    "id" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "expiresAt" TIMESTAMPTZ(3) NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "inviterId" TEXT NOT NULL,

    CONSTRAINT "Invitation_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "AuthEvent" (
    "name" TEXT NOT NULL,
    "subjectId" TEXT NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "nextAttemptAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "AuthEvent_pkey" PRIMARY KEY ("name","subjectId")
);

-- CreateTable
CREATE TABLE "Jwks" (
    "id" TEXT NOT NULL,
    "publicKey" TEXT NOT NULL,
    "privateKey" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL,
    "expiresAt" TIMESTAMPTZ(3),
    "alg" TEXT,
    "crv" TEXT,

    CONSTRAINT "Jwks_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Customer" (
    "id" TEXT NOT NULL,
    "ownerId" TEXT NOT NULL,
    "ownerType" TEXT NOT NULL,
    "stripeCustomerId" TEXT,
    "unlinkedAt" TIMESTAMPTZ(3),
    "formerStripeIds" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "forgottenAt" TIMESTAMPTZ(3),
    "syncedTicket" BIGINT NOT NULL DEFAULT 0,
    "syncedAt" TIMESTAMPTZ(3),
    "partTicket" BIGINT NOT NULL DEFAULT 0,
    "billingEmail" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Customer_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "FormerCustomer" (
    "stripeCustomerId" TEXT NOT NULL,
    "customerId" TEXT NOT NULL,

    CONSTRAINT "FormerCustomer_pkey" PRIMARY KEY ("stripeCustomerId")
);

-- CreateTable
CREATE TABLE "Product" (
    "id" TEXT NOT NULL,
    "stripeProductId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "plan" TEXT,
    "active" BOOLEAN NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Product_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Price" (
    "id" TEXT NOT NULL,
    "stripePriceId" TEXT NOT NULL,
    "productId" TEXT NOT NULL,
    "lookupKey" TEXT,
    "amount" BIGINT,
    "currency" TEXT NOT NULL,
    "interval" TEXT,
    "active" BOOLEAN NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Price_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Subscription" (
    "id" TEXT NOT NULL,
    "customerId" TEXT NOT NULL,
    "provider" TEXT NOT NULL DEFAULT 'stripe',
    "stripeSubscriptionId" TEXT,
    "priceId" TEXT,
    "providerSubscriptionId" TEXT,
    "sku" TEXT,
    "status" TEXT NOT NULL,
    "quantity" INTEGER NOT NULL DEFAULT 1,
    "currentPeriodStart" TIMESTAMPTZ(3) NOT NULL,
    "currentPeriodEnd" TIMESTAMPTZ(3) NOT NULL,
    "cancelAtPeriodEnd" BOOLEAN NOT NULL DEFAULT false,
    "cancelAt" TIMESTAMPTZ(3),
    "canceledAt" TIMESTAMPTZ(3),
    "endedAt" TIMESTAMPTZ(3),
    "trialStart" TIMESTAMPTZ(3),
    "trialEnd" TIMESTAMPTZ(3),
    "stripeScheduleId" TEXT,
    "scheduledPriceId" TEXT,
    "scheduledFor" TIMESTAMPTZ(3),
    "scheduledQuantity" INTEGER,
    "pauseBehavior" TEXT,
    "pauseResumesAt" TIMESTAMPTZ(3),
    "pendingPlan" TEXT,
    "pendingInterval" TEXT,
    "pendingQuantity" INTEGER,
    "pendingUntil" TIMESTAMPTZ(3),
    "pendingUrl" TEXT,
    "changeScheduleId" TEXT,
    "changePriceId" TEXT,
    "changeQuantity" INTEGER,
    "changeNextPriceId" TEXT,
    "changeNextQuantity" INTEGER,
    "changeAskedAt" TIMESTAMPTZ(3),
    "cancellationFeedback" TEXT,
    "cancellationComment" TEXT,
    "pastDueSince" TIMESTAMPTZ(3),
    "needsAttention" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Subscription_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Invoice" (
    "id" TEXT NOT NULL,
    "customerId" TEXT NOT NULL,
    "stripeInvoiceId" TEXT NOT NULL,
    "subscriptionId" TEXT,
    "number" TEXT,
    "status" TEXT NOT NULL,
    "billingReason" TEXT,
    "total" BIGINT NOT NULL,
    "amountDue" BIGINT NOT NULL,
    "amountPaid" BIGINT NOT NULL,
    "amountRefunded" BIGINT NOT NULL DEFAULT 0,
    "amountDisputed" BIGINT NOT NULL DEFAULT 0,
    "currency" TEXT NOT NULL,
    "attemptCount" INTEGER NOT NULL DEFAULT 0,
    "nextPaymentAttempt" TIMESTAMPTZ(3),
    "hostedInvoiceUrl" TEXT,
    "invoicePdf" TEXT,
    "periodStart" TIMESTAMPTZ(3) NOT NULL,
    "periodEnd" TIMESTAMPTZ(3) NOT NULL,
    "paidAt" TIMESTAMPTZ(3),
    "stripePaymentIntentId" TEXT,
    "disputeStatus" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Invoice_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Payment" (
    "id" TEXT NOT NULL,
    "customerId" TEXT NOT NULL,
    "stripePaymentIntentId" TEXT NOT NULL,
    "amount" BIGINT NOT NULL,
    "currency" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "amountRefunded" BIGINT NOT NULL DEFAULT 0,
    "disputeStatus" TEXT,
    "paidAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Payment_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Refund" (
    "id" TEXT NOT NULL,
    "customerId" TEXT NOT NULL,
    "stripeRefundId" TEXT NOT NULL,
    "stripePaymentIntentId" TEXT,
    "paymentId" TEXT,
    "invoiceId" TEXT,
    "invoiceIds" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "amount" BIGINT NOT NULL,
    "currency" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "reason" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Refund_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "CheckoutSession" (
    "id" TEXT NOT NULL,
    "customerId" TEXT NOT NULL,
    "terms" TEXT NOT NULL,
    "orderId" TEXT,
    "stripeSessionId" TEXT,
    "status" TEXT NOT NULL DEFAULT 'open',
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "CheckoutSession_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "RefusedRequest" (
    "name" TEXT NOT NULL,
    "refusals" INTEGER NOT NULL,
    "refusedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "RefusedRequest_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "TrialRedemption" (
    "key" TEXT NOT NULL,
    "stripeSubscriptionId" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "TrialRedemption_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "Effect" (
    "key" TEXT NOT NULL,
    "customerId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "handled" BOOLEAN,
    "awaits" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Effect_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "BillingDeclaration" (
    "kind" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "seenAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "BillingDeclaration_pkey" PRIMARY KEY ("kind","name")
);

-- CreateTable
CREATE TABLE "StripeAccount" (
    "environment" TEXT NOT NULL,
    "stripeAccountId" TEXT,
    "livemode" BOOLEAN,
    "keyFingerprint" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "StripeAccount_pkey" PRIMARY KEY ("environment")
);

-- CreateTable
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

-- CreateTable
CREATE TABLE "Booking" (
    "id" TEXT NOT NULL,
    "calBookingUid" TEXT NOT NULL,
    "calSeat" TEXT NOT NULL DEFAULT '',
    "calUids" TEXT[],
    "calICalUid" TEXT,
    "calICalSequence" INTEGER NOT NULL DEFAULT 0,
    "calCreatedAt" TIMESTAMPTZ(3) NOT NULL,
    "customerId" TEXT,
    "paymentId" TEXT,
    "calEventTypeId" INTEGER,
    "calRecurringId" TEXT,
    "title" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "startsAt" TIMESTAMPTZ(3) NOT NULL,
    "endsAt" TIMESTAMPTZ(3) NOT NULL,
    "attendeeName" TEXT,
    "attendeeEmail" TEXT,
    "meetingUrl" TEXT,
    "reason" TEXT,
    "needsAttention" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Booking_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "BookingUid" (
    "uid" TEXT NOT NULL,
    "bookingId" TEXT NOT NULL,

    CONSTRAINT "BookingUid_pkey" PRIMARY KEY ("uid","bookingId")
);

-- CreateTable
CREATE TABLE "CreditAccount" (
    "ownerId" TEXT NOT NULL,
    "creditType" TEXT NOT NULL DEFAULT 'credits',
    "balance" BIGINT NOT NULL DEFAULT 0,
    "debt" BIGINT NOT NULL DEFAULT 0,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastTransactionId" BIGINT,

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
    "held" BOOLEAN NOT NULL DEFAULT false,
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
CREATE TABLE "CreditWork" (
    "ownerId" TEXT NOT NULL,
    "idempotencyKey" TEXT NOT NULL,
    "creditType" TEXT NOT NULL,
    "amount" BIGINT NOT NULL,
    "holdId" BIGINT NOT NULL,
    "attempt" INTEGER NOT NULL,
    "turn" INTEGER NOT NULL DEFAULT 1,
    "worker" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'working',
    "outcome" TEXT,
    "finishedAt" TIMESTAMPTZ(6),

    CONSTRAINT "CreditWork_pkey" PRIMARY KEY ("ownerId","idempotencyKey")
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

-- CreateTable
CREATE TABLE "NurtureSequence" (
    "id" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "active" BOOLEAN NOT NULL DEFAULT true,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "NurtureSequence_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "NurtureEmailVariant" (
    "id" TEXT NOT NULL,
    "sequenceId" TEXT NOT NULL,
    "step" INTEGER NOT NULL,
    "variant" TEXT NOT NULL,
    "template" TEXT NOT NULL,
    "delayHours" INTEGER NOT NULL,
    "weight" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "NurtureEmailVariant_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "NurtureEnrollment" (
    "id" TEXT NOT NULL,
    "sequenceId" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "step" INTEGER NOT NULL DEFAULT 0,
    "status" TEXT NOT NULL DEFAULT 'active',
    "dueAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "NurtureEnrollment_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Integration" (
    "id" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "credentials" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Integration_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "JobWorker" (
    "id" TEXT NOT NULL,
    "seenAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "JobWorker_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "OauthClient" (
    "id" TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    "clientSecret" TEXT,
    "clientDiscoveryId" TEXT,
    "disabled" BOOLEAN DEFAULT false,
    "skipConsent" BOOLEAN,
    "enableEndSession" BOOLEAN,
    "subjectType" TEXT,
    "scopes" TEXT[],
    "clientCredentialsScopes" TEXT[],
    "userId" TEXT,
    "createdAt" TIMESTAMPTZ(3),
    "updatedAt" TIMESTAMPTZ(3),
    "name" TEXT,
    "uri" TEXT,
    "icon" TEXT,
    "contacts" TEXT[],
    "tos" TEXT,
    "policy" TEXT,
    "softwareId" TEXT,
    "softwareVersion" TEXT,
    "softwareStatement" TEXT,
    "redirectUris" TEXT[],
    "postLogoutRedirectUris" TEXT[],
    "backchannelLogoutUri" TEXT,
    "backchannelLogoutSessionRequired" BOOLEAN,
    "tokenEndpointAuthMethod" TEXT,
    "applicationType" TEXT,
    "jwks" TEXT,
    "jwksUri" TEXT,
    "grantTypes" TEXT[],
    "responseTypes" TEXT[],
    "requirePKCE" BOOLEAN,
    "dpopBoundAccessTokens" BOOLEAN DEFAULT false,
    "referenceId" TEXT,
    "metadata" JSONB,

    CONSTRAINT "OauthClient_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "OauthResource" (
    "id" TEXT NOT NULL,
    "identifier" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "accessTokenTtl" INTEGER,
    "refreshTokenTtl" INTEGER,
    "signingAlgorithm" TEXT,
    "signingKeyId" TEXT,
    "allowedScopes" TEXT[],
    "customClaims" JSONB,
    "dpopBoundAccessTokensRequired" BOOLEAN DEFAULT false,
    "disabled" BOOLEAN DEFAULT false,
    "createdAt" TIMESTAMPTZ(3),
    "updatedAt" TIMESTAMPTZ(3),
    "policyVersion" INTEGER DEFAULT 1,
    "metadata" JSONB,

    CONSTRAINT "OauthResource_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "OauthClientResource" (
    "id" TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    "resourceId" TEXT NOT NULL,
    "metadata" JSONB,
    "createdAt" TIMESTAMPTZ(3),

    CONSTRAINT "OauthClientResource_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "OauthRefreshToken" (
    "id" TEXT NOT NULL,
    "token" TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    "sessionId" TEXT,
    "userId" TEXT NOT NULL,
    "referenceId" TEXT,
    "authorizationCodeId" TEXT,
    "resources" TEXT[],
    "requestedUserInfoClaims" TEXT[],
    "expiresAt" TIMESTAMPTZ(3) NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL,
    "revoked" TIMESTAMPTZ(3),
    "rotatedAt" TIMESTAMPTZ(3),
    "rotationReplayResponse" TEXT,
    "rotationReplayExpiresAt" TIMESTAMPTZ(3),
    "authTime" TIMESTAMPTZ(3),
    "grantedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "confirmation" JSONB,
    "scopes" TEXT[],

    CONSTRAINT "OauthRefreshToken_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "OauthAccessToken" (
    "id" TEXT NOT NULL,
    "token" TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    "sessionId" TEXT,
    "userId" TEXT,
    "referenceId" TEXT,
    "authorizationCodeId" TEXT,
    "resources" TEXT[],
    "requestedUserInfoClaims" TEXT[],
    "refreshId" TEXT,
    "expiresAt" TIMESTAMPTZ(3) NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL,
    "revoked" TIMESTAMPTZ(3),
    "confirmation" JSONB,
    "scopes" TEXT[],

    CONSTRAINT "OauthAccessToken_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "OauthConsent" (
    "id" TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    "userId" TEXT,
    "referenceId" TEXT,
    "resources" TEXT[],
    "requestedUserInfoClaims" TEXT[],
    "scopes" TEXT[],
    "createdAt" TIMESTAMPTZ(3) NOT NULL,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "OauthConsent_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "OauthClientAssertion" (
    "id" TEXT NOT NULL,
    "expiresAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "OauthClientAssertion_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Order" (
    "id" TEXT NOT NULL,
    "ownerId" TEXT NOT NULL,
    "customerId" TEXT NOT NULL,
    "sku" TEXT,
    "provider" TEXT NOT NULL,
    "amount" BIGINT NOT NULL,
    "currency" TEXT NOT NULL,
    "credits" INTEGER NOT NULL DEFAULT 0,
    "plan" TEXT,
    "interval" TEXT,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "checkoutId" TEXT,
    "paymentId" TEXT,
    "subscriptionId" TEXT,
    "invoiceId" TEXT,
    "invoiceIds" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "providerCustomerId" TEXT,
    "amountPaid" BIGINT NOT NULL DEFAULT 0,
    "amountRefunded" BIGINT NOT NULL DEFAULT 0,
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
    "failedAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Order_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "RateLimit" (
    "key" VARCHAR(255) NOT NULL,
    "points" INTEGER NOT NULL DEFAULT 0,
    "expire" BIGINT,

    CONSTRAINT "RateLimit_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "WebhookEvent" (
    "provider" TEXT NOT NULL,
    "eventId" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "subject" TEXT,
    "providerCreatedAt" TIMESTAMPTZ(3),
    "apiVersion" TEXT,
    "livemode" BOOLEAN,
    "source" TEXT NOT NULL DEFAULT 'delivery',
    "payload" TEXT,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "nextAttemptAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lease" TEXT,
    "reason" TEXT,
    "receivedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "processedAt" TIMESTAMPTZ(3),
    "acknowledgedAt" TIMESTAMPTZ(3),
    "acknowledgedBy" TEXT,

    CONSTRAINT "WebhookEvent_pkey" PRIMARY KEY ("provider","eventId")
);

-- CreateIndex
CREATE INDEX "AuditLog_userId_id_idx" ON "AuditLog"("userId", "id");

-- CreateIndex
CREATE INDEX "AuditLog_actorId_id_idx" ON "AuditLog"("actorId", "id");

-- CreateIndex
CREATE INDEX "AuditLog_organizationId_id_idx" ON "AuditLog"("organizationId", "id");

-- CreateIndex
CREATE INDEX "AuditLog_action_id_idx" ON "AuditLog"("action", "id");

-- CreateIndex
CREATE INDEX "AuditLog_createdAt_idx" ON "AuditLog"("createdAt");

-- CreateIndex
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");

-- CreateIndex
CREATE INDEX "EmailChange_userId_id_idx" ON "EmailChange"("userId", "id");

-- CreateIndex
CREATE INDEX "EmailChange_createdAt_idx" ON "EmailChange"("createdAt");

-- CreateIndex
CREATE INDEX "UserDeletion_dueAt_idx" ON "UserDeletion"("dueAt");

-- CreateIndex
CREATE UNIQUE INDEX "Session_token_key" ON "Session"("token");

-- CreateIndex
CREATE INDEX "Session_userId_idx" ON "Session"("userId");

-- CreateIndex
CREATE INDEX "Session_expiresAt_idx" ON "Session"("expiresAt");

-- CreateIndex
CREATE INDEX "AccessDenial_subject_idx" ON "AccessDenial"("subject");

-- CreateIndex
CREATE INDEX "AccessDenial_notBefore_idx" ON "AccessDenial"("notBefore");

-- CreateIndex
CREATE INDEX "AccessDenial_transaction_idx" ON "AccessDenial"("transaction");

-- CreateIndex
CREATE INDEX "Account_userId_idx" ON "Account"("userId");

-- CreateIndex
CREATE UNIQUE INDEX "Account_providerId_accountId_key" ON "Account"("providerId", "accountId");

-- CreateIndex
CREATE UNIQUE INDEX "Passkey_credentialID_key" ON "Passkey"("credentialID");

-- CreateIndex
CREATE INDEX "Passkey_userId_idx" ON "Passkey"("userId");

-- CreateIndex
CREATE UNIQUE INDEX "TwoFactor_userId_key" ON "TwoFactor"("userId");

-- CreateIndex
CREATE INDEX "VerificationToken_identifier_idx" ON "VerificationToken"("identifier");

-- CreateIndex
CREATE INDEX "VerificationToken_expiresAt_idx" ON "VerificationToken"("expiresAt");

-- CreateIndex
CREATE INDEX "VerificationToken_value_idx" ON "VerificationToken" USING HASH ("value");

-- CreateIndex
CREATE UNIQUE INDEX "Organization_slug_key" ON "Organization"("slug");

-- CreateIndex
CREATE INDEX "Member_userId_idx" ON "Member"("userId");

-- CreateIndex
CREATE UNIQUE INDEX "Member_organizationId_userId_key" ON "Member"("organizationId", "userId");

-- CreateIndex
CREATE INDEX "Invitation_organizationId_idx" ON "Invitation"("organizationId");

-- CreateIndex
CREATE INDEX "Invitation_email_idx" ON "Invitation"("email");

-- CreateIndex
CREATE INDEX "Invitation_inviterId_idx" ON "Invitation"("inviterId");

-- CreateIndex
CREATE INDEX "AuthEvent_nextAttemptAt_idx" ON "AuthEvent"("nextAttemptAt");

-- CreateIndex
CREATE UNIQUE INDEX "Customer_ownerId_key" ON "Customer"("ownerId");

-- CreateIndex
CREATE UNIQUE INDEX "Customer_stripeCustomerId_key" ON "Customer"("stripeCustomerId");

-- CreateIndex
CREATE INDEX "FormerCustomer_customerId_idx" ON "FormerCustomer"("customerId");

-- CreateIndex
CREATE UNIQUE INDEX "Product_stripeProductId_key" ON "Product"("stripeProductId");

-- CreateIndex
CREATE UNIQUE INDEX "Price_stripePriceId_key" ON "Price"("stripePriceId");

-- CreateIndex
CREATE INDEX "Price_lookupKey_idx" ON "Price"("lookupKey");

-- CreateIndex
CREATE UNIQUE INDEX "Subscription_stripeSubscriptionId_key" ON "Subscription"("stripeSubscriptionId");

-- CreateIndex
CREATE INDEX "Subscription_customerId_createdAt_idx" ON "Subscription"("customerId", "createdAt");

-- CreateIndex
CREATE UNIQUE INDEX "Subscription_provider_providerSubscriptionId_key" ON "Subscription"("provider", "providerSubscriptionId");

-- CreateIndex
CREATE UNIQUE INDEX "Invoice_stripeInvoiceId_key" ON "Invoice"("stripeInvoiceId");

-- CreateIndex
CREATE INDEX "Invoice_customerId_createdAt_idx" ON "Invoice"("customerId", "createdAt");

-- CreateIndex
CREATE INDEX "Invoice_subscriptionId_idx" ON "Invoice"("subscriptionId");

-- CreateIndex
CREATE INDEX "Invoice_stripePaymentIntentId_idx" ON "Invoice"("stripePaymentIntentId");

-- CreateIndex
CREATE UNIQUE INDEX "Payment_stripePaymentIntentId_key" ON "Payment"("stripePaymentIntentId");

-- CreateIndex
CREATE INDEX "Payment_customerId_createdAt_idx" ON "Payment"("customerId", "createdAt");

-- CreateIndex
CREATE UNIQUE INDEX "Refund_stripeRefundId_key" ON "Refund"("stripeRefundId");

-- CreateIndex
CREATE INDEX "Refund_customerId_idx" ON "Refund"("customerId");

-- CreateIndex
CREATE INDEX "Refund_paymentId_idx" ON "Refund"("paymentId");

-- CreateIndex
CREATE INDEX "Refund_invoiceId_idx" ON "Refund"("invoiceId");

-- CreateIndex
CREATE UNIQUE INDEX "CheckoutSession_orderId_key" ON "CheckoutSession"("orderId");

-- CreateIndex
CREATE UNIQUE INDEX "CheckoutSession_stripeSessionId_key" ON "CheckoutSession"("stripeSessionId");

-- CreateIndex
CREATE INDEX "CheckoutSession_customerId_idx" ON "CheckoutSession"("customerId");

-- CreateIndex
CREATE INDEX "RefusedRequest_refusedAt_idx" ON "RefusedRequest"("refusedAt");

-- CreateIndex
CREATE INDEX "TrialRedemption_stripeSubscriptionId_idx" ON "TrialRedemption"("stripeSubscriptionId");

-- CreateIndex
CREATE INDEX "Effect_customerId_idx" ON "Effect"("customerId");

-- CreateIndex
CREATE INDEX "Booking_customerId_startsAt_idx" ON "Booking"("customerId", "startsAt");

-- CreateIndex
CREATE INDEX "Booking_paymentId_idx" ON "Booking"("paymentId");

-- CreateIndex
CREATE INDEX "Booking_calICalUid_idx" ON "Booking"("calICalUid");

-- CreateIndex
CREATE UNIQUE INDEX "Booking_calBookingUid_calSeat_key" ON "Booking"("calBookingUid", "calSeat");

-- CreateIndex
CREATE INDEX "BookingUid_bookingId_idx" ON "BookingUid"("bookingId");

-- CreateIndex
CREATE INDEX "CreditTransaction_ownerId_creditType_id_idx" ON "CreditTransaction"("ownerId", "creditType", "id");

-- CreateIndex
CREATE UNIQUE INDEX "CreditTransaction_ownerId_idempotencyKey_key" ON "CreditTransaction"("ownerId", "idempotencyKey");

-- CreateIndex
CREATE INDEX "CreditGrant_ownerId_creditType_idx" ON "CreditGrant"("ownerId", "creditType");

-- CreateIndex
CREATE UNIQUE INDEX "CreditHold_transactionId_key" ON "CreditHold"("transactionId");

-- CreateIndex
CREATE INDEX "CreditHold_ownerId_creditType_idx" ON "CreditHold"("ownerId", "creditType");

-- CreateIndex
CREATE UNIQUE INDEX "CreditWork_holdId_key" ON "CreditWork"("holdId");

-- CreateIndex
CREATE UNIQUE INDEX "CreditTopUp_ownerId_creditType_day_number_key" ON "CreditTopUp"("ownerId", "creditType", "day", "number");

-- CreateIndex
CREATE UNIQUE INDEX "NurtureSequence_key_key" ON "NurtureSequence"("key");

-- CreateIndex
CREATE UNIQUE INDEX "NurtureEmailVariant_sequenceId_step_variant_key" ON "NurtureEmailVariant"("sequenceId", "step", "variant");

-- CreateIndex
CREATE INDEX "NurtureEnrollment_status_dueAt_idx" ON "NurtureEnrollment"("status", "dueAt");

-- CreateIndex
CREATE UNIQUE INDEX "NurtureEnrollment_sequenceId_userId_key" ON "NurtureEnrollment"("sequenceId", "userId");

-- CreateIndex
CREATE UNIQUE INDEX "Integration_organizationId_type_key" ON "Integration"("organizationId", "type");

-- CreateIndex
CREATE INDEX "JobWorker_seenAt_idx" ON "JobWorker"("seenAt");

-- CreateIndex
CREATE UNIQUE INDEX "OauthClient_clientId_key" ON "OauthClient"("clientId");

-- CreateIndex
CREATE INDEX "OauthClient_userId_idx" ON "OauthClient"("userId");

-- CreateIndex
CREATE UNIQUE INDEX "OauthResource_identifier_key" ON "OauthResource"("identifier");

-- CreateIndex
CREATE INDEX "OauthClientResource_resourceId_idx" ON "OauthClientResource"("resourceId");

-- CreateIndex
CREATE UNIQUE INDEX "OauthClientResource_clientId_resourceId_key" ON "OauthClientResource"("clientId", "resourceId");

-- CreateIndex
CREATE UNIQUE INDEX "OauthRefreshToken_token_key" ON "OauthRefreshToken"("token");

-- CreateIndex
CREATE INDEX "OauthRefreshToken_clientId_idx" ON "OauthRefreshToken"("clientId");

-- CreateIndex
CREATE INDEX "OauthRefreshToken_sessionId_idx" ON "OauthRefreshToken"("sessionId");

-- CreateIndex
CREATE INDEX "OauthRefreshToken_userId_idx" ON "OauthRefreshToken"("userId");

-- CreateIndex
CREATE INDEX "OauthRefreshToken_expiresAt_idx" ON "OauthRefreshToken"("expiresAt");

-- CreateIndex
CREATE INDEX "OauthRefreshToken_authorizationCodeId_idx" ON "OauthRefreshToken"("authorizationCodeId");

-- CreateIndex
CREATE UNIQUE INDEX "OauthAccessToken_token_key" ON "OauthAccessToken"("token");

-- CreateIndex
CREATE INDEX "OauthAccessToken_clientId_idx" ON "OauthAccessToken"("clientId");

-- CreateIndex
CREATE INDEX "OauthAccessToken_sessionId_idx" ON "OauthAccessToken"("sessionId");

-- CreateIndex
CREATE INDEX "OauthAccessToken_userId_idx" ON "OauthAccessToken"("userId");

-- CreateIndex
CREATE INDEX "OauthAccessToken_expiresAt_idx" ON "OauthAccessToken"("expiresAt");

-- CreateIndex
CREATE INDEX "OauthAccessToken_authorizationCodeId_idx" ON "OauthAccessToken"("authorizationCodeId");

-- CreateIndex
CREATE INDEX "OauthAccessToken_refreshId_idx" ON "OauthAccessToken"("refreshId");

-- CreateIndex
CREATE INDEX "OauthConsent_clientId_idx" ON "OauthConsent"("clientId");

-- CreateIndex
CREATE INDEX "OauthConsent_userId_idx" ON "OauthConsent"("userId");

-- CreateIndex
CREATE INDEX "OauthClientAssertion_expiresAt_idx" ON "OauthClientAssertion"("expiresAt");

-- CreateIndex
CREATE INDEX "Order_provider_invoiceId_idx" ON "Order"("provider", "invoiceId");

-- CreateIndex
CREATE INDEX "Order_ownerId_createdAt_idx" ON "Order"("ownerId", "createdAt");

-- CreateIndex
CREATE INDEX "Order_customerId_idx" ON "Order"("customerId");

-- CreateIndex
CREATE INDEX "Order_provider_subscriptionId_idx" ON "Order"("provider", "subscriptionId");

-- CreateIndex
CREATE INDEX "Order_paidAt_idx" ON "Order"("paidAt");

-- CreateIndex
CREATE INDEX "Order_createdAt_idx" ON "Order"("createdAt");

-- CreateIndex
CREATE INDEX "Order_status_createdAt_idx" ON "Order"("status", "createdAt");

-- CreateIndex
CREATE UNIQUE INDEX "Order_provider_checkoutId_key" ON "Order"("provider", "checkoutId");

-- CreateIndex
CREATE UNIQUE INDEX "Order_provider_paymentId_key" ON "Order"("provider", "paymentId");

-- CreateIndex
CREATE UNIQUE INDEX "Order_ownerId_idempotencyKey_key" ON "Order"("ownerId", "idempotencyKey");

-- CreateIndex
CREATE INDEX "RateLimit_expire_idx" ON "RateLimit"("expire");

-- CreateIndex
CREATE INDEX "WebhookEvent_receivedAt_idx" ON "WebhookEvent"("receivedAt");

-- AddForeignKey
ALTER TABLE "EmailChange" ADD CONSTRAINT "EmailChange_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "UserDeletion" ADD CONSTRAINT "UserDeletion_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "LastOrganization" ADD CONSTRAINT "LastOrganization_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Session" ADD CONSTRAINT "Session_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Account" ADD CONSTRAINT "Account_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Passkey" ADD CONSTRAINT "Passkey_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "TwoFactor" ADD CONSTRAINT "TwoFactor_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Member" ADD CONSTRAINT "Member_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Member" ADD CONSTRAINT "Member_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Invitation" ADD CONSTRAINT "Invitation_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Invitation" ADD CONSTRAINT "Invitation_inviterId_fkey" FOREIGN KEY ("inviterId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "FormerCustomer" ADD CONSTRAINT "FormerCustomer_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "Customer"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Price" ADD CONSTRAINT "Price_productId_fkey" FOREIGN KEY ("productId") REFERENCES "Product"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Subscription" ADD CONSTRAINT "Subscription_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "Customer"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Subscription" ADD CONSTRAINT "Subscription_priceId_fkey" FOREIGN KEY ("priceId") REFERENCES "Price"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Subscription" ADD CONSTRAINT "Subscription_scheduledPriceId_fkey" FOREIGN KEY ("scheduledPriceId") REFERENCES "Price"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Invoice" ADD CONSTRAINT "Invoice_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "Customer"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Invoice" ADD CONSTRAINT "Invoice_subscriptionId_fkey" FOREIGN KEY ("subscriptionId") REFERENCES "Subscription"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Payment" ADD CONSTRAINT "Payment_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "Customer"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Refund" ADD CONSTRAINT "Refund_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "Customer"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Refund" ADD CONSTRAINT "Refund_paymentId_fkey" FOREIGN KEY ("paymentId") REFERENCES "Payment"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Refund" ADD CONSTRAINT "Refund_invoiceId_fkey" FOREIGN KEY ("invoiceId") REFERENCES "Invoice"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "CheckoutSession" ADD CONSTRAINT "CheckoutSession_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "Customer"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "CheckoutSession" ADD CONSTRAINT "CheckoutSession_orderId_fkey" FOREIGN KEY ("orderId") REFERENCES "Order"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Booking" ADD CONSTRAINT "Booking_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "Customer"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Booking" ADD CONSTRAINT "Booking_paymentId_fkey" FOREIGN KEY ("paymentId") REFERENCES "Payment"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "BookingUid" ADD CONSTRAINT "BookingUid_bookingId_fkey" FOREIGN KEY ("bookingId") REFERENCES "Booking"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "CreditTransaction" ADD CONSTRAINT "CreditTransaction_refundOf_fkey" FOREIGN KEY ("refundOf") REFERENCES "CreditTransaction"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "CreditGrant" ADD CONSTRAINT "CreditGrant_ownerId_creditType_fkey" FOREIGN KEY ("ownerId", "creditType") REFERENCES "CreditAccount"("ownerId", "creditType") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "CreditHold" ADD CONSTRAINT "CreditHold_ownerId_creditType_fkey" FOREIGN KEY ("ownerId", "creditType") REFERENCES "CreditAccount"("ownerId", "creditType") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "CreditHold" ADD CONSTRAINT "CreditHold_transactionId_fkey" FOREIGN KEY ("transactionId") REFERENCES "CreditTransaction"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "CreditWork" ADD CONSTRAINT "CreditWork_holdId_fkey" FOREIGN KEY ("holdId") REFERENCES "CreditHold"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "NurtureEmailVariant" ADD CONSTRAINT "NurtureEmailVariant_sequenceId_fkey" FOREIGN KEY ("sequenceId") REFERENCES "NurtureSequence"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "NurtureEnrollment" ADD CONSTRAINT "NurtureEnrollment_sequenceId_fkey" FOREIGN KEY ("sequenceId") REFERENCES "NurtureSequence"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Integration" ADD CONSTRAINT "Integration_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "OauthClient" ADD CONSTRAINT "OauthClient_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "OauthClientResource" ADD CONSTRAINT "OauthClientResource_clientId_fkey" FOREIGN KEY ("clientId") REFERENCES "OauthClient"("clientId") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "OauthClientResource" ADD CONSTRAINT "OauthClientResource_resourceId_fkey" FOREIGN KEY ("resourceId") REFERENCES "OauthResource"("identifier") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "OauthRefreshToken" ADD CONSTRAINT "OauthRefreshToken_clientId_fkey" FOREIGN KEY ("clientId") REFERENCES "OauthClient"("clientId") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "OauthRefreshToken" ADD CONSTRAINT "OauthRefreshToken_sessionId_fkey" FOREIGN KEY ("sessionId") REFERENCES "Session"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "OauthRefreshToken" ADD CONSTRAINT "OauthRefreshToken_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "OauthAccessToken" ADD CONSTRAINT "OauthAccessToken_clientId_fkey" FOREIGN KEY ("clientId") REFERENCES "OauthClient"("clientId") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "OauthAccessToken" ADD CONSTRAINT "OauthAccessToken_sessionId_fkey" FOREIGN KEY ("sessionId") REFERENCES "Session"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "OauthAccessToken" ADD CONSTRAINT "OauthAccessToken_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "OauthAccessToken" ADD CONSTRAINT "OauthAccessToken_refreshId_fkey" FOREIGN KEY ("refreshId") REFERENCES "OauthRefreshToken"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "OauthConsent" ADD CONSTRAINT "OauthConsent_clientId_fkey" FOREIGN KEY ("clientId") REFERENCES "OauthClient"("clientId") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "OauthConsent" ADD CONSTRAINT "OauthConsent_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Order" ADD CONSTRAINT "Order_customerId_fkey" FOREIGN KEY ("customerId") REFERENCES "Customer"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

CREATE SEQUENCE sync_ticket AS bigint;

-- Entries of the audit log are never changed, and are deleted only when they are older than 90 days.
CREATE OR REPLACE FUNCTION "AuditLog_append_only"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."AuditLog"'::regclass THEN
    RAISE EXCEPTION 'AuditLog_append_only: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF TG_OP = 'DELETE' AND OLD."createdAt" < now() - interval '90 days' THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'The audit log is only added to, and kept for 90 days at least.';
END $$;

-- Deletes the entries from before p_before, on behalf of a role that has no right to delete them. The trigger
-- "AuditLog_append_only" refuses entries that are not yet 90 days old. Returns the number of deleted entries.
CREATE OR REPLACE FUNCTION "AuditLog_prune"(p_before timestamptz) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  v_count bigint;
BEGIN
  DELETE FROM "AuditLog" WHERE "createdAt" < p_before;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;

-- Records an event of auth for its handlers. It writes as the system, because a statement of an organization may
-- cause the event.
CREATE OR REPLACE FUNCTION "AuthEvent_add"(event text, subject text) RETURNS void LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
  system_before text := coalesce(current_setting('tollgate.system', true), '');
  organization_before text := coalesce(current_setting('tollgate.organization', true), '');
BEGIN
  PERFORM set_config('tollgate.system', 'on', true), set_config('tollgate.organization', '', true);
  INSERT INTO "AuthEvent" ("name", "subjectId") VALUES (event, subject)
  ON CONFLICT ("name", "subjectId") DO UPDATE SET "version" = "AuthEvent"."version" + 1;
  PERFORM set_config('tollgate.system', system_before, true),
    set_config('tollgate.organization', organization_before, true);
END $$;

-- Refuses an account's balance, debt or time that is not that of its newest transaction. A new account is empty.
CREATE OR REPLACE FUNCTION "CreditAccount_follows"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
  v_last record;
  v_debt bigint := 0;
BEGIN
  IF TG_RELID <> 'public."CreditAccount"'::regclass THEN
    RAISE EXCEPTION 'CreditAccount_follows: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF TG_OP = 'UPDATE' AND NEW."ownerId" = OLD."ownerId" AND NEW."creditType" = OLD."creditType" THEN
    IF NEW."lastTransactionId" > coalesce(OLD."lastTransactionId", 0) THEN
      IF NEW."debt" <> OLD."debt" THEN
        SELECT sum(t."debt") INTO v_debt FROM "CreditTransaction" t
          WHERE t."ownerId" = NEW."ownerId" AND t."creditType" = NEW."creditType"
            AND t."id" > coalesce(OLD."lastTransactionId", 0) AND t."id" <= NEW."lastTransactionId";
      END IF;
      SELECT t."ownerId", t."creditType", t."balanceAfter", t."createdAt" INTO v_last
        FROM "CreditTransaction" t WHERE t."id" = NEW."lastTransactionId";
      IF v_last."ownerId" = NEW."ownerId" AND v_last."creditType" = NEW."creditType"
        AND v_last."balanceAfter" = NEW."balance" AND v_last."createdAt" = NEW."updatedAt"
        AND OLD."debt" + v_debt = NEW."debt"
      THEN
        RETURN NULL;
      END IF;
    ELSIF (NEW."balance", NEW."debt", NEW."updatedAt", NEW."lastTransactionId")
      IS NOT DISTINCT FROM (OLD."balance", OLD."debt", OLD."updatedAt", OLD."lastTransactionId")
    THEN
      RETURN NULL;
    END IF;
  END IF;
  RAISE EXCEPTION 'CreditAccount_follows: balance and debt change with a transaction alone.'
    USING ERRCODE = 'restrict_violation';
END $$;

-- The bounds of an account's values, as a function: see "CreditTransaction_in_bounds".
CREATE OR REPLACE FUNCTION "CreditAccount_in_bounds"(
  p_table oid, p_balance bigint, p_debt bigint, p_created_at timestamptz, p_updated_at timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = public, pg_temp AS $$
BEGIN
  RETURN p_table = 'public."CreditAccount"'::regclass
    AND p_balance BETWEEN 0 AND 9007199254740991 AND p_debt BETWEEN 0 AND 9007199254740991
    AND p_created_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00'
    AND p_updated_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00';
END $$;

-- An account is never deleted.
CREATE OR REPLACE FUNCTION "CreditAccount_stays"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."CreditAccount"'::regclass THEN
    RAISE EXCEPTION 'CreditAccount_stays: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RAISE EXCEPTION 'CreditAccount_stays: an account is never deleted.' USING ERRCODE = 'restrict_violation';
END $$;

-- The bounds of a lot's values, as a function: see "CreditTransaction_in_bounds".
CREATE OR REPLACE FUNCTION "CreditGrant_in_bounds"(
  p_table oid, p_id bigint, p_amount bigint, p_remaining bigint, p_open boolean, p_priority int,
  p_created_at timestamptz, p_expires_at timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = public, pg_temp AS $$
BEGIN
  RETURN p_table = 'public."CreditGrant"'::regclass AND p_id > 0
    AND p_amount BETWEEN 1 AND 9007199254740991 AND p_remaining BETWEEN 0 AND p_amount
    AND p_open = (p_remaining > 0) AND p_priority BETWEEN 0 AND 100
    AND p_created_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00'
    AND (p_expires_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00') IS NOT FALSE;
END $$;

-- A lot keeps its owner, amount and date, and is never deleted. Only its remaining credits and its expiry change.
CREATE OR REPLACE FUNCTION "CreditGrant_keeps_its_terms"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."CreditGrant"'::regclass THEN
    RAISE EXCEPTION 'CreditGrant_keeps_its_terms: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RAISE EXCEPTION 'CreditGrant_keeps_its_terms: a lot keeps its owner and amount, and is never deleted.'
    USING ERRCODE = 'restrict_violation';
END $$;

-- A hold belongs to a deduction of its account and captures no more than the deduction took. A settled hold has given
-- back the rest by the end of its transaction. A hold is settled and never deleted.
CREATE OR REPLACE FUNCTION "CreditHold_fits"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  v_taken bigint;
  v_refunded bigint;
BEGIN
  IF TG_RELID <> 'public."CreditHold"'::regclass THEN
    RAISE EXCEPTION 'CreditHold_fits: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
    RAISE EXCEPTION 'CreditHold_fits: a hold is settled, and never deleted.' USING ERRCODE = 'restrict_violation';
  END IF;
  IF TG_OP = 'UPDATE' AND (NEW."id", NEW."ownerId", NEW."creditType", NEW."transactionId")
    IS DISTINCT FROM (OLD."id", OLD."ownerId", OLD."creditType", OLD."transactionId")
  THEN
    RAISE EXCEPTION 'CreditHold_fits: hold % keeps its account and its transaction.', OLD."id"
      USING ERRCODE = 'restrict_violation';
  END IF;
  SELECT -t."amount" INTO v_taken FROM "CreditTransaction" t
    WHERE t."id" = NEW."transactionId" AND t."ownerId" = NEW."ownerId" AND t."creditType" = NEW."creditType"
      AND t."type" = 'deduction';
  IF v_taken IS NULL OR NEW."captured" > v_taken THEN
    RAISE EXCEPTION 'CreditHold_fits: hold % is for a deduction of its account, and keeps no more than that took.', NEW."id"
      USING ERRCODE = 'check_violation';
  END IF;
  -- A hold that is settled gives the rest back in the same transaction: the second trigger asks at its end.
  IF NEW."status" = 'open' OR TG_NAME = 'CreditHold_gives_back' THEN
    SELECT coalesce(sum(r."amount"), 0) INTO v_refunded FROM "CreditTransaction" r
      WHERE r."refundOf" = NEW."transactionId";
    IF NEW."status" = 'open' AND v_refunded > 0
      OR NEW."status" <> 'open' AND v_refunded < v_taken - NEW."captured"
    THEN
      RAISE EXCEPTION 'CreditHold_fits: hold % gives back what it does not keep, when it is settled.', NEW."id"
        USING ERRCODE = 'check_violation';
    END IF;
  END IF;
  RETURN NULL;
END $$;

-- The bounds of a hold's values, as a function: see "CreditTransaction_in_bounds".
CREATE OR REPLACE FUNCTION "CreditHold_in_bounds"(
  p_table oid, p_id bigint, p_expires_at timestamptz, p_settled_at timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = public, pg_temp AS $$
BEGIN
  RETURN p_table = 'public."CreditHold"'::regclass AND p_id > 0
    AND p_expires_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00'
    AND (p_settled_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00') IS NOT FALSE;
END $$;

-- A hold that was captured or released is never changed again.
CREATE OR REPLACE FUNCTION "CreditHold_settled_is_final"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."CreditHold"'::regclass THEN
    RAISE EXCEPTION 'CreditHold_settled_is_final: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RAISE EXCEPTION 'CreditHold_settled_is_final: hold % was settled.', OLD."id"
    USING ERRCODE = 'restrict_violation';
END $$;

-- Refuses to change or delete a top-up, because the daily limit counts the rows.
CREATE OR REPLACE FUNCTION "CreditTopUp_is_kept"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."CreditTopUp"'::regclass THEN
    RAISE EXCEPTION 'CreditTopUp_is_kept: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RAISE EXCEPTION 'CreditTopUp_is_kept: a top-up that was begun is never changed or deleted.'
    USING ERRCODE = 'restrict_violation';
END $$;

-- A credit transaction is never changed or deleted.
CREATE OR REPLACE FUNCTION "CreditTransaction_append_only"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."CreditTransaction"'::regclass THEN
    RAISE EXCEPTION 'CreditTransaction_append_only: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RAISE EXCEPTION 'CreditTransaction_append_only: a credit transaction is never changed or deleted.'
    USING ERRCODE = 'restrict_violation';
END $$;

-- Applies the transactions that one statement adds to their account, and refuses transactions that do not follow. In the
-- order of their ids, each must follow the one before it in balance and time, and the debt must not be below 0 after
-- any of them. A transaction that refers to another gives back no more than the other took, counted under the account's
-- lock, and nothing of an open hold. The queries about that are inside `IF v_refunds`, because PL/pgSQL runs a query in
-- the condition of an IF for every statement.
CREATE OR REPLACE FUNCTION "CreditTransaction_applies"() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  v record;
  v_last record;
  v_first bigint;
  v_balance bigint;
  v_began timestamptz;
  v_debt bigint := 0;
  v_least bigint := 0;
  v_follows boolean := true;
  v_refunds boolean := false;
BEGIN
  IF TG_RELID <> 'public."CreditTransaction"'::regclass THEN
    RAISE EXCEPTION 'CreditTransaction_applies: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  FOR v IN
    SELECT t."id", t."ownerId", t."creditType", t."amount", t."balanceAfter", t."debt", t."refundOf", t."createdAt"
    FROM added t ORDER BY t."id"
  LOOP
    IF v_last IS NULL THEN
      v_first := v."id";
      v_balance := v."balanceAfter" - v."amount";
      v_began := v."createdAt";
    ELSE
      v_follows := v_follows AND v."ownerId" = v_last."ownerId" AND v."creditType" = v_last."creditType"
        AND v."balanceAfter" = v_last."balanceAfter" + v."amount" AND v."createdAt" >= v_last."createdAt";
    END IF;
    v_debt := v_debt + v."debt";
    v_least := least(v_least, v_debt);
    v_refunds := v_refunds OR v."refundOf" IS NOT NULL;
    v_last := v;
  END LOOP;
  IF NOT FOUND THEN RETURN NULL; END IF;

  -- The account's CHECK tells of a debt that ends below 0.
  UPDATE "CreditAccount" a
    SET "balance" = v_last."balanceAfter", "debt" = a."debt" + v_debt, "updatedAt" = v_last."createdAt",
      "lastTransactionId" = v_last."id"
    WHERE v_follows AND a."ownerId" = v_last."ownerId" AND a."creditType" = v_last."creditType"
      AND a."balance" = v_balance AND a."updatedAt" <= v_began AND a."debt" + v_least >= least(0, a."debt" + v_debt)
      AND coalesce(a."lastTransactionId", 0) < v_first;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'CreditTransaction_applies: the transaction does not follow the one before it.'
      USING ERRCODE = 'check_violation';
  END IF;

  -- Inside, because an IF that holds a query is one, also where it need not ask.
  IF v_refunds THEN
    PERFORM FROM added n LEFT JOIN "CreditTransaction" t
      ON t."id" = n."refundOf" AND t."ownerId" = n."ownerId" AND t."creditType" = n."creditType"
        AND t."type" = CASE n."type" WHEN 'refund' THEN 'deduction' ELSE 'adjustment' END
    WHERE n."refundOf" IS NOT NULL AND (t."id" IS NULL OR t."debt" - t."amount" < (
      SELECT sum(r."amount" - r."debt") FROM "CreditTransaction" r WHERE r."refundOf" = t."id"));
    IF FOUND THEN
      RAISE EXCEPTION 'CreditTransaction_applies: it would give back more than was taken.'
        USING ERRCODE = 'check_violation';
    END IF;
    PERFORM FROM added n JOIN "CreditHold" h ON h."transactionId" = n."refundOf" WHERE h."status" = 'open';
    IF FOUND THEN
      RAISE EXCEPTION 'CreditTransaction_applies: the hold is open; settle it instead of refunding it.'
        USING ERRCODE = 'check_violation';
    END IF;
  END IF;
  RETURN NULL;
END $$;

-- The bounds of a transaction's values, for a CHECK. It is a function because PostgreSQL keeps a function's plan, but
-- parses the text of a CHECK for each statement. The table is checked, too, because a table that inherits from the
-- ledger inherits its CHECKs and none of its triggers. A JavaScript number holds these amounts exactly. Times are
-- finite, and no later than the library can write them.
CREATE OR REPLACE FUNCTION "CreditTransaction_in_bounds"(
  p_table oid, p_id bigint, p_amount bigint, p_balance_after bigint, p_debt bigint, p_created_at timestamptz,
  p_expires_at timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = public, pg_temp AS $$
BEGIN
  RETURN p_table = 'public."CreditTransaction"'::regclass AND p_id > 0
    AND p_balance_after BETWEEN 0 AND 9007199254740991
    AND p_amount BETWEEN -9007199254740991 AND 9007199254740991
    AND p_debt BETWEEN -9007199254740991 AND 9007199254740991
    AND p_created_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00'
    AND (p_expires_at BETWEEN '1970-01-01 00:00:00+00' AND '10001-01-01 00:00:00+00') IS NOT FALSE;
END $$;

-- Whether a transaction's amount, debt and reference fit its type, for a CHECK. It is a function because PostgreSQL keeps
-- a function's plan, but parses the text of a CHECK for each statement.
CREATE OR REPLACE FUNCTION "CreditTransaction_type_agrees"(p_type text, p_amount bigint, p_debt bigint, p_refund_of bigint)
RETURNS boolean LANGUAGE plpgsql IMMUTABLE SET search_path = public, pg_temp AS $$
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

-- Begins the work under p_key, or returns why it cannot begin. The hold is the lease: while a hold is open and not
-- overdue, its work is under way, and only the worker that began it may begin it again, because that worker knows that
-- it stopped. A call that began before the work ended gets the work's outcome; p_began is the time of the call, in
-- milliseconds of this database's clock.
-- Status: begun, working, done and failed (with the outcome), settled (the work was done before this call began),
-- conflict, insufficient, over_limit (an overdue hold cannot be given back).
-- The first hold is made under p_key itself, so that the key can mean nothing else; later holds have keys of the ledger.
CREATE OR REPLACE FUNCTION "Credit_begin_work"(
  p_owner text, p_credit_type text, p_amount bigint, p_key text, p_description text, p_hold_seconds int,
  p_worker text, p_began float8, p_thresholds jsonb DEFAULT NULL, p_now timestamptz DEFAULT NULL,
  OUT status text, OUT hold_id bigint, OUT turn int, OUT balance bigint, OUT outcome text, OUT clock float8
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_work "CreditWork";
  v_hold "CreditHold";
  v_post record;
  v_attempt int;
BEGIN
  PERFORM FROM "CreditAccount" a
    WHERE a."ownerId" = p_owner AND a."creditType" = p_credit_type FOR UPDATE;
  clock := extract(epoch FROM clock_timestamp()) * 1000;
  SELECT * INTO v_work FROM "CreditWork" w WHERE w."ownerId" = p_owner AND w."idempotencyKey" = p_key;
  IF FOUND THEN
    IF v_work."creditType" <> p_credit_type OR v_work."amount" <> p_amount THEN status := 'conflict'; RETURN; END IF;
    IF v_work."status" = 'working' THEN
      SELECT * INTO v_hold FROM "CreditHold" h WHERE h."id" = v_work."holdId";
      IF v_hold."status" = 'captured' THEN status := 'settled'; RETURN; END IF;
      IF v_hold."status" = 'open' AND v_work."worker" = p_worker THEN
        UPDATE "CreditHold" h SET "expiresAt" = clock_timestamp() + make_interval(secs => p_hold_seconds)
          WHERE h."id" = v_work."holdId";
        UPDATE "CreditWork" w SET "turn" = w."turn" + 1 WHERE w."holdId" = v_work."holdId"
          RETURNING w."turn" INTO turn;
        status := 'begun'; hold_id := v_work."holdId";
        RETURN;
      END IF;
      IF v_hold."status" = 'open' AND v_hold."expiresAt" > clock_timestamp() THEN status := 'working'; RETURN; END IF;
      IF v_hold."status" = 'open' THEN
        SELECT s."status" INTO status FROM "Credit_settle"(v_work."holdId", 0, true, p_thresholds, p_now) s;
        IF status = 'over_limit' THEN RETURN; END IF;
      END IF;
    ELSIF v_work."finishedAt" >= to_timestamp(p_began / 1000) THEN
      status := v_work."status"; outcome := v_work."outcome";
      RETURN;
    ELSIF v_work."status" = 'done' THEN
      status := 'settled';
      RETURN;
    END IF;
  END IF;

  v_attempt := coalesce(v_work."attempt", 0);
  LOOP
    v_attempt := v_attempt + 1;
    SELECT p.* INTO v_post FROM "Credit_post"(p_owner, p_credit_type, 'deduction', -p_amount,
      CASE v_attempt WHEN 1 THEN p_key ELSE 'ledger:work:' || v_attempt || ':' || p_key END, p_description,
      p_hold_seconds => p_hold_seconds, p_threshold => (p_thresholds ->> p_credit_type)::bigint, p_now => p_now) p;
    EXIT WHEN v_post."status" = 'posted';
    CONTINUE WHEN v_post."status" = 'replayed' AND v_post."hold_status" = 'released';
    status := CASE WHEN v_post."status" <> 'replayed' THEN v_post."status"
      WHEN v_post."hold_status" = 'captured' THEN 'settled' ELSE 'conflict' END;
    balance := v_post."balance";
    RETURN;
  END LOOP;
  INSERT INTO "CreditWork" ("ownerId", "idempotencyKey", "creditType", "amount", "holdId", "attempt", "worker")
    VALUES (p_owner, p_key, p_credit_type, p_amount, v_post."hold_id", v_attempt, p_worker)
    ON CONFLICT ("ownerId", "idempotencyKey") DO UPDATE SET "holdId" = excluded."holdId",
      "attempt" = excluded."attempt", "worker" = excluded."worker", "turn" = "CreditWork"."turn" + 1,
      "status" = 'working', "outcome" = NULL, "finishedAt" = NULL
    RETURNING "CreditWork"."turn" INTO turn;
  status := 'begun'; hold_id := v_post."hold_id"; balance := v_post."balance";
END $$;

-- Takes credits out of the open lots: from the lot `p_first` if it is given, then by priority, soonest expiry and age.
-- Returns the parts as `[[lot id, -amount], …]`. The caller must hold the account's lock.
CREATE OR REPLACE FUNCTION "Credit_burn"(
  p_owner text, p_credit_type text, p_amount bigint, p_first bigint DEFAULT NULL
) RETURNS jsonb LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  v_lot record;
  v_left bigint := p_amount;
  v_took bigint;
  v_lots jsonb := '[]';
BEGIN
  IF p_first IS NOT NULL AND v_left > 0 THEN
    SELECT g."id", g."remaining" INTO v_lot FROM "CreditGrant" g WHERE g."id" = p_first AND g."open";
    IF FOUND THEN
      v_took := least(v_lot."remaining", v_left);
      UPDATE "CreditGrant" g SET "remaining" = v_lot."remaining" - v_took, "open" = v_lot."remaining" > v_took
        WHERE g."id" = v_lot."id";
      v_left := v_left - v_took;
      v_lots := jsonb_build_array(jsonb_build_array(v_lot."id", -v_took));
    END IF;
  END IF;
  IF v_left > 0 THEN
    FOR v_lot IN
      SELECT g."id", g."remaining" FROM "CreditGrant" g
      WHERE g."ownerId" = p_owner AND g."creditType" = p_credit_type AND g."open"
      ORDER BY g."priority", g."expiresAt" NULLS LAST, g."id"
    LOOP
      v_took := least(v_lot."remaining", v_left);
      UPDATE "CreditGrant" g SET "remaining" = v_lot."remaining" - v_took, "open" = v_lot."remaining" > v_took
        WHERE g."id" = v_lot."id";
      v_left := v_left - v_took;
      v_lots := v_lots || jsonb_build_array(jsonb_build_array(v_lot."id", -v_took));
      EXIT WHEN v_left = 0;
    END LOOP;
  END IF;
  IF v_left <> 0 THEN
    RAISE EXCEPTION 'Credit_burn: the lots do not cover the balance.' USING ERRCODE = 'data_corrupted';
  END IF;
  RETURN v_lots;
END $$;

-- Claims the automatic top-up that a transaction set off. Returns `claimed`, `replayed` (it was claimed before) or
-- `limit_reached` (the owner has had p_per_day top-ups of this credit type today, in UTC).
CREATE OR REPLACE FUNCTION "Credit_claim_top_up"(
  p_owner text, p_credit_type text, p_transaction bigint, p_per_day int, p_now timestamptz DEFAULT NULL
) RETURNS text LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  v_day date := (coalesce(p_now, clock_timestamp()) AT TIME ZONE 'UTC')::date;
  v_number int;
BEGIN
  PERFORM FROM "CreditAccount" a
    WHERE a."ownerId" = p_owner AND a."creditType" = p_credit_type FOR UPDATE;
  PERFORM FROM "CreditTopUp" u WHERE u."transactionId" = p_transaction;
  IF FOUND THEN RETURN 'replayed'; END IF;
  SELECT coalesce(max(u."number"), 0) + 1 INTO v_number FROM "CreditTopUp" u
    WHERE u."ownerId" = p_owner AND u."creditType" = p_credit_type AND u."day" = v_day;
  IF v_number > p_per_day THEN RETURN 'limit_reached'; END IF;
  INSERT INTO "CreditTopUp" ("transactionId", "ownerId", "creditType", "day", "number")
    VALUES (p_transaction, p_owner, p_credit_type, v_day, v_number);
  RETURN 'claimed';
END $$;

-- Makes the deductions p_changes from one account in one statement, ordered by `number`, with the result that
-- "Credit_post" would have one after the other. That works if all are plain and the next lot covers them. In every
-- other case (a key was used before or comes twice, a lot lapses or is used up, a threshold is crossed, a hold) the
-- function changes nothing and returns no row.
CREATE OR REPLACE FUNCTION "Credit_deduct_run"(p_owner text, p_credit_type text, p_threshold bigint, p_changes jsonb)
RETURNS TABLE (number bigint, id bigint, balance bigint, amount bigint) LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_account "CreditAccount";
  v_run record;
  v_lot record;
  v_now timestamptz;
BEGIN
  SELECT * INTO v_account FROM "CreditAccount" a
    WHERE a."ownerId" = p_owner AND a."creditType" = p_credit_type FOR UPDATE;
  SELECT sum(c."amount")::bigint AS "amount", min(c."now") AS "now", array_agg(c."key") AS "keys",
      count(DISTINCT c."key") = count(*) AND min(c."now") IS NOT DISTINCT FROM max(c."now")
        AND bool_and(c."type" = 'deduction' AND c."amount" < 0 AND c."holdSeconds" IS NULL) AS "isPlain"
    INTO v_run FROM jsonb_to_recordset(p_changes) AS c("type" text, "amount" bigint, "key" text,
      "now" timestamptz, "holdSeconds" int);
  v_now := greatest(
    date_trunc('milliseconds', coalesce(v_run."now", clock_timestamp())), v_account."updatedAt");
  SELECT * INTO v_lot FROM "Credit_lot_in_turn"(p_owner, p_credit_type, v_now);
  IF (v_run."isPlain" AND v_lot."remaining" > -v_run."amount" AND NOT v_lot."lapses") IS NOT TRUE
    OR v_account."balance" >= p_threshold AND v_account."balance" + v_run."amount" < p_threshold
    OR EXISTS (SELECT FROM "CreditTransaction" t
      WHERE t."ownerId" = p_owner AND t."idempotencyKey" = ANY (v_run."keys"))
  THEN
    RETURN;
  END IF;
  UPDATE "CreditGrant" g SET "remaining" = v_lot."remaining" + v_run."amount" WHERE g."id" = v_lot."id";
  RETURN QUERY
    WITH run AS MATERIALIZED (
      SELECT nextval('"CreditTransaction_id_seq"') AS "id", s.* FROM (
        SELECT c.*, v_account."balance" + sum(c."amount") OVER (ORDER BY c."number")::bigint AS "balance"
        FROM jsonb_to_recordset(p_changes) AS c("number" bigint, "amount" bigint, "key" text,
          "description" text, "actor" text)
        ORDER BY c."number") s
    ), appended AS (
      INSERT INTO "CreditTransaction" ("id", "ownerId", "creditType", "type", "amount", "balanceAfter",
          "idempotencyKey", "lots", "description", "actor", "createdAt")
        SELECT r."id", p_owner, p_credit_type, 'deduction', r."amount", r."balance", r."key",
          jsonb_build_array(jsonb_build_array(v_lot."id", r."amount")), r."description", r."actor", v_now
        FROM run r
    )
    SELECT r."number", r."id", r."balance", r."amount" FROM run r;
END $$;

-- Settles the hold of work that ended and stores the work's outcome, in one transaction. Status: as "Credit_settle", and
-- conflict if another worker took the work over meanwhile.
CREATE OR REPLACE FUNCTION "Credit_end_work"(
  p_hold bigint, p_turn int, p_captured bigint, p_failed boolean, p_outcome text,
  p_thresholds jsonb DEFAULT NULL, p_now timestamptz DEFAULT NULL,
  OUT status text, OUT captured bigint, OUT balance bigint, OUT clock float8
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_hold "CreditHold";
BEGIN
  SELECT * INTO v_hold FROM "CreditHold" h WHERE h."id" = p_hold;
  PERFORM FROM "CreditAccount" a
    WHERE a."ownerId" = v_hold."ownerId" AND a."creditType" = v_hold."creditType" FOR UPDATE;
  PERFORM FROM "CreditWork" w WHERE w."holdId" = p_hold AND w."turn" = p_turn;
  IF NOT FOUND THEN status := 'conflict'; RETURN; END IF;
  SELECT s."status", s."captured", s."balance" INTO status, captured, balance
    FROM "Credit_settle"(p_hold, p_captured, false, p_thresholds, p_now) s;
  IF status IN ('posted', 'replayed') THEN
    UPDATE "CreditWork" w SET "status" = CASE WHEN p_failed THEN 'failed' ELSE 'done' END,
        "outcome" = p_outcome, "finishedAt" = clock_timestamp()
      WHERE w."holdId" = p_hold;
  END IF;
  clock := extract(epoch FROM clock_timestamp()) * 1000;
END $$;

-- The lot that is spent first, by priority, soonest expiry and age, and whether any lot of the account has lapsed. The
-- function's tables are bound when it is created (BEGIN ATOMIC): with a search path of its own, PostgreSQL would not
-- inline it into the calling query.
CREATE OR REPLACE FUNCTION "Credit_lot_in_turn"(p_owner text, p_credit_type text, p_now timestamptz)
RETURNS TABLE ("id" bigint, "remaining" bigint, "lapses" boolean) LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT g."id", g."remaining", EXISTS (
      SELECT FROM "CreditGrant" l
      WHERE l."ownerId" = p_owner AND l."creditType" = p_credit_type AND l."open" AND l."expiresAt" <= p_now)
    FROM "CreditGrant" g
    WHERE g."ownerId" = p_owner AND g."creditType" = p_credit_type AND g."open"
    ORDER BY g."priority", g."expiresAt" NULLS LAST, g."id" LIMIT 1;
END;

-- Makes one change of an account, or returns why it was refused. Positive amounts add credits, negative amounts take
-- credits.
--   purchase, grant, adjustment > 0   make a new lot, with p_expires_at and p_priority. With p_series the lot replaces
--                                     the open lots of that series: p_rollover of their credits are carried over and
--                                     lapse with the new lot, and the rest lapses now.
--   deduction, adjustment < 0         take from lots. With p_hold_seconds the deduction is a hold. With p_owing, the
--                                     credits that are missing become debt. The lot of p_purchase_key is spent first.
--   refund                            gives back to the lots of the deduction p_refund_of. Without p_refund_of it is the
--                                     newest deduction with so much left, among the last 10,000 transactions only,
--                                     because the account is locked during the search.
--   adjustment with p_refund_of       reverses an adjustment: lowers the debt that it made, then gives back its credits.
--   expiry                            only takes out lapsed credits, which every other call does first.
-- Status: posted, replayed (the key was used before with the same facts), conflict (with other facts),
-- insufficient, not_found, hold_open, over_refund, nothing_to_refund, over_limit, expired.
-- Credits that are added to an account with debt pay the debt at once, by an adjustment of their own.
-- If the balance falls below p_threshold, a job is queued, in the transaction of the change. The crossing is seen under
-- the lock, so it queues one job.
CREATE OR REPLACE FUNCTION "Credit_post"(
  p_owner text, p_credit_type text, p_type text, p_amount bigint, p_key text, p_description text,
  p_actor text DEFAULT NULL, p_expires_at timestamptz DEFAULT NULL, p_priority int DEFAULT NULL,
  p_refund_of bigint DEFAULT NULL, p_owing boolean DEFAULT false, p_purchase_key text DEFAULT NULL,
  p_hold_seconds int DEFAULT NULL, p_threshold bigint DEFAULT NULL, p_now timestamptz DEFAULT NULL,
  p_series text DEFAULT NULL, p_rollover bigint DEFAULT NULL,
  OUT status text, OUT id bigint, OUT balance bigint, OUT amount bigint, OUT debt bigint,
  OUT hold_id bigint, OUT hold_status text
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_limit constant bigint := 1000000000000000;
  v_newest constant int := 10000;
  v_account "CreditAccount";
  v_past "CreditTransaction";
  v_lot record;
  v_lots jsonb := '[]';
  v_now timestamptz;
  v_balance bigint;
  v_amount bigint := p_amount;
  v_debt bigint := 0;
  v_refund_of bigint := p_refund_of;
  v_left bigint;
  v_skip bigint;
  v_part bigint;
  v_last bigint;
BEGIN
  -- 1. Lock the account: from here on this is the only change under way.
  SELECT * INTO v_account FROM "CreditAccount" a
    WHERE a."ownerId" = p_owner AND a."creditType" = p_credit_type FOR UPDATE;
  IF NOT FOUND AND (p_amount > 0 AND p_type IN ('purchase', 'grant', 'adjustment') OR p_owing) THEN
    INSERT INTO "CreditAccount" ("ownerId", "creditType", "createdAt", "updatedAt")
      VALUES (p_owner, p_credit_type, coalesce(p_now, clock_timestamp()), to_timestamp(0))
      ON CONFLICT DO NOTHING;
    SELECT * INTO v_account FROM "CreditAccount" a
      WHERE a."ownerId" = p_owner AND a."creditType" = p_credit_type FOR UPDATE;
  END IF;

  -- 2. Read the clock now, so that time follows the order of the changes. Where it ran back, the account's
  -- stands still.
  v_now := greatest(
    date_trunc('milliseconds', coalesce(p_now, clock_timestamp())), v_account."updatedAt");

  -- 3. What nearly every call is: a deduction that the lot in turn covers. It is appended unless its key has
  -- been here.
  IF p_type = 'deduction' AND p_hold_seconds IS NULL THEN
    SELECT * INTO v_lot FROM "Credit_lot_in_turn"(p_owner, p_credit_type, v_now);
    v_balance := v_account."balance" + p_amount;
    IF v_lot."remaining" > -p_amount AND NOT v_lot."lapses"
      AND (v_account."balance" >= p_threshold AND v_balance < p_threshold) IS NOT TRUE
    THEN
      INSERT INTO "CreditTransaction" ("ownerId", "creditType", "type", "amount", "balanceAfter",
          "idempotencyKey", "lots", "description", "actor", "createdAt")
        VALUES (p_owner, p_credit_type, p_type, p_amount, v_balance,
          p_key, jsonb_build_array(jsonb_build_array(v_lot."id", p_amount)), p_description, p_actor, v_now)
        ON CONFLICT ("ownerId", "idempotencyKey") DO NOTHING
        RETURNING "CreditTransaction"."id" INTO id;
      IF FOUND THEN
        UPDATE "CreditGrant" g SET "remaining" = v_lot."remaining" + p_amount WHERE g."id" = v_lot."id";
        status := 'posted'; balance := v_balance; amount := p_amount; debt := 0;
        RETURN;
      END IF;
    END IF;
  END IF;

  -- 4. Look the key up: whoever was here before has committed.
  SELECT * INTO v_past FROM "CreditTransaction" t
    WHERE t."ownerId" = p_owner AND t."idempotencyKey" = p_key;
  IF FOUND THEN
    id := v_past."id"; amount := v_past."amount"; debt := v_past."debt";
    SELECT h."id", h."status" INTO hold_id, hold_status FROM "CreditHold" h
      WHERE h."transactionId" = v_past."id";
    -- What it paid of a debt belongs to its result.
    SELECT t."balanceAfter" INTO balance FROM "CreditTransaction" t
      WHERE t."ownerId" = p_owner AND t."idempotencyKey" = 'ledger:debt:' || v_past."id";
    balance := coalesce(balance, v_past."balanceAfter");
    status := CASE WHEN v_past."creditType" = p_credit_type AND v_past."type" = p_type
        AND v_past."amount" - v_past."debt" = p_amount
        AND (v_past."refundOf" IS NOT DISTINCT FROM p_refund_of OR p_type = 'refund' AND p_refund_of IS NULL)
        AND v_past."expiresAt" IS NOT DISTINCT FROM p_expires_at
        AND v_past."priority" IS NOT DISTINCT FROM p_priority
        AND (hold_id IS NULL) = (p_hold_seconds IS NULL)
      THEN 'replayed' ELSE 'conflict' END;
    RETURN;
  END IF;

  IF v_account."ownerId" IS NULL THEN
    status := CASE p_type WHEN 'deduction' THEN 'insufficient' WHEN 'adjustment' THEN 'insufficient'
      WHEN 'expiry' THEN 'posted' ELSE 'not_found' END;
    IF p_type = 'refund' AND p_refund_of IS NULL THEN status := 'nothing_to_refund'; END IF;
    balance := 0;
    RETURN;
  END IF;

  -- 5. What has lapsed goes first.
  v_balance := v_account."balance";
  FOR v_lot IN
    SELECT g."id", g."remaining" FROM "CreditGrant" g
    WHERE g."ownerId" = p_owner AND g."creditType" = p_credit_type AND g."open" AND g."expiresAt" <= v_now
    ORDER BY g."expiresAt", g."id"
  LOOP
    v_balance := v_balance - v_lot."remaining";
    UPDATE "CreditGrant" g SET "remaining" = 0, "open" = false WHERE g."id" = v_lot."id";
    INSERT INTO "CreditTransaction" ("ownerId", "creditType", "type", "amount", "balanceAfter",
        "idempotencyKey", "lots", "description", "createdAt")
      VALUES (p_owner, p_credit_type, 'expiry', -v_lot."remaining", v_balance,
        'ledger:expiry:' || gen_random_uuid(),
        jsonb_build_array(jsonb_build_array(v_lot."id", -v_lot."remaining")), 'expired', v_now)
      RETURNING "CreditTransaction"."id" INTO v_last;
  END LOOP;

  <<posting>>
  BEGIN
    status := 'posted';
    EXIT posting WHEN p_type = 'expiry';

    -- 6. Check, then take from lots, give back to lots, or make one.
    IF p_amount < 0 THEN
      IF v_balance + p_amount < 0 THEN
        IF NOT p_owing THEN status := 'insufficient'; EXIT posting; END IF;
        v_amount := -v_balance;
        v_debt := v_amount - p_amount;
        IF v_account."debt" + v_debt > v_limit THEN status := 'over_limit'; EXIT posting; END IF;
      END IF;
      IF p_purchase_key IS NOT NULL THEN
        SELECT (t."lots" -> 0 ->> 0)::bigint INTO v_part FROM "CreditTransaction" t
          WHERE t."ownerId" = p_owner AND t."creditType" = p_credit_type
            AND t."idempotencyKey" = p_purchase_key AND t."type" IN ('purchase', 'grant');
      END IF;
      v_lots := "Credit_burn"(p_owner, p_credit_type, -v_amount, v_part);

    ELSIF p_type = 'refund' OR p_refund_of IS NOT NULL THEN
      IF p_refund_of IS NULL THEN
        SELECT t."id" INTO v_refund_of FROM (
            SELECT n."id", n."type", n."amount" FROM "CreditTransaction" n
            WHERE n."ownerId" = p_owner AND n."creditType" = p_credit_type
            ORDER BY n."id" DESC LIMIT v_newest) t
          WHERE t."type" = 'deduction' AND t."amount" <= -p_amount
            AND NOT EXISTS (
              SELECT FROM "CreditHold" h WHERE h."transactionId" = t."id" AND h."status" = 'open')
            AND -t."amount" - p_amount >= (
              SELECT coalesce(sum(r."amount"), 0) FROM "CreditTransaction" r WHERE r."refundOf" = t."id")
          ORDER BY t."id" DESC LIMIT 1;
        IF NOT FOUND THEN status := 'nothing_to_refund'; EXIT posting; END IF;
      END IF;
      SELECT * INTO v_past FROM "CreditTransaction" t
        WHERE t."id" = v_refund_of AND t."ownerId" = p_owner AND t."creditType" = p_credit_type
          AND t."type" = CASE p_type WHEN 'refund' THEN 'deduction' ELSE 'adjustment' END;
      IF NOT FOUND THEN status := 'not_found'; EXIT posting; END IF;
      IF EXISTS (SELECT FROM "CreditHold" h WHERE h."transactionId" = v_refund_of AND h."status" = 'open') THEN
        status := 'hold_open'; EXIT posting;
      END IF;
      SELECT coalesce(sum(t."amount"), 0), coalesce(sum(t."amount" - t."debt"), 0) INTO v_skip, v_part
        FROM "CreditTransaction" t WHERE t."refundOf" = v_refund_of;
      IF v_part + p_amount > v_past."debt" - v_past."amount" THEN
        status := 'over_refund'; EXIT posting;
      END IF;
      v_debt := -least(v_account."debt", v_past."debt", p_amount);
      v_amount := p_amount + v_debt;
      IF v_balance + v_amount > v_limit THEN status := 'over_limit'; EXIT posting; END IF;
      v_left := v_amount;
      -- The lot that was burnt last is the first to get back. One that has lapsed lives seven days more.
      FOR v_lot IN
        SELECT (e ->> 0)::bigint AS "id", -(e ->> 1)::bigint AS "amount"
        FROM jsonb_array_elements(v_past."lots") WITH ORDINALITY AS q(e, o) ORDER BY o DESC
      LOOP
        EXIT WHEN v_left = 0;
        v_part := least(greatest(v_lot."amount" - v_skip, 0), v_left);
        v_skip := greatest(v_skip - v_lot."amount", 0);
        CONTINUE WHEN v_part = 0;
        UPDATE "CreditGrant" g SET "remaining" = g."remaining" + v_part, "open" = true,
          "expiresAt" = CASE WHEN g."expiresAt" <= v_now THEN v_now + interval '168 hours' ELSE g."expiresAt" END
          WHERE g."id" = v_lot."id";
        v_left := v_left - v_part;
        v_lots := v_lots || jsonb_build_array(jsonb_build_array(v_lot."id", v_part));
      END LOOP;
      -- Debt that has been paid since was paid with other lots; what it took comes back as one.
      IF v_left > 0 THEN
        INSERT INTO "CreditGrant" ("ownerId", "creditType", "amount", "remaining", "priority", "createdAt")
          VALUES (p_owner, p_credit_type, v_left, v_left, 50, v_now)
          RETURNING "CreditGrant"."id" INTO v_part;
        v_lots := v_lots || jsonb_build_array(jsonb_build_array(v_part, v_left));
      END IF;

    ELSE
      IF v_balance + p_amount > v_limit THEN status := 'over_limit'; EXIT posting; END IF;
      IF p_expires_at <= v_now THEN status := 'expired'; EXIT posting; END IF;
      IF p_series IS NOT NULL THEN
        v_left := p_rollover;
        FOR v_lot IN
          SELECT g."id", g."remaining" FROM "CreditGrant" g
          WHERE g."ownerId" = p_owner AND g."creditType" = p_credit_type AND g."open" AND g."series" = p_series
          ORDER BY g."id" DESC
        LOOP
          v_part := least(v_lot."remaining", v_left);
          v_left := v_left - v_part;
          UPDATE "CreditGrant" g
            SET "remaining" = v_part, "open" = v_part > 0, "expiresAt" = greatest(g."expiresAt", p_expires_at)
            WHERE g."id" = v_lot."id";
          CONTINUE WHEN v_part = v_lot."remaining";
          v_part := v_lot."remaining" - v_part;
          v_balance := v_balance - v_part;
          INSERT INTO "CreditTransaction" ("ownerId", "creditType", "type", "amount", "balanceAfter",
              "idempotencyKey", "lots", "description", "createdAt")
            VALUES (p_owner, p_credit_type, 'expiry', -v_part, v_balance,
              'ledger:expiry:' || gen_random_uuid(),
              jsonb_build_array(jsonb_build_array(v_lot."id", -v_part)), 'not rolled over', v_now)
            RETURNING "CreditTransaction"."id" INTO v_last;
        END LOOP;
      END IF;
      INSERT INTO "CreditGrant" ("ownerId", "creditType", "amount", "remaining", "priority", "expiresAt",
          "series", "createdAt")
        VALUES (p_owner, p_credit_type, p_amount, p_amount, p_priority, p_expires_at, p_series, v_now)
        RETURNING "CreditGrant"."id" INTO v_part;
      v_lots := jsonb_build_array(jsonb_build_array(v_part, p_amount));
    END IF;

    -- 7. Append; the insert moves the account's balance and debt.
    v_balance := v_balance + v_amount;
    INSERT INTO "CreditTransaction" ("ownerId", "creditType", "type", "amount", "balanceAfter", "debt",
        "idempotencyKey", "refundOf", "lots", "expiresAt", "priority", "description", "actor", "createdAt", "held")
      VALUES (p_owner, p_credit_type, p_type, v_amount, v_balance, v_debt,
        p_key, v_refund_of, v_lots, p_expires_at, p_priority, p_description, p_actor, v_now,
        p_hold_seconds IS NOT NULL)
      RETURNING "CreditTransaction"."id" INTO v_last;
    id := v_last; amount := v_amount; debt := v_debt;

    IF p_hold_seconds IS NOT NULL THEN
      INSERT INTO "CreditHold" ("ownerId", "creditType", "transactionId", "expiresAt")
        VALUES (p_owner, p_credit_type, id, clock_timestamp() + make_interval(secs => p_hold_seconds))
        RETURNING "CreditHold"."id" INTO hold_id;
      hold_status := 'open';
    END IF;

    -- 8. What came in pays what is owed.
    v_part := least(v_balance, v_account."debt" + v_debt);
    IF v_amount > 0 AND v_part > 0 THEN
      v_balance := v_balance - v_part;
      INSERT INTO "CreditTransaction" ("ownerId", "creditType", "type", "amount", "balanceAfter", "debt",
          "idempotencyKey", "lots", "description", "createdAt")
        VALUES (p_owner, p_credit_type, 'adjustment', -v_part, v_balance, -v_part,
          'ledger:debt:' || id, "Credit_burn"(p_owner, p_credit_type, v_part), 'debt paid', v_now)
        RETURNING "CreditTransaction"."id" INTO v_last;
    END IF;
  END;

  balance := v_balance;
  IF v_account."balance" >= p_threshold AND v_balance < p_threshold THEN
    PERFORM graphile_worker.add_job(identifier => 'billing.lowBalance', payload => json_build_object(
      'ownerId', p_owner, 'creditType', p_credit_type, 'transactionId', v_last::text,
      'balance', v_balance, 'threshold', p_threshold));
  END IF;
END $$;

-- Makes all changes of p_accounts, each with the result that it would have alone. p_accounts is an array of accounts;
-- each lists its changes, with the arguments of "Credit_post". Accounts are taken in the order of owner and credit
-- type, so that two concurrent calls lock the accounts that they share in the same order. The call fails if another
-- transaction holds an account for longer than a second, so that the changes of other accounts need not wait for it.
CREATE OR REPLACE FUNCTION "Credit_post_all"(p_accounts jsonb) RETURNS TABLE (
  number bigint, status text, id bigint, balance bigint, amount bigint, debt bigint, hold_id bigint,
  hold_status text
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_of record;
  v record;
BEGIN
  PERFORM set_config('lock_timeout', '1s', true);
  FOR v_of IN
    SELECT * FROM jsonb_to_recordset(p_accounts) AS c("ownerId" text, "creditType" text,
      "threshold" bigint, "changes" jsonb)
    ORDER BY c."ownerId" COLLATE "C", c."creditType" COLLATE "C"
  LOOP
    IF jsonb_array_length(v_of."changes") > 1 THEN
      RETURN QUERY SELECT r."number", 'posted', r."id", r."balance", r."amount", 0::bigint, NULL::bigint, NULL
        FROM "Credit_deduct_run"(v_of."ownerId", v_of."creditType", v_of."threshold", v_of."changes") r;
      CONTINUE WHEN FOUND;
    END IF;
    FOR v IN
      SELECT * FROM jsonb_to_recordset(v_of."changes") AS c("number" bigint, "type" text, "amount" bigint,
        "key" text, "description" text, "actor" text, "expiresAt" timestamptz, "priority" int,
        "refundOf" bigint, "owing" boolean, "purchaseKey" text, "holdSeconds" int, "now" timestamptz,
        "series" text, "rollover" bigint)
      ORDER BY c."number"
    LOOP
      RETURN QUERY SELECT v."number", p.* FROM "Credit_post"(v_of."ownerId", v_of."creditType", v."type",
        v."amount", v."key", v."description", v."actor", v."expiresAt", v."priority", v."refundOf", v."owing",
        v."purchaseKey", v."holdSeconds", v_of."threshold", v."now", v."series", v."rollover") p;
    END LOOP;
  END LOOP;
END $$;

-- Reverses the adjustment with the key p_of: lowers the debt that it made, then gives back the credits that it took.
CREATE OR REPLACE FUNCTION "Credit_restore"(
  p_owner text, p_credit_type text, p_of text, p_key text, p_description text,
  p_actor text DEFAULT NULL, p_threshold bigint DEFAULT NULL, p_now timestamptz DEFAULT NULL,
  OUT status text, OUT id bigint, OUT balance bigint, OUT amount bigint, OUT debt bigint
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_past "CreditTransaction";
BEGIN
  PERFORM FROM "CreditAccount" a
    WHERE a."ownerId" = p_owner AND a."creditType" = p_credit_type FOR UPDATE;
  SELECT * INTO v_past FROM "CreditTransaction" t
    WHERE t."ownerId" = p_owner AND t."creditType" = p_credit_type AND t."idempotencyKey" = p_of
      AND t."type" = 'adjustment' AND t."amount" < t."debt";
  IF NOT FOUND THEN status := 'not_found'; RETURN; END IF;
  SELECT p."status", p."id", p."balance", p."amount", p."debt" INTO status, id, balance, amount, debt
    FROM "Credit_post"(p_owner, p_credit_type, 'adjustment', v_past."debt" - v_past."amount", p_key,
      p_description, p_actor => p_actor, p_refund_of => v_past."id", p_threshold => p_threshold,
      p_now => p_now) p;
END $$;

-- Captures p_captured credits of a hold (null: all, 0: none, which releases the hold) and refunds the rest to the lots
-- that it came from. With p_overdue, only a hold whose deadline has passed is settled. p_thresholds are by credit type.
-- Status: posted, replayed, conflict (it was settled with another amount), not_found, over_capture, not_due, over_limit
-- (the account cannot take the rest, and the hold stays open).
CREATE OR REPLACE FUNCTION "Credit_settle"(
  p_hold bigint, p_captured bigint, p_overdue boolean DEFAULT false, p_thresholds jsonb DEFAULT NULL,
  p_now timestamptz DEFAULT NULL,
  OUT status text, OUT captured bigint, OUT balance bigint
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_limit constant bigint := 1000000000000000;
  v_hold "CreditHold";
  v_amount bigint;
  v_captured bigint;
  v_threshold bigint;
BEGIN
  SELECT * INTO v_hold FROM "CreditHold" h WHERE h."id" = p_hold;
  IF NOT FOUND THEN status := 'not_found'; RETURN; END IF;
  -- The account first, as everywhere, then the hold as it is now.
  SELECT a."balance" INTO balance FROM "CreditAccount" a
    WHERE a."ownerId" = v_hold."ownerId" AND a."creditType" = v_hold."creditType" FOR UPDATE;
  SELECT * INTO v_hold FROM "CreditHold" h WHERE h."id" = p_hold;
  SELECT -t."amount" INTO v_amount FROM "CreditTransaction" t WHERE t."id" = v_hold."transactionId";
  v_captured := coalesce(p_captured, v_amount);
  captured := v_captured;
  IF v_hold."status" <> 'open' THEN
    status := CASE WHEN v_hold."captured" = v_captured THEN 'replayed' ELSE 'conflict' END;
    RETURN;
  END IF;
  IF v_captured > v_amount THEN status := 'over_capture'; RETURN; END IF;
  IF p_overdue AND v_hold."expiresAt" > clock_timestamp() THEN status := 'not_due'; RETURN; END IF;
  v_threshold := (p_thresholds ->> v_hold."creditType")::bigint;
  IF v_captured < v_amount AND balance + v_amount - v_captured > v_limit THEN
    -- What has lapsed makes room.
    SELECT p."balance" INTO balance FROM "Credit_post"(v_hold."ownerId", v_hold."creditType", 'expiry', 0,
      'ledger:expiry:' || gen_random_uuid(), '', p_threshold => v_threshold, p_now => p_now) p;
    IF balance + v_amount - v_captured > v_limit THEN status := 'over_limit'; RETURN; END IF;
  END IF;
  UPDATE "CreditHold" h
    SET "status" = CASE WHEN v_captured = 0 THEN 'released' ELSE 'captured' END,
      "captured" = v_captured, "settledAt" = clock_timestamp()
    WHERE h."id" = p_hold;
  status := 'posted';
  IF v_captured < v_amount THEN
    SELECT p."status", p."balance" INTO status, balance FROM "Credit_post"(
      v_hold."ownerId", v_hold."creditType", 'refund', v_amount - v_captured, 'ledger:hold:' || p_hold,
      CASE WHEN p_overdue THEN 'hold overdue' ELSE 'hold settled' END,
      p_refund_of => v_hold."transactionId", p_threshold => v_threshold, p_now => p_now) p;
    IF status <> 'posted' THEN
      RAISE EXCEPTION 'Credit_settle: hold % could not be settled: %.', p_hold, status
        USING ERRCODE = 'data_corrupted';
    END IF;
  END IF;
END $$;

-- Denies a member's access tokens when the member is removed or gets another role.
CREATE OR REPLACE FUNCTION "Member_changed"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."Member"'::regclass THEN
    RAISE EXCEPTION 'Member_changed: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM "deny_access"(ARRAY[OLD."userId"]);
  RETURN NULL;
END $$;

-- Records the event `membersChanged` of an organization.
CREATE OR REPLACE FUNCTION "Member_tells"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."Member"'::regclass THEN
    RAISE EXCEPTION 'Member_tells: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF TG_OP = 'INSERT' THEN
    PERFORM "AuthEvent_add"('membersChanged', NEW."organizationId");
  ELSE
    PERFORM "AuthEvent_add"('membersChanged', OLD."organizationId");
  END IF;
  RETURN NULL;
END $$;

-- Withdraws all consents to a program that gets a new redirect address, because users consented to the old addresses.
CREATE OR REPLACE FUNCTION "OauthClient_moved"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."OauthClient"'::regclass THEN
    RAISE EXCEPTION 'OauthClient_moved: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  DELETE FROM "OauthConsent" WHERE "clientId" = NEW."clientId";
  RETURN NULL;
END $$;

-- Deletes the tokens for scopes that a consent no longer contains.
CREATE OR REPLACE FUNCTION "OauthConsent_narrowed"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."OauthConsent"'::regclass THEN
    RAISE EXCEPTION 'OauthConsent_narrowed: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  UPDATE "OauthConsent" SET "scopes" = NEW."scopes"
    WHERE "userId" = NEW."userId" AND "clientId" = NEW."clientId" AND "scopes" IS DISTINCT FROM NEW."scopes";
  DELETE FROM "OauthRefreshToken"
    WHERE "userId" = NEW."userId" AND "clientId" = NEW."clientId" AND NOT "scopes" <@ NEW."scopes";
  DELETE FROM "OauthAccessToken"
    WHERE "userId" = NEW."userId" AND "clientId" = NEW."clientId" AND NOT "scopes" <@ NEW."scopes";
  RETURN NULL;
END $$;

-- Deletes the tokens and authorization codes of a withdrawn consent, so that a code is not valid under the next consent,
-- either. Two concurrent requests may have written two consents of one user and program. They count as one, so both
-- are deleted.
CREATE OR REPLACE FUNCTION "OauthConsent_withdrawn"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."OauthConsent"'::regclass THEN
    RAISE EXCEPTION 'OauthConsent_withdrawn: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  DELETE FROM "OauthConsent" WHERE "userId" = OLD."userId" AND "clientId" = OLD."clientId";
  DELETE FROM "OauthRefreshToken" WHERE "userId" = OLD."userId" AND "clientId" = OLD."clientId";
  DELETE FROM "OauthAccessToken" WHERE "userId" = OLD."userId" AND "clientId" = OLD."clientId";
  DELETE FROM "VerificationToken" WHERE CASE
    WHEN "identifier" LIKE 'hashed:authorization-code:%' AND "value" LIKE '{%'
    THEN "value"::jsonb ->> 'userId' = OLD."userId" AND "value"::jsonb #>> '{query,client_id}' = OLD."clientId"
    ELSE false END;
  RETURN NULL;
END $$;

-- Dates a refresh token by its grant: a token that replaces another token keeps the date of their common grant.
CREATE OR REPLACE FUNCTION "OauthRefreshToken_dates_grant"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."OauthRefreshToken"'::regclass THEN
    RAISE EXCEPTION 'OauthRefreshToken_dates_grant: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  NEW."grantedAt" := coalesce(
    (SELECT min("grantedAt") FROM "OauthRefreshToken" WHERE "authorizationCodeId" = NEW."authorizationCodeId"),
    clock_timestamp());
  RETURN NEW;
END $$;

-- Ends a grant, which is all refresh tokens that come from one authorization code. Deleting a token that is valid, or
-- was revoked within the last day, deletes the others. That includes a token that another request has written
-- meanwhile, because the statements of this trigger see it. Older tokens are deleted without the others.
CREATE OR REPLACE FUNCTION "OauthRefreshToken_grant_ended"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
  v_grants text[] := ARRAY(
    SELECT DISTINCT "authorizationCodeId" FROM "gone"
    WHERE "expiresAt" > now() AND coalesce("revoked", now()) > now() - interval '1 day'
  );
BEGIN
  IF TG_RELID <> 'public."OauthRefreshToken"'::regclass THEN
    RAISE EXCEPTION 'OauthRefreshToken_grant_ended: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF EXISTS (SELECT 1 FROM "OauthRefreshToken" WHERE "authorizationCodeId" = ANY(v_grants)) THEN
    DELETE FROM "OauthRefreshToken" WHERE "authorizationCodeId" = ANY(v_grants);
  END IF;
  RETURN NULL;
END $$;

-- Refuses a user's token whose scopes the user has not consented to. The consent is locked first: a withdrawal at the
-- same time waits and then deletes the token, and after an earlier withdrawal the token is refused. A token without
-- scopes allows nothing and needs no consent. The error is a foreign key's, because the trigger acts like one.
CREATE OR REPLACE FUNCTION "Oauth_token_has_consent"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> ALL (ARRAY['public."OauthAccessToken"', 'public."OauthRefreshToken"']::regclass[]) THEN
    RAISE EXCEPTION 'Oauth_token_has_consent: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NEW."userId" IS NULL OR coalesce(cardinality(NEW."scopes"), 0) = 0 OR EXISTS (
    SELECT 1 FROM "OauthClient" WHERE "clientId" = NEW."clientId" AND "skipConsent"
  ) THEN
    RETURN NEW;
  END IF;
  PERFORM 1 FROM "OauthConsent" WHERE "userId" = NEW."userId" AND "clientId" = NEW."clientId" ORDER BY "id" FOR SHARE;
  IF NOT EXISTS (
    SELECT 1 FROM "OauthConsent"
    WHERE "userId" = NEW."userId" AND "clientId" = NEW."clientId" AND NEW."scopes" <@ "scopes"
  ) THEN
    RAISE EXCEPTION 'The user does not consent to what the token of % would allow.', NEW."clientId"
      USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NEW;
END $$;

-- A completed order stays completed and a cancelled order is never reopened, the terms of an order do not change, and
-- no more credits are taken back than the order gave.
CREATE OR REPLACE FUNCTION "Order_keeps_its_word"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."Order"'::regclass THEN
    RAISE EXCEPTION 'Order_keeps_its_word: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
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

-- Refuses a transaction at whose end a new organization has no owner.
CREATE OR REPLACE FUNCTION "Organization_has_an_owner"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."Organization"'::regclass THEN
    RAISE EXCEPTION 'Organization_has_an_owner: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM "Organization_require_owner"(NEW."id");
  RETURN NULL;
END $$;

-- Refuses a transaction at whose end an organization has no owner, because an owner left or got another role.
CREATE OR REPLACE FUNCTION "Organization_keeps_an_owner"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."Member"'::regclass THEN
    RAISE EXCEPTION 'Organization_keeps_an_owner: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM "Organization_require_owner"(OLD."organizationId");
  RETURN NULL;
END $$;

-- Refuses an organization without an owner. Deferred triggers call it when the transaction ends, so that a transaction
-- can exchange the owner. It locks the organization's row first, because two owners who leave at the same time would
-- each count the other.
CREATE OR REPLACE FUNCTION "Organization_require_owner"(organization text) RETURNS void LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM 1 FROM "Organization" WHERE "id" = organization FOR NO KEY UPDATE;
  IF FOUND AND NOT EXISTS (
    SELECT 1 FROM "Member" WHERE "organizationId" = organization AND "role" = 'OWNER')
  THEN
    RAISE EXCEPTION 'organization % must have an owner', organization
      USING ERRCODE = 'check_violation', CONSTRAINT = 'Organization_keeps_an_owner';
  END IF;
END $$;

-- Denies the access tokens of a deleted session.
CREATE OR REPLACE FUNCTION "Session_deleted"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."Session"'::regclass THEN
    RAISE EXCEPTION 'Session_deleted: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM "deny_access"(array_agg("id")) FROM "gone" HAVING count(*) > 0;
  RETURN NULL;
END $$;

-- Denies the present access tokens of a session that is cut short, loses its second factor or gets another user,
-- because they say more than its row. The denial names the user and not the session, which may go on: tokens that
-- are signed later are valid.
CREATE OR REPLACE FUNCTION "Session_lowered"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."Session"'::regclass THEN
    RAISE EXCEPTION 'Session_lowered: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM "deny_access"(ARRAY[OLD."userId"]);
  RETURN NULL;
END $$;

-- Reads the claims of an access token. The rows of the session and its user are locked while they are read, and the
-- date is the database's, so a change is either in the token or denies the token. The member's role is read after
-- them, by a statement of its own, so that it belongs to the organization that the locked session names. The function
-- does not wait for a member's row that another transaction holds: that transaction may go on to lock the session or
-- the user, and each would wait for the other. In this case `isHeld` is true, and the caller reads the role after this
-- statement has ended.
CREATE OR REPLACE FUNCTION "Session_statement"(p_session text)
RETURNS TABLE ("id" text, "userId" text, "expiresAt" timestamptz, "aal" integer, "authenticatedAt" timestamptz,
  "organizationId" text, "isPending" boolean, "role" text, "seconds" integer, "issuedAt" integer,
  "organizationRole" text, "isHeld" boolean)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  v record;
  v_role text;
  v_is_held boolean := false;
BEGIN
  SELECT s."id", s."userId", s."expiresAt", s."aal", s."createdAt", s."activeOrganizationId",
      u."twoFactorEnabled" AND s."aal" < 2 AS is_pending, u."role", t.seconds,
      greatest(t.seconds, (SELECT max(d."notBefore") FROM "AccessDenial" d
        WHERE d."subject" IN (s."id", s."userId"))) AS issued_at
    INTO v
    FROM "User" u JOIN "Session" s ON s."userId" = u."id",
      LATERAL (SELECT floor(extract(epoch FROM clock_timestamp()))::integer AS seconds) t
    WHERE s."id" = p_session AND s."expiresAt" > now() FOR SHARE OF u, s;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF v."activeOrganizationId" IS NOT NULL THEN
    SELECT m."role" INTO v_role FROM "Member" m
      WHERE m."organizationId" = v."activeOrganizationId" AND m."userId" = v."userId" FOR SHARE SKIP LOCKED;
    IF NOT FOUND THEN
      v_is_held := EXISTS (SELECT FROM "Member" m
        WHERE m."organizationId" = v."activeOrganizationId" AND m."userId" = v."userId");
    END IF;
  END IF;
  RETURN QUERY SELECT v."id", v."userId", v."expiresAt"::timestamptz, v."aal", v."createdAt"::timestamptz,
    v."activeOrganizationId", v.is_pending, v."role", v.seconds, v.issued_at, v_role, v_is_held;
END $$;

-- An ended subscription never comes back, whatever arrives late. Only a person's command may restore a subscription that
-- was ended by mistake: for its own transaction it names the subscription in the setting `tollgate.restores`.
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

-- Refuses a row that refers to a row outside its organization. The arguments of its trigger are the other table and
-- then pairs of a column of this table and the column of the other table that it refers to. The look-up runs with the
-- rights and settings of the query, so the policies of the other table decide. A key that an update leaves unchanged
-- is not checked, and null refers to nothing. `db:diff` writes its triggers from the schema.
CREATE OR REPLACE FUNCTION "Tenancy_refers_inside"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
  written CONSTANT jsonb := to_jsonb(NEW);
  is_new boolean := TG_OP = 'INSERT';
  conditions text[] := '{}';
  is_inside boolean;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = TG_RELID
    AND k.contype = 'f' AND k.confrelid = format('public.%I', TG_ARGV[0])::regclass) THEN
    RAISE EXCEPTION 'Tenancy_refers_inside: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  FOR n IN 1 .. TG_NARGS - 2 BY 2 LOOP
    IF written ->> TG_ARGV[n] IS NULL THEN
      RETURN NEW;
    END IF;
    is_new := is_new OR written -> TG_ARGV[n] IS DISTINCT FROM to_jsonb(OLD) -> TG_ARGV[n];
    conditions := conditions || format('%I = ($1).%I', TG_ARGV[n + 1], TG_ARGV[n]);
  END LOOP;
  IF NOT is_new THEN
    RETURN NEW;
  END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %s)', TG_ARGV[0], array_to_string(conditions, ' AND '))
    INTO is_inside USING NEW;
  IF NOT is_inside THEN
    RAISE EXCEPTION 'new row violates row-level security of table "%": it refers to a row of "%" that the organization does not have',
      TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;

-- Notes when a second factor got new backup codes. Using a code only removes it from the list, which is not noted.
CREATE OR REPLACE FUNCTION "TwoFactor_dates_backup_codes"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."TwoFactor"'::regclass THEN
    RAISE EXCEPTION 'TwoFactor_dates_backup_codes: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NOT NEW."backupCodes"::jsonb <@ OLD."backupCodes"::jsonb THEN
    NEW."backupCodesSetAt" := clock_timestamp();
  END IF;
  RETURN NEW;
END $$;

-- Notes when a second factor got its secret or was verified: turning it on again keeps the row and replaces the secret.
CREATE OR REPLACE FUNCTION "TwoFactor_dates_secret"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."TwoFactor"'::regclass THEN
    RAISE EXCEPTION 'TwoFactor_dates_secret: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  NEW."secretSetAt" := clock_timestamp();
  RETURN NEW;
END $$;

-- Denies a user's access tokens when the user gets another role, or from now on needs a second factor.
CREATE OR REPLACE FUNCTION "User_role_changed"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."User"'::regclass THEN
    RAISE EXCEPTION 'User_role_changed: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM "deny_access"(ARRAY[OLD."id"]);
  RETURN NULL;
END $$;

-- Records the events `userCreated`, `emailChanged` and `userDeleted`. It deletes as the system, because a host's own
-- connection, which declares nothing, may delete the user.
CREATE OR REPLACE FUNCTION "User_tells"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
  system_before text := coalesce(current_setting('tollgate.system', true), '');
  organization_before text := coalesce(current_setting('tollgate.organization', true), '');
BEGIN
  IF TG_RELID <> 'public."User"'::regclass THEN
    RAISE EXCEPTION 'User_tells: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF TG_OP = 'INSERT' THEN
    PERFORM "AuthEvent_add"('userCreated', NEW."id");
  ELSIF TG_OP = 'UPDATE' THEN
    PERFORM "AuthEvent_add"('emailChanged', NEW."id");
  ELSE
    -- Nobody should be told of an address, or make a customer, of somebody who is gone.
    PERFORM set_config('tollgate.system', 'on', true), set_config('tollgate.organization', '', true);
    DELETE FROM "AuthEvent"
      WHERE "subjectId" = OLD."id" AND "name" IN ('userCreated', 'emailChanged');
    PERFORM set_config('tollgate.system', system_before, true),
      set_config('tollgate.organization', organization_before, true);
    PERFORM "AuthEvent_add"('userDeleted', OLD."id");
  END IF;
  RETURN NULL;
END $$;

-- Denies all access tokens of sessions and users that were issued until now. `subjects` are ids of both. The clock is
-- read after the changed row was locked. "Session_statement" locks the rows of a token FOR SHARE, reads the clock not
-- later than that, and dates the token no earlier than the newest denial that it sees. So a token either contains a
-- change or is denied by it, also within one second. There is no NOTIFY here, because it would make all transactions
-- that end sessions commit one after the other. The function writes as the system, because a transaction that an
-- organization is confined to may cause the denial.
CREATE OR REPLACE FUNCTION "deny_access"(subjects text[]) RETURNS void LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
  system_before text := coalesce(current_setting('tollgate.system', true), '');
  organization_before text := coalesce(current_setting('tollgate.organization', true), '');
  seconds integer := floor(extract(epoch FROM clock_timestamp()));
BEGIN
  PERFORM set_config('tollgate.system', 'on', true), set_config('tollgate.organization', '', true);
  INSERT INTO "AccessDenial" ("subject", "notBefore")
    SELECT u.subject, greatest(seconds, max(d."notBefore")) + 1
    FROM unnest(subjects) AS u(subject) LEFT JOIN "AccessDenial" d ON d."subject" = u.subject
    GROUP BY u.subject;
  -- No token is as old as these. What another transaction is deleting is left to it.
  DELETE FROM "AccessDenial" WHERE "id" IN (
    SELECT "id" FROM "AccessDenial" WHERE "notBefore" < seconds - 900
      LIMIT 1000 FOR UPDATE SKIP LOCKED);
  PERFORM set_config('tollgate.system', system_before, true),
    set_config('tollgate.organization', organization_before, true);
END $$;

CREATE OR REPLACE TRIGGER "AuditLog_append_only" BEFORE UPDATE OR DELETE ON "AuditLog"
  FOR EACH ROW EXECUTE FUNCTION "AuditLog_append_only"();
CREATE OR REPLACE TRIGGER "AuditLog_no_truncate" BEFORE TRUNCATE ON "AuditLog"
  FOR EACH STATEMENT EXECUTE FUNCTION "AuditLog_append_only"();

-- An account that begins in the future is refused: no transaction could follow, or every lot would lapse.
CREATE OR REPLACE TRIGGER "CreditAccount_begins_empty" AFTER INSERT ON "CreditAccount"
  FOR EACH ROW WHEN (NEW."balance" <> 0 OR NEW."debt" <> 0 OR NEW."lastTransactionId" IS NOT NULL
    OR NEW."updatedAt" > now() + interval '1 minute')
  EXECUTE FUNCTION "CreditAccount_follows"();
CREATE OR REPLACE TRIGGER "CreditAccount_follows" AFTER UPDATE ON "CreditAccount"
  FOR EACH ROW EXECUTE FUNCTION "CreditAccount_follows"();

CREATE OR REPLACE TRIGGER "CreditAccount_no_truncate" BEFORE TRUNCATE ON "CreditAccount"
  FOR EACH STATEMENT EXECUTE FUNCTION "CreditAccount_stays"();
CREATE OR REPLACE TRIGGER "CreditAccount_stays" BEFORE DELETE ON "CreditAccount"
  FOR EACH ROW EXECUTE FUNCTION "CreditAccount_stays"();

CREATE OR REPLACE TRIGGER "CreditGrant_is_kept" BEFORE DELETE ON "CreditGrant"
  FOR EACH ROW EXECUTE FUNCTION "CreditGrant_keeps_its_terms"();
CREATE OR REPLACE TRIGGER "CreditGrant_keeps_its_terms" BEFORE UPDATE OF "id", "ownerId", "creditType", "amount", "createdAt"
  ON "CreditGrant" FOR EACH ROW EXECUTE FUNCTION "CreditGrant_keeps_its_terms"();
CREATE OR REPLACE TRIGGER "CreditGrant_no_truncate" BEFORE TRUNCATE ON "CreditGrant"
  FOR EACH STATEMENT EXECUTE FUNCTION "CreditGrant_keeps_its_terms"();

CREATE OR REPLACE TRIGGER "CreditHold_fits" AFTER INSERT OR UPDATE ON "CreditHold"
  FOR EACH ROW EXECUTE FUNCTION "CreditHold_fits"();
DROP TRIGGER IF EXISTS "CreditHold_gives_back" ON "CreditHold";
CREATE CONSTRAINT TRIGGER "CreditHold_gives_back" AFTER INSERT OR UPDATE ON "CreditHold"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW."status" <> 'open') EXECUTE FUNCTION "CreditHold_fits"();
CREATE OR REPLACE TRIGGER "CreditHold_is_kept" BEFORE DELETE ON "CreditHold"
  FOR EACH ROW WHEN (OLD."status" = 'open') EXECUTE FUNCTION "CreditHold_fits"();
CREATE OR REPLACE TRIGGER "CreditHold_no_truncate" BEFORE TRUNCATE ON "CreditHold"
  FOR EACH STATEMENT EXECUTE FUNCTION "CreditHold_fits"();

CREATE OR REPLACE TRIGGER "CreditHold_settled_is_final" BEFORE UPDATE OR DELETE ON "CreditHold"
  FOR EACH ROW WHEN (OLD."status" <> 'open') EXECUTE FUNCTION "CreditHold_settled_is_final"();

CREATE OR REPLACE TRIGGER "CreditTopUp_is_kept" BEFORE UPDATE OR DELETE ON "CreditTopUp"
  FOR EACH ROW EXECUTE FUNCTION "CreditTopUp_is_kept"();
CREATE OR REPLACE TRIGGER "CreditTopUp_no_truncate" BEFORE TRUNCATE ON "CreditTopUp"
  FOR EACH STATEMENT EXECUTE FUNCTION "CreditTopUp_is_kept"();

CREATE OR REPLACE TRIGGER "CreditTransaction_append_only" BEFORE UPDATE OR DELETE ON "CreditTransaction"
  FOR EACH ROW EXECUTE FUNCTION "CreditTransaction_append_only"();
CREATE OR REPLACE TRIGGER "CreditTransaction_no_truncate" BEFORE TRUNCATE ON "CreditTransaction"
  FOR EACH STATEMENT EXECUTE FUNCTION "CreditTransaction_append_only"();

CREATE OR REPLACE TRIGGER "CreditTransaction_applies" AFTER INSERT ON "CreditTransaction"
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION "CreditTransaction_applies"();

CREATE OR REPLACE TRIGGER "Member_deleted" AFTER DELETE ON "Member"
  FOR EACH ROW EXECUTE FUNCTION "Member_changed"();
CREATE OR REPLACE TRIGGER "Member_role_changed" AFTER UPDATE ON "Member"
  FOR EACH ROW WHEN (
    (OLD."role", OLD."userId", OLD."organizationId")
      IS DISTINCT FROM (NEW."role", NEW."userId", NEW."organizationId"))
  EXECUTE FUNCTION "Member_changed"();

CREATE OR REPLACE TRIGGER "Member_tells" AFTER INSERT OR DELETE ON "Member"
  FOR EACH ROW EXECUTE FUNCTION "Member_tells"();
CREATE OR REPLACE TRIGGER "Member_tells_of_role" AFTER UPDATE OF "role" ON "Member"
  FOR EACH ROW WHEN (OLD."role" IS DISTINCT FROM NEW."role") EXECUTE FUNCTION "Member_tells"();

CREATE OR REPLACE TRIGGER "OauthClient_moved" AFTER UPDATE OF "redirectUris" ON "OauthClient"
  FOR EACH ROW WHEN (NOT NEW."redirectUris" <@ OLD."redirectUris") EXECUTE FUNCTION "OauthClient_moved"();

CREATE OR REPLACE TRIGGER "OauthConsent_narrowed" AFTER UPDATE OF "scopes" ON "OauthConsent"
  FOR EACH ROW WHEN (NOT OLD."scopes" <@ NEW."scopes") EXECUTE FUNCTION "OauthConsent_narrowed"();

CREATE OR REPLACE TRIGGER "OauthConsent_withdrawn" AFTER DELETE ON "OauthConsent"
  FOR EACH ROW EXECUTE FUNCTION "OauthConsent_withdrawn"();

CREATE OR REPLACE TRIGGER "OauthRefreshToken_dates_grant" BEFORE INSERT ON "OauthRefreshToken"
  FOR EACH ROW EXECUTE FUNCTION "OauthRefreshToken_dates_grant"();

CREATE OR REPLACE TRIGGER "OauthRefreshToken_grant_ended" AFTER DELETE ON "OauthRefreshToken"
  REFERENCING OLD TABLE AS "gone" FOR EACH STATEMENT EXECUTE FUNCTION "OauthRefreshToken_grant_ended"();

CREATE OR REPLACE TRIGGER "OauthAccessToken_has_consent" BEFORE INSERT OR UPDATE OF "scopes" ON "OauthAccessToken"
  FOR EACH ROW EXECUTE FUNCTION "Oauth_token_has_consent"();
CREATE OR REPLACE TRIGGER "OauthRefreshToken_has_consent" BEFORE INSERT OR UPDATE OF "scopes" ON "OauthRefreshToken"
  FOR EACH ROW EXECUTE FUNCTION "Oauth_token_has_consent"();

CREATE OR REPLACE TRIGGER "Order_keeps_its_word" BEFORE INSERT OR UPDATE ON "Order"
  FOR EACH ROW EXECUTE FUNCTION "Order_keeps_its_word"();

DROP TRIGGER IF EXISTS "Organization_has_an_owner" ON "Organization";
CREATE CONSTRAINT TRIGGER "Organization_has_an_owner" AFTER INSERT ON "Organization"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "Organization_has_an_owner"();

DROP TRIGGER IF EXISTS "Organization_keeps_an_owner" ON "Member";
CREATE CONSTRAINT TRIGGER "Organization_keeps_an_owner" AFTER UPDATE OR DELETE ON "Member"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD."role" = 'OWNER')
  EXECUTE FUNCTION "Organization_keeps_an_owner"();

CREATE OR REPLACE TRIGGER "Session_deleted" AFTER DELETE ON "Session"
  REFERENCING OLD TABLE AS "gone" FOR EACH STATEMENT EXECUTE FUNCTION "Session_deleted"();

CREATE OR REPLACE TRIGGER "Session_lowered" AFTER UPDATE OF "expiresAt", "aal", "userId" ON "Session"
  FOR EACH ROW WHEN (NEW."expiresAt" < OLD."expiresAt" OR NEW."aal" < OLD."aal"
    OR NEW."userId" IS DISTINCT FROM OLD."userId")
  EXECUTE FUNCTION "Session_lowered"();

CREATE OR REPLACE TRIGGER "Subscription_ended_is_final" BEFORE UPDATE ON "Subscription"
  FOR EACH ROW EXECUTE FUNCTION "Subscription_ended_is_final"();

CREATE OR REPLACE TRIGGER "TwoFactor_dates_backup_codes" BEFORE UPDATE OF "backupCodes" ON "TwoFactor"
  FOR EACH ROW EXECUTE FUNCTION "TwoFactor_dates_backup_codes"();

CREATE OR REPLACE TRIGGER "TwoFactor_dates_secret" BEFORE UPDATE OF "secret", "verified" ON "TwoFactor"
  FOR EACH ROW WHEN (OLD."secret" IS DISTINCT FROM NEW."secret" OR (NEW."verified" AND NOT OLD."verified"))
  EXECUTE FUNCTION "TwoFactor_dates_secret"();

CREATE OR REPLACE TRIGGER "User_role_changed" AFTER UPDATE OF "role" ON "User"
  FOR EACH ROW WHEN (OLD."role" IS DISTINCT FROM NEW."role")
  EXECUTE FUNCTION "User_role_changed"();
CREATE OR REPLACE TRIGGER "User_needs_second_factor" AFTER UPDATE OF "twoFactorEnabled" ON "User"
  FOR EACH ROW WHEN (NEW."twoFactorEnabled" AND NOT OLD."twoFactorEnabled")
  EXECUTE FUNCTION "User_role_changed"();

CREATE OR REPLACE TRIGGER "User_tells" AFTER INSERT OR DELETE ON "User"
  FOR EACH ROW EXECUTE FUNCTION "User_tells"();
CREATE OR REPLACE TRIGGER "User_tells_of_email" AFTER UPDATE OF "email" ON "User"
  FOR EACH ROW WHEN (OLD."email" IS DISTINCT FROM NEW."email") EXECUTE FUNCTION "User_tells"();

ALTER TABLE "AccessDenial" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "AccessDenial" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "Account" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Account" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "AuditLog" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "AuditLog" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "AuditLog" USING ("AuditLog"."organizationId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "AuthEvent" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "AuthEvent" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "BillingDeclaration" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "BillingDeclaration" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "Booking" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Booking" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Booking" FOR SELECT USING ("Booking"."customerId" = ANY (ARRAY(SELECT "Customer"."id" FROM "Customer" WHERE "Customer"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')) AND "Customer"."ownerType" = 'organization')));

ALTER TABLE "BookingUid" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "BookingUid" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "CheckoutSession" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "CheckoutSession" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "CheckoutSession" FOR SELECT USING ("CheckoutSession"."customerId" = ANY (ARRAY(SELECT "Customer"."id" FROM "Customer" WHERE "Customer"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')) AND "Customer"."ownerType" = 'organization')));

ALTER TABLE "CreditAccount" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "CreditAccount" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "CreditAccount" FOR SELECT USING ("CreditAccount"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "CreditGrant" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "CreditGrant" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "CreditGrant" FOR SELECT USING ("CreditGrant"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "CreditHold" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "CreditHold" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "CreditHold" FOR SELECT USING ("CreditHold"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "CreditTopUp" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "CreditTopUp" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "CreditTopUp" FOR SELECT USING ("CreditTopUp"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "CreditTransaction" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "CreditTransaction" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "CreditTransaction" FOR SELECT USING ("CreditTransaction"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "CreditWork" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "CreditWork" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "CreditWork" FOR SELECT USING ("CreditWork"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "Customer" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Customer" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Customer" FOR SELECT USING ("Customer"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')) AND "Customer"."ownerType" = 'organization');

ALTER TABLE "Effect" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Effect" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "EmailChange" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "EmailChange" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "FormerCustomer" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "FormerCustomer" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "Integration" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Integration" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Integration" USING ("Integration"."organizationId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "Invitation" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Invitation" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Invitation" USING ("Invitation"."organizationId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));
CREATE TRIGGER "Invitation_user_is_inside" BEFORE INSERT OR UPDATE OF "inviterId" ON "Invitation" FOR EACH ROW WHEN (current_setting('tollgate.organization', true) <> '') EXECUTE FUNCTION "Tenancy_refers_inside"('User', 'inviterId', 'id');

ALTER TABLE "Invoice" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Invoice" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Invoice" FOR SELECT USING ("Invoice"."customerId" = ANY (ARRAY(SELECT "Customer"."id" FROM "Customer" WHERE "Customer"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')) AND "Customer"."ownerType" = 'organization')));

ALTER TABLE "JobWorker" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "JobWorker" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "Jwks" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Jwks" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "LastOrganization" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "LastOrganization" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "Member" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Member" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Member" USING ("Member"."organizationId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));
CREATE TRIGGER "Member_user_is_inside" BEFORE INSERT OR UPDATE OF "userId" ON "Member" FOR EACH ROW WHEN (current_setting('tollgate.organization', true) <> '') EXECUTE FUNCTION "Tenancy_refers_inside"('User', 'userId', 'id');

ALTER TABLE "NurtureEmailVariant" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "NurtureEmailVariant" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "NurtureEnrollment" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "NurtureEnrollment" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "NurtureSequence" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "NurtureSequence" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "OauthAccessToken" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "OauthAccessToken" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "OauthClient" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "OauthClient" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "OauthClientAssertion" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "OauthClientAssertion" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "OauthClientResource" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "OauthClientResource" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "OauthConsent" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "OauthConsent" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "OauthRefreshToken" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "OauthRefreshToken" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "OauthResource" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "OauthResource" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "Order" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Order" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Order" FOR SELECT USING ("Order"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "Organization" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Organization" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Organization" USING ("Organization"."id" = (SELECT nullif(current_setting('tollgate.organization', true), '')));

ALTER TABLE "Passkey" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Passkey" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "Payment" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Payment" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Payment" FOR SELECT USING ("Payment"."customerId" = ANY (ARRAY(SELECT "Customer"."id" FROM "Customer" WHERE "Customer"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')) AND "Customer"."ownerType" = 'organization')));

ALTER TABLE "Price" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Price" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Price" FOR SELECT USING (true);

ALTER TABLE "Product" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Product" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Product" FOR SELECT USING (true);

ALTER TABLE "RateLimit" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "RateLimit" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "Refund" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Refund" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Refund" FOR SELECT USING ("Refund"."customerId" = ANY (ARRAY(SELECT "Customer"."id" FROM "Customer" WHERE "Customer"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')) AND "Customer"."ownerType" = 'organization')));

ALTER TABLE "RefusedRequest" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "RefusedRequest" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "RepairRun" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "RepairRun" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "Session" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Session" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "StripeAccount" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "StripeAccount" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "Subscription" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "Subscription" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "Subscription" FOR SELECT USING ("Subscription"."customerId" = ANY (ARRAY(SELECT "Customer"."id" FROM "Customer" WHERE "Customer"."ownerId" = (SELECT nullif(current_setting('tollgate.organization', true), '')) AND "Customer"."ownerType" = 'organization')));

ALTER TABLE "TrialRedemption" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "TrialRedemption" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "TwoFactor" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "TwoFactor" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "User" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "User" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));
CREATE POLICY "of_organization" ON "User" FOR SELECT USING ("User"."id" = ANY (ARRAY(SELECT "Member"."userId" FROM "Member" WHERE "Member"."organizationId" = (SELECT nullif(current_setting('tollgate.organization', true), '')))) OR "User"."id" = ANY (ARRAY(SELECT "Invitation"."inviterId" FROM "Invitation" WHERE "Invitation"."organizationId" = (SELECT nullif(current_setting('tollgate.organization', true), '')))));

ALTER TABLE "UserDeletion" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "UserDeletion" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "VerificationToken" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "VerificationToken" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "WebhookEvent" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "as_system" ON "WebhookEvent" USING ((SELECT current_setting('tollgate.system', true) = 'on' AND coalesce(current_setting('tollgate.organization', true), '') = ''));

ALTER TABLE "CreditAccount" SET (fillfactor=50);
ALTER TABLE "CreditGrant" SET (fillfactor=50);

ALTER TABLE "Booking" ADD CONSTRAINT "Booking_status_check" CHECK ((status = ANY (ARRAY['accepted'::text, 'pending'::text, 'cancelled'::text, 'rejected'::text])));
ALTER TABLE "CheckoutSession" ADD CONSTRAINT "CheckoutSession_status_check" CHECK ((status = ANY (ARRAY['open'::text, 'closed'::text])));
ALTER TABLE "CreditAccount" ADD CONSTRAINT "CreditAccount_bounds_check" CHECK ("CreditAccount_in_bounds"(tableoid, balance, debt, "createdAt", "updatedAt"));
ALTER TABLE "CreditGrant" ADD CONSTRAINT "CreditGrant_bounds_check" CHECK ("CreditGrant_in_bounds"(tableoid, id, amount, remaining, open, (priority)::integer, "createdAt", "expiresAt"));
ALTER TABLE "CreditHold" ADD CONSTRAINT "CreditHold_bounds_check" CHECK ("CreditHold_in_bounds"(tableoid, id, "expiresAt", "settledAt"));
ALTER TABLE "CreditHold" ADD CONSTRAINT "CreditHold_status_check" CHECK (
CASE status
    WHEN 'open'::text THEN ((captured IS NULL) AND ("settledAt" IS NULL))
    WHEN 'captured'::text THEN ((captured > 0) AND ("settledAt" IS NOT NULL))
    WHEN 'released'::text THEN ((captured = 0) AND ("settledAt" IS NOT NULL))
    ELSE false
END);
ALTER TABLE "CreditTopUp" ADD CONSTRAINT "CreditTopUp_bounds_check" CHECK ((("transactionId" > 0) AND isfinite(day) AND isfinite("createdAt")));
ALTER TABLE "CreditTopUp" ADD CONSTRAINT "CreditTopUp_number_check" CHECK ((number > 0));
ALTER TABLE "CreditTransaction" ADD CONSTRAINT "CreditTransaction_bounds_check" CHECK ("CreditTransaction_in_bounds"(tableoid, id, amount, "balanceAfter", debt, "createdAt", "expiresAt"));
ALTER TABLE "CreditTransaction" ADD CONSTRAINT "CreditTransaction_type_check" CHECK ("CreditTransaction_type_agrees"(type, amount, debt, "refundOf"));
ALTER TABLE "CreditWork" ADD CONSTRAINT "CreditWork_status_check" CHECK ((
CASE status
    WHEN 'working'::text THEN ((outcome IS NULL) AND ("finishedAt" IS NULL))
    WHEN 'done'::text THEN isfinite("finishedAt")
    WHEN 'failed'::text THEN isfinite("finishedAt")
    ELSE false
END IS TRUE));
ALTER TABLE "Customer" ADD CONSTRAINT "Customer_ownerType_check" CHECK (("ownerType" = ANY (ARRAY['user'::text, 'organization'::text])));
ALTER TABLE "Effect" ADD CONSTRAINT "Effect_awaits_check" CHECK ((awaits <@ ARRAY['handler'::text, 'plan_credits'::text])) NOT VALID;
ALTER TABLE "EmailChange" ADD CONSTRAINT "EmailChange_email_check" CHECK ((("oldEmail" <> "newEmail") AND ("newEmail" = lower("newEmail"))));
ALTER TABLE "Invitation" ADD CONSTRAINT "Invitation_role_check" CHECK ((role ~ '^[A-Z][A-Z0-9_]{0,49}$'::text));
ALTER TABLE "Invitation" ADD CONSTRAINT "Invitation_status_check" CHECK ((status = ANY (ARRAY['pending'::text, 'accepted'::text, 'rejected'::text, 'canceled'::text])));
ALTER TABLE "Member" ADD CONSTRAINT "Member_role_check" CHECK ((role ~ '^[A-Z][A-Z0-9_]{0,49}$'::text));
ALTER TABLE "Order" ADD CONSTRAINT "Order_amount_check" CHECK ((amount > 0));
ALTER TABLE "Order" ADD CONSTRAINT "Order_completed_check" CHECK ((((status = 'completed'::text) = ("completedAt" IS NOT NULL)) AND ((status <> 'completed'::text) OR (num_nonnulls("paymentId", "subscriptionId", "checkoutId") > 0))));
ALTER TABLE "Order" ADD CONSTRAINT "Order_credits_check" CHECK ((credits >= 0));
ALTER TABLE "Order" ADD CONSTRAINT "Order_invoice_check" CHECK ((("invoiceId" IS NULL) OR ((status = 'completed'::text) AND (credits = 0) AND ("checkoutId" IS NULL) AND (num_nulls("paymentId", "subscriptionId") = 0))));
ALTER TABLE "Order" ADD CONSTRAINT "Order_plan_check" CHECK (((plan IS NULL) = ("interval" IS NULL)));
ALTER TABLE "Order" ADD CONSTRAINT "Order_provider_check" CHECK ((provider = ANY (ARRAY['stripe'::text, 'creem'::text, 'local'::text])));
ALTER TABLE "Order" ADD CONSTRAINT "Order_refunded_check" CHECK ((("amountRefunded" >= 0) AND ("amountPaid" >= "amountRefunded")));
ALTER TABLE "Order" ADD CONSTRAINT "Order_status_check" CHECK ((status = ANY (ARRAY['pending'::text, 'completed'::text, 'cancelled'::text])));
ALTER TABLE "Payment" ADD CONSTRAINT "Payment_amount_check" CHECK ((amount > 0));
ALTER TABLE "Refund" ADD CONSTRAINT "Refund_amount_check" CHECK ((amount > 0));
ALTER TABLE "Session" ADD CONSTRAINT "Session_aal_check" CHECK ((aal = ANY (ARRAY[1, 2, 3])));
ALTER TABLE "Subscription" ADD CONSTRAINT "Subscription_provider_check" CHECK (
CASE
    WHEN (provider = 'stripe'::text) THEN (("stripeSubscriptionId" IS NOT NULL) AND ("priceId" IS NOT NULL) AND ("providerSubscriptionId" IS NULL) AND (sku IS NULL))
    ELSE ((provider = ANY (ARRAY['creem'::text, 'local'::text])) AND ("providerSubscriptionId" IS NOT NULL) AND ("stripeSubscriptionId" IS NULL) AND ("priceId" IS NULL))
END);
ALTER TABLE "User" ADD CONSTRAINT "User_locale_check" CHECK (((locale ~ '^[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*$'::text) AND (char_length(locale) <= 35)));
ALTER TABLE "User" ADD CONSTRAINT "User_role_check" CHECK ((role = ANY (ARRAY['USER'::text, 'ADMIN'::text])));
ALTER TABLE "VerificationToken" ADD CONSTRAINT "VerificationToken_identifier_check" CHECK ((identifier ~ '^hashed:[a-z-]+:[A-Za-z0-9_-]{43}$'::text));
ALTER TABLE "WebhookEvent" ADD CONSTRAINT "WebhookEvent_payload_check" CHECK (((payload IS NOT NULL) OR (status <> 'pending'::text)));
ALTER TABLE "WebhookEvent" ADD CONSTRAINT "WebhookEvent_source_check" CHECK ((source = ANY (ARRAY['delivery'::text, 'pull'::text])));
ALTER TABLE "WebhookEvent" ADD CONSTRAINT "WebhookEvent_status_check" CHECK ((status = ANY (ARRAY['pending'::text, 'processed'::text, 'ignored'::text, 'needs_attention'::text, 'dead'::text])));

CREATE INDEX "AuthEvent_untried" ON "AuthEvent" USING btree ("createdAt") WHERE (attempts = 0);
CREATE UNIQUE INDEX "CheckoutSession_one_open_per_customer" ON "CheckoutSession" USING btree ("customerId") WHERE (status = 'open'::text);
CREATE INDEX "CreditGrant_due" ON "CreditGrant" USING btree ("expiresAt") WHERE (open AND ("expiresAt" IS NOT NULL));
CREATE INDEX "CreditGrant_open" ON "CreditGrant" USING btree ("ownerId", "creditType", priority, "expiresAt", id) WHERE open;
CREATE INDEX "CreditHold_open" ON "CreditHold" USING btree ("expiresAt") WHERE (status = 'open'::text);
CREATE INDEX "CreditHold_open_of" ON "CreditHold" USING btree ("ownerId", "creditType") WHERE (status = 'open'::text);
CREATE INDEX "CreditTransaction_lapses" ON "CreditTransaction" USING btree ("ownerId", "creditType", id) WHERE (type = 'expiry'::text);
CREATE INDEX "CreditTransaction_of_orders" ON "CreditTransaction" USING btree ("createdAt", id) WHERE ((type = 'purchase'::text) AND ("idempotencyKey" ~~ 'order:%:fulfil'::text));
CREATE INDEX "CreditTransaction_refundOf" ON "CreditTransaction" USING btree ("refundOf") WHERE ("refundOf" IS NOT NULL);
CREATE INDEX "Customer_forgotten" ON "Customer" USING btree (id) WHERE ("forgottenAt" IS NOT NULL);
CREATE INDEX "Effect_awaits" ON "Effect" USING btree (key) WHERE (awaits <> '{}'::text[]);
CREATE INDEX "Effect_of_orders" ON "Effect" USING btree ("createdAt") WHERE (name = ANY (ARRAY['order.completed'::text, 'order.refunded'::text]));
CREATE INDEX "Invoice_unfinished" ON "Invoice" USING btree ("customerId") WHERE (status = ANY (ARRAY['draft'::text, 'open'::text]));
CREATE INDEX "OauthRefreshToken_replay" ON "OauthRefreshToken" USING btree ("rotationReplayExpiresAt") WHERE ("rotationReplayResponse" IS NOT NULL);
CREATE INDEX "OauthRefreshToken_revoked" ON "OauthRefreshToken" USING btree (revoked) WHERE (revoked IS NOT NULL);
CREATE INDEX "Order_due" ON "Order" USING btree ("nextCheckAt") WHERE ("nextCheckAt" IS NOT NULL);
CREATE INDEX "Order_failed" ON "Order" USING btree ("failedAt") WHERE ("failedAt" IS NOT NULL);
CREATE INDEX "Order_flagged" ON "Order" USING btree ("createdAt") WHERE ("needsAttention" IS NOT NULL);
CREATE INDEX "Order_granting" ON "Order" USING btree ("updatedAt", id) WHERE ((status = 'completed'::text) AND (credits > 0) AND ("paymentId" IS NOT NULL));
CREATE UNIQUE INDEX "Order_one_open_per_product" ON "Order" USING btree ("ownerId", sku) WHERE ((status = 'pending'::text) AND ("needsAttention" IS NULL) AND (sku IS NOT NULL));
CREATE INDEX "Order_paid_or_completed" ON "Order" USING btree (provider, GREATEST("paidAt", "completedAt"), id) WHERE ("paymentId" IS NOT NULL);
CREATE INDEX "Order_pending" ON "Order" USING btree ("customerId") WHERE (status = 'pending'::text);
CREATE INDEX "Payment_unfinished" ON "Payment" USING btree ("customerId") WHERE (status <> ALL (ARRAY['succeeded'::text, 'canceled'::text]));
CREATE INDEX "Subscription_flagged" ON "Subscription" USING btree ("createdAt", id) WHERE (("needsAttention" IS NOT NULL) AND (status = ANY (ARRAY['trialing'::text, 'active'::text, 'past_due'::text, 'unpaid'::text, 'paused'::text])));
CREATE INDEX "Subscription_granting" ON "Subscription" USING btree (id) WHERE ((status = ANY (ARRAY['active'::text, 'trialing'::text])) AND ("needsAttention" IS NULL));
CREATE UNIQUE INDEX "Subscription_one_current_per_customer" ON "Subscription" USING btree ("customerId") WHERE ((status = ANY (ARRAY['trialing'::text, 'active'::text, 'past_due'::text, 'unpaid'::text, 'paused'::text])) AND ("needsAttention" IS NULL));
CREATE INDEX "Subscription_running" ON "Subscription" USING btree ("customerId") WHERE ((provider = 'stripe'::text) AND (status <> ALL (ARRAY['canceled'::text, 'incomplete_expired'::text])));
CREATE INDEX "TrialRedemption_unkeyed" ON "TrialRedemption" USING btree (key) WHERE ((key ~~ 'email:%'::text) OR (key ~~ 'card:%'::text));
CREATE INDEX "User_unverified" ON "User" USING btree ("createdAt") WHERE (NOT "emailVerified");
CREATE INDEX "WebhookEvent_due" ON "WebhookEvent" USING btree ("nextAttemptAt", "eventId") WHERE (status = 'pending'::text);
CREATE INDEX "WebhookEvent_full" ON "WebhookEvent" USING btree ("receivedAt") WHERE ((payload IS NOT NULL) AND (status <> 'pending'::text));
CREATE INDEX "WebhookEvent_full_subject" ON "WebhookEvent" USING btree (subject) WHERE ((payload IS NOT NULL) AND (status <> 'pending'::text));
CREATE INDEX "WebhookEvent_ignored" ON "WebhookEvent" USING btree ("receivedAt") WHERE (status = 'ignored'::text);
CREATE INDEX "WebhookEvent_open" ON "WebhookEvent" USING btree ("receivedAt") WHERE (status = ANY (ARRAY['needs_attention'::text, 'dead'::text]));
CREATE INDEX "WebhookEvent_pending_subject" ON "WebhookEvent" USING btree (subject) WHERE (status = 'pending'::text);

REVOKE ALL ON ROUTINE "AuditLog_append_only"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "AuditLog_prune"(timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON ROUTINE "AuthEvent_add"(text,text) FROM PUBLIC;
REVOKE ALL ON ROUTINE "CreditAccount_follows"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "CreditAccount_in_bounds"(oid,bigint,bigint,timestamp with time zone,timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON ROUTINE "CreditAccount_stays"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "CreditGrant_in_bounds"(oid,bigint,bigint,bigint,boolean,integer,timestamp with time zone,timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON ROUTINE "CreditGrant_keeps_its_terms"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "CreditHold_fits"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "CreditHold_in_bounds"(oid,bigint,timestamp with time zone,timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON ROUTINE "CreditHold_settled_is_final"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "CreditTopUp_is_kept"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "CreditTransaction_append_only"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "CreditTransaction_applies"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "CreditTransaction_in_bounds"(oid,bigint,bigint,bigint,bigint,timestamp with time zone,timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON ROUTINE "CreditTransaction_type_agrees"(text,bigint,bigint,bigint) FROM PUBLIC;
REVOKE ALL ON ROUTINE "Credit_begin_work"(text,text,bigint,text,text,integer,text,double precision,jsonb,timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON ROUTINE "Credit_burn"(text,text,bigint,bigint) FROM PUBLIC;
REVOKE ALL ON ROUTINE "Credit_claim_top_up"(text,text,bigint,integer,timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON ROUTINE "Credit_deduct_run"(text,text,bigint,jsonb) FROM PUBLIC;
REVOKE ALL ON ROUTINE "Credit_end_work"(bigint,integer,bigint,boolean,text,jsonb,timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON ROUTINE "Credit_lot_in_turn"(text,text,timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON ROUTINE "Credit_post"(text,text,text,bigint,text,text,text,timestamp with time zone,integer,bigint,boolean,text,integer,bigint,timestamp with time zone,text,bigint) FROM PUBLIC;
REVOKE ALL ON ROUTINE "Credit_post_all"(jsonb) FROM PUBLIC;
REVOKE ALL ON ROUTINE "Credit_restore"(text,text,text,text,text,text,bigint,timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON ROUTINE "Credit_settle"(bigint,bigint,boolean,jsonb,timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON ROUTINE "Member_changed"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "Member_tells"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "OauthClient_moved"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "OauthConsent_narrowed"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "OauthConsent_withdrawn"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "OauthRefreshToken_dates_grant"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "OauthRefreshToken_grant_ended"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "Oauth_token_has_consent"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "Order_keeps_its_word"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "Organization_has_an_owner"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "Organization_keeps_an_owner"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "Organization_require_owner"(text) FROM PUBLIC;
REVOKE ALL ON ROUTINE "Session_deleted"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "Session_lowered"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "Session_statement"(text) FROM PUBLIC;
REVOKE ALL ON ROUTINE "Subscription_ended_is_final"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "Tenancy_refers_inside"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "TwoFactor_dates_backup_codes"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "TwoFactor_dates_secret"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "User_role_changed"() FROM PUBLIC;
REVOKE ALL ON ROUTINE "User_tells"() FROM PUBLIC;
REVOKE ALL ON ROUTINE deny_access(text[]) FROM PUBLIC;
