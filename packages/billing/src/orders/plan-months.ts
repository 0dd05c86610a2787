/**
 * The months of plans that another provider than Stripe bills: there each payment is an order. Credits of a
 * month that was paid while its subscription was flagged come when the flag goes, and credits follow the money
 * of their order.
 *
 * @module
 */

import type { Db, Subscription } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { nameInKey, paidKey } from '../credits/months.ts'
import { grantPlanCredits } from '../credits/plan-credits.ts'
import { followMoney } from '../credits/plan-money.ts'
import { inNumbers, type Order } from '../rows.ts'
import { paidFact } from './facts.ts'

export interface Settled {
  before: Order
  order: Order
  row: Subscription | null
  /** Whether the subscription was flagged before, and counts now. */
  isUnflagged: boolean
}

/** Joins the settlement of an order, after what the order gives. Stripe's plans are left to the sync. */
export async function followOrder(
  ctx: BillingContext,
  tx: Db,
  { before, order, row, isUnflagged }: Settled,
): Promise<void> {
  const { provider, subscriptionId, plan } = order
  if (provider === 'stripe' || plan === null || subscriptionId === null) return
  if (row && isUnflagged) {
    const where = { provider, subscriptionId, status: 'completed' }
    for (const paid of await tx.order.findMany({ where, orderBy: { createdAt: 'asc' } })) {
      await grantPlanCredits(ctx, tx, paidFact(inNumbers(paid), row))
    }
  }
  const hasMoved = [before, order].some((of) => of.amountRefunded > 0 || of.disputeId !== null)
  if (!hasMoved || order.paidAt === null) return
  const { id: orderId, ownerId, amountPaid, amountRefunded, disputeId, disputeStatus } = order
  const subscription = nameInKey({
    stripeSubscriptionId: null,
    provider,
    providerSubscriptionId: subscriptionId,
  })
  await followMoney(ctx, tx, {
    ...{ ownerId, amountPaid, amountRefunded, disputeId, disputeStatus },
    key: paidKey({ stripeInvoiceId: null, orderId }),
    year: order.interval === 'year' ? { subscription, paidAt: order.paidAt } : null,
  })
}
