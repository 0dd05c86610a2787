/**
 * Turns Creem's objects into those of the contract. Creem's amounts are in minor units too, its currencies are in
 * capitals, and its times are ISO 8601 or milliseconds.
 *
 * @see https://docs.creem.io/api-reference/introduction
 * @module
 */

import type { SubscriptionStatus } from '../../catalog/status.ts'
import { BillingError } from '../../errors.ts'
import { idOf, type Raw, record, text, timeOf, whole } from '../json.ts'
import type {
  ProviderCheckout,
  ProviderHint,
  ProviderPayment,
  ProviderSubscription,
} from '../provider.ts'

const unreadable = (what: string) =>
  new BillingError('provider_unavailable', `Creem sent a ${what} that cannot be read.`)

/** Our status for each of Creem's. `processing` means that a payment is under way, which may still fail. */
const CHECKOUT: Record<string, ProviderCheckout['status']> = {
  pending: 'open',
  processing: 'open',
  completed: 'complete',
  expired: 'expired',
}

/** Reads a checkout. @see https://docs.creem.io/api-reference/endpoint/get-checkout */
export function checkoutOfCreem(value: unknown): ProviderCheckout {
  const raw = record(value)
  const id = text(raw?.id)
  const status = CHECKOUT[text(raw?.status) ?? '']
  if (!raw || !id || !status) throw unreadable('checkout')
  return {
    id,
    url: status === 'open' ? text(raw.checkout_url) : null,
    status,
    orderId: text(record(raw.metadata)?.orderId) ?? text(raw.request_id),
    paymentId: idOf(record(raw.order)?.transaction),
    subscriptionId: idOf(raw.subscription),
    customerId: idOf(raw.customer),
  }
}

/** Creem's webhook samples spell the status `chargeback`, its API reference `chargedBack`. */
const isChargedBack = (status: string): boolean => /^charge(d)?back$/i.test(status)

/** Our status for each of Creem's. A refunded payment has succeeded before. A status missing here is `pending`. */
const PAYMENT: Record<string, ProviderPayment['status']> = {
  paid: 'succeeded',
  refunded: 'succeeded',
  partialRefund: 'succeeded',
  uncollectible: 'failed',
  declined: 'failed',
  canceled: 'canceled',
  void: 'canceled',
}

/**
 * Reads a transaction. Creem shows a chargeback, open or lost, only by the status, and counts its amount as refunded.
 * Here a chargeback is a dispute with the payment's id, and no refund.
 *
 * @see https://docs.creem.io/api-reference/endpoint/get-transactions
 */
export function paymentOfCreem(value: unknown): ProviderPayment {
  const raw = record(value)
  const id = text(raw?.id)
  const amount = whole(raw?.amount)
  const currency = text(raw?.currency)
  const word = text(raw?.status)
  if (!raw || !id || amount === null || !currency || !word) throw unreadable('transaction')
  const isDisputed = isChargedBack(word)
  const status = isDisputed ? 'succeeded' : (PAYMENT[word] ?? 'pending')
  const amountPaid = status === 'succeeded' ? (whole(raw.amount_paid) ?? amount) : 0
  const refunded = whole(raw.refunded_amount) ?? 0
  return {
    id,
    status,
    amount,
    amountPaid,
    amountRefunded: isDisputed && refunded >= amountPaid ? 0 : refunded,
    currency: currency.toLowerCase(),
    disputeStatus: isDisputed ? 'needs_response' : null,
    disputeId: isDisputed ? id : null,
    orderId: null,
    customerId: idOf(raw.customer),
    subscriptionId: idOf(raw.subscription),
    // Billing does not change plans at Creem.
    isForChange: false,
    paidAt: status === 'succeeded' ? timeOf(raw.created_at) : null,
  }
}

/**
 * Our status for each of Creem's. Creem's `expired` is not final: Creem keeps charging a subscription whose period
 * ended unpaid, and only `canceled` ends it. A status missing here becomes `incomplete`, which grants nothing.
 *
 * @see https://docs.creem.io/learn/webhooks/event-types
 */
const SUBSCRIPTION: Record<string, SubscriptionStatus> = {
  active: 'active',
  scheduled_cancel: 'active',
  trialing: 'trialing',
  past_due: 'past_due',
  expired: 'past_due',
  unpaid: 'unpaid',
  paused: 'paused',
  canceled: 'canceled',
}

/** Reads a subscription. @see https://docs.creem.io/api-reference/endpoint/get-subscription */
export function subscriptionOfCreem(
  value: unknown,
  skuOf: (productId: string | null) => string | null,
): ProviderSubscription {
  const raw = record(value)
  const id = text(raw?.id)
  if (!raw || !id) throw unreadable('subscription')
  const status = SUBSCRIPTION[text(raw.status) ?? ''] ?? 'incomplete'
  const end = timeOf(raw.current_period_end_date)
  const canceledAt = timeOf(raw.canceled_at)
  const [item] = Array.isArray(raw.items) ? raw.items : []
  return {
    id,
    status,
    customerId: idOf(raw.customer),
    orderId: text(record(raw.metadata)?.orderId),
    sku: skuOf(idOf(raw.product)),
    quantity: whole(record(item)?.units) ?? 1,
    currentPeriodStart: timeOf(raw.current_period_start_date),
    currentPeriodEnd: end,
    cancelAtPeriodEnd: raw.status === 'scheduled_cancel',
    canceledAt,
    endedAt: status === 'canceled' ? (canceledAt ?? timeOf(raw.updated_at)) : null,
    trialEnd: status === 'trialing' ? end : null,
    latestPaymentId: idOf(raw.last_transaction) ?? text(raw.last_transaction_id),
  }
}

/**
 * The ids that an event's object names.
 *
 * @see https://docs.creem.io/code/webhooks
 * @throws `invalid_payload` unless the body is an event.
 */
export function hintOfCreem(value: unknown): ProviderHint {
  const event = record(value)
  const object = record(event?.object)
  const eventId = text(event?.id)
  const type = text(event?.eventType)
  if (!object || !eventId || !type) {
    throw new BillingError('invalid_payload', 'The body is signed but is not an event.')
  }
  const order = record(object.order)
  return {
    eventId,
    type,
    occurredAt: timeOf(event?.created_at),
    livemode: livemodeOf(object.mode),
    checkoutId: own(object, 'checkout') ?? idOf(object.checkout),
    paymentId:
      own(object, 'transaction') ??
      idOf(object.transaction) ??
      idOf(order?.transaction) ??
      text(object.last_transaction_id),
    subscriptionId: own(object, 'subscription') ?? idOf(object.subscription),
    refundId: own(object, 'refund'),
    disputeId: own(object, 'dispute'),
    customerId: idOf(object.customer) ?? idOf(order?.customer),
  }
}

const livemodeOf = (mode: unknown): boolean | null =>
  typeof mode === 'string' ? mode === 'prod' || mode === 'live' : null

const own = (object: Raw, kind: string): string | null =>
  object.object === kind ? text(object.id) : null
