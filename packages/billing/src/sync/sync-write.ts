/**
 * The write of a sync: rows, orders of invoices, new facts and their effects, all in the transaction that
 * holds the customer's row.
 *
 * @module
 */

import type { Db, Subscription } from '@repo/db'
import type { Problem } from '../alerts.ts'
import { isCurrentStatus } from '../catalog/status.ts'
import type { BillingContext } from '../context.ts'
import type { LinkedCustomer } from '../customers/customers.ts'
import type { Effect, Fact } from '../effects/facts.ts'
import { takeEffects } from '../effects/take-effects.ts'
import { factsOf } from './facts.ts'
import { bookInvoices } from './invoice-orders.ts'
import type { SyncResult } from './options.ts'
import { followInvoices, grantUnflagged, paidForOf } from './plan-months.ts'
import type { ensurePrices } from './prices.ts'
import { type ProviderState, withoutObjects } from './provider-state.ts'
import { type RunningTrial, redeemTrials } from './trials.ts'
import { writeState } from './write.ts'

/** What a sync loaded, with our price rows and the running trials. */
export interface Found {
  state: ProviderState
  prices: Awaited<ReturnType<typeof ensurePrices>>
  trials: RunningTrial[]
}

/**
 * Whether a person has to look at a flagged subscription. A first payment that is pending ends by itself, and
 * a failed first payment grants nothing.
 */
const isProblem = (reason: Problem['reason'] | undefined): boolean =>
  reason !== 'first_payment_pending' && reason !== 'first_payment_failed'

/** What a write set off. */
export interface Written {
  /** Effects that were new. */
  taken: Effect[]
  /** Stripe's ids of newly flagged subscriptions that a person has to look at. */
  alarms: string[]
}

/** The input of a write. */
export interface Writing extends Found {
  ticket: bigint
  /** The sync's result, which the write fills in. */
  result: Pick<SyncResult, 'problems' | 'changes' | 'failedEffects'>
  /** True: facts are recorded without effects. */
  silent: boolean | undefined
  /** Our subscription rows, if they were read after the customer's row was locked. Null: the write reads them. */
  before: readonly Subscription[] | null
  /**
   * Collects ids of objects that the database refuses; each object is then written alone. Null: all are
   * written together, or none.
   */
  refused: Set<string> | null
}

/** Writes the loaded state and takes the effects of new facts. `tx` holds the customer's row. */
export async function writeFound(
  ctx: BillingContext,
  tx: Db,
  customer: LinkedCustomer,
  { state: found, prices, trials, ticket, result, silent = false, before, refused }: Writing,
): Promise<Written> {
  const repeatedTrials = await redeemTrials(tx, trials)
  const writing = { ctx, tx, customer, state: found, prices, repeatedTrials, before, refused }
  const written = await writeState(writing)
  const state = refused ? withoutObjects(found, refused) : found
  result.problems = [...state.problems]
  for (const id of refused ?? []) result.problems.push({ id, reason: 'unwritable' })
  await bookInvoices(ctx, tx, { customer, state, ticket, prices })
  const now = ctx.clock.now()
  const paidFor = paidForOf(ctx, prices)
  const facts = factsOf(state, { ...written, paidFor, now })
  const isPast = silent ? () => true : pastOf(customer, state, now)
  const effects = await takeEffects(ctx, tx, customer, facts, {
    isSilent: isPast,
    hasBegun: begunUnseen(state, written),
  })
  await grantUnflagged(ctx, tx, facts, written.unflagged)
  await followInvoices(ctx, tx, customer, { state, paidFor })
  result.changes = written.changes
  result.failedEffects = effects.failed
  for (const [id, reason] of written.flagged) {
    if (isProblem(reason)) result.problems.push({ id, reason })
  }
  const alarms = written.newlyFlagged.filter((id) => isProblem(written.flagged.get(id)))
  return { taken: effects.taken, alarms }
}

/**
 * Recognizes the end of a subscription that was paid, ran and ended before our first sync saw it. While
 * another subscription runs, such a subscription never counted.
 */
function begunUnseen(
  { invoices }: ProviderState,
  { changes, rows }: Awaited<ReturnType<typeof writeState>>,
): (ended: Fact) => boolean {
  const paid = new Set(
    invoices.flatMap((each) => (each.status === 'paid' ? (each.stripeSubscriptionId ?? []) : [])),
  )
  const runs = [...rows.values()].some(
    ({ status, needsAttention }) => isCurrentStatus(status) && needsAttention === null,
  )
  const unseen = changes.flatMap(({ object, id, from }) =>
    object === 'subscription' && from === null && paid.has(id) && !runs ? id : [],
  )
  return ({ key }) => unseen.some((id) => key === `subscription:${id}:ended`)
}

const DAY_MS = 24 * 60 * 60_000

/** Stripe keeps its events for 30 days. A customer with older objects has a history. */
const HISTORY_MS = 30 * DAY_MS

/** Stripe redelivers an event for three days. */
const RECENT_MS = 3 * DAY_MS

/**
 * Tells which facts are past. A customer that is synced for the first time and has a history existed before
 * this app did: facts older than a redelivery are recorded without effects.
 */
function pastOf(
  { syncedAt }: LinkedCustomer,
  { subscriptions, invoices, payments }: ProviderState,
  now: Date,
): (fact: Fact) => boolean {
  const begins = [...subscriptions, ...invoices, ...payments].map(({ createdAt }) =>
    createdAt.getTime(),
  )
  const hasHistory = Math.min(...begins) < now.getTime() - HISTORY_MS
  if (syncedAt !== null || !hasHistory) return () => false
  return ({ at }) => at !== undefined && at.getTime() < now.getTime() - RECENT_MS
}
