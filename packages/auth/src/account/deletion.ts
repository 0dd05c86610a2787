/**
 * Deletes accounts. The user asks for the deletion, and a job carries it out some days later; until then the
 * user can sign in and cancel. An organization never loses its only owner this way: the user has to hand it
 * over or delete it first. A user who becomes an only owner meanwhile gets a mail, and the deletion waits.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import { atomically, type Database, type Db } from '@repo/db'
import { audit } from '../audit/audit.ts'
import type { Mails } from '../mail/mail-requests.ts'
import { requireAccess } from './access-end.ts'
import { deletionNotScheduled, notAuthenticated, organizationsNeedOwner } from './refusals.ts'
import { endSessions, type LockedUser, lockUser } from './rows.ts'

const DAY_MS = 24 * 60 * 60 * 1000
/** How many users are read at a time. */
const BATCH = 200

/** The dependencies of a deletion. */
export interface DeletionParts {
  db: Database
  mails: Pick<Mails, 'request'>
  logger: Logger
}

/**
 * Schedules the deletion of an account and ends all its sessions. Without days of grace the account is
 * deleted at once. A repeated request keeps the first date. Returns when the deletion is due; null if the
 * account was deleted.
 *
 * @throws `organizations_need_owner` (409), which names the organizations; `not_authenticated` (401) if the
 * user no longer exists
 */
export async function requestDeletion(
  { db, mails }: DeletionParts,
  userId: string,
  graceDays: number,
): Promise<Date | null> {
  return atomically(db, async (tx) => {
    const user = await lockWithOrganizations(tx, userId)
    if (!user) throw notAuthenticated()
    await requireAccess(tx, userId)
    const alone = await ownedAlone(tx, userId)
    if (alone.length > 0) throw organizationsNeedOwner(alone)
    if (graceDays === 0) {
      await remove(tx, mails, user)
      return null
    }
    const scheduled = await tx.userDeletion.findUnique({ where: { userId } })
    await endSessions(tx, userId)
    if (scheduled) return scheduled.dueAt
    const dueAt = new Date(Date.now() + graceDays * DAY_MS)
    await tx.userDeletion.create({ data: { userId, dueAt } })
    await tell(tx, mails, user, { stage: 'requested', dueAt })
    return dueAt
  })
}

/**
 * Cancels the deletion. @throws `deletion_not_scheduled` (400); `not_authenticated` (401) if the user no
 * longer exists
 */
export async function cancelDeletion({ db, mails }: DeletionParts, userId: string): Promise<void> {
  await atomically(db, async (tx) => {
    const user = await lockUser(tx, userId)
    if (!user) throw notAuthenticated()
    await requireAccess(tx, userId)
    const { count } = await tx.userDeletion.deleteMany({ where: { userId } })
    if (count === 0) throw deletionNotScheduled()
    await tell(tx, mails, user, { stage: 'canceled' })
  })
}

/**
 * The result of an attempt to delete a user. `organizationIds` are the organizations that need another owner
 * first.
 */
export interface DeletionOutcome {
  isDeleted: boolean
  organizationIds: string[]
}

/** Deletes a user at once, when the host decides so. Does nothing if the user no longer exists. */
export const deleteUserNow = (parts: DeletionParts, userId: string): Promise<DeletionOutcome> =>
  atomically(parts.db, async (tx) => {
    const user = await lockWithOrganizations(tx, userId)
    const organizationIds = user ? await ownedAlone(tx, userId) : []
    const isDeleted = user !== null && organizationIds.length === 0
    if (isDeleted) await remove(tx, parts.mails, user)
    return { isDeleted, organizationIds }
  })

/**
 * The job: deletes the users whose deletion is due, and returns their number. An error with one user does not
 * stop it.
 */
export async function deleteDueUsers(parts: DeletionParts, now = new Date()): Promise<number> {
  const { db, logger } = parts
  let deleted = 0
  for (let after = '', found = BATCH; found === BATCH; ) {
    const due = await db.userDeletion.findMany({
      where: { dueAt: { lte: now }, userId: { gt: after } },
      orderBy: { userId: 'asc' },
      take: BATCH,
    })
    found = due.length
    for (const { userId } of due) {
      after = userId
      try {
        if (await deleteDue(parts, userId, now)) deleted += 1
      } catch (error) {
        logger.error({ userId, error }, 'a user whose deletion is due could not be deleted')
      }
    }
  }
  return deleted
}

/** Deletes the user if the deletion is due and not blocked, and returns whether it did. */
const deleteDue = ({ db, mails }: DeletionParts, userId: string, now: Date): Promise<boolean> =>
  atomically(db, async (tx) => {
    const user = await lockWithOrganizations(tx, userId)
    // The row is read under the lock, because the user may be cancelling.
    const deletion = user && (await tx.userDeletion.findUnique({ where: { userId } }))
    if (!deletion || deletion.dueAt > now) return false
    if ((await ownedAlone(tx, userId)).length === 0) {
      await remove(tx, mails, user)
      return true
    }
    if (deletion.blockedAt === null) {
      await tx.userDeletion.update({ where: { userId }, data: { blockedAt: now } })
      await tell(tx, mails, user, { stage: 'blocked' })
      await audit(tx, { action: 'deletion_blocked', userId })
    }
    return false
  })

/**
 * Locks the organizations that the user owns, and then the user's row. Commands on an organization lock in
 * the same order.
 */
async function lockWithOrganizations(tx: Db, userId: string): Promise<LockedUser | null> {
  await tx.$queryRaw`
    SELECT 1 FROM "Organization" WHERE "id" IN (
      SELECT "organizationId" FROM "Member" WHERE "userId" = ${userId} AND "role" = 'OWNER')
    ORDER BY "id" FOR NO KEY UPDATE`
  return lockUser(tx, userId)
}

/** The organizations that would have no owner without the user. */
async function ownedAlone(tx: Db, userId: string): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT m."organizationId" AS "id" FROM "Member" m
    WHERE m."userId" = ${userId} AND m."role" = 'OWNER' AND NOT EXISTS (
      SELECT 1 FROM "Member" o WHERE o."organizationId" = m."organizationId"
        AND o."role" = 'OWNER' AND o."userId" <> m."userId")
    ORDER BY 1`
  return rows.map(({ id }) => id)
}

/**
 * Deletes the user. Foreign keys delete the user's other rows, except these, which hold only an address or a
 * value.
 */
async function remove(tx: Db, mails: DeletionParts['mails'], user: LockedUser): Promise<void> {
  const { id: userId, email } = user
  await tell(tx, mails, user, { stage: 'done' })
  await tx.invitation.deleteMany({ where: { email } })
  await tx.verificationToken.deleteMany({ where: { value: userId } })
  await tx.user.delete({ where: { id: userId } })
  await audit(tx, { action: 'user_deleted', userId })
}

/** What the mail is about. */
interface Told {
  stage: 'requested' | 'blocked' | 'canceled' | 'done'
  dueAt?: Date
}

/** Mails the user at the present address, because the user's row may be gone when the mail is sent. */
async function tell(
  tx: Db,
  mails: DeletionParts['mails'],
  { email: to, name, emailVerified, locale }: LockedUser,
  { stage, dueAt }: Told,
): Promise<void> {
  if (!emailVerified) return
  const due = { ...(dueAt ? { dueAt: dueAt.toISOString() } : {}), ...(locale ? { locale } : {}) }
  await mails.request(
    { mail: 'account', account: { kind: 'deletion', stage, to, name, ...due } },
    tx,
  )
}
