/**
 * Lets a new session continue the one before it. Changing the password, turning off the second factor or
 * adding a passkey may make a new session without a new sign-in. The new session acts for the same
 * organization, keeps the age of the one before it, and ends when that one would have ended. A session from a
 * sign-in takes nothing over.
 *
 * @module
 */

import { defineRequestState, hasRequestState } from '@better-auth/core/context'
import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware } from 'better-auth/api'
import { endAccess } from '../account/end-access.ts'
import { endStarted } from '../account/rows.ts'
import { cookieSession } from './cookie-session.ts'

/** The endpoints whose new session continues the one before it, and whether it keeps the second factor. */
const CONTINUES: Record<string, { keepsFactor: boolean }> = {
  '/change-password': { keepsFactor: true },
  '/passkey/verify-registration': { keepsFactor: true },
  '/two-factor/disable': { keepsFactor: false },
}

/** The endpoints that end sessions, and with them the flows that those have begun. */
const REVOKES = /^\/(revoke-session|revoke-sessions|revoke-other-sessions)$/

/** The facts that a new session takes over. */
interface Before {
  userId: string
  aal: number
  activeOrganizationId: string | null
  createdAt: Date
  expiresAt: Date
}

/** The session of the request, if a new session will continue it. */
const before = defineRequestState<{ session: Before | null }>(() => ({ session: null }))

/** The plugin that continues sessions and ends the others after a changed password. */
export function continuation(db: Database): BetterAuthPlugin {
  const remember = createAuthMiddleware(async (ctx) => {
    const session = await cookieSession(ctx, db)
    if (!session) return
    const { userId, activeOrganizationId, createdAt, expiresAt } = session
    const aal = CONTINUES[ctx.path ?? '']?.keepsFactor ? session.aal : 1
    await before.set({ session: { userId, aal, activeOrganizationId, createdAt, expiresAt } })
  })

  /**
   * Ends the other sessions again after the password is stored. Better Auth ends them before, so a session
   * that signed in with the old password in between would stay.
   */
  const endOthers = createAuthMiddleware(async ({ context }) => {
    const session = context.newSession?.session
    if (!session) return
    const { id, userId } = session
    await endAccess(db, userId)
    await db.session.deleteMany({ where: { userId, id: { not: id } } })
    await endStarted(db, userId)
  })

  const endUnderWay = createAuthMiddleware(async (ctx) => {
    const session = await cookieSession(ctx, db)
    if (session) await endAccess(db, session.userId)
  })

  return {
    id: 'tollgate-continuation',
    init: () => ({
      options: {
        databaseHooks: {
          session: {
            create: {
              async before({ userId }) {
                if (!(await hasRequestState())) return
                const { session } = await before.get()
                return session?.userId === userId ? { data: session } : undefined
              },
            },
          },
        },
      },
    }),
    hooks: {
      before: [
        { matcher: ({ path }) => Object.hasOwn(CONTINUES, path ?? ''), handler: remember },
        { matcher: ({ path }) => REVOKES.test(path ?? ''), handler: endUnderWay },
      ],
      after: [{ matcher: ({ path }) => path === '/change-password', handler: endOthers }],
    },
  }
}
