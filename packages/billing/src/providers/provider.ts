/**
 * What a payment provider has to do for us, in one small contract. Every answer is the provider's
 * present word in one shape; what arrives by webhook or pull is only a hint about what to ask for.
 * Amounts are integers in minor units, currencies lower case. Whatever is asked for twice under one
 * idempotency key is done once, as far as `capabilities.keys` says.
 *
 * All functions throw `BillingError`: `provider_unavailable` (503; nothing is known, try again with
 * the same key), `provider_rejected` (502; the provider said no, trying again will not help),
 * `not_known_here` (409; the local provider of another process may know it), and what they name themselves.
 *
 * @module
 */

import type { SoldProduct } from '../catalog/products.ts'
import type { SubscriptionStatus } from '../catalog/status.ts'
import type { ProviderName } from '../provider-name.ts'

export interface PaymentProvider {
  readonly name: ProviderName
  readonly capabilities: ProviderCapabilities

  /**
   * Opens a page on which `product` is bought, once or as a plan.
   *
   * @throws `invalid_amount`, `price_not_found` where the provider does not know the product.
   */
  createCheckout(input: CheckoutInput): Promise<ProviderCheckout>
  /** @throws `checkout_not_found`. */
  retrieveCheckout(checkoutId: string): Promise<ProviderCheckout>
  /**
   * Closes an open checkout and returns how it is then: `expired`; `complete` where a payment was
   * quicker; still `open` where the provider cannot close it, so that a payment may come yet.
   *
   * @throws `checkout_not_found`.
   */
  expireCheckout(checkoutId: string): Promise<ProviderCheckout>

  /** @throws `payment_not_found`. */
  retrievePayment(paymentId: string): Promise<ProviderPayment>
  /**
   * Gives money back.
   *
   * @throws `payment_not_found`; `invalid_amount`; `refund_exceeds_payment` (409) for more than is
   * left; `refund_not_supported` (422) for a part where the provider refunds all or nothing.
   */
  refund(input: RefundInput): Promise<ProviderRefund>

  /** @throws `subscription_not_found`. */
  retrieveSubscription(subscriptionId: string): Promise<ProviderSubscription>
  /**
   * Ends a subscription, and does nothing to one that has ended or will end so already.
   *
   * @throws `subscription_not_found`.
   */
  cancelSubscription(
    subscriptionId: string,
    options: CancellationInput,
  ): Promise<ProviderSubscription>

  /**
   * Takes back a cancellation at the end of the period, and does nothing where there is none. Absent: the
   * provider cannot.
   *
   * @throws `subscription_not_found`; `provider_rejected` for one that has ended.
   */
  resumeSubscription?(
    subscriptionId: string,
    options: { idempotencyKey: string },
  ): Promise<ProviderSubscription>

  /**
   * Checks that a delivery is the provider's and tells what it is about. `body` is the raw text.
   * The same delivery always gives the same hints.
   *
   * @throws `missing_signature`, `invalid_signature`, `stale_signature`, `invalid_payload`.
   */
  parseWebhook(headers: Headers, body: string): ProviderHint[]
  /**
   * What has happened since, whether it was delivered or not. A provider with a list of events goes
   * through that; one without asks about what is `known` here. Hints may come again under the same
   * event id, and some may tell of nothing new.
   */
  pull(since: Date, known: KnownObjects): AsyncIterable<ProviderHint>

  /**
   * The payments that were made since then, page by page: `last` is what the next page comes `after`, or null. Absent:
   * the provider has no list of payments that is worth it, and `pull` names them.
   */
  listPayments?(since: Date, after: string | null): Promise<PaymentPage>

  /** A page on which a customer manages what they bought. Absent: the provider has none. */
  createPortal?(input: { customerId: string; returnUrl: string }): Promise<{ url: string }>
}

export interface PaymentPage {
  payments: ProviderPayment[]
  last: string | null
}

/** Where providers differ in what they can promise. */
export interface ProviderCapabilities {
  /** False: a refund takes back all that is left of a payment. */
  readonly partialRefunds: boolean
  /** False: an open checkout stays open until the provider closes it. */
  readonly expiresCheckouts: boolean
  /** Whether an idempotency key holds at the provider, or only within this process. */
  readonly keys: 'provider' | 'process'
  /** Whether `pull` finds what is not `known` here. */
  readonly listsEvents: boolean
}

export interface CheckoutInput {
  /** Ours. Comes back on the checkout, the payment and the subscription. */
  orderId: string
  /** Ours. Comes back in the provider's metadata. */
  ownerId: string
  product: SoldProduct
  customer: {
    /** The customer's id at this provider; null: it makes one. */
    id: string | null
    email: string
  }
  /** Absolute. */
  successUrl: string
  /** Absolute. Not every provider's page has a way back. */
  cancelUrl: string
  idempotencyKey: string
}

export interface ProviderCheckout {
  id: string
  /** Where to send the browser; null once it is not open. */
  url: string | null
  /** `complete` says that the page is done with, not that money has come: see the payment. */
  status: 'open' | 'complete' | 'expired'
  orderId: string | null
  /** Null until there is one, and where nothing was due. */
  paymentId: string | null
  /** Null for what is bought once. */
  subscriptionId: string | null
  customerId: string | null
  /**
   * The price of what the page sells, and what of it was due after discounts and with taxes; minor units. Null or
   * absent: the provider does not say.
   */
  price?: number | null
  due?: number | null
}

export interface ProviderPayment {
  id: string
  /** `pending` also for a word we do not know: it grants nothing. */
  status: 'pending' | 'succeeded' | 'failed' | 'canceled'
  /** The price of what was sold, to hold against the order. */
  amount: number
  /** What the customer paid; more than `amount` where the provider adds taxes. */
  amountPaid: number
  /** Of `amountPaid`. */
  amountRefunded: number
  currency: string
  /** Stripe's words: `needs_response`, `won`, `lost`, …; null without a dispute. */
  disputeStatus: string | null
  disputeId: string | null
  /** Null where the provider does not keep it with the payment: then the checkout knows. */
  orderId: string | null
  customerId: string | null
  subscriptionId: string | null
  /** Whether it is for a change of a plan in mid-period, and begins none. */
  isForChange: boolean
  /** Which of our products it paid for. Null or absent: the provider does not say. */
  sku?: string | null
  /**
   * Which part of an invoice it is that several payments paid: what was paid before it and with it, of what they paid
   * together, in minor units. Absent: it is the only one.
   */
  share?: { before: number; after: number; of: number }
  /** Null until it has succeeded. */
  paidAt: Date | null
}

export interface RefundInput {
  paymentId: string
  /** Default: all that is left. */
  amount?: number
  idempotencyKey: string
  /** The key of the first try, where this may be another. Default: the idempotency key. */
  name?: string
  /** Whether an earlier try was answered with an error. The provider may have done it all the same. */
  isRetry?: boolean
}

export interface ProviderRefund {
  /** Null where the provider names none. */
  id: string | null
  paymentId: string
  status: 'pending' | 'succeeded' | 'failed'
  amount: number
  currency: string
}

export interface ProviderSubscription {
  id: string
  /** In Stripe's words; one that will end is `active` with `cancelAtPeriodEnd`. */
  status: SubscriptionStatus
  customerId: string | null
  orderId: string | null
  /** Which of our products it is; null for one that is sold elsewhere. */
  sku: string | null
  quantity: number
  /** Null where the provider has not said yet: a trial's first moments, an unpaid first invoice. */
  currentPeriodStart: Date | null
  currentPeriodEnd: Date | null
  cancelAtPeriodEnd: boolean
  canceledAt: Date | null
  endedAt: Date | null
  trialEnd: Date | null
  /** The newest payment made for it, where the provider tells. */
  latestPaymentId: string | null
  /** Further payments of the same invoice, where several paid it. */
  otherPaymentIds?: readonly string[]
}

export interface CancellationInput {
  at: 'period_end' | 'now'
  idempotencyKey: string
}

/** Something may have changed: ask for what it names. */
export interface ProviderHint {
  /** The provider's id of the event; for what was found by asking, one made of what was found. */
  eventId: string
  /** The provider's word. */
  type: string
  /** When it happened, by the provider's clock; null where it does not say. */
  occurredAt: Date | null
  livemode: boolean | null
  checkoutId: string | null
  paymentId: string | null
  subscriptionId: string | null
  refundId: string | null
  disputeId: string | null
  customerId: string | null
}

/** Ids at the provider of what is not settled here. */
export interface KnownObjects {
  /** Checkouts that were open when last seen. */
  checkoutIds: readonly string[]
  /** Payments that may yet be refunded or disputed. */
  paymentIds: readonly string[]
  /** Subscriptions that have not ended. */
  subscriptionIds: readonly string[]
}

/** A hint that names nothing yet. */
export const emptyHint = {
  occurredAt: null,
  livemode: null,
  checkoutId: null,
  paymentId: null,
  subscriptionId: null,
  refundId: null,
  disputeId: null,
  customerId: null,
} as const
