/**
 * What changes who owns an account asks who is there: the password, or a sign-in of the last quarter of an hour.
 * A session that somebody left open, or stole, is not enough.
 *
 * @module
 */

import { RateLimitError, type RateLimiter, type RateLimitPolicy } from '@repo/core/rate-limit'
import type { Database } from '@repo/db'
import type { HookContext } from '../presented.ts'
import { invalidPassword, mfaRequired, notAuthenticated, notFresh } from './refusals.ts'

/** A sign-in is recent for so long. */
export const RECENT_SECONDS = 15 * 60

export interface ReauthenticationOptions {
  db: Database
}

/**
 * The session that asks, by the token that is good now. A predecessor has been replaced by it before an endpoint
 * runs, and one that is too old has ended its session.
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

export type PresentSession = Awaited<ReturnType<typeof requireSession>>

export const isRecent = ({ createdAt }: { createdAt: Date }): boolean =>
  Date.now() - createdAt.getTime() < RECENT_SECONDS * 1000

/**
 * The session that asks, of a person who has just shown to be there. An empty password is none: a form sends
 * one for a field that was left out.
 *
 * @throws `not_authenticated` (401), `mfa_required` and `recent_sign_in_required` (403), `invalid_password` (400), which `limits` counts
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

/** @throws RateLimitError (429) */
export async function count(
  limiter: RateLimiter | null,
  policy: RateLimitPolicy,
  key: string,
): Promise<void> {
  const result = await limiter?.consume(policy, key)
  if (result && !result.isAllowed) throw new RateLimitError(policy, result)
}
