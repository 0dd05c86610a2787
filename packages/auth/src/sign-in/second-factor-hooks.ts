/**
 * What happens before and after Better Auth's endpoints of the second factor: a change of it needs a recent sign-in, a
 * waiting sign-in leaves the browser's session alone, and a secret that was shown is dated anew.
 *
 * @module
 */

import type { Database } from '@repo/db'
import { createAuthMiddleware, isAPIError } from 'better-auth/api'
import { isRecent } from '../account/recent.ts'
import { notFresh } from '../account/refusals.ts'
import { cookieSession, type HookContext } from '../session/cookie-session.ts'

/** The endpoints for which Better Auth asks for the password, and for nothing if the user has none. */
const CHANGES = /^\/two-factor\/(enable|disable|get-totp-uri|generate-backup-codes)$/

/** The hooks of the second factor. */
export const secondFactorHooks = (db: Database) => ({
  after: [
    {
      matcher: ({ path }: { path?: string }) => path?.startsWith('/sign-in/') === true,
      handler: keepSession,
    },
    {
      matcher: ({ path }: { path?: string }) => path === '/two-factor/get-totp-uri',
      handler: dateShown(db),
    },
  ],
  before: [
    {
      matcher: ({ path }: { path?: string }) => CHANGES.test(path ?? ''),
      handler: refuseStale(db),
    },
  ],
})

/** Refuses a user without a password who has not signed in recently. */
const refuseStale = (db: Database) =>
  createAuthMiddleware(async (ctx) => {
    const session = await cookieSession(ctx as HookContext, db)
    if (!session || isRecent(session)) return
    const where = { userId: session.userId, password: { not: null } }
    if (await db.account.findFirst({ where })) return
    throw notFresh()
  })

/** Keeps the browser's session while a sign-in waits for its code, because that sign-in is not complete. */
const keepSession = createAuthMiddleware(async ({ headers, context }) => {
  const answer = context.returned as { twoFactorRedirect?: unknown } | null
  const { responseHeaders } = context
  if (!answer?.twoFactorRedirect || !responseHeaders) return
  const { name } = context.authCookies.sessionToken
  if (!headers?.get('cookie')?.includes(`${name}=`)) return
  const lines = responseHeaders.getSetCookie()
  responseHeaders.delete('set-cookie')
  for (const line of lines) {
    if (!line.startsWith(`${name}=`)) responseHeaders.append('set-cookie', line)
  }
})

/**
 * Dates the secret anew, because a user who sees the secret can make its codes. Undoing a change of address
 * then removes it.
 */
const dateShown = (db: Database) =>
  createAuthMiddleware(async (ctx) => {
    if (isAPIError(ctx.context.returned)) return
    const session = await cookieSession(ctx as HookContext, db)
    if (!session) return
    const { userId } = session
    await db.twoFactor.updateMany({ where: { userId }, data: { secretSetAt: new Date() } })
  })
