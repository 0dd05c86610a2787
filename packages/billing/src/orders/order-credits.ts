/**
 * Grants a completed order's credits once, and claws them back as its money is refunded or disputed.
 *
 * @module
 */

import type { Db } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { clawBackCredits, grantCredits, restoreCredits } from '../credits/changes.ts'
import { clawbackOf, type Paid } from '../credits/clawback.ts'
import { inNumbers, type Order } from '../rows.ts'

/** The idempotency key under which an order's credits are granted. */
export const fulfilKey = (orderId: string): string => `order:${orderId}:fulfil`

/** The input of `grantOrderCredits`. */
export interface OrderCredits {
  /** The order before this settlement, with the clawbacks so far. */
  before: Order
  order: Order
  payment: Paid
  options: { operator?: string }
}

/**
 * Grants, claws back or restores the order's credits in the transaction that records the order. Returns the
 * order with its new clawback columns.
 */
export async function grantOrderCredits(
  ctx: BillingContext,
  tx: Db,
  { before, order, payment, options }: OrderCredits,
): Promise<Order> {
  const { id, ownerId, credits, sku } = order
  if (credits === 0) return order
  const { steps, ...taken } = clawbackOf(before, payment)
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
