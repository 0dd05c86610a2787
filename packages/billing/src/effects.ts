/**
 * Effects: what a business fact sets off, once. Facts are read from the provider's present state and
 * not from events, and each has a key made of the fact: told twice, out of order or by another event,
 * it takes effect once. `take-effects.ts` records them and does what they set off.
 *
 * @module
 */

import type { Db } from '@repo/db'
import {
  type InvoiceFact,
  type PaidFor,
  type SubscriptionFact,
  subscriptionFacts,
} from './facts.ts'
import type { ProviderState } from './provider-state.ts'
import { isClosedDispute } from './shapes-money.ts'

/**
 * The facts and what is known of each, at whichever provider: what only Stripe has is null elsewhere.
 * Amounts are minor units, times ISO 8601.
 */
export interface EffectPayloads {
  /** It runs for the first time, paid or on trial. */
  'subscription.activated': SubscriptionFact
  'subscription.ended': SubscriptionFact
  /** In three days or less. */
  'subscription.trial_will_end': SubscriptionFact & { trialEnd: string }
  'invoice.paid': InvoiceFact &
    PaidFor & {
      amount: number
      currency: string
      /** Stripe's word, at every provider: `subscription_create`, `subscription_cycle`, … */
      billingReason: string | null
    }
  /** Once per try at Stripe; elsewhere once per period that could not be paid. */
  'invoice.payment_failed': InvoiceFact & {
    amount: number
    currency: string
    /** Null where the provider does not count them. */
    attemptCount: number | null
    nextPaymentAttempt: string | null
  }
  /** The bank wants to hear from the card's holder, on the invoice's page. */
  'invoice.payment_action_required': InvoiceFact & { hostedInvoiceUrl: string | null }
  /** A one-time purchase. */
  'payment.succeeded': {
    stripePaymentIntentId: string
    amount: number
    currency: string
    metadata: Record<string, string>
  }
  /** A one-time payment that was under way, a bank debit for instance, has failed. Once per try. */
  'payment.failed': {
    stripePaymentIntentId: string
    amount: number
    currency: string
    metadata: Record<string, string>
    /** The provider's word: `insufficient_funds`, … Null: it did not say. */
    reason: string | null
  }
  'refund.succeeded': {
    stripeRefundId: string
    stripePaymentIntentId: string | null
    amount: number
    currency: string
  }
  /** A chargeback was begun. */
  'dispute.created': DisputeFact
  'dispute.closed': DisputeFact
  /** The provider has confirmed that an order is paid, or that nothing was due. */
  'order.completed': OrderFact
  /** More of its money went back than before. `amount` is all that has so far. */
  'order.refunded': OrderFact
}

interface OrderFact {
  orderId: string
  /** Null: an amount the host named. */
  sku: string | null
  amount: number
  currency: string
}

interface DisputeFact {
  stripeDisputeId: string
  stripePaymentIntentId: string
  amount: number | null
  currency: string
  /** The provider's word: `needs_response`, …; once closed `won`, `lost`, `warning_closed` or `prevented`. */
  status: string
}

export type EffectName = keyof EffectPayloads

export interface Effect<Name extends EffectName = EffectName> {
  /** Names the fact: `invoice:<id>:paid`. */
  key: string
  name: Name
  ownerId: string
  customerId: string
  payload: EffectPayloads[Name]
}

/**
 * The host's part of an effect, in the transaction that records it: what it writes with `tx` happens
 * once, together with the effect or not at all. No network call belongs here; enqueue a job. A throw
 * undoes the effect alone, and the customer's next sync tries again.
 */
export type EffectHandlers = {
  [Name in EffectName]?: (tx: Db, effect: Effect<Name>) => Promise<unknown>
}

export type Fact = {
  [Name in EffectName]: Pick<Effect<Name>, 'key' | 'name' | 'payload'> & {
    /** When it came about, as far as that is known. */
    at?: Date | undefined
  }
}[EffectName]

export interface Known {
  /** Subscriptions that do not count. */
  flagged: { has(stripeSubscriptionId: string): boolean }
  /** Our rows of subscriptions, by Stripe's id. */
  rows: ReadonlyMap<string, { id: string }>
  /** What an invoice is for, by the price that it names. */
  paidFor(invoice: ProviderState['invoices'][number]): PaidFor
  now: Date
}

/** Every fact in Stripe's state that sets something off. */
export function factsOf(state: ProviderState, known: Known): Fact[] {
  const { flagged, rows, now } = known
  const subscriptions = state.subscriptions.flatMap((shape) => {
    const { stripeSubscriptionId } = shape
    const row = rows.get(stripeSubscriptionId)
    if (!row || flagged.has(stripeSubscriptionId)) return []
    const payload = { provider: 'stripe', subscriptionId: row.id, stripeSubscriptionId } as const
    return subscriptionFacts(`subscription:${stripeSubscriptionId}`, shape, payload, now)
  })
  return [
    ...subscriptions,
    ...state.invoices.flatMap((invoice) => invoiceFacts(invoice, state, known)),
    ...state.payments.flatMap(paymentFacts),
    ...state.refunds.flatMap(refundFacts),
  ]
}

function invoiceFacts(
  invoice: ProviderState['invoices'][number],
  state: ProviderState,
  { rows, paidFor }: Known,
): Fact[] {
  const { stripeInvoiceId, stripeSubscriptionId, currency, attemptCount } = invoice
  const key = `invoice:${stripeInvoiceId}`
  const at = invoice.createdAt
  const subscriptionId = rows.get(stripeSubscriptionId ?? '')?.id ?? null
  const which: InvoiceFact = {
    ...{ provider: 'stripe', stripeInvoiceId, orderId: null },
    ...{ subscriptionId, stripeSubscriptionId },
  }
  if (invoice.status === 'paid') {
    const { amountPaid: amount, billingReason } = invoice
    const payload = { ...which, ...paidFor(invoice), amount, currency, billingReason }
    return [{ key: `${key}:paid`, name: 'invoice.paid', payload, at: invoice.paidAt ?? at }]
  }
  if (invoice.status !== 'open') return []
  const facts: Fact[] = []
  const payment = state.payments.find(
    ({ stripePaymentIntentId: id }) => id === invoice.stripePaymentIntentId,
  )
  if (payment?.status === 'requires_action') {
    const payload = { ...which, hostedInvoiceUrl: invoice.hostedInvoiceUrl }
    const name = 'invoice.payment_action_required'
    facts.push({ key: `${key}:action_required`, name, payload, at })
  }
  // A bank debit that is under way is counted as a try before anybody knows how it ends.
  if (attemptCount > 0 && payment?.status !== 'processing') {
    const payload = {
      ...which,
      amount: invoice.amountDue,
      currency,
      attemptCount,
      nextPaymentAttempt: invoice.nextPaymentAttempt?.toISOString() ?? null,
    }
    const name = 'invoice.payment_failed'
    facts.push({ key: `${key}:attempt:${attemptCount}:failed`, name, payload, at })
  }
  return facts
}

function paymentFacts(payment: ProviderState['payments'][number]): Fact[] {
  const { stripePaymentIntentId, amount, currency, metadata } = payment
  const facts: Fact[] = []
  if (payment.status === 'succeeded' && isOneTime(payment)) {
    facts.push({
      key: `payment:${stripePaymentIntentId}:succeeded`,
      name: 'payment.succeeded',
      payload: { stripePaymentIntentId, amount, currency, metadata },
      at: payment.paidAt ?? payment.createdAt,
    })
  }
  const { failure } = payment
  // The buyer of a card that is declined is still on the page, and may try another.
  if (failure?.isDelayed && isOneTime(payment)) {
    const { stripeChargeId, reason } = failure
    facts.push({
      key: `payment:${stripePaymentIntentId}:failed:${stripeChargeId}`,
      name: 'payment.failed',
      payload: { stripePaymentIntentId, amount, currency, metadata, reason },
      at: payment.createdAt,
    })
  }
  for (const { createdAt, ...dispute } of payment.disputes) {
    const payload = { ...dispute, stripePaymentIntentId, currency }
    const key = `dispute:${dispute.stripeDisputeId}`
    const at = createdAt ?? undefined
    facts.push({ key: `${key}:created`, name: 'dispute.created', payload, at })
    if (isClosedDispute(dispute)) {
      facts.push({ key: `${key}:closed`, name: 'dispute.closed', payload, at })
    }
  }
  return facts
}

function refundFacts(refund: ProviderState['refunds'][number]): Fact[] {
  if (refund.status !== 'succeeded') return []
  const { stripeRefundId, stripePaymentIntentId, amount, currency } = refund
  const payload = { stripeRefundId, stripePaymentIntentId, amount, currency }
  return [
    { key: `refund:${stripeRefundId}`, name: 'refund.succeeded', payload, at: refund.createdAt },
  ]
}

/** The metadata key that tells a one-time payment of ours from an invoice's own payment. */
export const PAYMENT_MARK = 'tollgate_payment'

/** An invoice's own payment is part of its subscription; only what we marked is one-time. */
export const isOneTime = ({ metadata }: { metadata: Record<string, string> }): boolean =>
  metadata[PAYMENT_MARK] !== undefined
