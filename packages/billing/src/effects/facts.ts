/**
 * Types of facts and effects. An effect is the handler, credits and mail that a business fact sets off, once. Facts
 * are read from the
 * provider's present state and not from events. `take-effects.ts` records effects and runs their handlers.
 *
 * @module
 */

import type { Db } from '@repo/db'
import type { Interval } from '../catalog/plans.ts'
import type { ProviderName } from '../provider-name.ts'

/**
 * The names of facts and their payloads, for all providers. A field that only Stripe has is null elsewhere.
 * Amounts are in minor units, times are ISO 8601.
 */
export interface EffectPayloads {
  /** The subscription is active for the first time, paid or on trial. */
  'subscription.activated': SubscriptionFact
  /** The subscription was active and is now `canceled`. */
  'subscription.ended': SubscriptionFact
  /** The trial ends in three days or less. */
  'subscription.trial_will_end': SubscriptionFact & { trialEnd: string }
  /** An invoice was paid, or at another provider than Stripe an order of a plan. */
  'invoice.paid': InvoiceFact &
    PaidFor & {
      /** The amount that was paid, in minor units. */
      amount: number
      currency: string
      /** Stripe's term, used for every provider: `subscription_create`, `subscription_cycle`, … */
      billingReason: string | null
    }
  /** At Stripe once for each failed attempt; elsewhere once for each unpaid period. */
  'invoice.payment_failed': InvoiceFact & {
    /** The amount that is due, in minor units. */
    amount: number
    currency: string
    /** Null: the provider does not count attempts. */
    attemptCount: number | null
    /** When the provider tries again, as ISO 8601. Null: never, or the provider does not say. */
    nextPaymentAttempt: string | null
  }
  /** The bank asks the card's holder for a confirmation, on the invoice's page. */
  'invoice.payment_action_required': InvoiceFact & {
    /** The invoice's page, to which the card's holder is sent. Null: there is none. */
    hostedInvoiceUrl: string | null
  }
  /** A one-time purchase was paid. */
  'payment.succeeded': {
    stripePaymentIntentId: string
    /** Minor units. */
    amount: number
    currency: string
    metadata: Record<string, string>
  }
  /** A delayed one-time payment, such as a bank debit, has failed. Once for each attempt. */
  'payment.failed': {
    stripePaymentIntentId: string
    /** Minor units. */
    amount: number
    currency: string
    metadata: Record<string, string>
    /** The provider's code: `insufficient_funds`, … Null: the provider gave none. */
    reason: string | null
  }
  /** A refund has succeeded. */
  'refund.succeeded': {
    stripeRefundId: string
    /** The payment that was refunded. Null: Stripe names none. */
    stripePaymentIntentId: string | null
    /** Minor units, of this refund alone. */
    amount: number
    currency: string
  }
  /** A dispute (chargeback) was opened. */
  'dispute.created': DisputeFact
  'dispute.closed': DisputeFact
  /** The provider has confirmed that an order is paid, or that nothing was due. */
  'order.completed': OrderFact
  /** A refund of the order. `amount` is the sum of all its refunds so far. */
  'order.refunded': OrderFact
}

interface OrderFact {
  orderId: string
  /** Null: no SKU, because the host named the amount. */
  sku: string | null
  /** Minor units. */
  amount: number
  currency: string
}

interface DisputeFact {
  stripeDisputeId: string
  stripePaymentIntentId: string
  /** The disputed amount in minor units. Null: not known. */
  amount: number | null
  currency: string
  /** The provider's status: `needs_response`, …; after the end `won`, `lost`, `warning_closed` or `prevented`. */
  status: string
}

/** The name of a fact and of its effect. */
export type EffectName = keyof EffectPayloads

/** An effect as a handler receives it. */
export interface Effect<Name extends EffectName = EffectName> {
  /** The unique key of the fact, such as `invoice:<id>:paid`. */
  key: string
  name: Name
  ownerId: string
  customerId: string
  payload: EffectPayloads[Name]
}

/**
 * The host's handlers of effects. A handler runs in the transaction that records its effect: its writes with
 * `tx` are committed once, together with the effect or not at all. Make no network call in a handler; enqueue
 * a job instead. If a handler throws, only its effect is undone, and the customer's next sync tries again.
 */
export type EffectHandlers = {
  [Name in EffectName]?: (tx: Db, effect: Effect<Name>) => Promise<unknown>
}

/** A fact with its key and payload. */
export type Fact = {
  [Name in EffectName]: Pick<Effect<Name>, 'key' | 'name' | 'payload'> & {
    /** When the fact happened, if that is known. */
    at?: Date | undefined
  }
}[EffectName]

/** Names a subscription of any provider. */
export interface SubscriptionFact {
  provider: ProviderName
  /** The id of our row. */
  subscriptionId: string
  /** Null where another provider bills the subscription. */
  stripeSubscriptionId: string | null
}

/** Names an invoice. At other providers than Stripe, the paid order stands for the invoice. */
export interface InvoiceFact {
  provider: ProviderName
  /** Null at other providers. */
  stripeInvoiceId: string | null
  /** The id of our order. Null at Stripe, and where nothing was paid. */
  orderId: string | null
  /** The id of our subscription row. Null: a one-off invoice. */
  subscriptionId: string | null
  /** Null for a one-off invoice, and at other providers. */
  stripeSubscriptionId: string | null
}

/** The plan and interval that a payment was for. Both null: it was for none of our plans, or this is unknown. */
export interface PaidFor {
  /** The plan's name. */
  plan: string | null
  /** The interval that the payment covers. */
  interval: Interval | null
}
