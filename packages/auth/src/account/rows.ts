/**
 * Shared steps of the account's functions: the lock on the user's row, and the end of all sessions and flows.
 *
 * @module
 */

import type { Db } from '@repo/db'
import { audit } from '../audit/audit.ts'
import { storedPrefix } from '../database/verification.ts'
import { endAccess } from './end-access.ts'

/** A locked user's row. */
export interface LockedUser {
  id: string
  name: string
  email: string
  emailVerified: boolean
  locale: string | null
}

/** Locks the user's row until the transaction ends and returns it; null if the user no longer exists. */
export async function lockUser(tx: Db, userId: string): Promise<LockedUser | null> {
  const [user] = await tx.$queryRaw<LockedUser[]>`
    SELECT "id", "name", "email", "emailVerified", "locale" FROM "User" WHERE "id" = ${userId} FOR UPDATE`
  return user ?? null
}

/**
 * Ends every session of the user and every flow under way, and everything from those sessions that still
 * waits: the tokens of OAuth clients on the user's behalf, and invitations.
 */
export async function endSessions(tx: Db, userId: string): Promise<void> {
  await endAccess(tx, userId)
  await tx.session.deleteMany({ where: { userId } })
  await withdrawSent(tx, userId)
  await endStarted(tx, userId)
  await tx.oauthAccessToken.deleteMany({ where: { userId } })
  await tx.oauthRefreshToken.deleteMany({ where: { userId } })
}

/**
 * Cancels the invitations that the user sent and nobody has accepted, because a thief may have sent them to
 * an address of their own. Call it after the sessions have ended, so that none of them sends another.
 */
export async function withdrawSent(
  db: Pick<Db, 'invitation' | 'auditLog'>,
  userId: string,
): Promise<void> {
  const { count } = await db.invitation.updateMany({
    where: { inviterId: userId, status: 'pending', expiresAt: { gt: new Date() } },
    data: { status: 'canceled' },
  })
  if (count === 0) return
  const detail = { reason: 'sessions_ended', count }
  await audit(db, { action: 'invitation_canceled', userId, detail })
}

/** The purposes of flows that began with the user's former password or address. */
const STARTED = ['second-factor-challenge', 'password-reset'] as const

/**
 * Ends sign-ins that wait for their second factor, links for a new password, and unconfirmed changes of
 * address. Whatever began them is no longer trusted.
 */
export async function endStarted(db: Started, userId: string): Promise<void> {
  await db.verificationToken.deleteMany({
    where: {
      value: userId,
      OR: STARTED.map((purpose) => ({ identifier: { startsWith: storedPrefix(purpose) } })),
    },
  })
  await closeChanges(db, userId)
}

/** Closes unconfirmed changes of address, so that they can no longer be confirmed. */
export async function closeChanges(db: Pick<Db, 'emailChange'>, userId: string): Promise<void> {
  await db.emailChange.updateMany({
    where: { userId, confirmedAt: null, closedAt: null },
    data: { closedAt: new Date() },
  })
}
/** The tables that hold such flows. */
type Started = Pick<Db, 'verificationToken' | 'emailChange'>
