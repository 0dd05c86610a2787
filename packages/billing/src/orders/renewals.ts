/**
 * Later payments of a plan: each is an order of its own, so that its credits, its refunds and its
 * disputes are those of any other. One for a change in mid-period brings no credits: those of what it was
 * changed to come with its next period.
 *
 * @module
 */

import type { Db } from '@repo/db'
import type { BillingContext } from '../context.ts'
import type { ProviderPayment } from '../providers/provider.ts'
import { inNumbers, type Order } from '../rows.ts'
import { newReturnKey } from './returns.ts'

export interface Renewal {
  order: Order
  payment: ProviderPayment
}

/**
 * Writes down payments that have succeeded, each once, and returns those that are new. Joins the transaction
 * of the plan's first order. `soldNow` is the SKU of what the subscription is now; null where that is none
 * of our products.
 */
export async function addRenewals(
  ctx: BillingContext,
  tx: Db,
  first: Order,
  { payments, soldNow }: { payments: readonly ProviderPayment[]; soldNow: string | null },
): Promise<Renewal[]> {
  const renewals: Renewal[] = []
  const { ownerId, customerId, provider } = first
  const terms = termsOf(ctx, first, soldNow)
  for (const payment of payments) {
    const [order] = await tx.order.createManyAndReturn({
      data: [
        {
          ...terms,
          ...(payment.isForChange ? { credits: 0 } : {}),
          ownerId,
          customerId,
          provider,
          amount: payment.amount,
          currency: payment.currency,
          status: 'completed',
          paymentId: payment.id,
          subscriptionId: first.subscriptionId,
          providerCustomerId: first.providerCustomerId,
          amountPaid: payment.amountPaid,
          amountRefunded: payment.amountRefunded,
          disputeId: payment.disputeId,
          disputeStatus: payment.disputeStatus,
          paidAt: payment.paidAt,
          completedAt: ctx.clock.now(),
          returnKey: newReturnKey(),
        },
      ],
      skipDuplicates: true,
    })
    if (order) renewals.push({ order: inNumbers(order), payment })
  }
  return renewals
}

/** Of the first order, unless the plan has been changed since. */
function termsOf(ctx: BillingContext, first: Order, soldNow: string | null) {
  const { sku, credits, plan, interval } = first
  const product = soldNow === null || soldNow === sku ? undefined : ctx.products[soldNow]
  if (!product) return { sku, credits, plan, interval }
  return {
    sku: soldNow,
    credits: product.credits ?? 0,
    plan: product.plan ?? null,
    interval: product.interval ?? null,
  }
}
