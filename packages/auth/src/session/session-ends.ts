/**
 * Ends a session by its token even if a refresh exchanges the token at the same moment. A token contains its
 * session's id, so a deletion by token becomes a deletion by id. Look-ups still compare the whole token.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthEndpoint, sensitiveSessionMiddleware } from 'better-auth/api'
import { deleteSessionCookie } from 'better-auth/cookies'
import * as z from 'zod'
import { sessionIdOf, tokenHash } from './session-rows.ts'

/** A condition of Better Auth's adapter. */
interface Condition {
  field: string
  value: unknown
  operator?: string | undefined
}

/**
 * Replaces a session's token by its id in the conditions of a deletion. The caller has already checked the
 * token.
 */
export function byId<T extends Condition>(model: string, where: readonly T[]): T[] {
  return where.map((each) => {
    if (model !== 'session' || each.field !== 'token') return each
    const tokens: unknown[] = Array.isArray(each.value) ? each.value : [each.value]
    const ids = tokens.map((token) => sessionIdOf(String(token)))
    // Old tokens do not contain the session's id, and are compared as they are.
    if (ids.includes(null)) return each
    return { ...each, field: 'id', value: Array.isArray(each.value) ? ids : ids[0] }
  })
}

/**
 * The conditions that find a session by its former token; null for other queries. Better Auth reads a row
 * before it deletes the row, and deletes nothing if it finds none. The hash of the former token is compared,
 * so an invented token finds no session.
 */
export function formerToken<T extends Condition>(read: {
  model: string
  where?: readonly T[] | undefined
  limit?: number | undefined
}): T[] | null {
  const [only, ...others] = read.where ?? []
  if (read.model !== 'session' || read.limit !== 1 || !only || others.length > 0) return null
  const { field, value, operator = 'eq' } = only
  if (field !== 'token' || operator !== 'eq' || typeof value !== 'string') return null
  const id = sessionIdOf(value)
  if (id === null) return null
  return [
    { ...only, field: 'id', value: id },
    { ...only, field: 'predecessorHash', value: tokenHash(value) },
  ]
}

/**
 * The plugin that replaces Better Auth's own endpoints, which compare tokens that a refresh may exchange
 * meanwhile.
 */
export function sessionEnds(db: Database): BetterAuthPlugin {
  return {
    id: 'tollgate-session-ends',
    endpoints: {
      /**
       * Ends a session by a token from `/list-sessions`, even if it was exchanged since. Another user's token
       * counts as unknown.
       */
      revokeSession: createAuthEndpoint(
        '/revoke-session',
        {
          method: 'POST',
          body: z.object({ token: z.string() }),
          use: [sensitiveSessionMiddleware],
          requireHeaders: true,
        },
        async (ctx) => {
          const { user, session } = ctx.context.session
          const { token } = ctx.body
          const named = { OR: [{ token }, { id: sessionIdOf(token) ?? '' }] }
          const found = await db.session.findFirst({ where: { userId: user.id, ...named } })
          if (!found) throw unknownSession()
          await ctx.context.internalAdapter.deleteSession(found.token)
          if (found.id === session.id) deleteSessionCookie(ctx)
          return ctx.json({ status: true })
        },
      ),
      revokeOtherSessions: createAuthEndpoint(
        '/revoke-other-sessions',
        { method: 'POST', use: [sensitiveSessionMiddleware], requireHeaders: true },
        async (ctx) => {
          const { user, session } = ctx.context.session
          const others = await db.session.findMany({
            where: { userId: user.id, id: { not: session.id } },
          })
          for (const { token } of others) await ctx.context.internalAdapter.deleteSession(token)
          return ctx.json({ status: true })
        },
      ),
    },
  }
}

const unknownSession = () =>
  new APIError('NOT_FOUND', {
    code: 'unknown_session',
    message: 'You have no session with this id. List the sessions again.',
  })
