/**
 * The end of access takes along what is under way. Undoing a change of address, a reset, a changed password, a
 * sign-out elsewhere or a deletion deletes what is there; a request that has looked at a password, a passkey or a
 * session before that, and writes after it, would leave its session or way in behind. So each request notes at its
 * beginning what the database had committed by then, and whatever it writes to an account is refused where access
 * was ended by a transaction that it could not see.
 *
 * @see https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
 * @module
 */

import {
  defineRequestState,
  hasRequestState,
  tryGetCurrentAuthEndpointContext,
} from '@better-auth/core/context'
import { type Database, type Db, Prisma } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthMiddleware } from 'better-auth/api'

/** What was committed when the present request began, as PostgreSQL writes it; null outside of a request. */
const begun = defineRequestState<{ snapshot: string | null }>(() => ({ snapshot: null }))

/** A request lasts less. Numbers of transactions mean nothing in a database that was restored elsewhere. */
const LONGEST_REQUEST = '1 hour'

/** Asked all the time, and writes no session and no way in. */
const WRITES_NOTHING = /^\/(get-session|access\/refresh|access\/renew|sign-out|jwks|ok|error)$/

/** A provider's answer and a program's request come by GET, and write. */
export const GETS_THAT_WRITE = /^\/(callback\/|oauth2\/)/

/** Notes it with the first look at the account: see `credentials.ts`. */
const NOTES_ITSELF = '/sign-in/email'

/** Placed before every plugin that looks at an account. */
export function notedBeginnings(db: Database): BetterAuthPlugin {
  return {
    id: 'tollgate-access-end',
    hooks: {
      before: [
        {
          matcher: ({ path = '', request }) =>
            !WRITES_NOTHING.test(path) &&
            path !== NOTES_ITSELF &&
            (request?.method !== 'GET' || GETS_THAT_WRITE.test(path)),
          handler: createAuthMiddleware(async () => {
            const [row] = await db.$queryRaw<[{ snapshot: string }]>`
              SELECT pg_current_snapshot()::text AS "snapshot"`
            await noteBeginning(row.snapshot)
          }),
        },
      ],
    },
  }
}

/** Notes what was committed when the present request first looked at an account. A later look changes nothing. */
export async function noteBeginning(snapshot: string): Promise<void> {
  if (!(await hasRequestState())) return
  if ((await begun.get()).snapshot === null) await begun.set({ snapshot })
}

/** Ends what is under way for the user; what has been written already is the caller's to delete, after this. */
export async function endAccess(tx: Pick<Db, '$executeRaw'>, userId: string): Promise<void> {
  await tx.$executeRaw`
    UPDATE "User" SET "accessEndedAt" = now(), "accessEndedBy" = pg_current_xact_id()::text::bigint
    WHERE "id" = ${userId}`
}

/**
 * Holds the user's access as it is until the transaction ends, so that a write to the account comes before the end
 * of access, which then takes it along, or is refused after it. For a user who is gone the foreign key refuses.
 *
 * Returns whether the user's row is locked now.
 *
 * @param isUpdated whether the transaction goes on to write or lock the user's row: it takes that lock at once
 * @throws `access_ended` (401) where access was ended since the request began
 */
export async function requireAccess(
  tx: Pick<Db, '$queryRaw'>,
  userId: string,
  { isUpdated = false } = {},
): Promise<boolean> {
  const isHeld = await heldBySnapshot()
  if (isHeld === null) return false
  const lock = isUpdated ? Prisma.sql`FOR NO KEY UPDATE` : Prisma.sql`FOR SHARE`
  const [row] = await tx.$queryRaw<{ isHeld: boolean }[]>`
    SELECT ${isHeld} AS "isHeld" FROM "User" WHERE "id" = ${userId} ${lock}`
  if (row && !row.isHeld) throw accessEnded()
  return row !== undefined
}

/** Whether access still lasts, as an expression over the row of "User". Null where the request notes nothing. */
export async function heldBySnapshot(): Promise<Prisma.Sql | null> {
  const snapshot = (await hasRequestState()) ? (await begun.get()).snapshot : null
  if (snapshot === null) return null
  return Prisma.sql`("accessEndedBy" IS NULL OR "accessEndedAt" < now() - ${LONGEST_REQUEST}::interval
    OR pg_visible_in_snapshot("accessEndedBy"::text::xid8, ${snapshot}::pg_snapshot))`
}

export function accessEnded(): APIError {
  const message = 'The access to this account was ended meanwhile. Sign in again.'
  // A program reads RFC 6749, 5.2.
  return tryGetCurrentAuthEndpointContext()?.path?.startsWith('/oauth2/')
    ? new APIError('BAD_REQUEST', { error: 'invalid_grant', error_description: message })
    : new APIError('UNAUTHORIZED', { code: 'access_ended', message })
}
