/**
 * The daily comparison with Stripe, which finds changes that no event reported. Promise: each customer whose
 * state may have changed is compared with one request, and a customer that differs is synced in full and
 * reported. A stopped comparison continues where it was. A comparison stops by itself when more than a few
 * customers are gone at Stripe.
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
import type { Change } from './write-subscriptions.ts'

/** Which customers are compared, and how long a run may take. */
export interface ReconcileOptions extends RunOptions {
  /** Compares every customer in full. Default false: only customers whose state may have changed. */
  all?: boolean
  /** Called after each customer. */
  onProgress?: (done: number, total: number) => void
}

/** A customer whose rows differed from Stripe. */
export interface Difference {
  ownerId: string
  changes: Change[]
  /** True: the provider has deleted the customer. */
  deleted: boolean
}

/** The result of `reconcile`. */
export interface ReconcileResult {
  /** Number of customers that this run compared. */
  customers: number
  /** Customers whose rows differed. The rows are now corrected. */
  differences: Difference[]
  /** Owners whose customer could not be compared, with the error's code. */
  failed: { ownerId: string; reason: string }[]
  /**
   * `done`: every customer was compared, by this run and the runs before. `stopped`: the next run continues
   * from here. `busy`: another run is under way, so this run did nothing. `gone`: more than 3 customers are
   * gone at Stripe, so a person has to look.
   */
  outcome: 'done' | 'stopped' | 'busy' | 'gone'
}

/** Customers compared between two saves of the position. */
const PAGE = 20

/**
 * Up to this many deleted customers in one run are plausible. More are a mistake, such as a wrong key, so the
 * run stops.
 */
const MOST_GONE = 3

/** Compares customers with Stripe and corrects our rows. The contract is in `functions/webhooks.ts`. */
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

/** The counts of one run. */
interface Comparing {
  result: ReconcileResult
  /** Number of customers that Stripe has deleted or does not know. */
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
    // The lanes have ended, so every customer that a lane took was compared.
    const isWhole = taken === customers.length
    after = isWhole ? last : (customers[taken - 1]?.id ?? after)
    if (state.gone > MOST_GONE) return false
    if (isWhole && isLast) return true
    if (!(await run.save({ after })) || run.isOver()) return false
  }
}

/**
 * Customers whose state may have changed since their last sync: those with a running subscription, an open
 * invoice or payment, an open checkout, a pending order or a pending event. A customer who only signed up is
 * left out. Each condition has a partial index by customer, and one page of each index is read.
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
  /** Id of the last row that was looked at. */
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
    ctx.logger.warn(
      { ownerId, changes, deleted },
      'the customer differed from the provider and was synced',
    )
  } catch (error) {
    if (isBillingError(error, 'customer_not_found')) state.gone += 1
    const reason = error instanceof BillingError ? error.code : 'internal_error'
    result.failed.push({ ownerId, reason })
    ctx.logger.error({ ownerId, reason, error }, 'could not compare the customer with the provider')
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
  // The customer may differ in more than its subscriptions.
  const { changes, deleted } = await syncLinked(ctx, customer, full)
  return { changes: [...first.changes, ...changes], deleted }
}
