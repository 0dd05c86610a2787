/**
 * Limits how much one user can have. Rows are counted under a lock on the user's row, so that parallel
 * requests cannot pass a limit together. A session above the limit ends the least recently used one; any
 * other row above its limit is refused.
 *
 * @module
 */

import type { Db } from '@repo/db'
import { APIError } from 'better-auth/api'
import type { Bounds } from './bounds.ts'

/** The rows that `requireRoom` counts. */
type Counted = 'organizations' | 'passkeys' | 'accounts'

/** Counts a user's rows of each kind. */
const COUNT: Record<Counted, (tx: Db, userId: string) => Promise<number>> = {
  organizations: (tx, userId) => tx.member.count({ where: { userId, role: 'OWNER' } }),
  passkeys: (tx, userId) => tx.passkey.count({ where: { userId } }),
  accounts: (tx, userId) => tx.account.count({ where: { userId } }),
}

/**
 * Throws if the user has reached the bound. Leaves the user's row locked until the transaction ends, so that
 * the next transaction counts the row that this one adds. `isLocked`: the transaction already holds that
 * lock.
 *
 * @throws `too_many_organizations`, `too_many_passkeys`, `too_many_accounts` (403)
 */
export async function requireRoom(
  tx: Db,
  bounds: Bounds,
  kind: Counted,
  userId: string,
  { isLocked = false } = {},
): Promise<void> {
  if (!isLocked) await tx.$queryRaw`SELECT 1 FROM "User" WHERE "id" = ${userId} FOR NO KEY UPDATE`
  if ((await COUNT[kind](tx, userId)) < bounds[kind]) return
  throw new APIError('FORBIDDEN', {
    code: `TOO_MANY_${kind.toUpperCase()}`,
    message: `A user may have ${bounds[kind]} ${kind} at the most. Remove one first.`,
  })
}

/**
 * Ends the sessions above the bound, the least recently used first. The caller has already added the new
 * session. Sessions that wait for a second factor are counted separately, so that a password or a mailed link
 * alone cannot end a session in which both factors were shown.
 */
export async function endOldSessions(
  db: Pick<Db, '$executeRaw'>,
  { sessions }: Bounds,
  userId: string,
): Promise<void> {
  await db.$executeRaw`
    DELETE FROM "Session" WHERE "id" IN (
      SELECT "id" FROM (
        SELECT s."id", row_number() OVER (
          PARTITION BY u."twoFactorEnabled" AND s."aal" < 2
          ORDER BY s."updatedAt" DESC, s."createdAt" DESC, s."id") AS "place"
        FROM "Session" s JOIN "User" u ON u."id" = s."userId"
        WHERE s."userId" = ${userId}) counted
      WHERE "place" > ${sessions})`
}
