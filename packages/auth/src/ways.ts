/**
 * The ways in of an account: a provider's account, the password, a passkey. Who adds one has signed in just now,
 * because a session that somebody left open, or stole, would become a way in that lasts. Any can be taken away,
 * but never the last; of several requests at the same time each sees what the one before it left.
 *
 * @module
 */

import { atomically, type Database, type Db } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthEndpoint, freshSessionMiddleware } from 'better-auth/api'
import { z } from 'zod'
import { endAccess, requireAccess } from './account/access-end.ts'
import { isRecent } from './account/reauthenticate.ts'
import { notAuthenticated, notFresh } from './account/refusals.ts'
import { type HookContext, presentedSession } from './presented.ts'

/** Where an account gets its first password without a session: its mailbox has been shown. */
const SHOWS_MAILBOX = /^\/(sign-up\/email|reset-password)$/

/** Who may ask for these endpoints is in `old-sessions`. */
export function ways(db: Database): BetterAuthPlugin {
  const requireRecent = async (ctx: HookContext) => {
    const session = await presentedSession(ctx, db)
    if (!session) throw notAuthenticated()
    if (!isRecent(session)) throw notFresh()
  }

  return {
    id: 'tollgate-ways',
    init: () => ({
      options: {
        databaseHooks: {
          account: {
            create: {
              // `auth.api.setPassword` has no path that a hook could go by.
              async before({ providerId }, ctx) {
                if (providerId !== 'credential' || !ctx || SHOWS_MAILBOX.test(ctx.path ?? ''))
                  return
                await requireRecent(ctx as HookContext)
              },
            },
          },
        },
      },
    }),
    endpoints: {
      // In place of Better Auth's own, which counts before it deletes: two at once would leave nothing.
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

/** @throws `failed_to_unlink_last_account` and `account_not_found`, HTTP 400 */
export async function removeWayIn(db: Database, userId: string, remove: Remove): Promise<void> {
  await atomically(db, async (tx) => {
    await tx.$queryRaw`SELECT 1 FROM "User" WHERE "id" = ${userId} FOR UPDATE`
    const accounts = await tx.account.count({ where: { userId } })
    const passkeys = await tx.passkey.count({ where: { userId } })
    const { count } = await remove(tx, userId)
    if (count === 0) throw refusal('account_not_found', 'There is no such way in.')
    if (accounts + passkeys === count) {
      throw refusal('failed_to_unlink_last_account', 'This is the only way in.')
    }
    // Last, because of two that are removed together the second one is told that it is the only one left.
    await requireAccess(tx, userId, { isUpdated: true })
    await endAccess(tx, userId)
  })
}

const refusal = (code: string, message: string) => new APIError('BAD_REQUEST', { code, message })
