/**
 * Stored events for operators: lists, shows, acknowledges and replays them, and empties old payloads.
 *
 * @module
 */

import { Prisma } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { following, PAGE, type PageOptions, type Sorting } from '../page.ts'
import type { WebhookEvent } from '../rows.ts'

/** The status of a stored event. `dead`: its tries are used up. */
export type EventStatus = 'pending' | 'processed' | 'ignored' | 'needs_attention' | 'dead'

/** A stored event without its payload. */
export type StoredEvent = Omit<WebhookEvent, 'payload' | 'lease'>

/** Which events `listEvents` returns. */
export interface ListEventsOptions extends PageOptions {
  /** Default: `dead`, `needs_attention` and `pending`. */
  status?: readonly EventStatus[]
}

const OLDEST_FIRST: Sorting<StoredEvent> = [
  ['receivedAt', 'asc'],
  ['eventId', 'asc'],
]

/** The order of the list: events that a person has to look at come first. */
const URGENCY: readonly EventStatus[] = [
  'dead',
  'needs_attention',
  'pending',
  'processed',
  'ignored',
]

/**
 * Stored events without their payloads: dead events first, then flagged events, then pending ones, each group with
 * the oldest first.
 * The contract is in `functions/webhooks.ts`.
 */
export async function listEvents(
  ctx: BillingContext,
  options: ListEventsOptions = {},
): Promise<StoredEvent[]> {
  const { status = ['pending', 'needs_attention', 'dead'], limit = PAGE, after } = options
  const last = after === undefined ? null : await showEvent(ctx, after)
  const wanted = URGENCY.filter((each) => status.includes(each))
  // If the event `after` has changed its status since, the list continues at its new status and
  // time.
  const from = last ? Math.max(0, wanted.indexOf(last.status as EventStatus)) : 0
  const found: StoredEvent[] = []
  for (const each of wanted.slice(from)) {
    if (found.length >= limit) break
    // One query for each status, because each status has a partial index.
    const { where, orderBy } = following(OLDEST_FIRST, last?.status === each ? last : null)
    const page = await ctx.db.webhookEvent.findMany({
      where: { status: each, ...where },
      omit: { payload: true, lease: true },
      orderBy,
      take: limit - found.length,
    })
    found.push(...page)
  }
  return found
}

/** Who acknowledges events. */
export interface AcknowledgeOptions {
  /** Id or name of the person. */
  by: string
}

/**
 * Marks flagged and dead events as seen: their status becomes `ignored`, and they keep their reason.
 * The contract is in `functions/webhooks.ts`.
 */
export async function acknowledgeEvents(
  ctx: BillingContext,
  eventIds: readonly string[],
  { by }: AcknowledgeOptions,
): Promise<string[]> {
  const rows = await ctx.db.$queryRaw<{ eventId: string }[]>`
    UPDATE "WebhookEvent" SET "status" = 'ignored', "acknowledgedAt" = clock_timestamp(),
      "acknowledgedBy" = ${by}
    WHERE "eventId" = ANY(${[...eventIds]}) AND "status" IN ('needs_attention', 'dead')
    RETURNING "eventId"`
  ctx.logger.info({ events: rows.length, by }, 'events acknowledged')
  return rows.map(({ eventId }) => eventId)
}

/** One event with its payload. The contract is in `functions/webhooks.ts`. */
export async function showEvent(ctx: BillingContext, eventId: string): Promise<WebhookEvent> {
  const event = await ctx.db.webhookEvent.findFirst({ where: { eventId } })
  if (event) return event
  throw new BillingError('event_not_found', `There is no event ${eventId}.`)
}

/** Makes an event of any status due again, with all its tries. The contract is in `functions/webhooks.ts`. */
export async function replayEvent(ctx: BillingContext, eventId: string): Promise<void> {
  const { count } = await ctx.db.webhookEvent.updateMany({
    where: { eventId, payload: { not: null }, OR: REPLAYABLE },
    data: { ...due(), status: 'pending' },
  })
  if (count === 0) {
    throw new BillingError('event_not_found', `There is no event ${eventId} to replay.`)
  }
  ctx.signalWorker()
}

const due = () => ({ attempts: 0, nextAttemptAt: new Date(), lease: null, reason: null })

/** Excludes events of the other mode (live or test), which are never processed. */
const REPLAYABLE = [{ reason: null }, { reason: { not: 'livemode_mismatch' } }]

/** Makes all dead events due again. The contract is in `functions/webhooks.ts`. */
export async function retryDeadEvents(ctx: BillingContext): Promise<number> {
  const { count } = await ctx.db.webhookEvent.updateMany({
    where: { status: 'dead', payload: { not: null } },
    data: { ...due(), status: 'pending' },
  })
  if (count > 0) ctx.signalWorker()
  return count
}

/** Events emptied by one statement. */
const EMPTY_AT_ONCE = 5_000

/**
 * Empties the payloads of events that are not pending and are older than `keepPayloadDays` or belong to a forgotten
 * owner.
 * The contract is in `functions/webhooks.ts`.
 */
export async function emptyPayloads(ctx: BillingContext): Promise<number> {
  const aged = Prisma.sql`"receivedAt" < now() - ${ctx.events.keepPayloadDays} * interval '1 day'`
  const forgotten = Prisma.sql`"subject" IN (
    SELECT unnest("formerStripeIds" || "stripeCustomerId") FROM "Customer"
    WHERE "forgottenAt" IS NOT NULL
    UNION SELECT o."providerCustomerId" FROM "Order" o
    JOIN "Customer" c ON c."id" = o."customerId" WHERE c."forgottenAt" IS NOT NULL)`
  // Two statements, because each condition has an index of its own.
  return (await emptyThose(ctx, aged)) + (await emptyThose(ctx, forgotten))
}

async function emptyThose(ctx: BillingContext, condition: Prisma.Sql): Promise<number> {
  let emptied = 0
  for (let count = EMPTY_AT_ONCE; count === EMPTY_AT_ONCE; emptied += count) {
    count = await ctx.db.$executeRaw`
      UPDATE "WebhookEvent" SET "payload" = NULL
      WHERE ("provider", "eventId") IN (
        SELECT "provider", "eventId" FROM "WebhookEvent"
        WHERE ${condition} AND "status" <> 'pending' AND "payload" IS NOT NULL
        LIMIT ${EMPTY_AT_ONCE})`
  }
  return emptied
}
