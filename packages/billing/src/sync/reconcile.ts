/**
 * The daily comparison with Stripe. Promise: each customer whose state may have changed is compared, in one request; a
 * customer that differs is synced in full, and reported. A comparison that is stopped goes on where it was, and one in
 * which more than a few customers are gone stops by itself. It finds what no event told of.
 *
 * @module
 */

import { Prisma } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { requireAccount } from '../customers/account.ts'
import { isLinked, type LinkedCustomer } from '../customers/customers.ts'
import { BillingError, isBillingError } from '../errors.ts'
import { inSpan } from '../telemetry.ts'
import { type Run, type RunOptions, withRun } from './repair-run.ts'
import { syncLinked } from './sync.ts'
import type { Change } from './write.ts'

export interface ReconcileOptions extends RunOptions {
  /** Every customer at Stripe, in full. Default: those whose state may have changed. */
  all?: boolean
  onProgress?: (done: number, total: number) => void
}

export interface Difference {
  ownerId: string
  changes: Change[]
  /** True: the provider has deleted the customer. */
  deleted: boolean
}

export interface ReconcileResult {
  /** Customers compared by this run. */
  customers: number
  /** Those whose rows differed, and are right now. */
  differences: Difference[]
  /** Owners that could not be compared, with the code of the reason. */
  failed: { ownerId: string; reason: string }[]
  /**
   * `done`: every customer has been compared, by this run and those before. `stopped`: the next run goes on from here.
   * `busy`: another run is under way, and this one did nothing. `gone`: more than a few customers are gone at Stripe,
   * so a person has to look.
   */
  outcome: 'done' | 'stopped' | 'busy' | 'gone'
}

/** Customers between two notes of the place. */
const PAGE = 20

/** So many customers that are gone may be people who left; more are a mistake, which is not carried on. */
const MOST_GONE = 3

/** Compares the customers that Stripe knows. One that fails does not hold up the rest. */
export function reconcile(
  ctx: BillingContext,
  options: ReconcileOptions = {},
): Promise<ReconcileResult> {
  return inSpan('reconcile', {}, async (span) => {
    await requireAccount(ctx)
    const result: ReconcileResult = { customers: 0, differences: [], failed: [], outcome: 'done' }
    const state = { result, gone: 0 }
    const name = options.all ? 'reconcile:all' : 'reconcile'
    const outcome = await withRun<Position>(ctx, name, options, (run) =>
      pages(ctx, run, options, state),
    )
    result.outcome = state.gone > MOST_GONE ? 'gone' : outcome
    if (result.outcome === 'gone') {
      ctx.alert({ code: 'customers_gone', gone: state.gone, compared: result.customers })
    }
    span.setAttribute('tollgate.differences', result.differences.length)
    const { customers, differences, failed } = result
    const summary = { customers, differences: differences.length, failed: failed.length }
    ctx.logger.info({ ...summary, outcome: result.outcome }, 'reconciled')
    return result
  })
}

interface Position {
  [key: string]: string
  /** The id of the last customer that was compared. */
  after: string
}

interface Comparing {
  result: ReconcileResult
  /** Customers that Stripe has deleted, or does not know. */
  gone: number
}

async function pages(
  ctx: BillingContext,
  run: Run<Position>,
  { all = false, onProgress }: ReconcileOptions,
  state: Comparing,
): Promise<boolean> {
  let after = run.position?.after ?? ''
  const total = onProgress ? await countOf(ctx, all, after) : 0
  for (;;) {
    const { customers, last, isLast } = await pageOf(ctx, all, after)
    let taken = 0
    const lane = async () => {
      for (;;) {
        if (run.isOver() || state.gone > MOST_GONE) return
        const customer = customers[taken]
        if (!customer) return
        taken += 1
        await compare(ctx, customer, all, state)
        onProgress?.(state.result.customers, total)
      }
    }
    await Promise.all(Array.from({ length: ctx.events.lanes }, lane))
    // Every customer that was taken has been compared, because the lanes have ended.
    const isWhole = taken === customers.length
    after = isWhole ? last : (customers[taken - 1]?.id ?? after)
    if (state.gone > MOST_GONE) return false
    if (isWhole && isLast) return true
    if (!(await run.save({ after })) || run.isOver()) return false
  }
}

/**
 * Customers whose state may have changed since they were synced: a subscription that runs, an invoice or a payment
 * that is open, a checkout that was begun, an event that came since. Who has only signed up is left out. Each of
 * these has an index of such rows by customer, of which a page is read.
 */
const mayHaveChanged = (after: string, page: Prisma.Sql): Prisma.Sql => {
  const of = (rows: Prisma.Sql) => Prisma.sql`(SELECT "customerId" AS "id" FROM ${rows}
    AND "customerId" > ${after} ${page})`
  return Prisma.join(
    [
      of(
        Prisma.sql`"Subscription" WHERE "provider" = 'stripe' AND "status" NOT IN ('canceled', 'incomplete_expired')`,
      ),
      of(Prisma.sql`"Invoice" WHERE "status" IN ('draft', 'open')`),
      of(Prisma.sql`"Payment" WHERE "status" NOT IN ('succeeded', 'canceled')`),
      of(Prisma.sql`"CheckoutSession" WHERE "status" = 'open'`),
      of(Prisma.sql`"Order" WHERE "status" = 'pending' AND "provider" = 'stripe'`),
      of(Prisma.sql`(SELECT c."id" AS "customerId" FROM "WebhookEvent" e
        JOIN "Customer" c ON c."stripeCustomerId" = e."subject"
        WHERE e."provider" = 'stripe' AND e."status" = 'pending') "waiting" WHERE true`),
    ],
    ' UNION ',
  )
}

interface Page {
  customers: LinkedCustomer[]
  /** The last id that was looked at. */
  last: string
  isLast: boolean
}

async function pageOf(ctx: BillingContext, all: boolean, after: string): Promise<Page> {
  const rows = all
    ? await ctx.db.$queryRaw<{ id: string }[]>`
        SELECT "id" FROM "Customer" WHERE "stripeCustomerId" IS NOT NULL AND "id" > ${after}
        ORDER BY "id" LIMIT ${PAGE}`
    : await ctx.db.$queryRaw<{ id: string }[]>`
        SELECT "id" FROM (${mayHaveChanged(after, Prisma.sql`ORDER BY "customerId" LIMIT ${PAGE}`)}) c
        ORDER BY "id" LIMIT ${PAGE}`
  const customers = await ctx.db.customer.findMany({
    where: { id: { in: rows.map(({ id }) => id) }, stripeCustomerId: { not: null } },
    orderBy: { id: 'asc' },
  })
  const last = rows.at(-1)?.id ?? after
  return { customers: customers.filter(isLinked), last, isLast: rows.length < PAGE }
}

async function countOf(ctx: BillingContext, all: boolean, after: string): Promise<number> {
  const customers = all
    ? Prisma.sql`SELECT "id" FROM "Customer" WHERE "stripeCustomerId" IS NOT NULL AND "id" > ${after}`
    : mayHaveChanged(after, Prisma.empty)
  const [{ count }] = await ctx.db.$queryRaw<[{ count: number }]>`
    SELECT count(*)::int AS "count" FROM (${customers}) c`
  return count
}

async function compare(
  ctx: BillingContext,
  customer: LinkedCustomer,
  all: boolean,
  state: Comparing,
): Promise<void> {
  const { ownerId } = customer
  const { result } = state
  result.customers += 1
  try {
    const { changes, deleted } = await differencesOf(ctx, customer, all)
    if (deleted) state.gone += 1
    if (changes.length === 0 && !deleted) return
    result.differences.push({ ownerId, changes, deleted })
    ctx.logger.warn({ ownerId, changes, deleted }, 'differed from the provider')
  } catch (error) {
    if (isBillingError(error, 'customer_not_found')) state.gone += 1
    const reason = error instanceof BillingError ? error.code : 'internal_error'
    result.failed.push({ ownerId, reason })
    ctx.logger.error({ ownerId, reason, error }, 'could not be reconciled')
  }
}

async function differencesOf(
  ctx: BillingContext,
  customer: LinkedCustomer,
  all: boolean,
): Promise<{ changes: Change[]; deleted: boolean }> {
  const full = { depth: 'full', asksDeleted: true } as const
  if (all) return syncLinked(ctx, customer, full)
  const first = await syncLinked(ctx, customer, {
    part: 'subscriptions',
    depth: 'full',
    asksDeleted: true,
  })
  if (!first.isPart || first.changes.length === 0) return first
  // What a part of it shows may not be all that differs.
  const { changes, deleted } = await syncLinked(ctx, customer, full)
  return { changes: [...first.changes, ...changes], deleted }
}
