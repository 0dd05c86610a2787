/**
 * Changes the e-mail address of an account. The owner of the new address confirms it in a browser that is
 * signed in to the account. The owner of the old address gets two mails, and can undo the change for some
 * days, whatever happened since. The answer is the same for every address, and the mail is decided when it is
 * sent, so nobody learns which addresses have accounts.
 *
 * @module
 */

import { atomically, type Database, type Db } from '@repo/db'
import { audit } from '../audit/audit.ts'
import type { Keys } from '../database/keys.ts'
import type { Mails } from '../mail/mail-requests.ts'
import { distrustPrograms } from '../programs/oauth-makers.ts' // #oauth-server
import { invalidToken } from '../sign-in/confirmation.ts'
import { requireAccess } from './access-end.ts'
import { endAccess } from './end-access.ts'
import { emailTaken, emailUnchanged, notAuthenticated, otherAccount } from './refusals.ts'
import { closeChanges, endSessions, endStarted, lockUser } from './rows.ts'
import { redeem } from './tokens.ts'

/** How long the link that confirms a new address lasts, in minutes. */
export const CONFIRM_MINUTES = 60

const DAY_MS = 24 * 60 * 60 * 1000

/** The dependencies of a change of address. */
export interface EmailChangeParts {
  db: Database
  keys: Keys
  mails: Pick<Mails, 'request'>
}

/**
 * Stores the change and queues its two mails. An earlier change that is not confirmed can no longer be
 * confirmed.
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
 * Gives the account its new address. Invitations for the old address stay with that address, because they
 * were sent to it and an undo must find them there.
 *
 * @throws `invalid_token` (400); `other_account` (403) and `email_taken` (409), after which the link is still
 * valid
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
    // Checked under the lock, because another change may have been requested, or this one undone, meanwhile.
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
 * Undoes a change and every later one. The account gets its old address back. It loses all sessions, its
 * password, and everything of `distrust` that was added since the day before the change was requested. A link
 * for choosing a new password goes to the old address. An unconfirmed change is stopped, with the same losses.
 * Returns the id of the account's user.
 *
 * @throws `invalid_token` (400); `email_taken` (409), after which the link is still valid
 */
export async function undoEmailChange(
  { db, keys, mails }: EmailChangeParts,
  token: string,
): Promise<string> {
  return atomically(db, async (tx) => {
    const id = BigInt(await redeem(tx, keys, 'undo-email-change', token))
    const asked = await tx.emailChange.findUnique({ where: { id } })
    const user = asked && (await lockUser(tx, asked.userId))
    // Read again, because another link may have undone it while this transaction waited for the lock.
    const change = user && (await tx.emailChange.findUnique({ where: { id } }))
    if (!change) throw invalidToken()
    const { userId, oldEmail, createdAt } = change
    await tx.emailChange.deleteMany({ where: { userId, id: { gte: id } } })
    if (user.email !== oldEmail) {
      await moveAside(tx, oldEmail, change.confirmedAt)
      await giveAddress(tx, userId, oldEmail)
      const { name, email: to, locale } = user
      const about = { to, name, ...(locale ? { locale } : {}) }
      const notice = { kind: 'address_change', stage: 'undone', ...about } as const
      await mails.request({ mail: 'account', account: notice }, tx)
    }
    await distrust(tx, userId, new Date(createdAt.getTime() - DAY_MS))
    await mails.request({ mail: 'reset', to: oldEmail }, tx)
    return userId
  })
}

/**
 * Sets the address. Of two parallel changes the unique index lets one succeed. @throws `email_taken` (409)
 */
async function giveAddress(tx: Db, userId: string, to: string): Promise<void> {
  // The first person who proves an address owns it, so an unconfirmed sign-up with it is deleted.
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
  // Somebody may just now be using a link that was mailed to the former address.
  await endAccess(tx, userId)
  await endStarted(tx, userId)
}

/**
 * Moves an account at the old address out of the way. Its owner may have used a mailed link to sign in there,
 * which makes a new account. The same person holds the undo link, so that account gives way. An account with
 * a membership, a passkey or another account is kept, and then the change is not undone.
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

/**
 * The domain for such accounts. No mail goes there (RFC 2606), and the job `auth.purgeUnconfirmed` deletes
 * such users.
 */
const ASIDE = '@moved-aside.tollgate.invalid'

/**
 * Removes everything that a thief may have added since `since`, and the password, which the thief may know.
 */
async function distrust(tx: Db, userId: string, since: Date): Promise<void> {
  await endSessions(tx, userId)
  await tx.passkey.deleteMany({ where: { userId, createdAt: { gte: since } } })
  await tx.account.deleteMany({
    where: { userId, OR: [{ providerId: 'credential' }, { createdAt: { gte: since } }] },
  })
  await tx.oauthConsent.deleteMany({ where: { userId, updatedAt: { gte: since } } }) // #oauth-server
  await distrustPrograms(tx, userId, since) // #oauth-server
  await tx.userDeletion.deleteMany({ where: { userId, requestedAt: { gte: since } } })
  // The backup codes may be newer than the secret.
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

/** Deletes changes that can no longer be undone, and returns their number. */
export async function forgetEmailChanges(
  db: Database,
  undoDays: number,
  now = new Date(),
): Promise<number> {
  // One day more, because the link of a delayed mail is valid for as long as any other.
  const before = new Date(now.getTime() - (undoDays + 1) * DAY_MS)
  const { count } = await db.emailChange.deleteMany({
    // A change is made before it is confirmed, and the index is on `createdAt`.
    where: {
      createdAt: { lt: before },
      OR: [{ confirmedAt: null }, { confirmedAt: { lt: before } }],
    },
  })
  return count
}
