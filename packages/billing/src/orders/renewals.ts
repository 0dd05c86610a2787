/**
 * Writes later payments of a plan as orders of their own, so that credits, refunds and disputes work as for
 * any order. A payment for a change within a period grants no credits: the new plan's credits come with its
 * next period. If several payments pay one invoice, each grants its share of the credits, and a payment of several
 * invoices grants its shares of all of them.
 *
 * @module
 */

import type { Db } from '@repo/db'
import type { BillingContext } from '../context.ts'
import type { ProviderPayment } from '../providers/provider.ts'
import { newReturnKey } from '../return-url.ts'
import { inNumbers, type Order } from '../rows.ts'

/** A new order and its payment. */
export interface Renewal {
  order: Order
  payment: ProviderPayment
}

/**
 * Writes each succeeded payment once and returns the new orders. `tx` is the transaction of the plan's first
 * order. `soldNow` is the SKU of the subscription's present product, which is used for a payment without a
 * SKU of its own; null if that is none of our products.
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
          credits: payment.isForChange ? 0 : creditsOf(terms.credits, payment),
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

/** The terms of the first order, or of another product if the payment was for one. */
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

/** The credits of a payment, over all invoices that it paid. */
const creditsOf = (
  credits: number,
  { share, otherShares = [] }: Pick<ProviderPayment, 'share' | 'otherShares'>,
): number =>
  otherShares.reduce((sum, each) => sum + shareOf(credits, each), shareOf(credits, share))

/**
 * The credits of a payment of one invoice: the rounded-down sum up to its end minus the sum up to its beginning, so that
 * all payments together grant exactly all credits.
 */
function shareOf(credits: number, share: ProviderPayment['share']): number {
  if (!share) return credits
  const upTo = (amount: number) => Number((BigInt(credits) * BigInt(amount)) / BigInt(share.of))
  return upTo(share.after) - upTo(share.before)
}
