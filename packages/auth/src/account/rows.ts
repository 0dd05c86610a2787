/**
 * What the functions of an account share: the user's row under a lock, and the end of everything that is
 * signed in.
 *
 * @module
 */

import type { Db } from '@repo/db'
import { audit } from '../audit.ts'
import { storedPrefix } from '../verification.ts'
import { endAccess } from './access-end.ts'

export interface LockedUser {
  id: string
  name: string
  email: string
  emailVerified: boolean
}

/** The user's row, locked until the transaction ends; null for a user who is gone. */
export async function lockUser(tx: Db, userId: string): Promise<LockedUser | null> {
  const [user] = await tx.$queryRaw<LockedUser[]>`
    SELECT "id", "name", "email", "emailVerified" FROM "User" WHERE "id" = ${userId} FOR UPDATE`
  return user ?? null
}

/**
 * Ends every session of the user with what is under way, and what was done in them and still waits: the tokens that
 * other programs have on the user's behalf, and invitations.
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
 * Invitations that the user sent and nobody has accepted: whoever had the account may have sent them to themselves.
 * After the sessions have ended, so that none of them sends another.
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

/** What was begun with the user's former password or address, and waits for its second step. */
const STARTED = ['second-factor-challenge', 'password-reset'] as const

/**
 * Ends sign-ins that wait for their second factor, links to choose a new password, and changes of address that
 * nobody has confirmed yet. What may have set them off is not trusted any more.
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

/** Changes of address that nobody has confirmed can be confirmed no more. */
export async function closeChanges(db: Pick<Db, 'emailChange'>, userId: string): Promise<void> {
  await db.emailChange.updateMany({
    where: { userId, confirmedAt: null, closedAt: null },
    data: { closedAt: new Date() },
  })
}
type Started = Pick<Db, 'verificationToken' | 'emailChange'>
