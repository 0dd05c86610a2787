/**
 * Later payments of a plan: each is an order of its own, so that its credits, its refunds and its
 * disputes are those of any other. One for a change in mid-period brings no credits: those of what it was
 * changed to come with its next period. Of several payments of one invoice each brings its share of them.
 *
 * @module
 */

import type { Db } from '@repo/db'
import type { BillingContext } from '../context.ts'
import type { ProviderPayment } from '../providers/provider.ts'
import { newReturnKey } from '../return-url.ts'
import { inNumbers, type Order } from '../rows.ts'

export interface Renewal {
  order: Order
  payment: ProviderPayment
}

/**
 * Writes down payments that have succeeded, each once, and returns those that are new. Joins the transaction
 * of the plan's first order. A payment that does not say what it was for was for `soldNow`, the SKU of what the
 * subscription is now; null where that is none of our products.
 */
export async function addRenewals(
  ctx: BillingContext,
  tx: Db,
  first: Order,
  { payments, soldNow }: { payments: readonly ProviderPayment[]; soldNow: string | null },
): Promise<Renewal[]> {
  const renewals: Renewal[] = []
  const { ownerId, customerId, provider } = first
  for (const payment of payments) {
    const terms = termsOf(ctx, first, payment.sku ?? soldNow)
    const [order] = await tx.order.createManyAndReturn({
      data: [
        {
          ...terms,
          credits: payment.isForChange ? 0 : shareOf(terms.credits, payment.share),
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

/** Of the first order, unless the payment was for another product. */
function termsOf(ctx: BillingContext, first: Order, paidFor: string | null) {
  const { sku, credits, plan, interval } = first
  const product = paidFor === null || paidFor === sku ? undefined : ctx.products[paidFor]
  if (!product) return { sku, credits, plan, interval }
  return {
    sku: paidFor,
    credits: product.credits ?? 0,
    plan: product.plan ?? null,
    interval: product.interval ?? null,
  }
}

/** Rounded down up to the end of each payment, so that all of them together bring exactly all. */
function shareOf(credits: number, share: ProviderPayment['share']): number {
  if (!share) return credits
  const upTo = (amount: number) => Number((BigInt(credits) * BigInt(amount)) / BigInt(share.of))
  return upTo(share.after) - upTo(share.before)
}
