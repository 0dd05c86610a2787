/**
 * A look at the last day's orders: what share of payments succeeded and was fulfilled, and how many were refunded.
 * What is wrong goes to `onAlert`.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'

export interface OrderRates {
  /**
   * Of the orders that were paid in the last 24 hours, or whose payment failed in them, the share that is fulfilled:
   * completed / (completed + failed). Aim: above 0.95. An order that was paid after a failed try counts as paid. Those
   * of invoices are not counted: they are written fulfilled, and would hide the others.
   */
  fulfilmentRate: number | null
  /** Orders refunded in the last 24 hours, for each that was completed in them. */
  refundRate: number | null
}

/** Fewer than this say nothing about a rate. */
const MIN_SAMPLE = 20

const DAY_MS = 24 * 60 * 60_000

/** Rates are null where there was nothing in that time. */
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
