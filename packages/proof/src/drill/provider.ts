/**
 * Reads the provider's final state through the official SDK, in the drill's own terms. It shares no code with
 * billing's own reading, so that a mistake there shows as a difference.
 *
 * @module
 */

import type Stripe from 'stripe'
import type { DrillCustomer } from './life.ts'

/** The facts of an object, by name. Times are Unix seconds. */
export type Facts = Record<string, string | number | boolean | null>

/** Objects with their facts, by the provider's id. */
export type Objects = Map<string, Facts>

/** The provider's final state. */
export interface ProviderTruth {
  /** By our owner's id. */
  customers: Objects
  subscriptions: Objects
  invoices: Objects
  payments: Objects
  refunds: Objects
  /** The succeeded payments of subscriptions' invoices, by the payment's id. Each has to be an order here. */
  orders: Objects
}

/** An object of API version 2024-04-10. The SDK's types describe another version. */
type Old = Record<string, unknown>

const MARK = 'tollgate_payment'

const idIn = (value: unknown): string | null =>
  typeof value === 'string' ? value : ((value as { id?: string } | null)?.id ?? null)
const plain = (value: unknown) => (value ?? null) as string | number | boolean | null
const old = (object: object) => object as unknown as Old

/** Everything that the provider has of `customers`. The client must use API version 2024-04-10. */
export async function readTruth(
  stripe: Stripe,
  customers: readonly DrillCustomer[],
): Promise<ProviderTruth> {
  const truth: ProviderTruth = {
    customers: new Map(),
    subscriptions: new Map(),
    invoices: new Map(),
    payments: new Map(),
    refunds: new Map(),
    orders: new Map(),
  }
  const refunds = await refundsByIntent(stripe)
  const queue = [...customers]
  const lane = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      await readCustomer(stripe, next, refunds, truth)
    }
  }
  await Promise.all([lane(), lane(), lane(), lane()])
  return truth
}

async function refundsByIntent(stripe: Stripe): Promise<Map<string, Stripe.Refund[]>> {
  const found = new Map<string, Stripe.Refund[]>()
  for await (const refund of stripe.refunds.list({ limit: 100 })) {
    const intent = idIn(refund.payment_intent) ?? ''
    found.set(intent, [...(found.get(intent) ?? []), refund])
  }
  return found
}

async function readCustomer(
  stripe: Stripe,
  { ownerId, stripeCustomerId: customer }: DrillCustomer,
  refundsOf: Map<string, Stripe.Refund[]>,
  truth: ProviderTruth,
): Promise<void> {
  const { deleted } = await stripe.customers.retrieve(customer)
  truth.customers.set(ownerId, { stripeCustomerId: deleted ? null : customer })
  for await (const each of stripe.subscriptions.list({ customer, status: 'all', limit: 100 })) {
    truth.subscriptions.set(each.id, { ownerId, ...subscriptionFacts(old(each)) })
  }
  const intents = new Map<string, Stripe.PaymentIntent>()
  const expand = ['data.latest_charge']
  for await (const each of stripe.paymentIntents.list({ customer, limit: 100, expand })) {
    intents.set(each.id, each)
  }
  const given = (id: string | null): number => {
    const charge = intents.get(id ?? '')?.latest_charge as Stripe.Charge | null | undefined
    return charge?.amount_refunded ?? 0
  }
  const invoiceOf = new Map<string, string>()
  for await (const each of stripe.invoices.list({ customer, limit: 100 })) {
    const intent = idIn(old(each).payment_intent)
    if (intent && each.id) invoiceOf.set(intent, each.id)
    const facts = { ownerId, ...invoiceFacts(old(each)), amountRefunded: given(intent) }
    truth.invoices.set(each.id ?? '', facts)
    const subscription = idIn(old(each).subscription)
    const made = intents.get(intent ?? '')
    if (made?.status !== 'succeeded' || subscription === null) continue
    truth.orders.set(made.id, {
      ownerId,
      subscription,
      invoice: each.id ?? null,
      status: 'completed',
      amount: made.amount,
      amountPaid: made.amount_received,
      amountRefunded: given(intent),
      currency: made.currency,
      credits: 0,
    })
  }
  for (const [id, intent] of intents) {
    const isOneTime = intent.metadata[MARK] !== undefined
    if (isOneTime) {
      const { status, amount, currency } = intent
      truth.payments.set(id, { ownerId, status, amount, currency, amountRefunded: given(id) })
    }
    for (const refund of refundsOf.get(id) ?? []) {
      truth.refunds.set(refund.id, {
        ownerId,
        amount: refund.amount,
        currency: refund.currency,
        status: refund.status,
        payment: isOneTime ? id : null,
        invoice: invoiceOf.get(id) ?? null,
      })
    }
  }
}

function subscriptionFacts(raw: Old): Facts {
  const [item] = (raw.items as { data: Old[] }).data
  const price = item?.price as Old
  return {
    status: plain(raw.status),
    price: plain(price.id),
    lookupKey: plain(price.lookup_key),
    amount: plain(price.unit_amount),
    quantity: plain(item?.quantity),
    periodStart: plain(raw.current_period_start),
    periodEnd: plain(raw.current_period_end),
    cancelAtPeriodEnd: plain(raw.cancel_at_period_end),
    cancelAt: plain(raw.cancel_at),
    canceledAt: plain(raw.canceled_at),
    endedAt: plain(raw.ended_at),
    trialEnd: plain(raw.trial_end),
    createdAt: plain(raw.created),
  }
}

function invoiceFacts(raw: Old): Facts {
  const transitions = raw.status_transitions as Old
  return {
    status: plain(raw.status),
    subscription: idIn(raw.subscription),
    billingReason: plain(raw.billing_reason),
    total: plain(raw.total),
    amountDue: plain(raw.amount_due),
    amountPaid: plain(raw.amount_paid),
    currency: plain(raw.currency),
    attemptCount: plain(raw.attempt_count),
    intent: idIn(raw.payment_intent),
    paidAt: plain(transitions.paid_at),
    number: plain(raw.number),
  }
}
