/**
 * Money back for an order: asked of the provider, then settled like any other news of it.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { underKey } from '../customers/request-keys.ts'
import { BillingError, isBillingError } from '../errors.ts'
import type { Order } from '../rows.ts'
import { findOrder, settleOrder } from './settle.ts'

export interface RefundOrderOptions {
  /** Minor units. Default: all that is left. */
  amount?: number
  /** For the log, a code or an id: `duplicate`, `ticket_42`. */
  reason?: string
  /** Who does it, by id. Default: nobody. */
  operator?: string
  /** Names this refund, so that a call that is repeated gives nothing back twice. */
  idempotencyKey?: string
}

/**
 * Gives the money of a paid order back, all or a part, and takes the credits of it back: what is spent
 * becomes debt. An order that was paid and not fulfilled is cancelled by a full refund. Asked for without an amount
 * where all is back already, it changes nothing.
 *
 * @throws `order_not_found`; `order_not_paid` (409); `refund_exceeds_payment`, `refund_not_supported`,
 * `invalid_amount`, `provider_unavailable`, `provider_rejected`: nothing was given back.
 */
export async function refundOrder(
  ctx: BillingContext,
  orderId: string,
  options: RefundOrderOptions = {},
): Promise<Order> {
  const { provider, paymentId, amountPaid, amountRefunded } = await findOrder(ctx, orderId)
  const { amount, reason, operator } = options
  if (paymentId === null || amountPaid === 0) {
    throw new BillingError('order_not_paid', `Order ${orderId} has no payment to give back.`)
  }
  const who = operator === undefined ? {} : { operator }
  // All of it is back already: asked for once more, that is the same refund.
  const isBack = (of: Order) => amount === undefined && of.amountRefunded >= of.amountPaid
  const settled = amountRefunded >= amountPaid ? await settleOrder(ctx, orderId, who) : null
  if (settled && isBack(settled)) return settled
  // The same refund asked for twice at once is one; asked for again after it is done, it is another.
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
