/**
 * Watches the orders of the last 24 hours: the share of payments that was fulfilled, and the share that was
 * refunded. A rate beyond its limit raises an alert.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'

/** Rates of the last 24 hours. */
export interface OrderRates {
  /**
   * The share of orders that are fulfilled, among the orders that were paid or whose payment failed in the
   * last 24 hours: completed / (completed + failed). Aim: above 0.95. Null: there were none. An order that
   * was paid after a failed attempt counts as paid. Orders of invoices are not counted, because they are
   * written as completed and would hide the others.
   */
  fulfilmentRate: number | null
  /** Orders refunded in the last 24 hours, divided by the orders completed in them. Null: none were completed. */
  refundRate: number | null
}

/** The fewest orders for which a rate can raise an alert. */
const MIN_SAMPLE = 20

const DAY_MS = 24 * 60 * 60_000

/**
 * Computes the rates and raises `fulfilment_rate_low` or `refund_rate_high`.
 * The contract is in `functions/orders.ts`.
 */
export async function watchOrders(ctx: BillingContext): Promise<OrderRates> {
  const since = new Date(ctx.clock.now().getTime() - DAY_MS)
  const [row] = await ctx.db.$queryRaw<
    [{ all: number; fulfilled: number; completed: number; refunded: number }]
  >`
    SELECT * FROM (
      SELECT count(*)::int AS "all",
        (count(*) FILTER (WHERE "status" = 'completed' AND "needsAttention" IS NULL))::int AS "fulfilled"
      FROM "Order" WHERE "invoiceId" IS NULL
        AND ("paidAt" > ${since} OR ("failedAt" > ${since} AND "paidAt" IS NULL))) paid, (
      SELECT (count(*) FILTER (WHERE "name" = 'order.completed'))::int AS "completed",
        count(DISTINCT split_part("key", ':', 2)) FILTER (WHERE "name" = 'order.refunded')::int AS "refunded"
      FROM "Effect" WHERE "createdAt" > now() - interval '1 day'
        AND "name" IN ('order.completed', 'order.refunded')) told`
  const rates = {
    fulfilmentRate: row.all === 0 ? null : row.fulfilled / row.all,
    refundRate: row.completed === 0 ? null : row.refunded / row.completed,
  }
  const { fulfilmentRate, refundRate } = ctx.limits
  if (row.all >= MIN_SAMPLE && (rates.fulfilmentRate ?? 1) < fulfilmentRate) {
    const rate = rates.fulfilmentRate as number
    ctx.alert({ code: 'fulfilment_rate_low', rate, threshold: fulfilmentRate })
  }
  if (row.completed >= MIN_SAMPLE && (rates.refundRate ?? 0) > refundRate) {
    const rate = rates.refundRate as number
    ctx.alert({ code: 'refund_rate_high', rate, threshold: refundRate })
  }
  return rates
}
