/**
 * Checks codes of the second factor. A code is checked for the user who has to show it, from the waiting sign-in or the
 * present session, whatever other cookies the request has.
 *
 * @module
 */

import { atomically, type Database } from '@repo/db'
import { APIError, getAuthoritativeSessionFromCtx, isAPIError } from 'better-auth/api'
import { expireCookie, setSessionCookie } from 'better-auth/cookies'
import { symmetricDecrypt } from 'better-auth/crypto'
import { parseUserOutput } from 'better-auth/db'
import { requireAccess } from '../account/access-end.ts'
import type { Recorder } from '../audit/recorder.ts'
import {
  type backupCodes,
  countTry,
  forgetTries,
  takeBackupCode,
  takeTotp,
} from './second-factor-codes.ts'

/** The dependencies of the checks. */
export interface Checks {
  db: Database
  codes: ReturnType<typeof backupCodes>
  /** Records refused codes. */
  record: Recorder
}

/** A code that a user shows. */
export interface Shown {
  kind: 'totp' | 'backup-code'
  code: string
}

/** The part of an endpoint's context that is used here. */
type Ctx = Parameters<typeof getAuthoritativeSessionFromCtx>[0]
type Sessions = Awaited<ReturnType<typeof getAuthoritativeSessionFromCtx>>
type Present = NonNullable<Sessions>['session'] & { activeOrganizationId?: string | null }

/** A user whose code the request may hold. */
interface Candidate {
  userId: string
  /** The sign-in by password that waits for the code. */
  challenge?: string
  /** The session that is stepped up, or that turns on the second factor. */
  session?: Present
}

/** Checks a code for the users whose code it may be, and answers with a complete session. */
export async function showFactor(checks: Checks, ctx: Ctx, shown: Shown) {
  const candidates = await candidatesOf(ctx)
  let refusal: unknown = candidates.length > 0 ? null : noChallenge()
  for (const candidate of candidates) {
    try {
      const { turnsOn } = await redeem(checks, ctx, candidate, shown)
      return await complete(checks.db, ctx, candidate, turnsOn)
    } catch (error) {
      if (!isAPIError(error)) throw error
      refusal ??= error
      await noteRefusal(checks, ctx, candidate, error)
    }
  }
  throw refusal
}

/** Adds a refused code to the audit log. */
async function noteRefusal(
  { record }: Checks,
  ctx: Ctx,
  { userId, session }: Candidate,
  error: APIError,
): Promise<void> {
  const reason = String(error.body?.code ?? 'refused').toLowerCase()
  const detail = { reason }
  const sessionId = session?.id ?? null
  const entry = { action: 'second_factor_failed', userId, sessionId, detail } as const
  await record(entry, ctx.request ?? ctx.headers)
}

/** Uses up the code, or throws. Returns whether the code turns on the second factor. */
async function redeem(
  { db, codes }: Checks,
  ctx: Ctx,
  candidate: Candidate,
  { kind, code }: Shown,
) {
  const { userId, session } = candidate
  const row = await db.twoFactor.findUnique({ where: { userId } })
  // Backup codes replace only an app that has been shown to work.
  if (!row || (!row.verified && (kind === 'backup-code' || !session))) {
    throw new APIError('BAD_REQUEST', {
      code: 'totp_not_enabled',
      message: 'The second factor is not turned on yet.',
    })
  }
  await countTry(db, userId)
  if (kind === 'backup-code') await takeBackupCode(db, userId, codes.hash(code))
  else {
    await takeTotp(db, userId, await secretOf(ctx, row.secret), code)
  }
  await forgetTries(db, userId)
  return { turnsOn: !row.verified }
}

/** @throws `second_factor_unreadable` (409) after the auth secret was replaced */
async function secretOf(ctx: Ctx, data: string): Promise<string> {
  return symmetricDecrypt({ key: ctx.context.secretConfig, data }).catch(() => {
    throw new APIError('CONFLICT', {
      code: 'second_factor_unreadable',
      message:
        'The second factor can no longer be read. Use a passkey, or have the second factor turned off.',
    })
  })
}

/** Makes a new session, because the new one may do more, and ends the one before it. */
async function complete(
  db: Database,
  ctx: Ctx,
  { userId, challenge, session }: Candidate,
  turnsOn: boolean,
) {
  const { internalAdapter, authCookies } = ctx.context
  if (challenge) {
    const consumed = await internalAdapter.consumeVerificationValue(challenge)
    if (!consumed && !session) throw noChallenge()
    expireCookie(ctx, ctx.context.createAuthCookie('two_factor'))
  }
  if (turnsOn) await turnOn(db, userId)
  const user = await internalAdapter.findUserById(userId)
  if (!user) throw noChallenge()
  const isBrief = Boolean(
    await ctx.getSignedCookie(authCookies.dontRememberToken.name, ctx.context.secret),
  )
  const made = await internalAdapter.createSession(
    userId,
    isBrief,
    grantsOf(session, turnsOn),
    true,
  )
  // Other sessions date from before the second factor was turned on, so they end.
  if (turnsOn) await db.session.deleteMany({ where: { userId, aal: { lt: 2 } } })
  await setSessionCookie(ctx, { session: made, user }, isBrief)
  return ctx.json({ token: made.token, user: parseUserOutput(ctx.context.options, user) })
}

/** The fields of the new session. */
const grantsOf = (session: Present | undefined, turnsOn: boolean) => ({
  // Without a value, a sign-in acts for the organization of the last session, which is looked up.
  ...(session ? { activeOrganizationId: session.activeOrganizationId ?? null } : {}),
  aal: 2,
  // The first code of an app that was just set up does not make the sign-in more recent.
  ...(turnsOn && session ? { createdAt: new Date(session.createdAt) } : {}),
})

/** Turns on the second factor. The user's flag is set exactly when a verified factor exists. */
const turnOn = (db: Database, userId: string): Promise<void> =>
  atomically(db, async (tx) => {
    await requireAccess(tx, userId, { isUpdated: true })
    const { count } = await tx.twoFactor.updateMany({
      where: { userId, verified: false },
      data: { verified: true },
    })
    if (count === 0) throw noChallenge()
    await tx.user.update({ where: { id: userId }, data: { twoFactorEnabled: true } })
  })

/**
 * The users whose code this may be. The waiting sign-in is newer than the session, so its user comes first. A
 * browser may hold the sign-in of one user and the session of another, and the code may belong to either.
 */
async function candidatesOf(ctx: Ctx): Promise<Candidate[]> {
  const session = (await getAuthoritativeSessionFromCtx(ctx))?.session as Present | undefined
  const { name } = ctx.context.createAuthCookie('two_factor')
  const challenge = (await ctx.getSignedCookie(name, ctx.context.secret)) || undefined
  const waiting = challenge && (await ctx.context.internalAdapter.findVerificationValue(challenge))
  const ofChallenge =
    challenge && waiting && waiting.expiresAt > new Date()
      ? { userId: waiting.value, challenge }
      : null
  if (!ofChallenge) return session ? [{ userId: session.userId, session }] : []
  if (!session) return [ofChallenge]
  if (session.userId === ofChallenge.userId) return [{ ...ofChallenge, session }]
  return [ofChallenge, { userId: session.userId, session }]
}

const noChallenge = () =>
  new APIError('UNAUTHORIZED', {
    code: 'invalid_two_factor_cookie',
    message: 'No sign-in waits for a code here, or it has ended. Sign in again.',
  })
