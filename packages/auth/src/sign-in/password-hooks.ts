/**
 * Hooks around Better Auth's password endpoints. A password is compared in its Unicode normal form and
 * measured in characters, so it does not matter how a keyboard composes it. A new password is checked before
 * anything is used up. An outdated hash is replaced once the password is known. A sign-in fails if the
 * password was changed while it ran. The plugin comes before the plugins that may take back a session,
 * because a second factor says nothing about the password.
 *
 * @see https://pages.nist.gov/800-63-4/sp800-63b.html (length in code points, normal form)
 * @module
 */

import { defineRequestState, hasRequestState } from '@better-auth/core/context'
import type { Logger } from '@repo/core'
import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthMiddleware } from 'better-auth/api'
import { deleteSessionCookie } from 'better-auth/cookies'
import type { Background } from '../background.ts'
import { forgetCookieSession, type HookContext } from '../session/cookie-session.ts'
import type { BegunSessions } from '../session/new-session.ts'
import { type IsBreached, requireUnbreached } from './breached.ts'
import {
  MAX_PASSWORD_LENGTH,
  MIN_PASSWORD_LENGTH,
  normalPassword,
  type Passwords,
} from './password.ts'

/** The dependencies of `passwordHooks`. */
export interface PasswordHooksOptions {
  passwords: Passwords
  breachedPasswords: boolean | IsBreached | undefined
  logger: Logger
  run: Background['run']
  begun: BegunSessions
}

/** The fields that hold a password. */
const FIELDS = ['password', 'newPassword', 'currentPassword'] as const

/** The field with the new password, by the endpoint's path or the server function's name. */
const SETS_PASSWORD: Record<string, string> = {
  '/sign-up/email': 'password',
  '/change-password': 'newPassword',
  '/reset-password': 'newPassword',
  setPassword: 'newPassword',
}

/**
 * The hash that this request has made, the hash that a password of this request has matched, and the passwords of this
 * request as they were typed, by their normal form where it differs.
 */
const seen = defineRequestState<{
  hashed?: string
  fitted?: string
  typed?: ReadonlyMap<string, string>
}>(() => ({}))

/** Notes what this request has seen. */
const note = async (what: Awaited<ReturnType<typeof seen.get>>): Promise<void> => {
  if (await hasRequestState()) Object.assign(await seen.get(), what)
}

/** The hash that this request has made; undefined if it has made none. */
export const hashedPassword = async (): Promise<string | undefined> => (await seen.get()).hashed

/** The hash that a password of this request has matched; undefined if none has. */
export const verifiedPassword = async (): Promise<string | undefined> =>
  (await hasRequestState()) ? (await seen.get()).fitted : undefined

/** Wraps `passwords` for Better Auth, which does not tell what it hashes and verifies, and notes both. */
export function observed({ hash, verify }: Passwords): Pick<Passwords, 'hash' | 'verify'> {
  return {
    async hash(password) {
      const hashed = await hash(password)
      await forgetCookieSession()
      await note({ hashed })
      return hashed
    },
    async verify(entry) {
      const request = (await hasRequestState()) ? await seen.get() : {}
      const typed = request.typed?.get(entry.password)
      const fits = await verify(typed === undefined ? entry : { ...entry, typed })
      await forgetCookieSession()
      if (fits) await note({ fitted: entry.hash })
      return fits
    },
  }
}

/** Makes the plugin. */
export function passwordHooks(options: PasswordHooksOptions): BetterAuthPlugin {
  const { passwords, breachedPasswords = false, logger, run, begun } = options

  const before = createAuthMiddleware(async (ctx) => {
    const body: { [field: string]: string } = {}
    const typed = new Map<string, string>()
    for (const [field, password] of passwordsIn(ctx)) {
      const normal = normalPassword(password)
      body[field] = normal
      if (normal !== password) typed.set(normal, password)
    }
    if (typed.size > 0) await note({ typed })
    for (const password of Object.values(body)) requireAtMost(password)
    const { operationId = '' } = ctx as { operationId?: string }
    const set = body[SETS_PASSWORD[ctx.path ?? ''] ?? SETS_PASSWORD[operationId] ?? '']
    if (set !== undefined) {
      requireAtLeast(set)
      await requireUnbreached(set, breachedPasswords, logger)
      // The token is used up before the password is hashed, and a full queue must not cost the user the
      // token.
      if (ctx.path === '/reset-password') passwords.requireRoom()
    }
    // The check for breaches may have taken time, so the session is read again.
    await forgetCookieSession()
    return { context: { body } }
  })

  const after = createAuthMiddleware(async (ctx) => {
    const { password } = (ctx.body ?? {}) as { password?: unknown }
    const { newSession, adapter, internalAdapter } = ctx.context
    if (!newSession || typeof password !== 'string') return
    const account = await begun(newSession.session.id)
    const hash = account?.password
    const fits =
      hash && (hash === (await seen.get()).fitted || (await passwords.verify({ hash, password })))
    if (!fits) {
      // The password was changed after it was verified. Only users who know the new one stay signed in.
      await internalAdapter.deleteSession(newSession.session.token)
      deleteSessionCookie(ctx)
      ctx.context.setNewSession(null)
      throw new APIError('UNAUTHORIZED', {
        code: 'invalid_email_or_password',
        message: 'Invalid email or password',
      })
    }
    if (!passwords.isOutdated(hash)) return
    run('passwordUpgrade', async () => {
      const replaced = await passwords.hash(password)
      // The update applies only to the hash that was verified, because the password may have changed
      // meanwhile.
      await adapter.updateMany({
        model: 'account',
        where: [
          { field: 'id', value: account.accountId },
          { field: 'password', value: hash },
        ],
        update: { password: replaced },
      })
    })
  })

  return {
    id: 'tollgate-passwords',
    hooks: {
      before: [{ matcher: (ctx) => passwordsIn(ctx as HookContext).length > 0, handler: before }],
      after: [{ matcher: ({ path }) => path?.startsWith('/sign-in/') === true, handler: after }],
    },
  }
}

/** The fields of the body that hold a password, with their values. */
function passwordsIn({ body }: Pick<HookContext, 'body'>): [string, string][] {
  const fields = (body ?? {}) as { [field: string]: unknown }
  return FIELDS.flatMap((name) => {
    const typed = fields[name]
    return typeof typed === 'string' ? [[name, typed]] : []
  })
}

const lengthOf = (password: string): number => [...password].length

/** Refuses a password that is too long. @throws `password_too_long` (400) */
export function requireAtMost(password: string): void {
  if (lengthOf(password) <= MAX_PASSWORD_LENGTH) return
  throw new APIError('BAD_REQUEST', {
    code: 'password_too_long',
    message: `The password must have ${MAX_PASSWORD_LENGTH} characters or fewer.`,
  })
}

function requireAtLeast(password: string): void {
  if (lengthOf(password) >= MIN_PASSWORD_LENGTH) return
  throw new APIError('BAD_REQUEST', {
    code: 'password_too_short',
    message: `The password must have ${MIN_PASSWORD_LENGTH} characters or more.`,
  })
}
