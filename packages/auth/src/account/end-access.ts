/**
 * Ends a user's access. `access-end.ts` refuses what requests under way would write after it.
 *
 * @module
 */

import type { Db } from '@repo/db'

/** Ends the user's access for all requests under way. After this, the caller deletes the rows that exist. */
export async function endAccess(tx: Pick<Db, '$executeRaw'>, userId: string): Promise<void> {
  await tx.$executeRaw`
    UPDATE "User" SET "accessEndedAt" = now(), "accessEndedBy" = pg_current_xact_id()::text::bigint
    WHERE "id" = ${userId}`
}
