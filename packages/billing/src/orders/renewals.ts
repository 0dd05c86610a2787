/**
 * Later payments of a plan: each is an order of its own, so that its credits, its refunds and its
 * disputes are those of any other.
 *
 * @module
 */

import type { Db, Order } from '@repo/db'
import type { BillingContext } from '../context.ts'
import type { ProviderPayment } from '../providers/provider.ts'
import { newReturnKey } from './returns.ts'

export interface Renewal {
  order: Order
  payment: ProviderPayment
}

/**
 * Writes down payments that have succeeded, each once, and returns those that are new. Joins the transaction
 * of the plan's first order.
 */
export async function addRenewals(
  ctx: BillingContext,
  tx: Db,
  first: Order,
  payments: readonly ProviderPayment[],
): Promise<Renewal[]> {
  const renewals: Renewal[] = []
  const { ownerId, customerId, sku, provider, credits, plan, interval } = first
  for (const payment of payments) {
    const [order] = await tx.order.createManyAndReturn({
      data: [
        {
          ownerId,
          customerId,
          sku,
          provider,
          credits,
          plan,
          interval,
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
    if (order) renewals.push({ order, payment })
  }
  return renewals
}
