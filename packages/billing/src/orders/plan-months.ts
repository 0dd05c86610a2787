/**
 * The months of plans that a provider other than Stripe bills, where each payment is an order. Credits of a
 * month that was paid while its subscription was flagged are granted when the flag goes. Refunds and disputes
 * of an order adjust its credits.
 *
 * @module
 */

import type { Db, Subscription } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { nameInKey, paidKey } from '../credits/months.ts'
import { grantPlanCredits } from '../credits/plan-credits.ts'
import { followMoney } from '../credits/plan-money.ts'
import { hasCustomerSync } from '../provider-name.ts'
import { inNumbers, type Order } from '../rows.ts'
import { paidFact } from './facts.ts'

/** A settled order and its subscription. */
export interface Settled {
  before: Order
  order: Order
  row: Subscription | null
  /** Whether the subscription lost its flag in this settlement. */
  isUnflagged: boolean
}

/** Runs in the settlement's transaction, after the order's own credits were granted. At Stripe the sync does this. */
export async function followOrder(
  ctx: BillingContext,
  tx: Db,
  { before, order, row, isUnflagged }: Settled,
): Promise<void> {
  const { provider, subscriptionId, plan } = order
  if (hasCustomerSync(provider) || plan === null || subscriptionId === null) return
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
