/**
 * The facts of an order. Where a provider other than Stripe bills a plan, they include the facts of the plan:
 * each paid order counts as an invoice, and the first order reports the subscription. At Stripe the sync of
 * the customer records the facts of invoices and subscriptions.
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
import { hasCustomerSync, type ProviderName } from '../provider-name.ts'
import { inNumbers, type Order } from '../rows.ts'

/** The effects that an order set off. */
export interface RecordedFacts {
  order: Order
  /** Effects that were new. */
  taken: Effect[]
  /** Keys of effects whose handler threw. The order is flagged and checked again after a minute or later. */
  failed: string[]
}

const RETRY_EFFECT_MS = 60_000

/** When an order is checked again: in a minute, or at `nextCheckAt` if that is later. */
export function retryAt(nextCheckAt: Date | null): Date {
  const next = new Date(Date.now() + RETRY_EFFECT_MS)
  // `checkOrders` has already set a later time, with growing delays.
  return nextCheckAt && nextCheckAt > next ? nextCheckAt : next
}

/**
 * Takes the effects of a completed order that are still missing. `tx` is the transaction that records the
 * order. If a handler throws, the order is flagged.
 */
export async function recordFacts(
  ctx: BillingContext,
  tx: Db,
  order: Order,
  subscription: Subscription | null,
  nextCheckAt: Date | null = null,
): Promise<RecordedFacts> {
  const customer = await tx.customer.findUniqueOrThrow({ where: { id: order.customerId } })
  const facts = [...orderFacts(order), ...planFacts(ctx, order, subscription)]
  const { taken, failed } = await takeEffects(ctx, tx, customer, facts)
  if (failed.length === 0) return { order, taken, failed }
  const data = { needsAttention: 'effect_failed', nextCheckAt: retryAt(nextCheckAt) }
  const flagged = await tx.order.update({ where: { id: order.id }, data })
  return { order: inNumbers(flagged), taken, failed }
}

function orderFacts(order: Order): Fact[] {
  const { id: orderId, sku, amount, currency, amountRefunded } = order
  // The sync records the facts of a plan's invoice: `invoice.paid`, `refund.succeeded`.
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

/** The fact `invoice.paid` of a plan's order, where a provider other than Stripe bills the plan. */
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
  // Without a row the period is unknown, and a plan's credits depend on the period.
  if (hasCustomerSync(order.provider) || order.plan === null || !row) return []
  const provider = order.provider as ProviderName
  const subscription: SubscriptionFact = {
    ...{ provider, subscriptionId: row.id, stripeSubscriptionId: null },
  }
  const invoice: InvoiceFact = { ...subscription, stripeInvoiceId: null, orderId: order.id }
  const isFirst = order.checkoutId !== null
  const paid = paidFact(order, row)
  // For a flagged subscription only its payment is a fact, as at Stripe.
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
