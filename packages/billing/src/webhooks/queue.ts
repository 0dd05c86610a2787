/**
 * The queue of stored events. A claim takes one customer's pending events for the length of a lease. If the
 * holder dies, another process claims the events after the lease. If the holder was only slow, its lease is
 * no longer valid, so it finishes nothing. All times are the database's.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { type Db, Prisma, queryNamed } from '@repo/db'
import { isConnectionLost } from '../connection-lost.ts'
import type { BillingContext } from '../context.ts'
import type { Claim, ClaimedEvent } from './row.ts'

/** How an event ended. */
export interface Outcome {
  status: 'processed' | 'ignored' | 'needs_attention'
  /** A code; null when all is well. */
  reason: string | null
}

/** The most events of one claim. */
const CLAIM_LIMIT = 500

/** An event by its key. */
export interface EventKey {
  provider: string
  eventId: string
}

/**
 * Claims the event that has been due the longest, together with all pending events of the same customer. An
 * event whose next try is not due is included without using that try, so arrivals of other events cost it
 * none. A customer is claimed by the event that is due first, so that two lanes that look at the same moment do not
 * divide the customer's events.
 *
 * `without`: events that the database refuses to update; see `claimAround`.
 */
export async function claimEvents(
  ctx: BillingContext,
  without: readonly EventKey[] = [],
): Promise<Claim | null> {
  return take(
    ctx,
    Prisma.sql`
    SELECT e."provider", e."eventId", e."subject" FROM "WebhookEvent" e
    WHERE e."status" = 'pending' AND e."nextAttemptAt" <= now() ${excluding('e.', without)}
      AND NOT EXISTS (
        SELECT FROM "WebhookEvent" b
        WHERE b."status" = 'pending' AND b."provider" = e."provider" AND b."subject" = e."subject"
          AND (b."nextAttemptAt", b."eventId") < (e."nextAttemptAt", e."eventId")
          AND b."nextAttemptAt" <= now() ${excluding('b.', without)}
        -- Keeps the look one index scan for each event, however many events wait.
        OFFSET 0)
    ORDER BY e."nextAttemptAt", e."eventId" LIMIT 1 FOR UPDATE SKIP LOCKED`,
    without,
  )
}

type Row = ClaimedEvent & { provider: string; subject: string | null; dueAt: Date; ticket: bigint }

/** An event that used a try. */
type Tried = Pick<ClaimedEvent, 'eventId' | 'type' | 'attempts'>

async function take(
  ctx: BillingContext,
  first: Prisma.Sql,
  without: readonly EventKey[],
): Promise<Claim | null> {
  const lease = randomUUID()
  const claim = Prisma.sql`
    WITH "first" AS (${first}), "same" AS (
      SELECT e."provider", e."eventId" FROM "WebhookEvent" e, "first" f
      WHERE e."status" = 'pending' AND e."provider" = f."provider" AND e."subject" = f."subject"
        AND e."eventId" <> f."eventId" AND (e."lease" IS NULL OR e."nextAttemptAt" <= now())
        ${excluding('e.', without)}
      LIMIT ${CLAIM_LIMIT} FOR UPDATE OF e SKIP LOCKED
    ), "claimed" AS (
      SELECT b."provider", b."eventId", b."nextAttemptAt" AS "dueAt", b."nextAttemptAt" <= now() AS "isDue"
      FROM "WebhookEvent" b
      JOIN (SELECT "provider", "eventId" FROM "first" UNION ALL SELECT * FROM "same") k
        ON k."provider" = b."provider" AND k."eventId" = b."eventId"
    ), "drawn" AS MATERIALIZED (SELECT nextval('sync_ticket') AS "ticket")
    UPDATE "WebhookEvent" e SET "lease" = ${lease},
      "attempts" = e."attempts" + CASE WHEN c."isDue" THEN 1 ELSE 0 END,
      "nextAttemptAt" = now() + ${ctx.events.leaseMs} * interval '1 millisecond'
    FROM "claimed" c, "drawn" d
    WHERE e."provider" = c."provider" AND e."eventId" = c."eventId"
    RETURNING e."provider", e."eventId", e."type", e."subject", e."attempts", e."payload", c."dueAt", c."isDue",
      d."ticket",
      extract(epoch FROM clock_timestamp() - e."receivedAt")::float8 AS "ageSeconds"`
  // Without exclusions the statement's text is always the same, so it can have a name.
  const rows =
    without.length === 0
      ? await queryNamed<Row>(ctx.db, 'claim_events', claim)
      : await ctx.db.$queryRaw<Row[]>(claim)
  const [one] = rows
  if (!one) return null
  const events = rows.map(({ provider, subject, dueAt, ticket, ...event }) => event)
  const waits = rows.filter(({ isDue }) => !isDue)
  return {
    lease,
    provider: one.provider,
    subject: one.subject,
    ticket: one.ticket,
    events,
    dueAt: new Map(waits.map(({ eventId, dueAt }) => [eventId, dueAt])),
  }
}

const excluding = (prefix: string, without: readonly EventKey[]): Prisma.Sql =>
  without.length === 0
    ? Prisma.empty
    : Prisma.sql`AND (${Prisma.raw(`${prefix}"provider", ${prefix}"eventId"`)}) NOT IN (
        ${Prisma.join(without.map(({ provider, eventId }) => Prisma.sql`(${provider}, ${eventId})`))})`

/** How many due events `claimAround` looks at, beside those of the same customers. */
const AROUND = 50

/** What `claimAround` found. */
export interface Refusals {
  /** The events that the database refuses to update. */
  refused: { key: EventKey; error: unknown }[]
  /** Whether events were left out because another pass held them. One of them may be refused, too. */
  hasHeld: boolean
}

/**
 * Finds the events that made the database refuse a claim. Tries to update each of the first due events alone,
 * and returns the events that are refused. No row is changed.
 */
export async function claimAround(
  ctx: BillingContext,
  without: readonly EventKey[],
): Promise<Refusals> {
  const due = await ctx.db.$queryRaw<(EventKey & { subject: string | null })[]>`
    WITH "first" AS (
      SELECT "provider", "eventId", "subject" FROM "WebhookEvent"
      WHERE "status" = 'pending' AND "nextAttemptAt" <= now() ${excluding('', without)}
      ORDER BY "nextAttemptAt" LIMIT ${AROUND})
    SELECT "provider", "eventId", "subject" FROM "first"
    UNION
    SELECT e."provider", e."eventId", e."subject" FROM "WebhookEvent" e, "first" f
    WHERE e."status" = 'pending' AND e."provider" = f."provider" AND e."subject" = f."subject"
      AND e."lease" IS NULL ${excluding('e.', without)}
    LIMIT ${CLAIM_LIMIT}`
  const refused: Refusals['refused'] = []
  let hasHeld = false
  for (const { provider, eventId } of due) {
    try {
      // Updates and locks the row as a claim does, without a change.
      const tried = await ctx.db.$executeRaw`
        UPDATE "WebhookEvent" SET "lease" = "lease"
        WHERE ("provider", "eventId") = (
          SELECT "provider", "eventId" FROM "WebhookEvent"
          WHERE "provider" = ${provider} AND "eventId" = ${eventId} AND "status" = 'pending'
          FOR UPDATE SKIP LOCKED)`
      hasHeld ||= tried === 0
    } catch (error) {
      if (isConnectionLost(error)) throw error
      refused.push({ key: { provider, eventId }, error })
    }
  }
  return { refused, hasHeld }
}

/**
 * Finishes the claimed events with the given status and reason. With `mentioning`, only the events whose
 * payload contains that id.
 */
export async function finishEvents(
  tx: Db,
  claim: Claim,
  { status, reason }: Outcome,
  mentioning: string | null = null,
): Promise<void> {
  await queryNamed(
    tx,
    'finish_events',
    Prisma.sql`
      UPDATE "WebhookEvent"
      SET "status" = ${status}, "reason" = ${reason}, "lease" = NULL, "processedAt" = clock_timestamp()
      WHERE "provider" = ${claim.provider} AND "eventId" = ANY(${idsOf(claim)})
        AND "lease" = ${claim.lease} AND "status" = 'pending'
        AND (${mentioning}::text IS NULL OR position('"' || ${mentioning}::text || '"' IN "payload") > 0)`,
  )
}

/** Writes the customer's id into claimed events that do not name their customer. */
export const noteSubject = (
  tx: Pick<Db, '$executeRaw'>,
  claim: Claim,
  subject: string,
): Promise<number> =>
  tx.$executeRaw`
    UPDATE "WebhookEvent" SET "subject" = ${subject}
    WHERE "provider" = ${claim.provider} AND "eventId" = ANY(${idsOf(claim)})`

/** Removes the payloads of the claimed events, because they name a forgotten owner. */
export const emptyEvents = (tx: Pick<Db, '$executeRaw'>, claim: Claim): Promise<number> =>
  tx.$executeRaw`
    UPDATE "WebhookEvent" SET "payload" = NULL
    WHERE "provider" = ${claim.provider} AND "eventId" = ANY(${idsOf(claim)})`

/**
 * Postpones the claimed events to their next try; an event without tries left becomes dead. Events whose try
 * was not due keep their time. Returns the events that used a try.
 */
export async function postponeEvents(
  ctx: BillingContext,
  claim: Claim,
  reason: string,
): Promise<Tried[]> {
  await letGo(ctx, claim)
  const delays = [...ctx.events.retryDelaysMs]
  const due = claim.events.flatMap(({ eventId, isDue }) => (isDue ? eventId : []))
  // Delays vary by a tenth, so that events that failed together are not retried together.
  const put = (ids: string[]) => ctx.db.$queryRaw<Tried[]>`
    UPDATE "WebhookEvent"
    SET "lease" = NULL, "reason" = ${reason},
      "status" = CASE WHEN "attempts" > ${delays.length} THEN 'dead' ELSE 'pending' END,
      "nextAttemptAt" = clock_timestamp() + interval '1 millisecond'
        * coalesce((${delays}::int[])["attempts"], 0) * (0.9 + random() * 0.2)
    WHERE "provider" = ${claim.provider} AND "eventId" = ANY(${ids})
      AND "lease" = ${claim.lease} AND "status" = 'pending'
    RETURNING "eventId", "type", "attempts"`
  return eachAlone(ctx, claim, due, put)
}

/** Releases the claimed events whose own try is later. */
export async function letGo(ctx: BillingContext, { provider, lease, dueAt }: Claim): Promise<void> {
  for (const [eventId, at] of dueAt) {
    await ctx.db.$executeRaw`
      UPDATE "WebhookEvent" SET "lease" = NULL, "nextAttemptAt" = ${at}
      WHERE "provider" = ${provider} AND "eventId" = ${eventId} AND "lease" = ${lease}
        AND "status" = 'pending'`.catch((error: unknown) => leave(ctx, provider, eventId, error))
  }
}

/** Calls `put` for all events at once, or for each event alone if the database refuses one of them. */
async function eachAlone<T>(
  ctx: BillingContext,
  { provider }: Claim,
  ids: string[],
  put: (ids: string[]) => Promise<T[]>,
): Promise<T[]> {
  try {
    return ids.length === 0 ? [] : await put(ids)
  } catch (error) {
    if (isConnectionLost(error)) throw error
    if (ids.length === 1) {
      leave(ctx, provider, ids[0] as string, error)
      return []
    }
    const rows: T[] = []
    for (const id of ids) rows.push(...(await eachAlone(ctx, { provider } as Claim, [id], put)))
    return rows
  }
}

/** Logs an event that cannot be updated. It keeps its lease and is claimed again when the lease ends. */
function leave(
  { logger }: BillingContext,
  provider: string,
  eventId: string,
  error: unknown,
): void {
  if (isConnectionLost(error)) throw error
  logger.error({ provider, eventId, error }, 'could not update an event')
}

/** The bodies of the claimed events, without emptied ones. They name people, so they must not be logged. */
export const bodiesOf = ({ events }: Claim): unknown[] =>
  events.flatMap(({ payload }) => (payload === null ? [] : [JSON.parse(payload) as unknown]))

const idsOf = ({ events }: Claim): string[] => events.map(({ eventId }) => eventId)
