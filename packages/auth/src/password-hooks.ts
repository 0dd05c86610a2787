/**
 * Around Better Auth's password endpoints. A password is the text that was typed in its normal form, and its
 * length is that of its characters, so the same password counts however a keyboard composes it. A new one is
 * checked before anything is used up, and an outdated hash is replaced once its password is known. Nobody
 * stays signed in with a password that was changed in the meantime. Placed before the plugins that may take
 * back a session, because a second factor says nothing about the first.
 *
 * @see https://pages.nist.gov/800-63-4/sp800-63b.html (length in code points, normal form)
 * @module
 */

import { defineRequestState, hasRequestState } from '@better-auth/core/context'
import type { Logger } from '@repo/core'
import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthMiddleware } from 'better-auth/api'
import { deleteSessionCookie } from 'better-auth/cookies'
import type { Background } from './background.ts'
import { type IsBreached, requireUnbreached } from './breached.ts'
import type { BegunSessions } from './new-session.ts'
import {
  MAX_PASSWORD_LENGTH,
  MIN_PASSWORD_LENGTH,
  normalPassword,
  type Passwords,
} from './password.ts'
import { forgetPresented, type HookContext } from './presented.ts'

export interface PasswordHooksOptions {
  passwords: Passwords
  breachedPasswords: boolean | IsBreached | undefined
  logger: Logger
  run: Background['run']
  begun: BegunSessions
}

const FIELDS = ['password', 'newPassword', 'currentPassword'] as const

/** Where a password is set, by path or by the name of a server function, and the field that holds it. */
const SETS_PASSWORD: Record<string, string> = {
  '/sign-up/email': 'password',
  '/change-password': 'newPassword',
  '/reset-password': 'newPassword',
  setPassword: 'newPassword',
}

/** What the present request has hashed, and the hash that it has found a password to fit. */
const seen = defineRequestState<{ hashed?: string; fitted?: string }>(() => ({}))

/** The hash that the present request has made; undefined before it has. */
export const hashedPassword = async (): Promise<string | undefined> => (await seen.get()).hashed

/** The hash that the present request has shown the password of; undefined where it has shown none. */
export const verifiedPassword = async (): Promise<string | undefined> =>
  (await hasRequestState()) ? (await seen.get()).fitted : undefined

/** `passwords` for Better Auth, which keeps to itself what it hashes and verifies. */
export function observed({ hash, verify }: Passwords): Pick<Passwords, 'hash' | 'verify'> {
  const note = async (what: { hashed?: string; fitted?: string }) => {
    if (await hasRequestState()) Object.assign(await seen.get(), what)
  }
  return {
    async hash(password) {
      const hashed = await hash(password)
      await forgetPresented()
      await note({ hashed })
      return hashed
    },
    async verify(entry) {
      const fits = await verify(entry)
      await forgetPresented()
      if (fits) await note({ fitted: entry.hash })
      return fits
    },
  }
}

export function passwordHooks(options: PasswordHooksOptions): BetterAuthPlugin {
  const { passwords, breachedPasswords = false, logger, run, begun } = options

  const before = createAuthMiddleware(async (ctx) => {
    const body: { [field: string]: string } = {}
    for (const [field, password] of passwordsIn(ctx)) body[field] = normalPassword(password)
    for (const password of Object.values(body)) requireAtMost(password)
    const { operationId = '' } = ctx as { operationId?: string }
    const set = body[SETS_PASSWORD[ctx.path ?? ''] ?? SETS_PASSWORD[operationId] ?? '']
    if (set !== undefined) {
      requireAtLeast(set)
      await requireUnbreached(set, breachedPasswords, logger)
      // The token is used up before the password is hashed; nobody should lose theirs to a full queue.
      if (ctx.path === '/reset-password') passwords.requireRoom()
    }
    // Other servers may have been asked meanwhile.
    await forgetPresented()
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
      // It was changed after it had been verified, and those who know the new one stay alone.
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
      // Only over the hash that was verified: the password may have been changed meanwhile.
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
      after: [{ matcher: ({ path }) => path === '/sign-in/email', handler: after }],
    },
  }
}

/** The fields of the body that hold a password, each with what was typed. */
function passwordsIn({ body }: Pick<HookContext, 'body'>): [string, string][] {
  const fields = (body ?? {}) as { [field: string]: unknown }
  return FIELDS.flatMap((name) => {
    const typed = fields[name]
    return typeof typed === 'string' ? [[name, typed]] : []
  })
}

const lengthOf = (password: string): number => [...password].length

/** @throws `password_too_long`, an HTTP 400 */
export function requireAtMost(password: string): void {
  if (lengthOf(password) <= MAX_PASSWORD_LENGTH) return
  throw new APIError('BAD_REQUEST', {
    code: 'password_too_long',
    message: `A password has ${MAX_PASSWORD_LENGTH} characters at the most.`,
  })
}

function requireAtLeast(password: string): void {
  if (lengthOf(password) >= MIN_PASSWORD_LENGTH) return
  throw new APIError('BAD_REQUEST', {
    code: 'password_too_short',
    message: `A password has ${MIN_PASSWORD_LENGTH} characters or more.`,
  })
}
