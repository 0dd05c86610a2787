/**
 * Ends a user's access together with the requests that are under way. Undoing a change of address, a reset, a
 * changed password, a sign-out elsewhere and a deletion delete rows. A request that checked a password, a
 * passkey or a session before that, and writes after it, would leave a new session or account behind. So each
 * request notes the database snapshot at its beginning. Its writes to an account are refused if access was
 * ended by a transaction that is not in that snapshot.
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

/** The snapshot at the beginning of this request, in PostgreSQL's form; null outside of a request. */
const begun = defineRequestState<{ snapshot: string | null }>(() => ({ snapshot: null }))

/**
 * No request lasts longer. Older ends are ignored, because transaction ids mean nothing in a restored
 * database.
 */
const LONGEST_REQUEST = '1 hour'

/** Frequent endpoints that write no session and no account. */
const WRITES_NOTHING = /^\/(get-session|access\/refresh|access\/renew|sign-out|jwks|ok|error)$/

/** Endpoints that write although their method is GET: a provider's answer, and a program's request. */
export const GETS_THAT_WRITE = /^\/(callback\/|oauth2\/)/

/** This endpoint notes the snapshot when it first reads the account; see `credentials.ts`. */
const NOTES_ITSELF = '/sign-in/email'

/** The plugin that notes the snapshot. It comes before every plugin that reads an account. */
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

/** Notes the snapshot of the request's first look at an account. Later calls change nothing. */
export async function noteBeginning(snapshot: string): Promise<void> {
  if (!(await hasRequestState())) return
  if ((await begun.get()).snapshot === null) await begun.set({ snapshot })
}

/**
 * Locks the user's access until the transaction ends. A write to the account then either comes before the end
 * of access, which deletes what was written, or is refused. If the user no longer exists, the foreign key
 * refuses the write.
 *
 * Returns whether the user's row is locked now.
 *
 * @param isUpdated whether the transaction will write or lock the user's row, and so needs the stronger lock
 * at once
 * @throws `access_ended` (401) if access was ended since the request began
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

/**
 * An SQL expression over the row of "User" that tells whether access lasts; null if the request has no
 * snapshot.
 */
export async function heldBySnapshot(): Promise<Prisma.Sql | null> {
  const snapshot = (await hasRequestState()) ? (await begun.get()).snapshot : null
  if (snapshot === null) return null
  return Prisma.sql`("accessEndedBy" IS NULL OR "accessEndedAt" < now() - ${LONGEST_REQUEST}::interval
    OR pg_visible_in_snapshot("accessEndedBy"::text::xid8, ${snapshot}::pg_snapshot))`
}

/** The error for a write after the end of access. */
export function accessEnded(): APIError {
  const message = 'The access to this account was ended meanwhile. Sign in again.'
  // OAuth clients read errors in the form of RFC 6749, 5.2.
  return tryGetCurrentAuthEndpointContext()?.path?.startsWith('/oauth2/')
    ? new APIError('BAD_REQUEST', { error: 'invalid_grant', error_description: message })
    : new APIError('UNAUTHORIZED', { code: 'access_ended', message })
}
