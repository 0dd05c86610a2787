/**
 * Deletes expired rows, so that the tables do not grow with every request. An expired session is kept while
 * an OAuth grant depends on it, so that signing out everywhere still ends that grant.
 *
 * @module
 */

import { type Database, Prisma } from '@repo/db'

/** How many days a used token is remembered. Later it is refused like any unknown text, and ends no grant. */
const USED_DAYS = 7
/** How many rows are deleted at a time. */
const BATCH = 1_000
const DAY_MS = 24 * 60 * 60 * 1000

/** Deletes the rows that expired before `now`, and returns their number. */
export async function purgeExpired(db: Database, now = new Date()): Promise<number> {
  const ended = Prisma.sql`"expiresAt" < ${now}`
  const usedUntil = new Date(now.getTime() - USED_DAYS * DAY_MS)
  const steps: [string, Prisma.Sql][] = [
    ['RateLimit', Prisma.sql`"expire" < ${now.getTime()}`],
    ['VerificationToken', ended],
    ['OauthClientAssertion', ended],
    ['OauthAccessToken', ended],
    // Refresh tokens go before the sessions, because a session is kept for its valid tokens.
    ['OauthRefreshToken', Prisma.sql`${ended} OR "revoked" < ${usedUntil}`],
    [
      'Session',
      Prisma.sql`${ended} AND NOT EXISTS (
        SELECT 1 FROM "OauthRefreshToken" t WHERE t."sessionId" = "Session"."id" AND t."revoked" IS NULL)`,
    ],
  ]
  let purged = 0
  for (const [table, condition] of steps) purged += await purge(db, table, condition)
  // A stored answer, which parallel requests share, holds a token.
  await db.oauthRefreshToken.updateMany({
    where: { rotationReplayExpiresAt: { lt: now }, rotationReplayResponse: { not: null } },
    data: { rotationReplayResponse: null },
  })
  return purged
}

/** Deletes in batches, and skips rows that others have locked. */
async function purge(db: Database, table: string, condition: Prisma.Sql): Promise<number> {
  const name = Prisma.raw(`"${table}"`)
  let purged = 0
  for (let found = BATCH; found === BATCH; purged += found) {
    found = await db.$executeRaw`DELETE FROM ${name} WHERE ctid IN (
      SELECT ctid FROM ${name} WHERE ${condition} LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)`
  }
  return purged
}
