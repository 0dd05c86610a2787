/**
 * Deletes users who signed up and never confirmed their address. A user with a verified address, a provider's
 * account, a passkey or a membership is kept.
 *
 * @module
 */

import { atomically, type Database, Prisma } from '@repo/db'
import { audit } from '../audit/audit.ts'

const DAY_MS = 24 * 60 * 60 * 1000
/** How many users are deleted at a time. */
const BATCH = 500

/** The condition for the user `u`. */
const NEVER_CAME = Prisma.sql`NOT u."emailVerified"
  AND NOT EXISTS (SELECT 1 FROM "Account" a WHERE a."userId" = u."id" AND a."providerId" <> 'credential')
  AND NOT EXISTS (SELECT 1 FROM "Passkey" p WHERE p."userId" = u."id")
  AND NOT EXISTS (SELECT 1 FROM "Member" m WHERE m."userId" = u."id")`

/**
 * Deletes such users who signed up more than `keepDays` days ago, and returns their number. Less than one day
 * counts as one.
 */
export async function purgeUnconfirmed(
  db: Database,
  keepDays: number,
  now = new Date(),
): Promise<number> {
  const before = new Date(now.getTime() - Math.max(keepDays, 1) * DAY_MS)
  let purged = 0
  for (let found = BATCH; found === BATCH; ) {
    await atomically(db, async (tx) => {
      const users = await tx.$queryRaw<{ id: string }[]>`
        SELECT u."id" FROM "User" u WHERE u."createdAt" < ${before} AND ${NEVER_CAME}
        ORDER BY u."createdAt" LIMIT ${BATCH} FOR UPDATE SKIP LOCKED`
      found = users.length
      if (found === 0) return
      // The condition is checked again under the lock, because a user may have confirmed meanwhile.
      const ids = users.map(({ id }) => id)
      const count = await tx.$executeRaw`
        DELETE FROM "User" u WHERE u."id" = ANY(${ids}) AND ${NEVER_CAME}`
      if (count > 0) await audit(tx, { action: 'users_purged', detail: { count } })
      purged += count
    })
  }
  return purged
}
