/**
 * Requires proof of the user before an account changes hands: the password, or a sign-in within the last
 * quarter of an hour. A session that was left open or stolen is not enough.
 *
 * @module
 */

import { RateLimitError, type RateLimiter, type RateLimitPolicy } from '@repo/core/rate-limit'
import type { Database } from '@repo/db'
import type { HookContext } from '../session/cookie-session.ts'
import { isRecent } from './recent.ts'
import { invalidPassword, mfaRequired, notAuthenticated, notFresh } from './refusals.ts'

/** The dependencies of `reauthenticate`. */
export interface ReauthenticationOptions {
  db: Database
}

/**
 * The request's session, by its present token. Before an endpoint runs, a former token has already been
 * replaced by the present one, or has ended its session if it was too old.
 *
 * @throws `not_authenticated` (401), `mfa_required` (403)
 */
export async function requireSession(ctx: HookContext, db: Database) {
  const token = await ctx.getSignedCookie(
    ctx.context.authCookies.sessionToken.name,
    ctx.context.secret,
  )
  const session =
    token && (await db.session.findUnique({ where: { token }, include: { user: true } }))
  if (!session || session.expiresAt <= new Date()) throw notAuthenticated()
  if (session.user.twoFactorEnabled && session.aal < 2) throw mfaRequired()
  return session
}

/** A session with its user. */
export type PresentSession = Awaited<ReturnType<typeof requireSession>>

/**
 * The request's session, after the user has given the password or if the sign-in is recent. An empty password
 * counts as left out, because a form sends an empty field.
 *
 * @throws `not_authenticated` (401), `mfa_required`, `recent_sign_in_required` (403); `invalid_password`
 * (400), which `limits` counts
 */
export async function reauthenticate(
  ctx: HookContext,
  { db }: ReauthenticationOptions,
  password: string | undefined,
): Promise<PresentSession> {
  const session = await requireSession(ctx, db)
  if (!password) {
    if (isRecent(session)) return session
    throw notFresh()
  }
  const { userId } = session
  const account = await db.account.findFirst({ where: { userId, providerId: 'credential' } })
  const hash = account?.password
  if (hash && (await ctx.context.password.verify({ hash, password }))) {
    return session
  }
  throw invalidPassword()
}

/** Counts a request. @throws RateLimitError (429) */
export async function count(
  limiter: RateLimiter | null,
  policy: RateLimitPolicy,
  key: string,
): Promise<void> {
  const result = await limiter?.consume(policy, key)
  if (result && !result.isAllowed) throw new RateLimitError(policy, result)
}
