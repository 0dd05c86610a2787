/**
 * The event rows as a queue. A claim takes one customer's waiting events for the length of a lease; a
 * holder that dies is followed by another, and one that was only slow finds that the lease is no
 * longer its own and finishes nothing. Times are the database's.
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

/** Several deliveries of a busy customer are many; a claim takes so many at the most. */
const CLAIM_LIMIT = 500

/** An event by its key. */
export interface EventKey {
  provider: string
  eventId: string
}

/**
 * Takes the event that is due the longest, and with it all that wait for the same customer. An event whose next try
 * is not due goes along without using that try up, so the arrivals of other events cost it none.
 *
 * `without`: events that the database would not let this process take; see `claimAround`.
 */
export async function claimEvents(
  ctx: BillingContext,
  without: readonly EventKey[] = [],
): Promise<Claim | null> {
  return take(
    ctx,
    Prisma.sql`
    SELECT "provider", "eventId", "subject" FROM "WebhookEvent"
    WHERE "status" = 'pending' AND "nextAttemptAt" <= now() ${excluding('', without)}
    ORDER BY "nextAttemptAt" LIMIT 1 FOR UPDATE SKIP LOCKED`,
    without,
  )
}

type Row = ClaimedEvent & { provider: string; subject: string | null; dueAt: Date; ticket: bigint }

/** An event whose try was used up. */
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
  // Its text is always the same as long as nothing is left out.
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

const AROUND = 50

/**
 * For a claim that the database refuses because of a row in it: finds the due events that cannot be taken alone, of
 * the first few, and gives their keys. The others are left as they were.
 */
export async function claimAround(
  ctx: BillingContext,
  without: readonly EventKey[],
): Promise<{ key: EventKey; error: unknown }[]> {
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
  const refused: { key: EventKey; error: unknown }[] = []
  for (const { provider, eventId } of due) {
    try {
      // What a claim would do to the row, and nothing else.
      await ctx.db.$executeRaw`
        UPDATE "WebhookEvent" SET "lease" = "lease"
        WHERE ("provider", "eventId") = (
          SELECT "provider", "eventId" FROM "WebhookEvent"
          WHERE "provider" = ${provider} AND "eventId" = ${eventId} AND "status" = 'pending'
          FOR UPDATE SKIP LOCKED)`
    } catch (error) {
      if (isConnectionLost(error)) throw error
      refused.push({ key: { provider, eventId }, error })
    }
  }
  return refused
}

/** Ends the claimed events, or those of them that mention `mentioning`, as `outcome` says. */
export async function finishEvents(
  tx: Pick<Db, '$executeRaw'>,
  claim: Claim,
  { status, reason }: Outcome,
  mentioning: string | null = null,
): Promise<void> {
  await tx.$executeRaw`
    UPDATE "WebhookEvent"
    SET "status" = ${status}, "reason" = ${reason}, "lease" = NULL, "processedAt" = clock_timestamp()
    WHERE "provider" = ${claim.provider} AND "eventId" = ANY(${idsOf(claim)})
      AND "lease" = ${claim.lease} AND "status" = 'pending'
      AND (${mentioning}::text IS NULL OR position('"' || ${mentioning} || '"' IN "payload") > 0)`
}

/** Writes down whom the claimed events are about, where they do not say it themselves. */
export const noteSubject = (
  tx: Pick<Db, '$executeRaw'>,
  claim: Claim,
  subject: string,
): Promise<number> =>
  tx.$executeRaw`
    UPDATE "WebhookEvent" SET "subject" = ${subject}
    WHERE "provider" = ${claim.provider} AND "eventId" = ANY(${idsOf(claim)})`

/** Takes the bodies of the claimed events away: they name somebody who was forgotten. */
export const emptyEvents = (tx: Pick<Db, '$executeRaw'>, claim: Claim): Promise<number> =>
  tx.$executeRaw`
    UPDATE "WebhookEvent" SET "payload" = NULL
    WHERE "provider" = ${claim.provider} AND "eventId" = ANY(${idsOf(claim)})`

/**
 * Puts the claimed events off to their next try; those whose tries are used up are dead. Events whose try was not
 * due wait on as before. Gives those whose try was used.
 */
export async function postponeEvents(
  ctx: BillingContext,
  claim: Claim,
  reason: string,
): Promise<Tried[]> {
  await letGo(ctx, claim)
  const delays = [...ctx.events.retryDelaysMs]
  const due = claim.events.flatMap(({ eventId, isDue }) => (isDue ? eventId : []))
  // A tenth more or less, so that what failed together does not come back together.
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

/** Gives the events back whose own try is later. */
export async function letGo(ctx: BillingContext, { provider, lease, dueAt }: Claim): Promise<void> {
  for (const [eventId, at] of dueAt) {
    await ctx.db.$executeRaw`
      UPDATE "WebhookEvent" SET "lease" = NULL, "nextAttemptAt" = ${at}
      WHERE "provider" = ${provider} AND "eventId" = ${eventId} AND "lease" = ${lease}
        AND "status" = 'pending'`.catch((error: unknown) => leave(ctx, provider, eventId, error))
  }
}

/** `put` for all of the events, or for one after the other where the database refuses one of them. */
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

/** An event that cannot be written keeps its lease, and is met again when that ends. */
function leave(
  { logger }: BillingContext,
  provider: string,
  eventId: string,
  error: unknown,
): void {
  if (isConnectionLost(error)) throw error
  logger.error({ provider, eventId, error }, 'an event cannot be written')
}

/** The raw bodies of the claimed events. */
export const payloadsOf = ({ events }: Claim): string[] =>
  events.flatMap(({ payload }) => payload ?? [])

const idsOf = ({ events }: Claim): string[] => events.map(({ eventId }) => eventId)
