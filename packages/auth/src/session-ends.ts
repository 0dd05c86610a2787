/**
 * A session that is ended by its token ends, although a refresh exchanges the token at the same time. The token
 * names its session, so what is deleted by a token is deleted by the session's id; nothing is looked up that way.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthEndpoint, sensitiveSessionMiddleware } from 'better-auth/api'
import { deleteSessionCookie } from 'better-auth/cookies'
import { z } from 'zod'
import { sessionIdOf, tokenHash } from './session-rows.ts'

interface Condition {
  field: string
  value: unknown
  operator?: string | undefined
}

/** What a deletion of sessions is about, by id where it is by token. Whoever deletes has checked the token before. */
export function byId<T extends Condition>(model: string, where: readonly T[]): T[] {
  return where.map((each) => {
    if (model !== 'session' || each.field !== 'token') return each
    const tokens: unknown[] = Array.isArray(each.value) ? each.value : [each.value]
    const ids = tokens.map((token) => sessionIdOf(String(token)))
    // A token from before sessions were named by it goes by itself.
    if (ids.includes(null)) return each
    return { ...each, field: 'id', value: Array.isArray(each.value) ? ids : ids[0] }
  })
}

/**
 * Better Auth reads a row before it deletes it, and deletes none that it does not find. Where that is what is read,
 * the session is found by its former token, too: by the hash of that token, so a token that was made up finds none.
 * Null for whatever else is read.
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

/** In place of Better Auth's own endpoints, which compare the tokens of sessions that are refreshed meanwhile. */
export function sessionEnds(db: Database): BetterAuthPlugin {
  return {
    id: 'tollgate-session-ends',
    endpoints: {
      /** By a token that `/list-sessions` gave, also one that was exchanged since. Another person's is as unknown. */
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
  new APIError('NOT_FOUND', { code: 'unknown_session', message: 'There is no such session.' })
