/**
 * Compares orders with the ledger and with the provider: finds paid orders without a credit transaction,
 * transactions without an order and payments that differ, and adds up the totals of each day. An order that
 * differs is settled again, as a lost webhook would have done. An order that still differs is reported.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { type Run, type RunOutcome, unkept, withRun } from '../sync/repair-run.ts'
import { inSpan } from '../telemetry.ts'
import {
  compareLedger,
  isLedgerDone,
  type LedgerPlace,
  ledgerBeginning,
  stillWithoutTransaction,
} from './compare-ledger.ts'
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
  /**
   * Ids of paid orders whose credits are missing in the ledger: among those that changed since the last comparison
   * (or since `since`), and among 20,000 older orders, from where the last comparison stopped.
   */
  paidWithoutTransaction: string[]
  /** Ids of credit transactions without a completed order of their owner, found in the same way. */
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
    let ledger: LedgerPlace | null = null
    const work = async (run: Run<Place>) => {
      place = run.position ?? place
      // Saved, so that a run that was stopped in the ledger does not compare the payments again.
      if (!(await comparePages(ctx, run, place, options)) || !(await run.save(place))) return false
      ledger = await ledgerOf(ctx, options)
      return ledger !== null
    }
    const outcome = isAsked(options)
      ? (await work(unkept<Place>(options)))
        ? 'done'
        : 'stopped'
      : await withRun<Place>(ctx, 'reconcileOrders', options, work)
    const report = await reportOf(ctx, { place, ledger, outcome }, options)
    span.setAttribute(
      'tollgate.differences',
      report.differing.length + report.paidWithoutTransaction.length,
    )
    tell(ctx, report)
    return report
  })
}

/** Compares the ledger, and returns what was found once all is compared. Null: the run was stopped. */
async function ledgerOf(
  ctx: BillingContext,
  options: ReconcileOrdersOptions,
): Promise<LedgerPlace | null> {
  if (isAsked(options)) {
    const place = ledgerBeginning(ctx, null, options.since)
    return (await compareLedger(ctx, unkept<LedgerPlace>(options), place)) ? place : null
  }
  let place: LedgerPlace | null = null
  const outcome = await withRun<LedgerPlace>(ctx, 'reconcileLedger', options, async (run) => {
    const last = run.position
    place = last && !isLedgerDone(last) ? last : ledgerBeginning(ctx, last)
    if (!(await compareLedger(ctx, run, place))) return false
    run.keep(place)
    return true
  })
  return outcome === 'done' ? place : null
}

/** Whether a person asked for the comparison. It then begins anew and saves no position. */
const isAsked = ({ since, operator }: ReconcileOrdersOptions): boolean =>
  since !== undefined || operator !== undefined

interface Compared {
  place: Place
  /** Null: the ledger is not compared to its end. */
  ledger: LedgerPlace | null
  outcome: RunOutcome
}

async function reportOf(
  ctx: BillingContext,
  { place, ledger, outcome }: Compared,
  options: ReconcileOrdersOptions,
): Promise<OrdersReport> {
  const since = new Date(place.since)
  const skipped = new Set(place.skipped)
  const lost = ledger?.paidWithoutTransaction ?? []
  for (const id of lost) await mend(ctx, id, options, skipped)
  const paidWithout = lost.length > 0 ? await stillWithoutTransaction(ctx, lost) : lost
  const mended = [...place.mended, ...lost]
  return {
    since,
    payments: place.payments,
    paidWithoutTransaction: paidWithout,
    transactionsWithoutOrder: ledger?.transactionsWithoutOrder ?? [],
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
