/**
 * Pulls events that never arrived. Stripe keeps its events for 30 days and lists those that it could not
 * deliver. An event that is missing here is stored as if it had been delivered.
 *
 * @see https://docs.stripe.com/webhooks/process-undelivered-events
 * @module
 */

import type Stripe from 'stripe'
import type { BillingContext } from '../context.ts'
import { requireAccount } from '../customers/account.ts'
import { eventPages } from '../providers/stripe/events.ts'
import { readStripeEvent } from '../providers/stripe/webhook.ts'
import { isolated } from '../sweep.ts'
import { inSpan } from '../telemetry.ts'
import { storeEvent } from '../webhooks/ingest.ts'
import { type Run, type RunOptions, withRun } from './repair-run.ts'

const DAY_SECONDS = 24 * 60 * 60
const KEPT_DAYS = 30

/** Events arrive out of order, so an event up to two hours older than the newest may be missing too. */
const OVERLAP_SECONDS = 2 * 60 * 60

/** Stripe itself redelivers an event for this long. */
const REDELIVERED_DAYS = 3

/** The first pull looks for the newest event among this many deliveries, because they arrive out of order. */
const LATEST = 1_000

/** From when on events are pulled, and how long a run may take. */
export interface PullOptions extends RunOptions {
  /**
   * Pulls events created since this time. Default: since the end of the last finished pull, and for the first
   * pull from shortly before the newest stored event, at least 3 and at most 30 days back.
   */
  since?: Date
  /** Called after each page with the number of events seen so far. */
  onProgress?: (seen: number) => void
}

/** The result of `pullEvents`. */
export interface PullResult {
  /** Number of events that the provider listed. */
  seen: number
  /** Ids of the events that were missing and are now stored. */
  pulled: string[]
  /**
   * `done`: all events were looked at. `stopped`: the next pull continues from here. `busy`: another pull is
   * running, so this pull did nothing.
   */
  outcome: 'done' | 'stopped' | 'busy'
}

/**
 * How far pulls have come. Stripe lists the newest events first, so a walk goes back in time to `since`, and
 * only a finished walk moves `since` forward.
 */
interface Position {
  [key: string]: number | string | null
  /** All events before this time are stored. Unix seconds. */
  since: number
  /**
   * The walk that was stopped. `new`: over events created since. `undelivered`: over events that Stripe could
   * not deliver. Null: no walk was stopped.
   */
  walk: 'new' | 'undelivered' | null
  /** Creation time of the first event of the walk, in Unix seconds. 0: the walk has not begun. */
  from: number
  /** Id of the last event that was looked at. */
  after: string | null
}

/**
 * Stores Stripe's events that are missing here: those created since the last pull, and the undelivered ones.
 * The contract is in `functions/webhooks.ts`.
 */
export function pullEvents(ctx: BillingContext, options: PullOptions = {}): Promise<PullResult> {
  return inSpan('pull events', {}, async (span) => {
    await requireAccount(ctx)
    const result: PullResult = { seen: 0, pulled: [], outcome: 'done' }
    const known = new Set<string>()
    const pulling = { ctx, options, result, known }
    // A pull with `since` is a walk of its own and leaves the saved position as it was.
    result.outcome = await withRun<Position>(ctx, 'pullEvents', options, async (run) => {
      if (options.since === undefined) return walks(pulling, run)
      const since = Math.floor(options.since.getTime() / 1000)
      const isDone = await walk(pulling, run, { since, walk: 'new', from: 0, after: null }, false)
      if (run.position !== null) run.keep(run.position)
      return isDone !== null
    })
    span.setAttribute('tollgate.pulled', result.pulled.length)
    if (result.pulled.length > 0) {
      ctx.logger.warn(
        { seen: result.seen, pulled: result.pulled.length },
        'stored events that were missing',
      )
    }
    return result
  })
}

interface Pulling {
  ctx: BillingContext
  options: PullOptions
  result: PullResult
  known: Set<string>
}

const nowInSeconds = (): number => Math.floor(Date.now() / 1000)

/** First the stopped walk, then a walk over new events, then a walk over undelivered events. */
async function walks(pulling: Pulling, run: Run<Position>): Promise<boolean> {
  let position = run.position ?? {
    ...{ since: await firstSince(pulling.ctx), walk: null, from: 0, after: null },
  }
  if (position.walk !== null) {
    const ended = await walk(pulling, run, position, true)
    if (ended === null) return false
    position = finished(ended)
  }
  for (const each of ['new', 'undelivered'] as const) {
    const ended = await walk(pulling, run, { ...position, walk: each, from: 0, after: null }, true)
    if (ended === null) return false
    position = finished(ended)
  }
  run.keep(position)
  return true
}

/**
 * The position after a finished walk. A walk over new events has stored every event up to its beginning, but
 * for late ones, so the next walk overlaps it.
 */
const finished = (position: Position): Position => ({
  since:
    position.walk === 'new'
      ? Math.max(position.since, position.from - OVERLAP_SECONDS)
      : position.since,
  ...{ walk: null, from: 0, after: null },
})

/**
 * Where the first pull starts: shortly before the newest stored event, at least as far back as Stripe
 * redelivers, and at most as far as Stripe keeps events. Unix seconds.
 */
async function firstSince(ctx: BillingContext): Promise<number> {
  const [{ newest }] = await ctx.db.$queryRaw<[{ newest: Date | null }]>`
    SELECT max("providerCreatedAt") AS newest FROM (
      SELECT "providerCreatedAt" FROM "WebhookEvent"
      WHERE "provider" = 'stripe' AND "receivedAt" > now() - ${KEPT_DAYS} * interval '1 day'
      ORDER BY "receivedAt" DESC LIMIT ${LATEST}) latest`
  const oldest = nowInSeconds() - KEPT_DAYS * DAY_SECONDS
  if (newest === null) return oldest
  const recent = nowInSeconds() - REDELIVERED_DAYS * DAY_SECONDS
  const before = Math.floor(newest.getTime() / 1000) - OVERLAP_SECONDS
  return Math.max(oldest, Math.min(before, recent))
}

/**
 * Walks page by page and returns where the walk ended. Null: the walk was stopped before its end. `isKept`:
 * the position is saved after each page.
 */
async function walk(
  { ctx, options, result, known }: Pulling,
  run: Run<Position>,
  start: Position,
  isKept: boolean,
): Promise<Position | null> {
  const filter: Stripe.EventListParams =
    start.walk === 'undelivered' ? { delivery_success: false } : { created: { gte: start.since } }
  let position = start
  for await (const page of eventPages(ctx.stripe, filter, start.after)) {
    const fresh = page.filter(({ id }) => !known.has(id))
    result.seen += fresh.length
    for (const { id } of fresh) known.add(id)
    for (const event of await missing(ctx, fresh)) {
      const { id: eventId } = event
      const isStored = await isolated(ctx, 'a pulled event was not stored', { eventId }, () =>
        storeEvent(ctx, readStripeEvent(event, JSON.stringify(event)), 'pull'),
      )
      if (isStored) result.pulled.push(eventId)
    }
    const [newest] = page
    const from = position.from || (newest?.created ?? 0)
    position = { ...position, from, after: page.at(-1)?.id ?? position.after }
    if (isKept && !(await run.save(position))) return null
    options.onProgress?.(result.seen)
    if (run.isOver()) return null
  }
  return position
}

async function missing(ctx: BillingContext, events: Stripe.Event[]): Promise<Stripe.Event[]> {
  const stored = await ctx.db.webhookEvent.findMany({
    where: { provider: 'stripe', eventId: { in: events.map(({ id }) => id) } },
    select: { eventId: true },
  })
  const ids = new Set(stored.map(({ eventId }) => eventId))
  return events.filter(({ id }) => !ids.has(id))
}
