/**
 * Sessions in Node: who is asking, from the access token without a query, and from the session's row
 * where the token has ended, is denied, or this process may not have heard; and the sessions a person
 * has, to look at and to end.
 *
 * @module
 */

import { requireId } from '@repo/core'
import { networkOf } from '@repo/core/rate-limit'
import type { Database } from '@repo/db'
import { readStatement, type Statement, type Verifier } from './access-token.ts'
import { endAccess } from './account/access-end.ts'
import { type Device, deviceOf } from './account/device.ts'
import type { AuditEntry } from './audit.ts'
import { readCookie } from './cookies.ts'
import type { Denials } from './denials.ts'
import { AuthError } from './errors.ts'
import { complete, type GetSession } from './session.ts'
import type { SessionRows } from './session-rows.ts'
import type { CookieSigner } from './signed-cookie.ts'

/** One of a person's sessions: a browser or program that is signed in. */
export interface SessionInfo extends Device {
  sessionId: string
  /** Whether it is the one that asks. */
  isCurrent: boolean
  createdAt: Date
  /** When it was last refreshed, which an active one is every few minutes. */
  lastUsedAt: Date
  /** When it ends unless it is refreshed. */
  expiresAt: Date
  /** Of the sign-in; null when not known. */
  ipAddress: string | null
  /** The network of that address, /24 or /48; null when not known. */
  network: string | null
  /** The header of the sign-in; null when there was none. */
  userAgent: string | null
}

export interface Sessions {
  getSession: GetSession
  /**
   * `Set-Cookie` lines for the answer to `req`, when reading its session found the access token
   * ended; else none. Without them such a session is read from its row each time, and never lives
   * longer than it did at sign-in.
   */
  renewCookies(req: Request): Promise<string[]>
  /** The sessions of who is asking, the newest first. @throws `not_authenticated` (401) */
  listSessions(req: Request): Promise<SessionInfo[]>
  /**
   * Ends one of the asking person's sessions, at once in Node.
   *
   * @throws `not_authenticated` (401), `unknown_session` (404) also for another person's, `invalid_argument`
   * (400) without an id
   */
  revokeSession(req: Request, sessionId: string): Promise<void>
  /** Ends all but the one that asks. Returns how many. @throws `not_authenticated` (401) */
  revokeOtherSessions(req: Request): Promise<number>
}

export interface SessionsOptions {
  db: Database
  rows: SessionRows
  verifier: Verifier
  denials: Denials
  cookies: CookieSigner
  /** The name of the cookie that holds a session's token. */
  sessionCookie: string
  /** The refresh endpoint's answer to a request with this `Cookie` header. */
  refresh(cookie: string): Promise<Response>
  /** Adds to the audit log. */
  record(entry: AuditEntry, req: Request): void
}

export function createSessions(options: SessionsOptions): Sessions {
  const { db, rows, verifier, denials, cookies, sessionCookie, record } = options
  const outdated = new WeakSet<Request>()

  const getSession: GetSession = (req, { fresh = false } = {}) => {
    const statement = readStatement(req, verifier)
    if (statement instanceof Promise) return statement.then((late) => answer(req, late, fresh))
    return answer(req, statement, fresh)
  }

  /** What the statement says, if it can be taken at its word, else what the row says. */
  function answer(req: Request, statement: Statement | null, fresh: boolean) {
    const judgement = statement ? denials.judge(statement) : 'denied'
    if (statement && judgement === 'allowed' && !fresh) return Promise.resolve(statement.session)
    return fromRow(req, statement, judgement === 'denied')
  }

  async function fromRow(req: Request, statement: Statement | null, isDenied: boolean) {
    const session = statement ? await rows.read(statement.session.sessionId) : await fromCookie(req)
    if (session && isDenied) outdated.add(req)
    return session
  }

  async function fromCookie(req: Request) {
    const cookie = readCookie(req, sessionCookie)
    const token = cookie === null ? null : await cookies.open(cookie)
    return token === null ? null : ((await rows.present(token))?.session ?? null)
  }

  /** Ending sessions is not for a token that may itself have been revoked. */
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
      if (count === 0) throw new AuthError('unknown_session', 'There is no such session.')
      const detail = { reason: 'revoke-session' }
      record({ action: 'session_revoked', userId, actorId: userId, sessionId, detail }, req)
      await denials.settle()
    },
    async revokeOtherSessions(req) {
      const { userId, sessionId } = await requireFresh(req)
      await endAccess(db, userId)
      const { count } = await db.session.deleteMany({ where: { userId, id: { not: sessionId } } })
      const detail = { reason: 'revoke-other-sessions' }
      record({ action: 'session_revoked', userId, actorId: userId, detail }, req)
      await denials.settle()
      return count
    },
  }
}
