/**
 * Makes refresh tokens of OAuth grants good once. A refresh token that is used again was copied, so its grant
 * ends for everyone who holds a token of it. Only parallel requests share one answer, because none of them
 * has seen it yet.
 *
 * A grant ends with the session in which it was given, the consent, the client and the user. The database
 * enforces this with foreign keys and the triggers "OauthRefreshToken_grant_ended" and
 * "OauthConsent_withdrawn". The trigger "OauthRefreshToken_has_consent" refuses a token for scopes that the
 * present consent does not allow.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9700#section-4.14
 * @module
 */

import { atomically, type Database, type Db, sqlErrorOf } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthMiddleware, getOAuthState, isAPIError } from 'better-auth/api'
import type { JwtOptions } from 'better-auth/plugins/jwt'
import * as z from 'zod'
import { RECENT_SECONDS } from '../account/recent.ts'
import type { Recorder } from '../audit/recorder.ts'
import { currentTransaction, inTransaction } from '../database/transaction.ts'
import type { Endpoint } from '../http/endpoint.ts'
import { cookieSession, type HookContext } from '../session/cookie-session.ts'

/** How long parallel requests share one answer, in seconds; Better Auth keeps the answer that long. */
export const ROTATION_SECONDS = 10

/** The dependencies of `rotating`. */
export interface GrantOptions {
  db: Database
  /** The keyed hash under which a code or a token is stored. */
  hashOf(token: string, type: 'authorization_code' | 'refresh_token'): Promise<string>
  /** Records tokens that were used again. */
  record: Recorder
}

/** A refresh token as it is checked here. `grant` is the same for all tokens of one grant. */
interface TokenRow {
  id: string
  userId: string
  clientId: string
  grant: string
  isUsed: boolean
  scopes: string[]
}

/** Wraps the token endpoint so that tokens rotate safely beside parallel requests. */
export function rotating<E extends Endpoint>(endpoint: E, options: GrantOptions): E {
  const { db, hashOf, record } = options

  // An error rolls everything back, so that no token is used up without an answer.
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
   * Exchanges a code, or a service's own credentials. The access tokens of a code have no row that a
   * withdrawn consent could delete. So the consent is checked after they are made, and they are returned only
   * if it still allows their scopes.
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
    throw invalidGrant(
      'The refresh token was used before, so the grant has ended. Ask for a new authorization.',
    )
  }
  return Object.assign(wrapped, endpoint) as unknown as E
}

function refreshTokenIn(ctx: HookContext): string | null {
  const { grant_type, refresh_token } = (ctx.body ?? {}) as Record<string, unknown>
  return grant_type === 'refresh_token' && typeof refresh_token === 'string' ? refresh_token : null
}

/** The user, client and scopes of a consent. */
interface Granted {
  userId: string
  clientId: string
  scopes: string[]
}

/** What the code of a request was given for; null without a code or with an unknown code. */
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

/** The part of a stored code that is read here. */
const codeValue = z.object({
  userId: z.string(),
  query: z.object({ client_id: z.string(), scope: z.string().default('') }),
})

/**
 * Throws unless the user consents to these scopes. The consent's row stays locked until the end of the
 * transaction, so a withdrawal waits and then also deletes the token that is being written.
 *
 * @throws `invalid_grant`
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
  throw invalidGrant('The user no longer consents to these scopes. Ask for a new authorization.')
}

/**
 * Throws if the grant has ended with its session. A grant outlives an expired session, unless the grant was
 * given when the sign-in was no longer recent.
 *
 * @throws `invalid_grant`
 */
async function requireSession(tx: Db, tokenId: string): Promise<void> {
  const found = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM "OauthRefreshToken" t JOIN "Session" s ON s."id" = t."sessionId"
    WHERE t."id" = ${tokenId} AND (s."expiresAt" > now()
      OR t."grantedAt" < s."createdAt" + make_interval(secs => ${RECENT_SECONDS}))`
  if (found.length === 0)
    throw invalidGrant('The session of the grant has ended. Ask for a new authorization.')
}

/**
 * Loads the signing keys before the transaction. Within many parallel transactions, loading would wait for a
 * connection that those transactions hold.
 */
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
 * Locks a token's grant, so that requests for the same grant run one after another. The rows that a new token
 * depends on are locked first, in the order in which deleting the token would lock them. A session that ends
 * meanwhile waits, and then deletes the new token, too.
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
 * Gives the next token all scopes of the one before it, even if the request asked for fewer, because Better
 * Auth would narrow the grant and stop rotating. A token without a next one is marked as used.
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

/**
 * `invalid_grant` for a foreign key error: a session, user or client was deleted before the token was
 * written.
 */
function refusalOf(error: unknown): Error | null {
  return sqlErrorOf(error).state === '23503' ? invalidGrant('The grant has ended.') : null
}

const refuse = (error: unknown): never => {
  throw refusalOf(error) ?? error
}

const invalidGrant = (error_description: string) =>
  new APIError('BAD_REQUEST', { error: 'invalid_grant', error_description })

/**
 * The plugin that moves grants to a new session. Signing in again in the same browser is not signing out, so
 * the grants of the session before it move to the new one. A grant that was given when the sign-in was no
 * longer recent does not move, and ends with its session. The plugin comes after the plugins that may take
 * back a new session.
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

  /**
   * Deletes the user's expired sessions too: the list of sessions does not show them, but grants may depend
   * on them.
   */
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

/**
 * The session that the new one replaces: the request's session, or, after a provider's answer, which comes
 * without cookies, the session in the state.
 */
async function replacedSession(ctx: HookContext, db: Database) {
  const presented = await cookieSession(ctx, db)
  if (presented || !ctx.path?.startsWith('/callback/')) return presented
  const { previousSessionId } = (await getOAuthState())?.serverContext ?? {}
  if (typeof previousSessionId !== 'string') return null
  return db.session.findUnique({ where: { id: previousSessionId } })
}
