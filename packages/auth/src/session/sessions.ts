/**
 * Sessions in Node. A valid access token gives the session without a query. The session's row is read if the
 * token has expired or is denied, or if this process may have missed a denial. Users can also list and end
 * their sessions.
 *
 * @module
 */

import { requireId } from '@repo/core'
import { networkOf } from '@repo/core/rate-limit'
import type { Database } from '@repo/db'
import { type Device, deviceOf } from '../account/device.ts'
import { endAccess } from '../account/end-access.ts'
import type { AuditEntry } from '../audit/audit.ts'
import { AuthError } from '../errors.ts'
import { type Claims, readClaims, type Verifier } from './access-token.ts'
import { readCookie } from './cookies.ts'
import type { Revocations } from './revocations.ts'
import { complete, type GetSession } from './session.ts'
import type { SessionRows } from './session-rows.ts'
import type { CookieSigner } from './signed-cookie.ts'

/** One session of a user: a browser or program that is signed in. */
export interface SessionInfo extends Device {
  sessionId: string
  /** Whether it is the session of the request. */
  isCurrent: boolean
  /** When the user signed in. */
  createdAt: Date
  /** When the session was last refreshed. A session in use is refreshed every few minutes. */
  lastUsedAt: Date
  /** When the session ends unless it is refreshed. */
  expiresAt: Date
  /** The address of the sign-in; null if unknown. */
  ipAddress: string | null
  /** The network of that address, /24 or /48; null if unknown. */
  network: string | null
  /** The `User-Agent` header of the sign-in; null if there was none. */
  userAgent: string | null
}

/** The functions over sessions in Node. */
export interface Sessions {
  getSession: GetSession
  /**
   * The `Set-Cookie` lines for the answer to `req`, if reading its session found an expired access token;
   * else an empty list. Without these cookies such a session is read from its row each time, and never lives
   * longer than at sign-in.
   */
  renewCookies(req: Request): Promise<string[]>
  /** The sessions of the signed-in user, the newest first. @throws `not_authenticated` (401) */
  listSessions(req: Request): Promise<SessionInfo[]>
  /**
   * Ends one session of the signed-in user. In Node it ends at once.
   *
   * @throws `not_authenticated` (401); `unknown_session` (404), also for another user's session;
   * `invalid_argument` (400) without an id
   */
  revokeSession(req: Request, sessionId: string): Promise<void>
  /**
   * Ends all sessions of the user except the request's, and returns their number. @throws `not_authenticated`
   * (401)
   */
  revokeOtherSessions(req: Request): Promise<number>
}

/** The dependencies of `createSessions`. */
export interface SessionsOptions {
  db: Database
  rows: SessionRows
  verifier: Verifier
  revocations: Revocations
  cookies: CookieSigner
  /** The name of the cookie that holds a session's token. */
  sessionCookie: string
  /** The refresh endpoint's answer to a request with this `Cookie` header. */
  refresh(cookie: string): Promise<Response>
  /** Adds an entry to the audit log. */
  record(entry: AuditEntry, req: Request): void
}

/** Makes the functions over sessions. */
export function createSessions(options: SessionsOptions): Sessions {
  const { db, rows, verifier, revocations, cookies, sessionCookie, record } = options
  const outdated = new WeakSet<Request>()

  const getSession: GetSession = (req, { fresh = false } = {}) => {
    const claims = readClaims(req, verifier)
    if (claims instanceof Promise) return claims.then((late) => answer(req, late, fresh))
    return answer(req, claims, fresh)
  }

  /** The session in the claims, if it can be trusted; else the session in the row. */
  function answer(req: Request, claims: Claims | null, fresh: boolean) {
    const verdict = claims ? revocations.check(claims) : 'denied'
    if (claims && verdict === 'allowed' && !fresh) return Promise.resolve(claims.session)
    return fromRow(req, claims, verdict === 'denied')
  }

  async function fromRow(req: Request, claims: Claims | null, isDenied: boolean) {
    const session = claims ? await rows.read(claims.session.sessionId) : await fromCookie(req)
    if (session && isDenied) outdated.add(req)
    return session
  }

  async function fromCookie(req: Request) {
    const cookie = readCookie(req, sessionCookie)
    const token = cookie === null ? null : await cookies.open(cookie)
    return token === null ? null : ((await rows.present(token))?.session ?? null)
  }

  /** Reads the row, because a token that may have been revoked must not end other sessions. */
  async function requireFresh(req: Request) {
    const session = await getSession(req, { fresh: true })
    if (!session) throw new AuthError('not_authenticated', 'Nobody is signed in.')
    return complete(session)
  }

  return {
    getSession,
    async renewCookies(req) {
      if (!outdated.delete(req) || readCookie(req, sessionCookie) === null) return []
      const answer = await options.refresh(req.headers.get('cookie') as string)
      return answer.headers.getSetCookie()
    },
    async listSessions(req) {
      const { userId, sessionId } = await requireFresh(req)
      const found = await db.session.findMany({
        where: { userId, expiresAt: { gt: new Date() } },
        orderBy: { createdAt: 'desc' },
      })
      return found.map(({ id, createdAt, updatedAt, expiresAt, ipAddress, userAgent }) => ({
        sessionId: id,
        isCurrent: id === sessionId,
        createdAt,
        lastUsedAt: updatedAt,
        expiresAt,
        ...deviceOf(userAgent),
        ipAddress: ipAddress || null,
        network: ipAddress ? networkOf(ipAddress) : null,
        userAgent: userAgent || null,
      }))
    },
    async revokeSession(req, sessionId) {
      requireId('The session id', sessionId)
      const { userId } = await requireFresh(req)
      await endAccess(db, userId)
      const { count } = await db.session.deleteMany({ where: { id: sessionId, userId } })
      if (count === 0) throw new AuthError('unknown_session', 'You have no session with this id.')
      const detail = { reason: 'revoke-session' }
      record({ action: 'session_revoked', userId, actorId: userId, sessionId, detail }, req)
      await revocations.settle()
    },
    async revokeOtherSessions(req) {
      const { userId, sessionId } = await requireFresh(req)
      await endAccess(db, userId)
      const { count } = await db.session.deleteMany({ where: { userId, id: { not: sessionId } } })
      const detail = { reason: 'revoke-other-sessions' }
      record({ action: 'session_revoked', userId, actorId: userId, detail }, req)
      await revocations.settle()
      return count
    },
  }
}
