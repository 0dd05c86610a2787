/**
 * The contract of a payment provider. Each answer is the provider's present state in a common shape; a webhook or a
 * pull only hints at the objects to retrieve. Amounts are integers in minor units, currencies lower case. A request
 * that is repeated under one idempotency key is done once, as far as `capabilities.keys` says. Events are searched for
 * the ids of checkouts, payments and subscriptions, so an id must have 8 to 255 letters, digits, `_` and `-`.
 *
 * All functions throw `BillingError`: `provider_unavailable` (503; the outcome is not known, retry with the same key),
 * `provider_rejected` (502; the provider refused, and a retry will not help), `not_known_here` (409; the local provider
 * of another process may know the object), and the codes that each function names.
 *
 * @module
 */

import type { SoldProduct } from '../catalog/products.ts'
import type { SubscriptionStatus } from '../catalog/status.ts'
import type { ProviderName } from '../provider-name.ts'

/** A payment provider. */
export interface PaymentProvider {
  /** The provider's name, as rows and the CLI write it. */
  readonly name: ProviderName
  /** What the provider supports. Billing reads this and never the name. */
  readonly capabilities: ProviderCapabilities

  /**
   * Opens a page on which a customer buys `product`, once or as a subscription.
   *
   * @throws `invalid_amount`, `price_not_found` where the provider does not know the product.
   */
  createCheckout(input: CheckoutInput): Promise<ProviderCheckout>
  /** Retrieves a checkout in its present state. @throws `checkout_not_found` */
  retrieveCheckout(checkoutId: string): Promise<ProviderCheckout>
  /**
   * Closes an open checkout and returns its state afterwards: `expired`; `complete` where a payment came first;
   * still `open` where the provider cannot close checkouts, so that a payment may yet come.
   *
   * @throws `checkout_not_found`.
   */
  expireCheckout(checkoutId: string): Promise<ProviderCheckout>

  /** Retrieves a payment in its present state. @throws `payment_not_found` */
  retrievePayment(paymentId: string): Promise<ProviderPayment>
  /**
   * Refunds a payment, or a part of it.
   *
   * @throws `payment_not_found`; `invalid_amount`; `refund_exceeds_payment` (409) for more than is left of the payment;
   * `refund_not_supported` (422) for a part where the provider refunds all or nothing.
   */
  refund(input: RefundInput): Promise<ProviderRefund>

  /** Retrieves a subscription in its present state. @throws `subscription_not_found` */
  retrieveSubscription(subscriptionId: string): Promise<ProviderSubscription>
  /**
   * Cancels a subscription. Does nothing where the subscription has ended or is already set to end that way.
   *
   * @throws `subscription_not_found`.
   */
  cancelSubscription(
    subscriptionId: string,
    options: CancellationInput,
  ): Promise<ProviderSubscription>

  /**
   * Takes back a cancellation at the end of the period. Does nothing where there is no such cancellation. Absent: the
   * provider does not support it.
   *
   * @throws `subscription_not_found`; `provider_rejected` for a subscription that has ended.
   */
  resumeSubscription?(
    subscriptionId: string,
    options: Pick<CancellationInput, 'idempotencyKey'>,
  ): Promise<ProviderSubscription>

  /**
   * Verifies that a delivery is the provider's, and returns its hints. `body` is the raw text. The same delivery always
   * gives the same hints.
   *
   * @throws `missing_signature`, `invalid_signature`, `stale_signature`, `invalid_payload`.
   */
  parseWebhook(headers: Headers, body: string): ProviderHint[]
  /**
   * Headers of a delivery whose signature has the right form and is wrong. `webhooks diagnose` checks with them that
   * forged deliveries are refused.
   */
  forgedHeaders(): Headers
  /**
   * Whether a text in an event may be the id of a payment at this provider. Of two renewals that arrive together, only
   * its own event names the older one's payment. A text that names no payment after all costs a request and does no
   * harm.
   */
  isPaymentId(text: string): boolean
  /**
   * Yields hints at everything that has happened since, delivered or not. A provider with a list of events reads that
   * list; a provider without one asks about the objects in `known`. A hint may come again under the same event id, and
   * does not prove that anything has changed.
   */
  pull(since: Date, known: KnownObjects): AsyncIterable<ProviderHint>

  /**
   * The payments made since then, page by page. Pass a page's `last` as the next call's `after`. Absent: the provider
   * has no useful list of payments, and `pull` finds them.
   */
  listPayments?(since: Date, after: string | null): Promise<PaymentPage>

  /**
   * The same retrievals, which first look into objects that a sync has just loaded. Absent: the provider is always
   * asked.
   */
  readingFrom?(loaded: LoadedObjects): Retrievals

  /** Opens a page on which customers manage their subscriptions. Absent: the provider has no such page. */
  createPortal?(input: PortalPageInput): Promise<{ url: string }>
}

/** The functions of a provider that read the present state of one object. */
export type Retrievals = Pick<
  PaymentProvider,
  'retrieveCheckout' | 'retrievePayment' | 'retrieveSubscription'
>

/** Objects of a provider as a sync loaded them. */
export interface LoadedObjects {
  /** Subscriptions. */
  subscriptions: readonly object[]
  /** Invoices. */
  invoices: readonly object[]
  /** Payments. */
  intents: readonly object[]
}

/** A load of a sync. */
export interface Load {
  /** The loaded objects. */
  loaded: LoadedObjects
  /** The ticket that was drawn before the first request. */
  ticket: bigint
}

/** The input of `createPortal`. */
export interface PortalPageInput {
  /** The provider's id of the customer. */
  customerId: string
  /** The absolute URL that the page leads back to, where the provider's page has such a link. */
  returnUrl: string
}

/** A page of payments. */
export interface PaymentPage {
  payments: ProviderPayment[]
  /** The cursor of the next page; null on the last page. */
  last: string | null
}

/** What a provider supports. */
export interface ProviderCapabilities {
  /** False: no money moves, also in production. */
  readonly takesMoney: boolean
  /** False: a refund always covers all that is left of the payment. */
  readonly partialRefunds: boolean
  /** False: an open checkout stays open until the provider closes it. */
  readonly expiresCheckouts: boolean
  /** Whether the provider keeps idempotency keys, or only this process does. */
  readonly keys: 'provider' | 'process'
  /** Whether `pull` finds objects that are not in `known`. */
  readonly listsEvents: boolean
}

/** The input of `createCheckout`. */
export interface CheckoutInput {
  /** Our order's id. The checkout, the payment and the subscription carry it. */
  orderId: string
  /** Our owner's id. The provider's metadata carries it. */
  ownerId: string
  /** What is bought. */
  product: SoldProduct
  /** Who buys it. */
  customer: {
    /** The customer's id at this provider; null: the provider creates a customer. */
    id: string | null
    /** The address that the page shows and that receipts go to. */
    email: string
  }
  /** An absolute URL. */
  successUrl: string
  /** An absolute URL. Some providers' pages do not use it. */
  cancelUrl: string
  /** A request that is repeated under this key returns the same checkout. */
  idempotencyKey: string
}

/** A checkout page at the provider. */
export interface ProviderCheckout {
  id: string
  /** The page's address; null once the checkout is no longer open. */
  url: string | null
  /** `complete` means that the customer finished the page. Only the payment tells whether money came. */
  status: 'open' | 'complete' | 'expired'
  /** Our order's id; null where the checkout is none of ours. */
  orderId: string | null
  /** Null until there is a payment, and where nothing was due. */
  paymentId: string | null
  /** Null for a one-time purchase. */
  subscriptionId: string | null
  /** Null until the provider has created the customer. */
  customerId: string | null
  /** The price of the product in minor units. Null or absent: the provider does not say. */
  price?: number | null
  /** The amount that was due after discounts and with taxes, in minor units. Null or absent: as for `price`. */
  due?: number | null
}

/** A payment at the provider. */
export interface ProviderPayment {
  id: string
  /** A status that we do not know becomes `pending`, which grants nothing. */
  status: 'pending' | 'succeeded' | 'failed' | 'canceled'
  /** The price of the product, which is compared with the order's. */
  amount: number
  /** The amount that the customer paid; more than `amount` where the provider adds taxes. */
  amountPaid: number
  /** The part of `amountPaid` that was refunded. */
  amountRefunded: number
  currency: string
  /** In Stripe's words: `needs_response`, `won`, `lost`, …; null without a dispute. */
  disputeStatus: string | null
  /** Null without a dispute. */
  disputeId: string | null
  /** The part of `amountPaid` that disputes hold or have taken. Absent: all that is not refunded. */
  amountDisputed?: number
  /** Null where the provider does not keep it with the payment. The checkout has it then. */
  orderId: string | null
  /** Null where the provider names no customer. */
  customerId: string | null
  /** Null for a one-time purchase. */
  subscriptionId: string | null
  /** Whether the payment is for a plan change within a period, and so does not start a period. */
  isForChange: boolean
  /** The SKU of the product that was paid for. Null or absent: the provider does not say. */
  sku?: string | null
  /** The payment's share of an invoice that several payments paid. Absent: it is the only payment. */
  share?: InvoiceShare
  /** The shares of further invoices of the same subscription that it paid. Absent: it paid one. */
  otherShares?: readonly InvoiceShare[]
  /** Null until the payment has succeeded. */
  paidAt: Date | null
}

/** The place of a payment among the payments of one invoice, in minor units. */
export interface InvoiceShare {
  /** The sum of the payments before this one. */
  before: number
  /** The sum of the payments up to and with this one. */
  after: number
  /** The sum of all payments. */
  of: number
}

/** The input of `refund`. */
export interface RefundInput {
  /** The provider's id of the payment. */
  paymentId: string
  /** Default: all that is left of the payment. */
  amount?: number
  /** A request that is repeated under this key refunds once. */
  idempotencyKey: string
  /** The idempotency key of the first try, where a retry uses another key. Default: `idempotencyKey`. */
  name?: string
  /** Whether an earlier try was answered with an error. The provider may have refunded all the same. */
  isRetry?: boolean
}

/** A refund at the provider. */
export interface ProviderRefund {
  /** Null where the provider gives refunds no id. */
  id: string | null
  paymentId: string
  status: 'pending' | 'succeeded' | 'failed'
  /** Minor units, of this refund alone. */
  amount: number
  currency: string
}

/** A subscription at the provider. */
export interface ProviderSubscription {
  id: string
  /** In Stripe's words. A subscription that is set to end is `active` with `cancelAtPeriodEnd`. */
  status: SubscriptionStatus
  /** Null where the provider names no customer. */
  customerId: string | null
  /** Our order's id; null where the subscription is none of ours. */
  orderId: string | null
  /** The SKU of the product; null where the product is none of ours. */
  sku: string | null
  /** Seats. */
  quantity: number
  /** Null while the provider does not say: in a trial's first moments, or with an unpaid first invoice. */
  currentPeriodStart: Date | null
  /** Null where `currentPeriodStart` is null. */
  currentPeriodEnd: Date | null
  cancelAtPeriodEnd: boolean
  /** When the cancellation was asked for; null where it was not. */
  canceledAt: Date | null
  /** When the subscription ended for good; null while it runs. */
  endedAt: Date | null
  /** When the trial ends or ended; null where there was none. */
  trialEnd: Date | null
  /** The newest payment of the subscription; null where the provider does not say. */
  latestPaymentId: string | null
  /** Further payments of the same invoice, where several payments paid it. */
  otherPaymentIds?: readonly string[]
}

/** When a subscription is to end. */
export interface CancellationInput {
  /** `period_end`: the customer keeps the period that is paid for. `now`: it ends at once, without a refund. */
  at: 'period_end' | 'now'
  /** A request that is repeated under this key is done once. */
  idempotencyKey: string
}

/** A hint that objects may have changed. It names the objects to retrieve. */
export interface ProviderHint {
  /** The provider's id of the event. For a state that `pull` found, an id made of that state. */
  eventId: string
  /** The type of the event, in the provider's words. */
  type: string
  /** When the event happened, by the provider's clock; null where the provider does not say. */
  occurredAt: Date | null
  /** Whether the event is about real money; null where the provider does not say. */
  livemode: boolean | null
  /** Null: the event names no checkout. */
  checkoutId: string | null
  /** Null: the event names no payment. */
  paymentId: string | null
  /** Null: the event names no subscription. */
  subscriptionId: string | null
  /** Null: the event names no refund. */
  refundId: string | null
  /** Null: the event names no dispute. */
  disputeId: string | null
  /** Null: the event names no customer. */
  customerId: string | null
}

/** The provider's ids of the objects that may still change. */
export interface KnownObjects {
  /** Checkouts that were open when they were last retrieved. */
  checkoutIds: readonly string[]
  /** Payments that may yet be refunded or disputed. */
  paymentIds: readonly string[]
  /** Subscriptions that have not ended. */
  subscriptionIds: readonly string[]
}

/** A hint without any object, to be filled in. */
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
