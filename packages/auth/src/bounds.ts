/**
 * How much one user can have. Counted under a lock on the user's row, so that requests at the same time do not
 * pass a bound together. A further session ends the one that was used least recently; anything else is refused.
 *
 * @module
 */

import type { Db } from '@repo/db'
import { APIError } from 'better-auth/api'
import { AuthError } from './errors.ts'

/** What an option of `createAuth` may say; each from 1 to 10,000. */
export interface Bounds {
  /** Organizations that a user owns. Default 50. */
  organizations: number
  /** Invitations of an organization that wait for an answer. Default 100. */
  invitations: number
  /** Sessions of a user. One more ends the session that was used least recently. Default 50. */
  sessions: number
  /** Passkeys of a user. Default 20. */
  passkeys: number
  /** Accounts of a user: the password is one, and each provider's. Default 20. */
  accounts: number
}

const DEFAULTS: Bounds = {
  organizations: 50,
  invitations: 100,
  sessions: 50,
  passkeys: 20,
  accounts: 20,
}

/** @throws `invalid_options` for a bound that is not a whole number from 1 to 10,000 */
export function boundsOf(given: Partial<Bounds> = {}): Bounds {
  const bounds = { ...DEFAULTS, ...given }
  for (const [name, value] of Object.entries(bounds)) {
    if (Number.isInteger(value) && value >= 1 && value <= 10_000) continue
    throw new AuthError(
      'invalid_options',
      `bounds.${name} must be a whole number from 1 to 10,000.`,
    )
  }
  return bounds
}

type Counted = 'organizations' | 'passkeys' | 'accounts'

const COUNT: Record<Counted, (tx: Db, userId: string) => Promise<number>> = {
  organizations: (tx, userId) => tx.member.count({ where: { userId, role: 'OWNER' } }),
  passkeys: (tx, userId) => tx.passkey.count({ where: { userId } }),
  accounts: (tx, userId) => tx.account.count({ where: { userId } }),
}

/**
 * Leaves the user's row locked until the transaction ends, so that the next to ask sees what this one added.
 * `isLocked`: the transaction has that lock already.
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
    message: `A user has ${bounds[kind]} ${kind} at the most.`,
  })
}

/**
 * Ends the sessions above the bound, the least recently used first. The caller has added its own before. Sessions
 * that wait for a second factor are counted among themselves: a password or a mailed link alone ends no session of a
 * person who has shown both factors.
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
