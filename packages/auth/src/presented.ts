/**
 * The session that a request's cookie names, for hooks before an endpoint: they see the request as it
 * came, perhaps with a token that has a successor already, and Better Auth knows the present one only.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { createAuthMiddleware } from 'better-auth/api'
import { sessionIdOf } from './session-rows.ts'

/** What a hook of Better Auth is given. */
export type HookContext = Parameters<Parameters<typeof createAuthMiddleware>[0]>[0]

/** Null for nobody. `isPending`: the user has a second factor, and the session has not. */
export async function presentedSession(ctx: HookContext, db: Database) {
  const { name } = ctx.context.authCookies.sessionToken
  const token = await ctx.getSignedCookie(name, ctx.context.secret)
  if (!token) return null
  const session = await db.session.findFirst({
    where: { OR: [{ token }, { id: sessionIdOf(token) ?? '' }], expiresAt: { gt: new Date() } },
    include: { user: true },
  })
  return session && { ...session, isPending: session.user.twoFactorEnabled && session.aal < 2 }
}
