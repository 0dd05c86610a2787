/**
 * Ways in can be taken away, but never the last: a provider's account, the password, a passkey. Of
 * several requests at the same time each sees what the one before it left.
 *
 * @module
 */

import { atomically, type Database, type Db } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthEndpoint, freshSessionMiddleware } from 'better-auth/api'
import { z } from 'zod'

/**
 * Replaces Better Auth's own `/unlink-account`, which counts before it deletes: two at once would
 * leave nothing.
 */
export function unlinking(db: Database): BetterAuthPlugin {
  return {
    id: 'tollgate-unlinking',
    endpoints: {
      unlinkAccount: createAuthEndpoint(
        '/unlink-account',
        {
          method: 'POST',
          use: [freshSessionMiddleware],
          body: z.object({ accountId: z.string().min(1).max(256) }),
        },
        async (ctx) => {
          const id = ctx.body.accountId
          await removeWayIn(db, ctx.context.session.user.id, (tx, userId) =>
            tx.account.deleteMany({ where: { id, userId } }),
          )
          return ctx.json({ status: true })
        },
      ),
    },
  }
}

type Remove = (tx: Db, userId: string) => Promise<{ count: number }>

/** @throws FAILED_TO_UNLINK_LAST_ACCOUNT and ACCOUNT_NOT_FOUND, HTTP 400 */
export async function removeWayIn(db: Database, userId: string, remove: Remove): Promise<void> {
  await atomically(db, async (tx) => {
    await tx.$queryRaw`SELECT 1 FROM "User" WHERE "id" = ${userId} FOR UPDATE`
    const accounts = await tx.account.count({ where: { userId } })
    const passkeys = await tx.passkey.count({ where: { userId } })
    const { count } = await remove(tx, userId)
    if (count === 0) throw refusal('ACCOUNT_NOT_FOUND', 'There is no such way in.')
    if (accounts + passkeys === count) {
      throw refusal('FAILED_TO_UNLINK_LAST_ACCOUNT', 'This is the only way in.')
    }
  })
}

const refusal = (code: string, message: string) => new APIError('BAD_REQUEST', { code, message })
