export type { CalcomAttendee, CalcomBooking, CalcomEventType } from './calcom/bookings.ts'
export {
  type CalcomSandbox,
  type CalcomSandboxOptions,
  type CalcomSnapshot,
  createCalcomSandbox,
} from './calcom/sandbox.ts'
export type { CalcomTrigger, CalcomWebhookTarget } from './calcom/webhooks.ts'
export {
  type CreemSandbox,
  type CreemSandboxOptions,
  type CreemSnapshot,
  type CreemWebhookTarget,
  createCreemSandbox,
} from './creem/sandbox.ts'
export type {
  Delivery,
  DeliveryAttempt,
  DeliveryOptions,
  DeliveryRecord,
  DeliveryRequest,
} from './deliveries.ts'
export { SandboxError, type SandboxErrorCode } from './errors.ts'
export type { MailboxMessage } from './mailbox/mails.ts'
export {
  createMailboxSandbox,
  type MailboxSandbox,
  type MailboxSandboxOptions,
  type MailFilter,
} from './mailbox/sandbox.ts'
export type { OAuthClient } from './oauth/grants.ts'
export type { OAuthPerson } from './oauth/people.ts'
export {
  createOAuthSandbox,
  type OAuthProviderName,
  type OAuthSandbox,
  type OAuthSandboxOptions,
  type OAuthSnapshot,
} from './oauth/sandbox.ts'
export { createSandbox, type Sandbox, type SandboxOptions, type SandboxUrls } from './sandbox.ts'
export type { Buyer } from './stripe/checkout/checkout-payment.ts'
export type { LifeControls, Payment } from './stripe/controls.ts'
export type { Outcome } from './stripe/payments/charging.ts'
export type { DisputeDetails, DisputeEnd } from './stripe/payments/disputes.ts'
export type { RefundOutcome } from './stripe/payments/refunds.ts'
export {
  createStripeSandbox,
  type StripeSandbox,
  type StripeSandboxOptions,
} from './stripe/sandbox.ts'
export {
  StripeApiError,
  type StripeErrorCode,
  type StripeErrorDetails,
} from './stripe/server/errors.ts'
export type { WebhookTarget } from './stripe/server/events.ts'
export type { FaultKind, Faults } from './stripe/server/faults.ts'
export type { StripeSettings, TaxRegistration } from './stripe/server/settings.ts'
export type { Shown } from './stripe/server/shapes.ts'
export type { StripeSnapshot } from './stripe/server/store.ts'
