/**
 * Compares orders with the ledger and with the provider: finds paid orders without a credit transaction,
 * transactions without an order and payments that differ, and adds up the totals of each day. An order that
 * differs is settled again, as a lost webhook would have done. An order that still differs is reported.
 *
 * @module
 */

import { atomically, type Db, Prisma } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { type Run, type RunOutcome, unkept, withRun } from '../sync/repair-run.ts'
import { inSpan } from '../telemetry.ts'
import { beginning, comparePages, type Place, type PlaceDay } from './compare-pages.ts'
import { mend } from './their-payments.ts'
import type { ReconcileOrdersOptions, Totals } from './totals.ts'
import { type OrderRates, watchOrders } from './watch.ts'

/** The totals of one day, provider and currency, here and at the provider. */
export interface DayTotals {
  /** The day in UTC, as `2026-01-31`. */
  day: string
  provider: string
  currency: string
  ours: Totals
  theirs: Totals
}

/** An order that could not be compared in this process. */
export interface SkippedOrder {
  orderId: string
  /** A local provider in another process has the order. */
  reason: 'not_known_here'
}

/** The result of `reconcileOrders`. */
export interface OrdersReport extends OrderRates {
  /** Payments since this time were compared. */
  since: Date
  /** Number of payments that were compared. */
  payments: number
  /** Ids of paid orders of any age whose credits are missing in the ledger. */
  paidWithoutTransaction: string[]
  /** Ids of credit transactions of any age without a completed order of their owner. */
  transactionsWithoutOrder: string[]
  /** Ids of orders whose payment differs at the provider. */
  differing: string[]
  /** Number of payments without an order: sold outside this app, to unknown customers. */
  withoutOrder: number
  /** Ids of orders that were wrong or missing and are now corrected. */
  mended: string[]
  /** Orders that were left as they are, because their local provider runs in another process. */
  skipped: SkippedOrder[]
  days: DayTotals[]
  /** Payments that could not be retrieved from the provider, with the error's code. */
  failed: { provider: string; paymentId: string; reason: string }[]
  /**
   * `done`: the whole window was compared, by this run and the runs before. `stopped`: the next run continues
   * from here, and the report covers what was compared so far. `busy`: another run is under way, so nothing
   * was compared.
   */
  outcome: RunOutcome
}

/** How far back the comparison looks by default. */
const WINDOW_MS = 48 * 60 * 60_000

/** Compares orders with the provider and the ledger. The contract is in `functions/orders.ts`. */
export function reconcileOrders(
  ctx: BillingContext,
  options: ReconcileOrdersOptions = {},
): Promise<OrdersReport> {
  return inSpan('reconcile orders', {}, async (span) => {
    const since = options.since ?? new Date(ctx.clock.now().getTime() - WINDOW_MS)
    let place = beginning(since)
    const work = async (run: Run<Place>) => {
      place = run.position ?? place
      return comparePages(ctx, run, place, options)
    }
    const isAsked = options.since !== undefined || options.operator !== undefined
    const outcome = isAsked
      ? (await work(unkept<Place>(options)))
        ? 'done'
        : 'stopped'
      : await withRun<Place>(ctx, 'reconcileOrders', options, work)
    const report = await reportOf(ctx, place, outcome, options)
    span.setAttribute(
      'tollgate.differences',
      report.differing.length + report.paidWithoutTransaction.length,
    )
    tell(ctx, report)
    return report
  })
}

async function reportOf(
  ctx: BillingContext,
  place: Place,
  outcome: RunOutcome,
  options: ReconcileOrdersOptions,
): Promise<OrdersReport> {
  const since = new Date(place.since)
  const skipped = new Set(place.skipped)
  const lost = outcome === 'done' ? await paidWithoutTransaction(ctx) : []
  for (const id of lost) await mend(ctx, id, options, skipped)
  const paidWithout = lost.length > 0 ? await paidWithoutTransaction(ctx) : lost
  const mended = [...place.mended, ...lost]
  return {
    since,
    payments: place.payments,
    paidWithoutTransaction: paidWithout,
    transactionsWithoutOrder: outcome === 'done' ? await transactionsWithoutOrder(ctx) : [],
    differing: place.differing,
    withoutOrder: place.withoutOrder,
    mended: mended.filter((id) => !paidWithout.includes(id) && !place.differing.includes(id)),
    skipped: [...skipped].map((orderId) => ({ orderId, reason: 'not_known_here' })),
    days: await totalsOf(ctx, since, place.days),
    failed: place.failed,
    outcome,
    ...(await watchOrders(ctx)),
  }
}

function tell(ctx: BillingContext, report: OrdersReport): void {
  const { payments, paidWithoutTransaction, transactionsWithoutOrder, differing, mended } = report
  const wrong = [...paidWithoutTransaction, ...transactionsWithoutOrder, ...differing].length
  const counts = { payments, wrong, mended: mended.length, skipped: report.skipped.length }
  ctx.logger.info(counts, 'orders reconciled')
  for (const id of new Set([...paidWithoutTransaction, ...differing])) {
    ctx.alert({ code: 'order_needs_attention', id, reason: 'differs' })
  }
}

/** Runs a query with enough `work_mem` for a hash of either table. On disk the query takes ten times as long. */
function inMemory<Row>({ db }: BillingContext, sql: Prisma.Sql): Promise<Row[]> {
  const work = async (tx: Db) => {
    await tx.$executeRaw`SELECT set_config('work_mem', '256MB', true)`
    return tx.$queryRaw<Row[]>(sql)
  }
  return atomically(db, work, { timeoutMs: 60 * 60_000 })
}

async function paidWithoutTransaction(ctx: BillingContext): Promise<string[]> {
  const asked = Prisma.sql`
    SELECT o."id" FROM "Order" o
    WHERE o."status" = 'completed' AND o."credits" > 0 AND o."paymentId" IS NOT NULL
      AND NOT EXISTS (SELECT FROM "CreditTransaction" t WHERE t."ownerId" = o."ownerId"
        AND t."idempotencyKey" = 'order:' || o."id" || ':fulfil' AND t."amount" = o."credits")
    ORDER BY o."id"`
  return (await inMemory<{ id: string }>(ctx, asked)).map(({ id }) => id)
}

async function transactionsWithoutOrder(ctx: BillingContext): Promise<string[]> {
  const asked = Prisma.sql`
    SELECT t."id" FROM "CreditTransaction" t
    WHERE t."type" = 'purchase' AND t."idempotencyKey" LIKE 'order:%:fulfil'
      AND NOT EXISTS (SELECT FROM "Order" o WHERE o."id" = split_part(t."idempotencyKey", ':', 2)
        AND o."ownerId" = t."ownerId" AND o."status" = 'completed')
    ORDER BY t."id"`
  return (await inMemory<{ id: bigint }>(ctx, asked)).map(({ id }) => `${id}`)
}

async function totalsOf(
  ctx: BillingContext,
  since: Date,
  theirs: readonly PlaceDay[],
): Promise<DayTotals[]> {
  const rows = await ctx.db.$queryRaw<
    (Totals & { day: string; provider: string; currency: string })[]
  >`
    SELECT to_char("paidAt" AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS "day", "provider", "currency",
      count(*) FILTER (WHERE "amountPaid" > 0)::int AS "payments", sum("amountPaid")::float8 AS "paid",
      sum("amountRefunded")::float8 AS "refunded"
    FROM "Order" WHERE "paidAt" >= ${since} AND "paymentId" IS NOT NULL
    GROUP BY 1, 2, 3`
  const days = new Map<string, DayTotals>()
  const none = (): Totals => ({ payments: 0, paid: 0, refunded: 0 })
  const at = (day: string, provider: string, currency: string): DayTotals => {
    const key = [day, provider, currency].join(' ')
    const totals = days.get(key) ?? { day, provider, currency, ours: none(), theirs: none() }
    days.set(key, totals)
    return totals
  }
  const add = (to: Totals, { payments, paid, refunded }: Totals) => {
    to.payments += payments
    to.paid += paid
    to.refunded += refunded
  }
  for (const row of rows) add(at(row.day, row.provider, row.currency).ours, row)
  for (const each of theirs) add(at(each.day, each.provider, each.currency).theirs, each)
  return [...days.values()].sort((a, b) => (a.day < b.day ? -1 : 1))
}
