/**
 * Money back for an order: asked of the provider, then settled like any other news of it.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
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
 * becomes debt. An order that was paid and not fulfilled is cancelled by a full refund.
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
  // The same refund asked for twice at once is one; asked for again after it is done, it is another.
  const key = options.idempotencyKey ?? `${amountRefunded}:${amount ?? 'rest'}`
  const { status } = await ctx.providerNamed(provider).refund({
    paymentId,
    ...(amount === undefined ? {} : { amount }),
    idempotencyKey: `refund:${orderId}:${key}`,
  })
  ctx.logger.info({ orderId, amount, reason, operator, status }, 'order refunded')
  return settleOrder(ctx, orderId, operator === undefined ? {} : { operator })
}
