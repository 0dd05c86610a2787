/**
 * The second factor: codes of an authenticator app, and backup codes. It is asked for after every kind of
 * sign-in, although Better Auth asks only after a password: a session without it can only add it. A code is
 * checked for the user who has to show it, from the waiting sign-in or the present session, whatever other
 * cookies the request has.
 *
 * @module
 */

import { atomically, type Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import {
  APIError,
  createAuthEndpoint,
  createAuthMiddleware,
  getAuthoritativeSessionFromCtx,
  isAPIError,
} from 'better-auth/api'
import { expireCookie, setSessionCookie } from 'better-auth/cookies'
import { symmetricDecrypt } from 'better-auth/crypto'
import { parseUserOutput } from 'better-auth/db'
import { twoFactor } from 'better-auth/plugins/two-factor'
import * as z from 'zod'
import { requireAccess } from '../account/access-end.ts'
import { isRecent } from '../account/recent.ts'
import { notFresh } from '../account/refusals.ts'
import type { Recorder } from '../audit/recorder.ts'
import { cookieSession, type HookContext } from '../session/cookie-session.ts'
import {
  backupCodes,
  countTry,
  forgetTries,
  LOCK_SECONDS,
  MAX_TRIES,
  takeBackupCode,
  takeTotp,
} from './second-factor-codes.ts'

/** The dependencies of `secondFactor`. */
export interface SecondFactorOptions {
  db: Database
  /** The product's name in authenticator apps. */
  appName: string
  /** The key of the hashes of backup codes. */
  backupCodeKey: string
  /** Records refused codes. */
  record: Recorder
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

type Kind = 'totp' | 'backup-code'

/** The endpoints for which Better Auth asks for the password, and for nothing if the user has none. */
const CHANGES = /^\/two-factor\/(enable|disable|get-totp-uri|generate-backup-codes)$/

/** Better Auth's plugin for the second factor, with our rules on top. */
export function secondFactor({ db, appName, backupCodeKey, record }: SecondFactorOptions) {
  const codes = backupCodes(backupCodeKey)

  const refuseStale = createAuthMiddleware(async (ctx) => {
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
  const dateShown = createAuthMiddleware(async (ctx) => {
    if (isAPIError(ctx.context.returned)) return
    const session = await cookieSession(ctx as HookContext, db)
    if (!session) return
    const { userId } = session
    await db.twoFactor.updateMany({ where: { userId }, data: { secretSetAt: new Date() } })
  })

  /** Uses up the code, or throws. Returns whether the code turns on the second factor. */
  async function redeem(ctx: Ctx, candidate: Candidate, kind: Kind, code: string) {
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
  async function complete(ctx: Ctx, { userId, challenge, session }: Candidate, turnsOn: boolean) {
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
      {
        // Without a value, a sign-in acts for the organization of the last session, which is looked up.
        ...(session ? { activeOrganizationId: session.activeOrganizationId ?? null } : {}),
        aal: 2,
        // The first code of an app that was just set up does not make the sign-in more recent.
        ...(turnsOn && session ? { createdAt: new Date(session.createdAt) } : {}),
      },
      true,
    )
    // Other sessions date from before the second factor was turned on, so they end.
    if (turnsOn) await db.session.deleteMany({ where: { userId, aal: { lt: 2 } } })
    await setSessionCookie(ctx, { session: made, user }, isBrief)
    return ctx.json({ token: made.token, user: parseUserOutput(ctx.context.options, user) })
  }

  const verify = async (ctx: Ctx, kind: Kind, code: string) => {
    const candidates = await candidatesOf(ctx)
    let refusal: unknown = candidates.length > 0 ? null : noChallenge()
    for (const candidate of candidates) {
      try {
        const { turnsOn } = await redeem(ctx, candidate, kind, code)
        return await complete(ctx, candidate, turnsOn)
      } catch (error) {
        if (!isAPIError(error)) throw error
        refusal ??= error
        const { userId, session } = candidate
        const reason = String(error.body?.code ?? 'refused').toLowerCase()
        const detail = { reason }
        const sessionId = session?.id ?? null
        const entry = { action: 'second_factor_failed', userId, sessionId, detail } as const
        await record(entry, ctx.request ?? ctx.headers)
      }
    }
    throw refusal
  }

  const plugin = twoFactor({
    issuer: appName,
    // A user without a password must have signed in recently instead; see `refuseStale`.
    allowPasswordless: true,
    accountLockout: { maxFailedAttempts: MAX_TRIES, durationSeconds: LOCK_SECONDS },
    backupCodeOptions: codes,
  })
  return {
    ...plugin,
    endpoints: {
      ...plugin.endpoints,
      // These replace the plugin's own endpoints, which do not use a code up, and trust the first cookie they
      // see.
      /** Shows the second factor by a code of the authenticator app. Each code works once. */
      verifyTOTP: createAuthEndpoint('/two-factor/verify-totp', VERIFICATION, (ctx) =>
        verify(ctx, 'totp', ctx.body.code),
      ),
      /** Shows the second factor by a backup code. Each code works once. */
      verifyBackupCode: createAuthEndpoint('/two-factor/verify-backup-code', VERIFICATION, (ctx) =>
        verify(ctx, 'backup-code', ctx.body.code),
      ),
    },
    hooks: {
      after: [
        ...plugin.hooks.after,
        {
          matcher: ({ path }: { path?: string }) => path === '/sign-in/email',
          handler: keepSession,
        },
        {
          matcher: ({ path }: { path?: string }) => path === '/two-factor/get-totp-uri',
          handler: dateShown,
        },
      ],
      before: [
        {
          matcher: ({ path }: { path?: string }) => CHANGES.test(path ?? ''),
          handler: refuseStale,
        },
      ],
    },
  } satisfies BetterAuthPlugin
}

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

/** The options of the two endpoints that check a code. */
const VERIFICATION = {
  method: 'POST',
  // There are no trusted devices, which would need no code, so the body's other fields are ignored.
  body: z.object({ code: z.string().min(1).max(256) }),
} as const

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
