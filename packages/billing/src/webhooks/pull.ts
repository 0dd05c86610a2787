/**
 * The repair of what never arrived: Stripe keeps its events for 30 days and tells which it could not
 * deliver. What is missing here is stored as if it had been delivered.
 *
 * @see https://docs.stripe.com/webhooks/process-undelivered-events
 * @module
 */

import type Stripe from 'stripe'
import type { BillingContext } from '../context.ts'
import { ask } from '../stripe.ts'
import { isolated } from '../sweep.ts'
import { inSpan } from '../telemetry.ts'
import { storeEvent } from './ingest.ts'
import { readStripeEvent } from './stripe.ts'

const DAY_SECONDS = 24 * 60 * 60
const KEPT_DAYS = 30

/** Events arrive out of order, so what is a little older than the newest may be missing too. */
const OVERLAP_SECONDS = 2 * 60 * 60

export interface PullOptions {
  /** From when on. Default: a little before the newest stored one, or all that Stripe keeps. */
  since?: Date
  signal?: AbortSignal
  onProgress?: (seen: number) => void
}

export interface PullResult {
  /** Events Stripe told of. */
  seen: number
  /** Ids of those that were missing and are stored now. */
  pulled: string[]
}

/** Stores the events Stripe has and we do not: since the newest one, and the undelivered ones. */
export function pullEvents(ctx: BillingContext, options: PullOptions = {}): Promise<PullResult> {
  return inSpan('pull events', {}, async (span) => {
    const result: PullResult = { seen: 0, pulled: [] }
    const since = options.since
      ? Math.floor(options.since.getTime() / 1000)
      : await sinceNewest(ctx)
    const known = new Set<string>()
    await pull(ctx, { created: { gte: since } }, options, result, known)
    await pull(ctx, { delivery_success: false }, options, result, known)
    span.setAttribute('tollgate.pulled', result.pulled.length)
    if (result.pulled.length > 0) {
      ctx.logger.warn({ seen: result.seen, pulled: result.pulled.length }, 'events were missing')
    }
    return result
  })
}

/** Deliveries come out of order, but not further than this. */
const LATEST = 1_000

async function sinceNewest(ctx: BillingContext): Promise<number> {
  const oldest = Math.floor(Date.now() / 1000) - KEPT_DAYS * DAY_SECONDS
  const [{ newest }] = await ctx.db.$queryRaw<[{ newest: Date | null }]>`
    SELECT max("providerCreatedAt") AS newest FROM (
      SELECT "providerCreatedAt" FROM "WebhookEvent"
      WHERE "provider" = 'stripe' AND "receivedAt" > now() - ${KEPT_DAYS} * interval '1 day'
      ORDER BY "receivedAt" DESC LIMIT ${LATEST}) latest`
  return newest ? Math.max(oldest, Math.floor(newest.getTime() / 1000) - OVERLAP_SECONDS) : oldest
}

async function pull(
  ctx: BillingContext,
  filter: Stripe.EventListParams,
  { signal, onProgress }: PullOptions,
  result: PullResult,
  known: Set<string>,
): Promise<void> {
  for await (const page of eventPages(ctx.stripe, filter)) {
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
    onProgress?.(result.seen)
    if (signal?.aborted) return
  }
}

/** The events that fit, the newest first, page by page. */
export async function* eventPages(
  stripe: Stripe,
  filter: Stripe.EventListParams,
): AsyncGenerator<Stripe.Event[]> {
  let page = await ask('list', stripe.events.list({ ...filter, limit: 100 }))
  for (;;) {
    yield page.data
    const last = page.data.at(-1)
    if (!page.has_more || !last) return
    const next = { ...filter, limit: 100, starting_after: last.id }
    page = await ask('list', stripe.events.list(next))
  }
}

async function missing(ctx: BillingContext, events: Stripe.Event[]): Promise<Stripe.Event[]> {
  const stored = await ctx.db.webhookEvent.findMany({
    where: { provider: 'stripe', eventId: { in: events.map(({ id }) => id) } },
    select: { eventId: true },
  })
  const ids = new Set(stored.map(({ eventId }) => eventId))
  return events.filter(({ id }) => !ids.has(id))
}
