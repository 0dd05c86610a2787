/**
 * The repair of what never arrived: Stripe keeps its events for 30 days and tells which it could not
 * deliver. What is missing here is stored as if it had been delivered.
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

/** Events arrive out of order, so what is a little older than the newest may be missing too. */
const OVERLAP_SECONDS = 2 * 60 * 60

/** For so long Stripe delivers an event again by itself. */
const REDELIVERED_DAYS = 3

/** Deliveries come out of order, but not further than this. */
const LATEST = 1_000

export interface PullOptions extends RunOptions {
  /** From when on. Default: from where the last pull came to its end, or all that Stripe keeps. */
  since?: Date
  onProgress?: (seen: number) => void
}

export interface PullResult {
  /** Events the provider told of. */
  seen: number
  /** Ids of those that were missing and are stored now. */
  pulled: string[]
  /**
   * `done`: nothing is left to look at. `stopped`: the next pull goes on from here. `busy`: another pull is under way,
   * and this one did nothing.
   */
  outcome: 'done' | 'stopped' | 'busy'
}

/**
 * How far pulls have come. Stripe lists the newest first, so a walk goes back from its beginning to `since`, and only
 * one that has come to its end moves `since` on.
 */
interface Position {
  [key: string]: number | string | null
  /** Everything before is stored, in Stripe's seconds. */
  since: number
  /** `new`: what was made since. `undelivered`: what Stripe could not deliver. */
  walk: 'new' | 'undelivered' | null
  /** When the event was made at which the walk began, in Stripe's seconds. 0: it has not begun. */
  from: number
  /** The last event that was looked at. */
  after: string | null
}

/** Stores the events Stripe has and we do not: since the last pull, and the undelivered ones. */
export function pullEvents(ctx: BillingContext, options: PullOptions = {}): Promise<PullResult> {
  return inSpan('pull events', {}, async (span) => {
    await requireAccount(ctx)
    const result: PullResult = { seen: 0, pulled: [], outcome: 'done' }
    const known = new Set<string>()
    const pulling = { ctx, options, result, known }
    // A time that a person names has a walk of its own, and leaves the place of the others.
    result.outcome = await withRun<Position>(ctx, 'pullEvents', options, async (run) => {
      if (options.since === undefined) return walks(pulling, run)
      const since = Math.floor(options.since.getTime() / 1000)
      const isDone = await walk(pulling, run, { since, walk: 'new', from: 0, after: null }, false)
      if (run.position !== null) run.keep(run.position)
      return isDone !== null
    })
    span.setAttribute('tollgate.pulled', result.pulled.length)
    if (result.pulled.length > 0) {
      ctx.logger.warn({ seen: result.seen, pulled: result.pulled.length }, 'events were missing')
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

/** The walk that was stopped first, then one over what has come since, then one over the undelivered. */
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

/** A walk over what is new has stored all up to its beginning, but for what may come out of order. */
const finished = (position: Position): Position => ({
  since:
    position.walk === 'new'
      ? Math.max(position.since, position.from - OVERLAP_SECONDS)
      : position.since,
  ...{ walk: null, from: 0, after: null },
})

/** Events from before this was kept: what Stripe itself still delivers again, and what came since the newest. */
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

/** One walk, page by page, and where it ended. Null: it has stopped before its end, and its place is kept. */
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
