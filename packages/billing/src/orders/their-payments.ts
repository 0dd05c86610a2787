/**
 * Compares the provider's payments with our orders.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { isBillingError } from '../errors.ts'
import type { ProviderPayment } from '../providers/provider.ts'
import { inNumbers, type Order } from '../rows.ts'
import { settleOrder } from './settle.ts'
import type { ReconcileOrdersOptions, Theirs } from './totals.ts'

/** Settles an order whose payment differs. Adds the order to `skipped` if only another process can settle it. */
export async function mend(
  ctx: BillingContext,
  orderId: string,
  { operator }: ReconcileOrdersOptions,
  skipped: Set<string>,
): Promise<void> {
  try {
    await settleOrder(ctx, orderId, operator === undefined ? {} : { operator })
  } catch (error) {
    if (isBillingError(error, 'not_known_here')) skipped.add(orderId)
    else ctx.logger.error({ orderId, error }, 'could not settle an order that differs')
  }
}

/** The provider's payment in the form of a comparison, with the id of its order. */
export async function theirsOf(
  ctx: BillingContext,
  provider: string,
  payment: ProviderPayment,
): Promise<Theirs> {
  // A renewal may name the plan's first order although it has an order of its own.
  const own = await ctx.db.order.findFirst({ where: { provider, paymentId: payment.id } })
  const named = payment.orderId
    ? await ctx.db.order.findUnique({ where: { id: payment.orderId } })
    : null
  const order = own ?? named
  return {
    provider,
    paymentId: payment.id,
    currency: payment.currency,
    day: dayOf(payment.paidAt ?? ctx.clock.now()),
    customerId: payment.customerId,
    subscriptionId: payment.subscriptionId,
    orderId: order?.id ?? null,
    disputeId: payment.disputeId,
    disputeStatus: payment.disputeStatus,
    payments: payment.amountPaid === 0 ? 0 : 1,
    paid: payment.amountPaid,
    refunded: payment.amountRefunded,
  }
}

const dayOf = (date: Date): string => date.toISOString().slice(0, 10)

/** Ids of the orders that differ from the provider's payments. */
export async function differing(ctx: BillingContext, theirs: readonly Theirs[]): Promise<string[]> {
  const ids = theirs.flatMap(({ orderId }) => orderId ?? [])
  const orders = await ctx.db.order.findMany({ where: { id: { in: ids } } })
  const byId = new Map(orders.map((order) => [order.id, inNumbers(order)]))
  const wrong = theirs.filter((payment) => {
    const order = byId.get(payment.orderId ?? '')
    return order !== undefined && !agrees(order, payment)
  })
  return [...new Set(wrong.flatMap(({ orderId }) => orderId ?? []))]
}

const agrees = (order: Order, { paymentId, paid, refunded, ...theirs }: Theirs): boolean =>
  order.status === 'completed' &&
  order.needsAttention === null &&
  order.paymentId === paymentId &&
  order.amountPaid === paid &&
  order.amountRefunded === refunded &&
  order.disputeId === theirs.disputeId &&
  order.disputeStatus === theirs.disputeStatus
