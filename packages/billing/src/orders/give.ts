/**
 * The credits of a completed order in the ledger: given once, taken back as its money goes back.
 *
 * @module
 */

import type { Db } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { clawBackCredits, grantCredits, restoreCredits } from '../credits/changes.ts'
import { type Paid, takingOf } from '../credits/taking.ts'
import { inNumbers, type Order } from '../rows.ts'

/** The key under which an order's credits are given. */
export const fulfilKey = (orderId: string): string => `order:${orderId}:fulfil`

export interface Giving {
  /** With what was taken back before. */
  before: Order
  order: Order
  payment: Paid
  options: { operator?: string }
}

/** Joins the transaction that records the order. Returns the order with what is taken back now. */
export async function giveCredits(
  ctx: BillingContext,
  tx: Db,
  { before, order, payment, options }: Giving,
): Promise<Order> {
  const { id, ownerId, credits, sku } = order
  if (credits === 0) return order
  const { steps, ...taken } = takingOf(before, payment)
  const after =
    steps.length > 0 ? inNumbers(await tx.order.update({ where: { id }, data: taken })) : order
  const { operator } = options
  const actor = operator === undefined ? {} : { actor: operator }
  await grantCredits(ctx, ownerId, credits, {
    type: 'purchase',
    idempotencyKey: fulfilKey(id),
    description: operator === undefined ? `order ${sku ?? id}` : 'manual reconciliation',
    ...actor,
    tx,
  })
  const purchaseKey = fulfilKey(id)
  for (const step of steps) {
    const key = 'number' in step ? `refund:${id}:${step.number}` : `dispute:${step.dispute}`
    if (step.kind === 'refund' || step.kind === 'dispute') {
      const how = { idempotencyKey: key, purchaseKey, ...actor, tx }
      await clawBackCredits(ctx, ownerId, step.credits, step.kind, how)
    } else {
      const why = step.kind === 'refund_failed' ? 'refund failed' : 'dispute won'
      await restoreCredits(ctx, ownerId, why, { clawBackKey: key, ...actor, tx })
    }
  }
  return after
}
