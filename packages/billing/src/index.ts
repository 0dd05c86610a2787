export type { Alert, AlertLimits, Problem } from './alerts.ts'
export { type Billing, billing, createBilling } from './billing.ts'
export type { BookingLinkMetadata } from './bookings/calcom.ts' // #calcom
export { type Calcom, calcomEnv } from './bookings/settings.ts' // #calcom
export type { PlanCredits, Rollover } from './catalog/plan-credits.ts'
export {
  definePlans,
  type Interval,
  type Plan,
  type PlanName,
  type PlanPrice,
  type Plans,
  plans,
  trialEnv,
} from './catalog/plans.ts'
export {
  defineProducts,
  type PlanSku,
  type Product,
  type Products,
  planProducts,
  productEnv,
  productOf,
  products,
  type Sku,
  type SoldProduct,
} from './catalog/products.ts'
export type { SubscriptionStatus } from './catalog/status.ts'
export { isActive, isCanceled, isPastDue, onGracePeriod, onTrial } from './catalog/status.ts'
export type { ConfirmedCheckout, PaymentCheckout, PlanCheckout } from './checkout/checkout.ts'
export type {
  ConfirmedPayment,
  ConfirmPaymentOptions,
  CreatedPaymentIntent,
  PaymentIntentOptions,
  PaymentMetadata,
} from './checkout/payments.ts'
export type { PortalInput, PortalSession } from './checkout/portal.ts'
export type { Checkout } from './checkout/sessions.ts'
export type { EventSettings, Owner, Sender } from './context.ts'
export { appEnv } from './create-context.ts'
export type { CreditSettings, LowBalance } from './credits/settings.ts'
export type { NotedAccount } from './customers/account.ts'
export type { Effect, EffectHandlers, EffectName, EffectPayloads } from './effects/facts.ts'
export type { ListWaitingOptions, RecordedEffect, RedeliveredEffect } from './effects/waiting.ts'
export type {
  BillingErrorCode,
  BillingErrorData,
  CheckoutErrorCode,
  CreditErrorCode,
  CustomerErrorCode,
  DataOf,
  InputErrorCode,
  OrderErrorCode,
  ProviderErrorCode,
  SubscriptionErrorCode,
  WebhookErrorCode,
} from './error-codes.ts'
export { BillingError, isBillingError } from './errors.ts'
export * from './functions/bookings.ts' // #calcom
export * from './functions/checkout.ts'
export * from './functions/customers.ts'
export * from './functions/subscriptions.ts'
export * from './functions/webhooks.ts'
export { CANCEL_REASONS, type CancelOptions, type CancelReason } from './lifecycle/cancel.ts'
export type { QuotedPlanChange } from './lifecycle/plan-change.ts'
export type { NextInvoice, PlanChangeQuote } from './lifecycle/plan-quote.ts'
export type { PlanChange } from './lifecycle/plan-target.ts'
export type {
  FlaggedSubscription,
  ListFlaggedOptions,
  RefundedAmount,
  Resolution,
  ResolveOptions,
} from './lifecycle/resolve.ts'
export type { BillingOptions } from './options.ts'
export type { ForgetOptions } from './owners/owners.ts'
export type { PageOptions } from './page.ts'
export type { BillingPages } from './pages.ts'
export { createCreemClient } from './providers/creem/client.ts' // #creem
export { creemEnv } from './providers/creem/env.ts' // #creem
export { createCreemProvider } from './providers/creem/provider.ts' // #creem
export { paymentEnv, stripeEnv, stripeWebhookEnv } from './providers/env.ts'
export {
  createLocalProvider,
  isLocalProvider,
  type LocalControls,
  type LocalProvider,
} from './providers/local/provider.ts'
export type {
  CheckoutInput,
  InvoiceShare,
  PaymentProvider,
  PortalPageInput,
  ProviderCheckout,
  ProviderHint,
  ProviderPayment,
  ProviderRefund,
  ProviderSubscription,
} from './providers/provider.ts'
export type {
  CheckoutSettings,
  PortalSettings,
  QuantityLimits,
} from './providers/stripe/checkout-settings.ts'
export {
  createStripe,
  STRIPE_API_VERSION,
  type StripeOptions,
  stripe,
} from './providers/stripe/client.ts'
export { pushPlans } from './providers/stripe/prices.ts'
export { createStripeProvider } from './providers/stripe/provider.ts'
export type {
  Booking, // #calcom
  Customer,
  Invoice,
  Order,
  Payment,
  WebhookEvent,
} from './rows.ts'
export type {
  ListedSubscription,
  OwnerSubscription,
  PauseCollection,
  PendingChange,
  ScheduledChange,
} from './subscriptions/subscriptions.ts'
export type {
  ImportCustomersOptions,
  ImportCustomersResult,
  ImportedCustomer,
} from './sync/import-customers.ts'
export type {
  Conflict,
  ImportConflict,
  ImportMatching,
  MatchedBy,
  UnknownPrice,
} from './sync/import-plan.ts'
export type { RestoredCustomer } from './sync/link.ts'
export type { SyncOptions, SyncResult } from './sync/options.ts'
export type { Difference, ReconcileOptions, ReconcileResult } from './sync/reconcile.ts'
export type { Change } from './sync/write-subscriptions.ts'
