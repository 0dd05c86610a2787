/**
 * The stored events as people see them: listed, shown, processed once more, and in the end emptied.
 *
 * @module
 */

import { Prisma, type WebhookEvent } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'

export type EventStatus = 'pending' | 'processed' | 'ignored' | 'needs_attention' | 'dead'

export type StoredEvent = Omit<WebhookEvent, 'payload' | 'lease'>

export interface ListEventsOptions {
  /** Default: those that wait for something: dead, needs_attention, pending. */
  status?: readonly EventStatus[]
  /** Default 100. */
  limit?: number
  /** The id of the last event of the page before. Default: the first page. */
  after?: string
}

/** What a person has to look at comes first. */
const URGENCY: readonly EventStatus[] = [
  'dead',
  'needs_attention',
  'pending',
  'processed',
  'ignored',
]

/**
 * Stored events without their payloads: the dead first, then the flagged, then those that wait, and of each the
 * oldest first. Further pages come with `after`.
 *
 * @throws `event_not_found` where there is no event `after`.
 */
export async function listEvents(
  ctx: BillingContext,
  options: ListEventsOptions = {},
): Promise<StoredEvent[]> {
  const { status = ['pending', 'needs_attention', 'dead'], limit = 100, after } = options
  const last = after === undefined ? null : await showEvent(ctx, after)
  const wanted = URGENCY.filter((each) => status.includes(each))
  // An event that has changed its status since the page before goes on from where it was received.
  const from = last ? Math.max(0, wanted.indexOf(last.status as EventStatus)) : 0
  const found: StoredEvent[] = []
  for (const each of wanted.slice(from)) {
    if (found.length >= limit) break
    // One by one, because the index of each has its own condition.
    const isSame = last !== null && last.status === each
    const page = await ctx.db.webhookEvent.findMany({
      where: {
        status: each,
        ...(isSame
          ? {
              OR: [
                { receivedAt: { gt: last.receivedAt } },
                { receivedAt: last.receivedAt, eventId: { gt: last.eventId } },
              ],
            }
          : {}),
      },
      omit: { payload: true, lease: true },
      orderBy: [{ receivedAt: 'asc' }, { eventId: 'asc' }],
      take: limit - found.length,
    })
    found.push(...page)
  }
  return found
}

/** What a person says of flagged events. */
export interface AcknowledgeOptions {
  /** Who says it, by id or name. */
  by: string
}

/**
 * Marks flagged and dead events as seen: they need nothing more, and are not listed among those that wait. They keep
 * their reason. Returns the ids of those that were marked; an event that waits for nothing is left as it is.
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

/** One event with its payload, which names people: not for a log. @throws `event_not_found`. */
export async function showEvent(ctx: BillingContext, eventId: string): Promise<WebhookEvent> {
  const event = await ctx.db.webhookEvent.findFirst({ where: { eventId } })
  if (event) return event
  throw new BillingError('event_not_found', `There is no event ${eventId}.`)
}

/**
 * Makes one event due again, whatever became of it, with all its tries. What it set off before is
 * not set off again. @throws `event_not_found`, also for one that was emptied.
 */
export async function replayEvent(ctx: BillingContext, eventId: string): Promise<void> {
  const { count } = await ctx.db.webhookEvent.updateMany({
    where: { eventId, payload: { not: null }, OR: REPLAYABLE },
    data: { ...due(), status: 'pending' },
  })
  if (count === 0) {
    throw new BillingError('event_not_found', `There is no event ${eventId} to replay.`)
  }
  ctx.wake()
}

const due = () => ({ attempts: 0, nextAttemptAt: new Date(), lease: null, reason: null })

/** An event of the other mode is not ours to apply, however often someone asks. */
const REPLAYABLE = [{ reason: null }, { reason: { not: 'livemode_mismatch' } }]

/** Makes all dead events due again; returns how many. */
export async function retryDeadEvents(ctx: BillingContext): Promise<number> {
  const { count } = await ctx.db.webhookEvent.updateMany({
    where: { status: 'dead', payload: { not: null } },
    data: { ...due(), status: 'pending' },
  })
  if (count > 0) ctx.wake()
  return count
}

const EMPTY_AT_ONCE = 5_000

/**
 * Empties the payloads of events that wait for nothing by themselves and are older than `keepPayloadDays`, or about an
 * owner who was forgotten: of dead and flagged ones, too, which can then be looked at and not be replayed. Ids, types
 * and times stay for ever, so that a duplicate is known as one. Returns how many it emptied.
 */
export async function emptyPayloads(ctx: BillingContext): Promise<number> {
  const aged = Prisma.sql`"receivedAt" < now() - ${ctx.events.keepPayloadDays} * interval '1 day'`
  const forgotten = Prisma.sql`"subject" IN (
    SELECT unnest("formerStripeIds" || "stripeCustomerId") FROM "Customer"
    WHERE "forgottenAt" IS NOT NULL
    UNION SELECT o."providerCustomerId" FROM "Order" o
    JOIN "Customer" c ON c."id" = o."customerId" WHERE c."forgottenAt" IS NOT NULL)`
  // One after the other, because each has an index of its own.
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
