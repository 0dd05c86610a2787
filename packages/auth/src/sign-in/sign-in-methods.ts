/**
 * Adds and removes ways to sign in: providers' accounts, the password, passkeys. Adding one requires a recent
 * sign-in, so that a session that was left open or stolen cannot add a lasting one. Any can be removed except
 * the last. Parallel requests lock the user's row, so that each sees the result of the one before.
 *
 * @module
 */

import { atomically, type Database, type Db } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthEndpoint, freshSessionMiddleware } from 'better-auth/api'
import * as z from 'zod'
import { requireAccess } from '../account/access-end.ts'
import { endAccess } from '../account/end-access.ts'
import { isRecent } from '../account/recent.ts'
import { notAuthenticated, notFresh } from '../account/refusals.ts'
import { cookieSession, type HookContext } from '../session/cookie-session.ts'

/**
 * Endpoints at which an account gets its first password without a session, because the user has shown the
 * mailbox.
 */
const SHOWS_MAILBOX = /^\/(sign-up\/email|reset-password)$/

/** The plugin. `old-sessions.ts` limits which sessions may call its endpoints. */
export function signInMethods(db: Database): BetterAuthPlugin {
  const requireRecent = async (ctx: HookContext) => {
    const session = await cookieSession(ctx, db)
    if (!session) throw notAuthenticated()
    if (!isRecent(session)) throw notFresh()
  }

  return {
    id: 'tollgate-sign-in-methods',
    init: () => ({
      options: {
        databaseHooks: {
          account: {
            create: {
              // A hook on endpoints cannot match `auth.api.setPassword`, which has no path.
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
      // Replaces Better Auth's own endpoint, which counts before it deletes: two parallel requests would
      // remove both.
      unlinkAccount: createAuthEndpoint(
        '/unlink-account',
        {
          method: 'POST',
          use: [freshSessionMiddleware],
          body: z.object({ accountId: z.string().min(1).max(256) }),
        },
        async (ctx) => {
          const id = ctx.body.accountId
          await removeSignInMethod(db, ctx.context.session.user.id, (tx, userId) =>
            tx.account.deleteMany({ where: { id, userId } }),
          )
          return ctx.json({ status: true })
        },
      ),
    },
  }
}

/** Removes one way to sign in, and returns how many rows it deleted. */
type Remove = (tx: Db, userId: string) => Promise<{ count: number }>

/** Removes a way to sign in. @throws `failed_to_unlink_last_account`, `account_not_found` (400) */
export async function removeSignInMethod(
  db: Database,
  userId: string,
  remove: Remove,
): Promise<void> {
  await atomically(db, async (tx) => {
    await tx.$queryRaw`SELECT 1 FROM "User" WHERE "id" = ${userId} FOR UPDATE`
    const accounts = await tx.account.count({ where: { userId } })
    const passkeys = await tx.passkey.count({ where: { userId } })
    const { count } = await remove(tx, userId)
    if (count === 0) throw refusal('account_not_found', 'You have no such account or passkey.')
    if (accounts + passkeys === count) {
      throw refusal(
        'failed_to_unlink_last_account',
        'This is the only way to sign in. Add another one first.',
      )
    }
    // This check comes last, so that the second of two parallel removals learns that it would remove the last
    // way.
    await requireAccess(tx, userId, { isUpdated: true })
    await endAccess(tx, userId)
  })
}

const refusal = (code: string, message: string) => new APIError('BAD_REQUEST', { code, message })
