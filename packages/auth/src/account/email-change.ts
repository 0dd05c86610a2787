/**
 * Another e-mail address for an account. The owner of the new address confirms it, in a browser that is signed in
 * to the account; the owner of the old address is told twice, and for some days can take the change back, whatever
 * happened since. Nobody learns which addresses have accounts: the answer is the same for every address, and what
 * is mailed to it is decided when the mail is sent.
 *
 * @module
 */

import { atomically, type Database, type Db } from '@repo/db'
import { audit } from '../audit.ts'
import { invalidToken } from '../confirmation.ts'
import type { Keys } from '../keys.ts'
import type { Mails } from '../mail-requests.ts'
import { distrustPrograms } from '../oauth-makers.ts'
import { endAccess, requireAccess } from './access-end.ts'
import { emailTaken, emailUnchanged, notAuthenticated, otherAccount } from './refusals.ts'
import { closeChanges, endSessions, endStarted, lockUser } from './rows.ts'
import { redeem } from './tokens.ts'

/** The link that confirms a new address is good for so long. */
export const CONFIRM_MINUTES = 60

/** The owner of the old address can take a change back for so many days. */
export const UNDO_DAYS = 7

const DAY_MS = 24 * 60 * 60 * 1000

export interface EmailChangeParts {
  db: Database
  keys: Keys
  mails: Pick<Mails, 'request'>
}

/**
 * Notes the change and queues its two mails. A change that waits already can no longer be confirmed.
 *
 * @throws `email_unchanged` (400)
 */
export async function requestEmailChange(
  { db, mails }: EmailChangeParts,
  userId: string,
  newEmail: string,
): Promise<void> {
  await atomically(db, async (tx) => {
    const user = await lockUser(tx, userId)
    if (!user) throw notAuthenticated()
    await requireAccess(tx, userId)
    const oldEmail = user.email
    if (oldEmail === newEmail) throw emailUnchanged()
    await closeChanges(tx, userId)
    const { id } = await tx.emailChange.create({ data: { userId, oldEmail, newEmail } })
    const changeId = String(id)
    await mails.request({ mail: 'account', account: { kind: 'new_address', changeId } }, tx)
    const notice = { kind: 'address_change', stage: 'requested', changeId } as const
    await mails.request({ mail: 'account', account: notice }, tx)
  })
}

/**
 * Gives the account its new address. Invitations that wait for the old address stay there: each was sent to an
 * address, and taking the change back must find them where they were.
 *
 * @throws `invalid_token` (400); `other_account` (403) and `email_taken` (409), which leave the link good
 */
export async function confirmEmailChange(
  { db, keys, mails }: EmailChangeParts,
  userId: string,
  token: string,
): Promise<void> {
  await atomically(db, async (tx) => {
    const changeId = await redeem(tx, keys, 'change-email', token)
    const id = BigInt(changeId)
    const change = await tx.emailChange.findUnique({ where: { id } })
    if (!change) throw invalidToken()
    if (change.userId !== userId) throw otherAccount()
    const user = await lockUser(tx, userId)
    await requireAccess(tx, userId)
    // Asked under the lock: another change may have been asked for meanwhile, or this one taken back.
    const { count } = await tx.emailChange.updateMany({
      where: { id, confirmedAt: null, closedAt: null, oldEmail: user?.email ?? '' },
      data: { confirmedAt: new Date() },
    })
    if (count === 0) throw invalidToken()
    await giveAddress(tx, userId, change.newEmail)
    const notice = { kind: 'address_change', stage: 'done', changeId } as const
    await mails.request({ mail: 'account', account: notice }, tx)
  })
}

/**
 * Takes a change back, with every later one: the account has its old address, no session, no password and none of
 * the ways in that came since or the day before, and a link to choose a new password goes to the old address. A change that nobody
 * has confirmed is stopped, with the same end of sessions and ways in. Returns whose account it is.
 *
 * @throws `invalid_token` (400); `email_taken` (409), which leaves the link good
 */
export async function undoEmailChange(
  { db, keys, mails }: EmailChangeParts,
  token: string,
): Promise<string> {
  return atomically(db, async (tx) => {
    const id = BigInt(await redeem(tx, keys, 'undo-email-change', token))
    const asked = await tx.emailChange.findUnique({ where: { id } })
    const user = asked && (await lockUser(tx, asked.userId))
    // Read again: another link may have taken it back while the row was waited for.
    const change = user && (await tx.emailChange.findUnique({ where: { id } }))
    if (!change) throw invalidToken()
    const { userId, oldEmail, createdAt } = change
    await tx.emailChange.deleteMany({ where: { userId, id: { gte: id } } })
    if (user.email !== oldEmail) {
      await moveAside(tx, oldEmail, change.confirmedAt)
      await giveAddress(tx, userId, oldEmail)
      const { name, email: to } = user
      const notice = { kind: 'address_change', stage: 'undone', to, name } as const
      await mails.request({ mail: 'account', account: notice }, tx)
    }
    await distrust(tx, userId, new Date(createdAt.getTime() - DAY_MS))
    await mails.request({ mail: 'reset', to: oldEmail }, tx)
    return userId
  })
}

/** The unique index of the addresses decides between two who come at the same time. @throws `email_taken` (409) */
async function giveAddress(tx: Db, userId: string, to: string): Promise<void> {
  // An address belongs to who proves it first; a sign-up that nobody confirmed has never been anybody's account.
  await tx.$executeRaw`
    DELETE FROM "User" u WHERE u."email" = ${to} AND NOT u."emailVerified"
      AND NOT EXISTS (SELECT 1 FROM "Member" m WHERE m."userId" = u."id")
      AND NOT EXISTS (SELECT 1 FROM "Passkey" p WHERE p."userId" = u."id")
      AND NOT EXISTS (SELECT 1 FROM "Session" s WHERE s."userId" = u."id")`
  await tx.user
    .update({ where: { id: userId }, data: { email: to, emailVerified: true } })
    .catch((error: { code?: unknown }) => {
      throw error.code === 'P2002' ? emailTaken() : error
    })
  // Whoever holds a link that was mailed to the former address may be using it just now.
  await endAccess(tx, userId)
  await endStarted(tx, userId)
}

/**
 * A mailed link to the old address makes an account there, which is what its owner tries first. Whoever holds the
 * link that takes the change back holds that mailbox, so the account gives way; one that has come to more than an
 * address since then stays, and the change is not taken back.
 */
async function moveAside(tx: Db, email: string, since: Date | null): Promise<void> {
  if (!since) return
  const [moved] = await tx.$queryRaw<{ id: string }[]>`
    UPDATE "User" u SET "email" = u."id" || ${ASIDE}, "emailVerified" = false
    WHERE u."email" = ${email} AND u."createdAt" >= ${since}
      AND NOT EXISTS (SELECT 1 FROM "Member" m WHERE m."userId" = u."id")
      AND NOT EXISTS (SELECT 1 FROM "Passkey" p WHERE p."userId" = u."id")
      AND NOT EXISTS (SELECT 1 FROM "Account" a WHERE a."userId" = u."id")
    RETURNING u."id"`
  if (!moved) return
  await endSessions(tx, moved.id)
  await audit(tx, { action: 'address_given_up', userId: moved.id })
}

/** No mail goes there (RFC 2606); the job that forgets unconfirmed sign-ups deletes such a user. */
const ASIDE = '@moved-aside.tollgate.invalid'

/** Takes away what somebody else may have brought to the account since `since`. The password they may know. */
async function distrust(tx: Db, userId: string, since: Date): Promise<void> {
  await endSessions(tx, userId)
  await tx.passkey.deleteMany({ where: { userId, createdAt: { gte: since } } })
  await tx.account.deleteMany({
    where: { userId, OR: [{ providerId: 'credential' }, { createdAt: { gte: since } }] },
  })
  await tx.oauthConsent.deleteMany({ where: { userId, updatedAt: { gte: since } } })
  await distrustPrograms(tx, userId, since)
  await tx.userDeletion.deleteMany({ where: { userId, requestedAt: { gte: since } } })
  // The secret may be older, and codes beside it newer.
  await tx.twoFactor.updateMany({
    where: { userId, backupCodesSetAt: { gte: since } },
    data: { backupCodes: '[]' },
  })
  await tx.twoFactor.deleteMany({
    where: { userId, OR: [{ secretSetAt: { gte: since } }, { verified: false }] },
  })
  await tx.user.updateMany({
    where: { id: userId, twoFactor: { is: null } },
    data: { twoFactorEnabled: false },
  })
}

/** Forgets changes that nobody can take back any more. Returns how many. */
export async function forgetEmailChanges(
  db: Database,
  undoDays: number,
  now = new Date(),
): Promise<number> {
  // A mail that had to wait carries a link that is good for as long as every other.
  const before = new Date(now.getTime() - (undoDays + 1) * DAY_MS)
  const { count } = await db.emailChange.deleteMany({
    // It was made before it was confirmed, and the index is of that.
    where: {
      createdAt: { lt: before },
      OR: [{ confirmedAt: null }, { confirmedAt: { lt: before } }],
    },
  })
  return count
}
