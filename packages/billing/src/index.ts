export type { NotedAccount } from './account.ts'
export type { Alert, AlertLimits } from './alerts.ts'
export {
  type Billing,
  billing,
  cancelSubscription,
  changePlan,
  confirmCheckout,
  confirmPayment,
  createBilling,
  createBillingPortalSession,
  createCalComBookingLink,
  createCheckoutSession,
  createPaymentIntent,
  ensureCustomer,
  exportOwner,
  forgetOwner,
  getSubscription,
  handleCalComWebhook,
  handleStripeWebhook,
  listInvoices,
  listSubscriptions,
  previewPlanChange,
  processEvents,
  resumeSubscription,
  syncCustomer,
  updateCustomer,
} from './billing.ts'
export { type BookingLinkMetadata, type Calcom, calcomEnv } from './calcom.ts'
export type { ConfirmedCheckout, PaymentCheckout, PlanCheckout } from './checkout.ts'
export type { Checkout } from './checkout-sessions.ts'
export type { CheckoutSettings, PortalSettings, QuantityLimits } from './checkout-settings.ts'
export {
  appEnv,
  type BillingOptions,
  type EventSettings,
  type Owner,
  type Sender,
} from './context.ts'
export type { CreditSettings, LowBalance } from './credits/low-balance.ts'
export type { PlanCredits } from './credits/plan-terms.ts'
export type { Effect, EffectHandlers, EffectName, EffectPayloads } from './effects.ts'
export type { RecordedEffect, RedeliveredEffect } from './effects-waiting.ts'
export { BillingError, type BillingErrorCode } from './errors.ts'
export type { RestoredCustomer } from './link.ts'
export type { ForgetOptions } from './owners.ts'
export type {
  ConfirmedPayment,
  ConfirmPaymentOptions,
  CreatedPaymentIntent,
  PaymentIntentOptions,
  PaymentMetadata,
} from './payments.ts'
export type { PlanChange } from './plan-change.ts'
export type { PlanChangeQuote } from './plan-quote.ts'
export {
  definePlans,
  type Interval,
  type Plan,
  type PlanName,
  type PlanPrice,
  type Plans,
  plans,
  pushPlans,
  trialEnv,
} from './plans.ts'
export type { PortalInput } from './portal.ts'
export {
  defineProducts,
  type Product,
  type Products,
  productEnv,
  productOf,
  products,
  type Sku,
  type SoldProduct,
} from './products.ts'
export type { Problem } from './provider-state.ts'
export { createCreemProvider } from './providers/creem.ts'
export { createCreemClient } from './providers/creem-client.ts'
export { creemEnv, paymentEnv, stripeEnv, stripeWebhookEnv } from './providers/env.ts'
export {
  createLocalProvider,
  isLocalProvider,
  type LocalControls,
  type LocalProvider,
} from './providers/local.ts'
export type {
  CheckoutInput,
  PaymentProvider,
  ProviderCheckout,
  ProviderHint,
  ProviderPayment,
  ProviderRefund,
  ProviderSubscription,
} from './providers/provider.ts'
export { createStripeProvider } from './providers/stripe.ts'
export type { Difference, ReconcileOptions, ReconcileResult } from './reconcile.ts'
export type { FlaggedSubscription, Resolution, ResolveOptions } from './resolve.ts'
export type { SubscriptionStatus } from './shapes.ts'
export {
  createStripe,
  STRIPE_API_VERSION,
  type StripeOptions,
  stripe,
} from './stripe.ts'
export {
  CANCEL_REASONS,
  type CancelOptions,
  type CancelReason,
  isActive,
  isCanceled,
  isPastDue,
  type OwnerSubscription,
  onGracePeriod,
  onTrial,
  type PauseCollection,
  type PendingChange,
  type ScheduledChange,
} from './subscriptions.ts'
export type { SyncOptions, SyncResult } from './sync.ts'
export type { Change } from './write.ts'
