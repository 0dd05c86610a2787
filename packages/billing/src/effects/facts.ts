/**
 * Effects: what a business fact sets off, once. Facts are read from the provider's present state and not from events.
 * `take-effects.ts` records them and does what they set off.
 *
 * @module
 */

import type { Db } from '@repo/db'
import type { Interval } from '../catalog/plans.ts'
import type { ProviderName } from '../provider-name.ts'

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

/** Which subscription, at whichever provider. */
export interface SubscriptionFact {
  provider: ProviderName
  /** Ours: the row, at any provider. */
  subscriptionId: string
  stripeSubscriptionId: string | null
}

/** Which invoice. Elsewhere than at Stripe it is the order that was paid with it. */
export interface InvoiceFact {
  provider: ProviderName
  stripeInvoiceId: string | null
  /** Ours. Null at Stripe, and where nothing has been paid. */
  orderId: string | null
  /** Ours. Null: a one-off invoice. */
  subscriptionId: string | null
  stripeSubscriptionId: string | null
}

/** What a payment was for. Both null: no plan of ours, or the provider did not say. */
export interface PaidFor {
  plan: string | null
  interval: Interval | null
}
