/**
 * The event rows as a queue. A claim takes one customer's waiting events for the length of a lease; a
 * holder that dies is followed by another, and one that was only slow finds that the lease is no
 * longer its own and finishes nothing. Times are the database's.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import type { Db } from '@repo/db'
import type { BillingContext } from '../context.ts'

export interface ClaimedEvent {
  eventId: string
  type: string
  /** Tries begun, this one included. */
  attempts: number
}

/** Events of one customer, or one event without, held under a lease. */
export interface Claim {
  lease: string
  provider: string
  subject: string | null
  events: ClaimedEvent[]
}

/** How an event ended. */
export interface Outcome {
  status: 'processed' | 'ignored' | 'needs_attention'
  /** A code; null when all is well. */
  reason: string | null
}

/** Several deliveries of a busy customer are many; a claim takes so many at the most. */
const CLAIM_LIMIT = 500

/** Takes the event that is due the longest, and with it all that wait for the same customer. */
export async function claimEvents(ctx: BillingContext): Promise<Claim | null> {
  const lease = randomUUID()
  const rows = await ctx.db.$queryRaw<
    (ClaimedEvent & { provider: string; subject: string | null })[]
  >`
    WITH "first" AS (
      SELECT "provider", "eventId", "subject" FROM "WebhookEvent"
      WHERE "status" = 'pending' AND "nextAttemptAt" <= now()
      ORDER BY "nextAttemptAt" LIMIT 1 FOR UPDATE SKIP LOCKED
    ), "same" AS (
      SELECT e."provider", e."eventId" FROM "WebhookEvent" e, "first" f
      WHERE e."status" = 'pending' AND e."provider" = f."provider" AND e."subject" = f."subject"
        AND e."eventId" <> f."eventId" AND (e."lease" IS NULL OR e."nextAttemptAt" <= now())
      LIMIT ${CLAIM_LIMIT} FOR UPDATE OF e SKIP LOCKED
    )
    UPDATE "WebhookEvent" e SET "lease" = ${lease}, "attempts" = e."attempts" + 1,
      "nextAttemptAt" = now() + ${ctx.events.leaseMs} * interval '1 millisecond'
    FROM (SELECT "provider", "eventId" FROM "first" UNION ALL SELECT * FROM "same") c
    WHERE e."provider" = c."provider" AND e."eventId" = c."eventId"
    RETURNING e."provider", e."eventId", e."type", e."subject", e."attempts"`
  const [first] = rows
  if (!first) return null
  const events = rows.map(({ eventId, type, attempts }) => ({ eventId, type, attempts }))
  return { lease, provider: first.provider, subject: first.subject, events }
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

/** Puts the claimed events off to their next try; those whose tries are used up are dead. */
export async function postponeEvents(
  ctx: BillingContext,
  claim: Claim,
  reason: string,
): Promise<ClaimedEvent[]> {
  const delays = [...ctx.events.retryDelaysMs]
  // A tenth more or less, so that what failed together does not come back together.
  return ctx.db.$queryRaw<ClaimedEvent[]>`
    UPDATE "WebhookEvent"
    SET "lease" = NULL, "reason" = ${reason},
      "status" = CASE WHEN "attempts" > ${delays.length} THEN 'dead' ELSE 'pending' END,
      "nextAttemptAt" = clock_timestamp() + interval '1 millisecond'
        * coalesce((${delays}::int[])["attempts"], 0) * (0.9 + random() * 0.2)
    WHERE "provider" = ${claim.provider} AND "eventId" = ANY(${idsOf(claim)})
      AND "lease" = ${claim.lease} AND "status" = 'pending'
    RETURNING "eventId", "type", "attempts"`
}

/** The raw bodies of the claimed events. */
export async function payloadsOf(ctx: BillingContext, claim: Claim): Promise<string[]> {
  const rows = await ctx.db.webhookEvent.findMany({
    where: { provider: claim.provider, eventId: { in: idsOf(claim) } },
    select: { payload: true },
  })
  return rows.flatMap(({ payload }) => payload ?? [])
}

const idsOf = ({ events }: Claim): string[] => events.map(({ eventId }) => eventId)
