/**
 * The facts in Stripe's present state. Each fact has a key made of the fact itself, so it takes effect once,
 * even if several events report it or events arrive out of order.
 *
 * @module
 */

import type { Fact, InvoiceFact, PaidFor } from '../effects/facts.ts'
import { subscriptionFacts } from '../effects/plan-facts.ts'
import { isClosedDispute } from '../providers/stripe/shapes-money.ts'
import { isOneTime } from '../providers/stripe/terms.ts'
import type { ProviderState } from './provider-state.ts'

/** Our side of the state, which `factsOf` reads beside Stripe's. */
export interface Known {
  /** Stripe's ids of flagged subscriptions, which set nothing off. */
  flagged: { has(stripeSubscriptionId: string): boolean }
  /** Our rows of subscriptions, by Stripe's id. */
  rows: ReadonlyMap<string, { id: string }>
  /** The plan and interval that an invoice pays for, found by the invoice's prices. */
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
  // Stripe counts a bank debit as an attempt while its outcome is still unknown.
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
  // Only a delayed failure is a fact: after a declined card the buyer is still on the page and may
  // try another.
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
