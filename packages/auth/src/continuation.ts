/**
 * A new session that goes on for the one before it. A person who changes the password, turns the second factor
 * off or adds a passkey may get a new session and has not signed in again: it acts for the same organization,
 * is as old as the one before it and ends when that one would have. A sign-in takes nothing over.
 *
 * @module
 */

import { defineRequestState, hasRequestState } from '@better-auth/core/context'
import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware } from 'better-auth/api'
import { endAccess } from './account/access-end.ts'
import { endStarted } from './account/rows.ts'
import { presentedSession } from './presented.ts'

/** Where a new session goes on for the one before it, and whether it keeps the second factor. */
const CONTINUES: Record<string, { keepsFactor: boolean }> = {
  '/change-password': { keepsFactor: true },
  '/passkey/verify-registration': { keepsFactor: true },
  '/two-factor/disable': { keepsFactor: false },
}

/** Where people end sessions, and what those have under way. */
const REVOKES = /^\/(revoke-session|revoke-sessions|revoke-other-sessions)$/

interface Before {
  userId: string
  aal: number
  activeOrganizationId: string | null
  createdAt: Date
  expiresAt: Date
}

/** The session that the present request came with, where a new one goes on for it. */
const before = defineRequestState<{ session: Before | null }>(() => ({ session: null }))

export function continuation(db: Database): BetterAuthPlugin {
  const remember = createAuthMiddleware(async (ctx) => {
    const session = await presentedSession(ctx, db)
    if (!session) return
    const { userId, activeOrganizationId, createdAt, expiresAt } = session
    const aal = CONTINUES[ctx.path ?? '']?.keepsFactor ? session.aal : 1
    await before.set({ session: { userId, aal, activeOrganizationId, createdAt, expiresAt } })
  })

  /**
   * Better Auth ends the others before it stores the password; somebody who signs in with the old one meanwhile
   * would stay.
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
    const session = await presentedSession(ctx, db)
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
