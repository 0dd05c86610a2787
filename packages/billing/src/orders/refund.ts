/**
 * Refunds an order: asks the provider for the refund, then settles the order.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { underKey } from '../customers/request-keys.ts'
import { BillingError, isBillingError } from '../errors.ts'
import type { Order } from '../rows.ts'
import { findOrder, settleOrder } from './settle.ts'

/** How much is refunded, why and by whom. */
export interface RefundOrderOptions {
  /** Amount in minor units. Default: everything that is not yet refunded. */
  amount?: number
  /** A code or id for the log, such as `duplicate` or `ticket_42`. */
  reason?: string
  /** Id of the person who refunds. Default: none. */
  operator?: string
  /**
   * Identifies this refund, so that a repeated call refunds only once. Default: made of the amount and of
   * what is already refunded.
   */
  idempotencyKey?: string
}

/**
 * Refunds a paid order, in full or in part, and claws back its credits; credits that are already spent become debt.
 * The contract is in `functions/orders.ts`.
 */
export async function refundOrder(
  ctx: BillingContext,
  orderId: string,
  options: RefundOrderOptions = {},
): Promise<Order> {
  const { provider, paymentId, amountPaid, amountRefunded } = await findOrder(ctx, orderId)
  const { amount, reason, operator } = options
  if (paymentId === null || amountPaid === 0) {
    throw new BillingError('order_not_paid', `Order ${orderId} has no payment to refund.`)
  }
  const who = operator === undefined ? {} : { operator }
  // Everything is already refunded, so a call without an amount repeats that refund.
  const isBack = (of: Order) => amount === undefined && of.amountRefunded >= of.amountPaid
  const settled = amountRefunded >= amountPaid ? await settleOrder(ctx, orderId, who) : null
  if (settled && isBack(settled)) return settled
  // Two concurrent calls for the same amount make one refund. A call after a finished refund makes
  // another refund.
  const key = options.idempotencyKey ?? `${amountRefunded}:${amount ?? 'rest'}`
  const name = `refund:${orderId}:${key}`
  try {
    const { status } = await underKey(ctx, name, (idempotencyKey, refusals) =>
      ctx.providerNamed(provider).refund({
        paymentId,
        ...(amount === undefined ? {} : { amount }),
        ...{ idempotencyKey, name, isRetry: refusals > 0 },
      }),
    )
    ctx.logger.info({ orderId, amount, reason, operator, status }, 'order refunded')
  } catch (error) {
    if (!isBillingError(error, 'refund_exceeds_payment')) throw error
    const order = await settleOrder(ctx, orderId, who)
    if (!isBack(order)) throw error
    return order
  }
  return settleOrder(ctx, orderId, who)
}
