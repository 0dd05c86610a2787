/**
 * The second factor: codes of an authenticator app, and backup codes. Asked for whatever the first
 * one was, because Better Auth asks only after a password: a session that lacks it can do nothing
 * but add it. No code is good twice, and guessing is stopped after ten tries.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6238#section-5.2
 * @see https://pages.nist.gov/800-63-4/sp800-63b.html
 * @module
 */

import { createHmac } from 'node:crypto'
import { createOTP } from '@better-auth/utils/otp'
import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthMiddleware, isAPIError } from 'better-auth/api'
import { setSessionCookie } from 'better-auth/cookies'
import { symmetricDecrypt } from 'better-auth/crypto'
import { twoFactor } from 'better-auth/plugins/two-factor'
import type { Recorder } from './audit-hooks.ts'
import { type HookContext as Ctx, presentedSession } from './presented.ts'

export interface SecondFactorOptions {
  db: Database
  /** The product's name in authenticator apps. */
  appName: string
  /** Keys the hashes of backup codes. */
  backupCodeKey: string
  /** Told of codes that were refused. */
  record: Recorder
}

/** The part of a request that says what is asked for. */
export interface Asked {
  path?: string
}

const TOTP = '/two-factor/verify-totp'
const BACKUP = '/two-factor/verify-backup-code'
const isVerification = ({ path }: Asked) => path === TOTP || path === BACKUP
const codeIn = ({ body }: Ctx) => (body as { code?: unknown } | undefined)?.code

/** What a session without its second factor may ask for: to add it, to leave, to begin anew. */
const OPEN = new Set([
  TOTP,
  BACKUP,
  '/passkey/generate-authenticate-options',
  '/passkey/verify-authentication',
  '/sign-in/email',
  '/sign-in/social',
  '/callback/:id',
  '/sign-in/magic-link',
  '/sign-in/magic-link/confirm',
  '/magic-link/verify',
  '/sign-up/email',
  '/confirm-email',
  '/change-email/undo',
  '/send-verification-email',
  '/request-password-reset',
  '/reset-password',
  '/reset-password/:token',
  '/sign-out',
  '/access/refresh',
  '/access/renew',
  '/jwks',
  '/ok',
  '/error',
])

/** Where Better Auth asks for the password, and for nothing of who has none. */
const CHANGES = /^\/two-factor\/(enable|disable|get-totp-uri|generate-backup-codes)$/

const FRESH_MS = 24 * 60 * 60 * 1000
const MAX_TRIES = 10
const LOCK_SECONDS = 900
const STEP_MS = 30_000

export function secondFactor({ db, appName, backupCodeKey, record }: SecondFactorOptions) {
  const backupCodes = createBackupCodes(backupCodeKey)
  const sessionOf = (ctx: Ctx) => presentedSession(ctx, db)

  const refusePending = createAuthMiddleware(async (ctx) => {
    if (!(await sessionOf(ctx))?.isPending) return
    throw new APIError('FORBIDDEN', {
      code: 'MFA_REQUIRED',
      message: 'A second factor is required first.',
    })
  })

  const refuseStale = createAuthMiddleware(async (ctx) => {
    const session = await sessionOf(ctx)
    if (!session || Date.now() - session.createdAt.getTime() < FRESH_MS) return
    const where = { userId: session.userId, password: { not: null } }
    if (await db.account.findFirst({ where })) return
    throw new APIError('FORBIDDEN', {
      code: 'SESSION_NOT_FRESH',
      message: 'Sign in again first.',
    })
  })

  /** Whose code it is: of the session, else of the sign-in that waits for it. */
  async function userIdOf(ctx: Ctx, session: { userId: string } | null): Promise<string | null> {
    if (session) return session.userId
    const { name } = ctx.context.createAuthCookie('two_factor')
    const challenge = await ctx.getSignedCookie(name, ctx.context.secret)
    if (!challenge) return null
    return (await ctx.context.internalAdapter.findVerificationValue(challenge))?.value ?? null
  }

  const beforeVerification = createAuthMiddleware(async (ctx) => {
    const code = codeIn(ctx)
    const session = await sessionOf(ctx)
    const userId = await userIdOf(ctx, session)
    const row = userId ? await db.twoFactor.findUnique({ where: { userId } }) : null
    if (typeof code !== 'string' || !row) return
    if (ctx.path === BACKUP && !row.verified) throw NOT_ENABLED
    try {
      // Better Auth counts tries of a sign-in, and none of a session.
      if (session) await countTry(db, row.userId)
      if (ctx.path === TOTP) await useUp(ctx, row, code)
    } catch (error) {
      await recordFailure(ctx, error)
      throw error
    }
    const body = { ...ctx.body, trustDevice: false }
    return {
      context: { body: ctx.path === BACKUP ? { ...body, code: backupCodes.hash(code) } : body },
    }
  })

  /** Takes the code's half-minute, which no other request can take again. */
  async function useUp(ctx: Ctx, row: { userId: string; secret: string }, code: string) {
    const key = ctx.context.secretConfig
    const otp = createOTP(await symmetricDecrypt({ key, data: row.secret }))
    const now = Math.floor(Date.now() / STEP_MS)
    for (const step of [now - 1, now, now + 1]) {
      if ((await otp.hotp(step)) !== code) continue
      const { count } = await db.twoFactor.updateMany({
        where: {
          userId: row.userId,
          OR: [{ lastUsedStep: null }, { lastUsedStep: { lt: step } }],
        },
        data: { lastUsedStep: step },
      })
      if (count === 1) return
      throw new APIError('UNAUTHORIZED', {
        code: 'CODE_USED',
        message: 'The code was used already. Wait for the next one.',
      })
    }
  }

  async function recordFailure(ctx: Ctx, error: unknown): Promise<void> {
    const session = await sessionOf(ctx)
    const userId = await userIdOf(ctx, session)
    if (!userId || !isAPIError(error) || typeof codeIn(ctx) !== 'string') return
    const reason = String(error.body?.code ?? 'refused').toLowerCase()
    const sessionId = session?.id ?? null
    const entry = { action: 'second_factor_failed', userId, sessionId, detail: { reason } } as const
    await record(entry, ctx.request ?? ctx.headers)
  }

  const afterVerification = createAuthMiddleware(async (ctx) => {
    const { returned } = ctx.context
    if (isAPIError(returned)) return recordFailure(ctx, returned)
    const present = await sessionOf(ctx)
    let session = ctx.context.newSession?.session
    // More may be done from now on, so it is another session, and the one before it ends.
    if (!session && present) session = await succeed(ctx, present)
    if (!session) return
    const { id, userId } = session
    await db.session.updateMany({ where: { id }, data: { aal: 2 } })
    // Sessions elsewhere that have not shown it, such as those from before it was turned on.
    await db.session.deleteMany({ where: { userId, aal: { lt: 2 } } })
    await db.twoFactor.updateMany({
      where: { userId },
      data: { failedVerificationCount: 0, lockedUntil: null },
    })
  })

  type Present = NonNullable<Awaited<ReturnType<typeof sessionOf>>>
  async function succeed(ctx: Ctx, { userId, activeOrganizationId }: Present) {
    const { internalAdapter } = ctx.context
    const session = await internalAdapter.createSession(userId, false, { activeOrganizationId })
    const user = await internalAdapter.findUserById(userId)
    if (!session || !user) throw new APIError('UNAUTHORIZED')
    await setSessionCookie(ctx, { session, user })
    return session
  }

  return [
    twoFactor({
      issuer: appName,
      // Who has no password must have signed in within a day instead.
      allowPasswordless: true,
      accountLockout: { maxFailedAttempts: MAX_TRIES, durationSeconds: LOCK_SECONDS },
      backupCodeOptions: { storeBackupCodes: backupCodes },
    }),
    {
      id: 'tollgate-second-factor',
      hooks: {
        before: [
          { matcher: ({ path }: Asked) => !OPEN.has(path ?? ''), handler: refusePending },
          { matcher: ({ path }: Asked) => CHANGES.test(path ?? ''), handler: refuseStale },
          { matcher: isVerification, handler: beforeVerification },
        ],
        after: [{ matcher: isVerification, handler: afterVerification }],
      },
    },
  ] satisfies BetterAuthPlugin[]
}

/** Backup codes stand in for an app that has been shown to work. */
const NOT_ENABLED = new APIError('BAD_REQUEST', {
  code: 'TOTP_NOT_ENABLED',
  message: 'The second factor is not turned on yet.',
})

/** Counted before the code is looked at, so that no number of requests at once gets more tries. */
async function countTry(db: Database, userId: string): Promise<void> {
  const counted = await db.$executeRaw`
    UPDATE "TwoFactor" SET
      "failedVerificationCount" = CASE WHEN "lockedUntil" IS NULL
        THEN "failedVerificationCount" + 1 ELSE 1 END,
      "lockedUntil" = CASE WHEN "lockedUntil" IS NULL AND "failedVerificationCount" + 1 >= ${MAX_TRIES}
        THEN now() + make_interval(secs => ${LOCK_SECONDS}) END
    WHERE "userId" = ${userId} AND ("lockedUntil" IS NULL OR "lockedUntil" <= now())`
  if (counted === 1) return
  throw new APIError('TOO_MANY_REQUESTS', {
    code: 'ACCOUNT_TEMPORARILY_LOCKED',
    message: 'Too many wrong codes. Try again in a quarter of an hour.',
  })
}

/**
 * Backup codes as keyed hashes. Better Auth looks for the code it was sent in the list it stored, so
 * the code is hashed on the way in, and the hashes are what the list holds.
 */
function createBackupCodes(key: string) {
  const hash = (code: string) =>
    `hs256:${createHmac('sha256', key).update(code).digest('base64url')}`
  const kept = (code: string) => (code.startsWith('hs256:') ? code : hash(code))
  return {
    hash,
    encrypt: async (codes: string) => JSON.stringify((JSON.parse(codes) as string[]).map(kept)),
    decrypt: async (stored: string) => stored,
  }
}
