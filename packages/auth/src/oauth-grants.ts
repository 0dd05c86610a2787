/**
 * What a user has granted a program lives in refresh tokens, and each of them is good once. A token that is
 * used again was copied, so the grant ends for all who hold a part of it. Only requests that were under way
 * together get one answer: none of them has seen it yet.
 *
 * A grant ends with the session in which it was given, with the consent, the client and the user; the database
 * sees to that (foreign keys, triggers "OauthRefreshToken_grant_ended" and "OauthConsent_withdrawn"), and refuses a
 * token for what the present consent does not allow (trigger "OauthRefreshToken_has_consent").
 *
 * @see https://www.rfc-editor.org/rfc/rfc9700#section-4.14
 * @module
 */

import { atomically, type Database, type Db, sqlErrorOf } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthMiddleware, getOAuthState, isAPIError } from 'better-auth/api'
import type { JwtOptions } from 'better-auth/plugins/jwt'
import { z } from 'zod'
import { RECENT_SECONDS } from './account/reauthenticate.ts'
import type { Recorder } from './audit-hooks.ts'
import type { Endpoint } from './endpoint.ts'
import { type HookContext, presentedSession } from './presented.ts'
import { currentTransaction, inTransaction } from './transaction.ts'

/** How long requests that were under way together may take; Better Auth keeps the answer for so long. */
export const ROTATION_SECONDS = 10

/** How long a used token is known as one. Later it is refused like any text, and ends nothing. */
export const USED_DAYS = 7

export interface GrantOptions {
  db: Database
  /** The keyed hash under which a code or a token is stored. */
  hashOf(token: string, type: 'authorization_code' | 'refresh_token'): Promise<string>
  /** Told of tokens that were used again. */
  record: Recorder
}

interface TokenRow {
  id: string
  userId: string
  clientId: string
  grant: string
  isUsed: boolean
  scopes: string[]
}

/** The token endpoint, with rotation that holds whatever runs beside it. */
export function rotating<E extends Endpoint>(endpoint: E, options: GrantOptions): E {
  const { db, hashOf, record } = options

  // What is thrown undoes everything, so that a token is not lost to an answer that was never made.
  const rotate = inTransaction(db, rotateInTransaction as Endpoint, {
    after: async () => {},
    refusalOf,
  })

  async function rotateInTransaction(ctx: HookContext): Promise<unknown> {
    const tx = currentTransaction() as Db
    const row = await lock(tx, await hashOf(refreshTokenIn(ctx) as string, 'refresh_token'))
    if (row) {
      await requireConsent(tx, row)
      await requireSession(tx, row.id)
    }
    const answer = await endpoint(ctx)
    if (row) await keepScopes(tx, row)
    return answer
  }

  /**
   * A code, or a service's own credentials. Access tokens of a code have no row that would hang on the consent, so
   * it is looked at once they are there: what is still consented to then, the tokens were given for.
   */
  async function exchange(ctx: HookContext): Promise<unknown> {
    const granted = await grantedBy(ctx, hashOf)
    const answer = await endpoint(ctx)
    if (granted) await requireConsent(db, granted)
    return answer
  }

  const wrapped = async (ctx: HookContext): Promise<unknown> => {
    const token = refreshTokenIn(ctx)
    if (token === null) return exchange(ctx).catch(refuse)
    const presented = await find(db, await hashOf(token, 'refresh_token'))
    if (!presented?.isUsed) {
      await loadKeys(ctx)
      return rotate(ctx)
    }
    await end(db, presented)
    const { userId, clientId } = presented
    const entry = { action: 'refresh_token_reused', userId, detail: { from: clientId } } as const
    await record(entry, ctx.request ?? ctx.headers)
    throw invalidGrant('The refresh token was used before, so the grant has ended.')
  }
  return Object.assign(wrapped, endpoint) as unknown as E
}

function refreshTokenIn(ctx: HookContext): string | null {
  const { grant_type, refresh_token } = (ctx.body ?? {}) as Record<string, unknown>
  return grant_type === 'refresh_token' && typeof refresh_token === 'string' ? refresh_token : null
}

interface Granted {
  userId: string
  clientId: string
  scopes: string[]
}

/** What the code of a request was given for; null for a request without one, or with one that leads nowhere. */
async function grantedBy(
  ctx: HookContext,
  hashOf: GrantOptions['hashOf'],
): Promise<Granted | null> {
  const { grant_type, code } = (ctx.body ?? {}) as Record<string, unknown>
  if (grant_type !== 'authorization_code' || typeof code !== 'string') return null
  const identifier = await hashOf(code, 'authorization_code')
  const row = await ctx.context.internalAdapter.findVerificationValue(identifier)
  const stored = row && codeValue.safeParse(JSON.parse(row.value))
  if (!stored?.success) return null
  const { userId, query } = stored.data
  return { userId, clientId: query.client_id, scopes: query.scope.split(' ').filter(Boolean) }
}

const codeValue = z.object({
  userId: z.string(),
  query: z.object({ client_id: z.string(), scope: z.string().default('') }),
})

/**
 * Held until the end of the transaction, so that a withdrawal waits and takes along what is being written.
 *
 * @throws `invalid_grant` where the user does not consent to these scopes
 */
async function requireConsent(
  db: Pick<Db, '$queryRaw'>,
  { userId, clientId, scopes }: Granted,
): Promise<void> {
  const found = await db.$queryRaw<unknown[]>`
    SELECT 1 FROM "OauthConsent" WHERE "userId" = ${userId} AND "clientId" = ${clientId}
      AND ${scopes}::text[] <@ "scopes" FOR SHARE`
  if (found.length > 0) return
  const trusted = await db.$queryRaw<unknown[]>`
    SELECT 1 FROM "OauthClient" WHERE "clientId" = ${clientId} AND "skipConsent"`
  if (trusted.length > 0) return
  throw invalidGrant('The user no longer consents to this.')
}

/**
 * A grant outlives a session that has run out, but not where it was given when the sign-in was no longer recent.
 *
 * @throws `invalid_grant`
 */
async function requireSession(tx: Db, tokenId: string): Promise<void> {
  const found = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM "OauthRefreshToken" t JOIN "Session" s ON s."id" = t."sessionId"
    WHERE t."id" = ${tokenId} AND (s."expiresAt" > now()
      OR t."grantedAt" < s."createdAt" + make_interval(secs => ${RECENT_SECONDS}))`
  if (found.length === 0) throw invalidGrant('The session in which it was granted has ended.')
}

/** Loaded within the transactions of many, they would wait for a connection that those transactions hold. */
async function loadKeys(ctx: HookContext): Promise<void> {
  const plugin = ctx.context.getPlugin('jwt') as { options?: JwtOptions } | null
  await plugin?.options?.adapter?.getJwks?.(ctx)
}

async function find(db: Pick<Db, '$queryRaw'>, hash: string): Promise<TokenRow | undefined> {
  const [row] = await db.$queryRaw<TokenRow[]>`
    SELECT "id", "userId", "clientId", coalesce("authorizationCodeId", "id") AS "grant",
      "revoked" IS NOT NULL AS "isUsed", "scopes"
    FROM "OauthRefreshToken" WHERE "token" = ${hash}`
  return row
}

/**
 * Requests with tokens of one grant follow each other. What a new token hangs on is locked first, in the order
 * in which deleting it would lock: a session that ends meanwhile waits, and takes the new token with it.
 */
async function lock(tx: Db, hash: string): Promise<TokenRow | undefined> {
  const found = await find(tx, hash)
  if (!found) return undefined
  await lockGrant(tx, found.grant)
  await tx.$queryRaw`
    SELECT 1 FROM "OauthRefreshToken" t JOIN "User" u ON u."id" = t."userId"
      JOIN "OauthClient" c ON c."clientId" = t."clientId" JOIN "Session" s ON s."id" = t."sessionId"
    WHERE t."id" = ${found.id} FOR KEY SHARE OF u, c, s`
  return find(tx, hash)
}

/**
 * A next token has the scopes of the one before it, also where the request asked for fewer: Better Auth would
 * narrow the grant, and stop rotating. A token without a next one has served.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-6
 */
async function keepScopes(tx: Db, { id, grant, scopes }: TokenRow): Promise<void> {
  await tx.oauthRefreshToken.updateMany({
    where: { authorizationCodeId: grant, revoked: null, id: { not: id } },
    data: { scopes },
  })
  await tx.$executeRaw`UPDATE "OauthRefreshToken" SET "revoked" = now() WHERE "id" = ${id} AND "revoked" IS NULL`
}

const end = (db: Database, { id, grant }: TokenRow): Promise<unknown> =>
  atomically(db, async (tx) => {
    await lockGrant(tx, grant)
    await tx.oauthRefreshToken.deleteMany({
      where: { OR: [{ id }, { authorizationCodeId: grant }] },
    })
  })

const lockGrant = (tx: Db, grant: string): Promise<number> =>
  tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`grant ${grant}`}, 0))`

/** A session, a user or a client was deleted between reading it and writing the token. */
function refusalOf(error: unknown): Error | null {
  return sqlErrorOf(error).state === '23503' ? invalidGrant('The grant has ended.') : null
}

const refuse = (error: unknown): never => {
  throw refusalOf(error) ?? error
}

const invalidGrant = (error_description: string) =>
  new APIError('BAD_REQUEST', { error: 'invalid_grant', error_description })

/**
 * A grant goes over to the session that takes the place of its own: signing in again in the same browser is
 * not signing out. One that was given when the sign-in was no longer recent ends with it. Placed after the plugins that may take back a new session.
 */
export function grantsFollow(db: Database): BetterAuthPlugin {
  const follow = createAuthMiddleware(async (ctx) => {
    const next = ctx.context.newSession
    const previous = next && (await replacedSession(ctx, db))
    if (!previous || previous.id === next.session.id || previous.userId !== next.user.id) return
    const recentUntil = new Date(previous.createdAt.getTime() + RECENT_SECONDS * 1000)
    await db.oauthRefreshToken.updateMany({
      where: { sessionId: previous.id, userId: next.user.id, grantedAt: { lt: recentUntil } },
      data: { sessionId: next.session.id },
    })
  })

  /** Nobody sees these sessions any more, and grants may hang on them. */
  const endExpired = createAuthMiddleware(async (ctx) => {
    const userId = ctx.context.session?.user.id
    if (!userId || isAPIError(ctx.context.returned)) return
    await db.session.deleteMany({ where: { userId, expiresAt: { lte: new Date() } } })
  })

  const at = (path: string) => (asked: { path?: string }) => asked.path === path
  return {
    id: 'tollgate-oauth-grants',
    hooks: {
      after: [
        { matcher: () => true, handler: follow },
        { matcher: at('/revoke-other-sessions'), handler: endExpired },
      ],
    },
  }
}

/** The session of the request; after a provider's answer, which comes without it, that of the state. */
async function replacedSession(ctx: HookContext, db: Database) {
  const presented = await presentedSession(ctx, db)
  if (presented || !ctx.path?.startsWith('/callback/')) return presented
  const { previousSessionId } = (await getOAuthState())?.serverContext ?? {}
  if (typeof previousSessionId !== 'string') return null
  return db.session.findUnique({ where: { id: previousSessionId } })
}
