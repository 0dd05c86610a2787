/**
 * What an order has set off, and, where another provider than Stripe bills its plan, what the plan has: an
 * order that was paid is the plan's invoice, and the first one speaks for the subscription. Stripe's own
 * invoices and subscriptions are told by the sync of their customer.
 *
 * @module
 */

import type { Db, Subscription } from '@repo/db'
import type { Interval } from '../catalog/plans.ts'
import { soldAs } from '../catalog/sold.ts'
import type { BillingContext } from '../context.ts'
import type { Effect, Fact, InvoiceFact, SubscriptionFact } from '../effects/facts.ts'
import { subscriptionFacts } from '../effects/plan-facts.ts'
import { takeEffects } from '../effects/take-effects.ts'
import type { ProviderName } from '../provider-name.ts'
import { inNumbers, type Order } from '../rows.ts'

export interface Told {
  order: Order
  taken: Effect[]
  /** Keys of effects whose handler threw: the order is flagged, and asked about again soon. */
  failed: string[]
}

const RETRY_EFFECT_MS = 60_000

/** When an order is asked about next that was to be asked about then. */
export function soon(nextCheckAt: Date | null): Date {
  const next = new Date(Date.now() + RETRY_EFFECT_MS)
  // Ever less often: whoever checks has put it off before.
  return nextCheckAt && nextCheckAt > next ? nextCheckAt : next
}

/** Takes what a completed order sets off and has not. Joins the transaction that records it. */
export async function tell(
  ctx: BillingContext,
  tx: Db,
  order: Order,
  subscription: Subscription | null,
  nextCheckAt: Date | null = null,
): Promise<Told> {
  const customer = await tx.customer.findUniqueOrThrow({ where: { id: order.customerId } })
  const facts = [...orderFacts(order), ...planFacts(ctx, order, subscription)]
  const { taken, failed } = await takeEffects(ctx, tx, customer, facts)
  if (failed.length === 0) return { order, taken, failed }
  const data = { needsAttention: 'effect_failed', nextCheckAt: soon(nextCheckAt) }
  const flagged = await tx.order.update({ where: { id: order.id }, data })
  return { order: inNumbers(flagged), taken, failed }
}

function orderFacts(order: Order): Fact[] {
  const { id: orderId, sku, amount, currency, amountRefunded } = order
  // The facts of a plan's invoice are the sync's: `invoice.paid`, `refund.succeeded`.
  if (order.invoiceId !== null) return []
  const payload = { orderId, sku, amount, currency }
  const facts: Fact[] = [{ key: `order:${orderId}:fulfil`, name: 'order.completed', payload }]
  if (amountRefunded > 0) {
    facts.push({
      key: `order:${orderId}:refunded:${amountRefunded}`,
      name: 'order.refunded',
      payload: { ...payload, amount: amountRefunded },
    })
  }
  return facts
}

/** That a plan's order was paid, where another provider than Stripe bills it. */
export function paidFact(order: Order, row: Subscription): Extract<Fact, { name: 'invoice.paid' }> {
  return {
    key: `order:${order.id}:paid`,
    name: 'invoice.paid',
    payload: {
      ...{ provider: order.provider as ProviderName, subscriptionId: row.id },
      ...{ stripeSubscriptionId: null, stripeInvoiceId: null, orderId: order.id },
      ...{ plan: order.plan, interval: order.interval as Interval | null },
      amount: order.amountPaid,
      currency: order.currency,
      billingReason: order.checkoutId === null ? 'subscription_cycle' : 'subscription_create',
    },
  }
}

function planFacts(ctx: BillingContext, order: Order, row: Subscription | null): Fact[] {
  // Without a row its period is not known yet, on which the credits of a plan depend.
  if (order.provider === 'stripe' || order.plan === null || !row) return []
  const provider = order.provider as ProviderName
  const subscription: SubscriptionFact = {
    ...{ provider, subscriptionId: row.id, stripeSubscriptionId: null },
  }
  const invoice: InvoiceFact = { ...subscription, stripeInvoiceId: null, orderId: order.id }
  const isFirst = order.checkoutId !== null
  const paid = paidFact(order, row)
  // One that is flagged does not count, as at Stripe; what was paid for it was paid.
  if (!isFirst || row.needsAttention !== null) return [paid]
  const key = `subscription:${provider}:${row.providerSubscriptionId}`
  const facts = [...subscriptionFacts(key, row, subscription, ctx.clock.now()), paid]
  const sold = soldAs(ctx, row)
  if ((row.status === 'past_due' || row.status === 'unpaid') && sold && sold.amount !== null) {
    facts.push({
      key: `${key}:payment_failed:${row.currentPeriodEnd.getTime() / 1000}`,
      name: 'invoice.payment_failed',
      payload: {
        ...{ ...invoice, orderId: null },
        amount: sold.amount * row.quantity,
        currency: sold.currency,
        attemptCount: null,
        nextPaymentAttempt: null,
      },
    })
  }
  return facts
}
