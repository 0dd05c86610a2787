/**
 * Around Better Auth's password endpoints: a new password is checked before anything is used up, and an
 * outdated hash is replaced once its password is known. Placed before the plugins that may take back a
 * session, because a second factor says nothing about the first.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware } from 'better-auth/api'
import type { Background } from './background.ts'
import { type IsBreached, requireUnbreached } from './breached.ts'
import { MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH, type Passwords } from './password.ts'

export interface PasswordHooksOptions {
  passwords: Passwords
  breachedPasswords: boolean | IsBreached | undefined
  logger: Logger
  run: Background['run']
}

/** Where a password is set, and the field that holds it. */
const SETS_PASSWORD: Record<string, string> = {
  '/sign-up/email': 'password',
  '/change-password': 'newPassword',
  '/reset-password': 'newPassword',
}

export function passwordHooks(options: PasswordHooksOptions): BetterAuthPlugin {
  const { passwords, breachedPasswords = false, logger, run } = options

  const before = createAuthMiddleware(async (ctx) => {
    const password = (ctx.body as Record<string, unknown> | undefined)?.[
      SETS_PASSWORD[ctx.path ?? ''] ?? ''
    ]
    if (typeof password !== 'string') return
    const { length } = password
    if (length < MIN_PASSWORD_LENGTH || length > MAX_PASSWORD_LENGTH) return
    await requireUnbreached(password, breachedPasswords, logger)
    // The token is used up before the password is hashed; nobody should lose theirs to a full queue.
    if (ctx.path === '/reset-password') passwords.requireRoom()
  })

  const after = createAuthMiddleware(async (ctx) => {
    const { password } = (ctx.body ?? {}) as { password?: unknown }
    const userId = ctx.context.newSession?.user.id
    if (!userId || typeof password !== 'string') return
    const { adapter, internalAdapter } = ctx.context
    const account = await internalAdapter.findCredentialAccount(userId)
    const outdated = account?.password
    if (!outdated || !passwords.isOutdated(outdated)) return
    run('passwordUpgrade', async () => {
      const replaced = await passwords.hash(password)
      // Only over the hash that was verified: the password may have been changed meanwhile.
      await adapter.updateMany({
        model: 'account',
        where: [
          { field: 'id', value: account.id },
          { field: 'password', value: outdated },
        ],
        update: { password: replaced },
      })
    })
  })

  return {
    id: 'tollgate-passwords',
    hooks: {
      before: [
        { matcher: ({ path }) => Object.hasOwn(SETS_PASSWORD, path ?? ''), handler: before },
      ],
      after: [{ matcher: ({ path }) => path === '/sign-in/email', handler: after }],
    },
  }
}
