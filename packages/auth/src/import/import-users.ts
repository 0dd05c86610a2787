/**
 * Imports the users of another system, with their password hashes and their accounts at other providers. Promise: a
 * user is written whole or not at all, a user who exists already is not changed, and a second run of the same import
 * changes nothing. So an import that was stopped is simply run again.
 *
 * @module
 */

import { atomically, type Database, type Db } from '@repo/db'
import { generateRandomString } from 'better-auth/crypto'
import { audit } from '../audit/audit.ts'
import { AuthError } from '../errors.ts'
import {
  type HostOfImport,
  type ImportedUser,
  type ImportRefusal,
  keyOf,
  Refused,
  type UserRow,
  userRow,
} from './user-row.ts'

export type { ImportedAccount, ImportedUser, ImportRefusal } from './user-row.ts'

/** How users are imported. */
export interface ImportUsersOptions {
  /** Checks every user, and writes nothing. Default false. */
  dryRun?: boolean
  /** Calls the host's handler `userCreated` for each user. Default false, because it may send welcome mails. */
  tellsHost?: boolean
  /** Called after each batch, with the number of users read so far. */
  onProgress?: (read: number) => void
}

/** A user who was not imported. */
export interface RefusedUser {
  /** The user's position in the import; the first is 1. */
  row: number
  /** The code of the reason. */
  reason: ImportRefusal
  /** The reason in words, without personal data. */
  message: string
}

/** The result of `importUsers`. */
export interface ImportUsersResult {
  /** How many users were read. */
  read: number
  /** How many users were written, or would be in a dry run. */
  imported: number
  /** How many users exist already. They were not changed. */
  present: number
  /** How many of the imported users have no proven address. They confirm it, and choose a password, at their first sign-in. */
  unverified: number
  /** The users who were not imported. */
  refused: RefusedUser[]
}

/** Users are looked up and written in batches of this size. */
const BATCH = 500

/** How often a batch begins again because a user of it signed up meanwhile. */
const TRIES = 5

/** The dependencies of `importUsers`. */
export interface ImportHost extends HostOfImport {
  db: Database
}

/** A row with its position. */
interface Numbered extends UserRow {
  row: number
}

/** Imports users. The contract is at `Auth.importUsers`. */
export async function importUsers(
  host: ImportHost,
  users: Iterable<ImportedUser> | AsyncIterable<ImportedUser>,
  options: ImportUsersOptions = {},
): Promise<ImportUsersResult> {
  const isIterable =
    typeof users === 'object' &&
    users !== null &&
    (Symbol.iterator in users || Symbol.asyncIterator in users)
  if (!isIterable) {
    throw new AuthError('invalid_options', 'importUsers takes a list of users, or an iterator.')
  }
  const result: ImportUsersResult = { read: 0, imported: 0, present: 0, unverified: 0, refused: [] }
  const seen = new Set<string>()
  let batch: Numbered[] = []
  const flush = async () => {
    await importBatch(host, batch, options, result)
    batch = []
    options.onProgress?.(result.read)
  }
  for await (const user of users) {
    result.read += 1
    refusing(result, result.read, () => {
      if (user instanceof Refused) throw user
      const row = userRow(user, host)
      requireNew(seen, row)
      batch.push({ ...row, row: result.read })
    })
    if (batch.length >= BATCH) await flush()
  }
  await flush()
  result.refused.sort((a, b) => a.row - b.row)
  return result
}

function refusing(result: ImportUsersResult, row: number, check: () => void): void {
  try {
    check()
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    result.refused.push({ row, reason: error.reason, message: error.message })
  }
}

/** Refuses a second user with the same address, id or account. */
function requireNew(seen: Set<string>, { email, id, accounts }: UserRow): void {
  const keys = [email, ...(id === null ? [] : [`id\n${id}`]), ...accounts.map(keyOf)]
  if (keys.some((key) => seen.has(key))) {
    throw new Refused(
      'repeated_in_import',
      'An earlier user of this import has the same address, id or account.',
    )
  }
  for (const key of keys) seen.add(key)
}

async function importBatch(
  { db }: ImportHost,
  batch: readonly Numbered[],
  { dryRun = false, tellsHost = false }: ImportUsersOptions,
  result: ImportUsersResult,
): Promise<void> {
  if (batch.length === 0) return
  for (let tries = 1; ; tries += 1) {
    const outcome = await sort(db, batch)
    const isWritten = dryRun || (await write(db, outcome.fresh, tellsHost))
    if (!isWritten && tries < TRIES) continue
    if (!isWritten) throw new Error('The users of an import sign up faster than they are imported.')
    result.present += outcome.present
    result.imported += outcome.fresh.length
    result.unverified += outcome.fresh.filter(({ emailVerified }) => !emailVerified).length
    result.refused.push(...outcome.refused)
    return
  }
}

/** The users of a batch: those to write, those who exist, and those who collide with another user. */
interface Sorted {
  fresh: Numbered[]
  present: number
  refused: RefusedUser[]
}

async function sort(db: Database, batch: readonly Numbered[]): Promise<Sorted> {
  const emails = batch.map(({ email }) => email)
  const ids = batch.flatMap(({ id }) => id ?? [])
  const accounts = batch.flatMap((each) => each.accounts)
  const users = await db.$queryRaw<{ id: string; email: string; emailVerified: boolean }[]>`
    SELECT "id", "email", "emailVerified" FROM "User" WHERE "email" = ANY(${emails})
    UNION SELECT "id", "email", "emailVerified" FROM "User" WHERE "id" = ANY(${ids})`
  const linked = await db.$queryRaw<{ providerId: string; accountId: string }[]>`
    SELECT a."providerId", a."accountId" FROM "Account" a
    JOIN unnest(${accounts.map(({ providerId }) => providerId)}::text[],
      ${accounts.map(({ accountId }) => accountId)}::text[]) AS given("providerId", "accountId")
      ON a."providerId" = given."providerId" AND a."accountId" = given."accountId"`
  const byEmail = new Map(users.map((user) => [user.email, user]))
  const byId = new Set(users.map(({ id }) => id))
  const taken = new Set(linked.map(keyOf))
  const sorted: Sorted = { fresh: [], present: 0, refused: [] }
  for (const each of batch) {
    const { row, id } = each
    const holder = byEmail.get(each.email)
    // The user may have changed the address since an earlier run.
    if (id !== null && byId.has(id)) sorted.present += 1
    else if (holder?.emailVerified === false && each.emailVerified) {
      const message =
        'A user who signed up here and never proved this address has it. Delete that user, and import again.'
      sorted.refused.push({ row, reason: 'email_unproven', message })
    } else if (holder !== undefined && id === null) sorted.present += 1
    else if (holder !== undefined) {
      const message = 'A user with another id has this address already.'
      sorted.refused.push({ row, reason: 'email_taken', message })
    } else if (each.accounts.some((account) => taken.has(keyOf(account)))) {
      const message = 'Another user has one of the accounts already.'
      sorted.refused.push({ row, reason: 'account_taken', message })
    } else sorted.fresh.push(each)
  }
  return sorted
}

/** Thrown to undo a batch of which a user was created meanwhile. */
class Overtaken extends Error {}

/** Writes users with their accounts. False: one of them was created meanwhile, and nothing was written. */
async function write(
  db: Database,
  rows: readonly Numbered[],
  tellsHost: boolean,
): Promise<boolean> {
  if (rows.length === 0) return true
  const users = rows.map((row) => ({ ...row, id: row.id ?? generateRandomString(32) }))
  try {
    await atomically(db, (tx) => insert(tx, users, tellsHost))
    return true
  } catch (error) {
    if (error instanceof Overtaken) return false
    throw error
  }
}

type Named = Omit<Numbered, 'id'> & { id: string }

async function insert(tx: Db, users: readonly Named[], tellsHost: boolean): Promise<void> {
  const now = new Date()
  const made = await tx.user.createMany({
    data: users.map(({ id, email, name, emailVerified, image, createdAt, own }) => ({
      ...own,
      ...{ id, email, name, emailVerified, image, updatedAt: now },
      // Users who do not confirm are deleted by this date, so they get as long as after a sign-up.
      createdAt: emailVerified ? (createdAt ?? now) : now,
    })),
    skipDuplicates: true,
  })
  const accounts = users.flatMap(({ id, passwordHash, accounts: linked }) => [
    ...(passwordHash === null
      ? []
      : [{ userId: id, providerId: 'credential', accountId: id, password: passwordHash }]),
    ...linked.map(({ providerId, accountId }) => ({ userId: id, providerId, accountId })),
  ])
  const joined = await tx.account.createMany({
    data: accounts.map((account) => ({ id: generateRandomString(32), ...account })),
    skipDuplicates: true,
  })
  if (made.count < users.length || joined.count < accounts.length) throw new Overtaken()
  if (!tellsHost) {
    const ids = users.map(({ id }) => id)
    await tx.authEvent.deleteMany({ where: { name: 'userCreated', subjectId: { in: ids } } })
  }
  await audit(tx, { action: 'users_imported', detail: { count: users.length } })
}
