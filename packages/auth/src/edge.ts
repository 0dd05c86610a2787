/**
 * The guards where there is no database: they read the access token. No Node builtin, no native
 * module. A revoked session lives on here until its token ends, five minutes at the most.
 *
 * @module
 */

import { createLocalJWKSet, createRemoteJWKSet, type JSONWebKeySet } from 'jose'
import { createVerify, readStatement } from './access-token.ts'
import { RENEWED_COOKIE, readCookie, SESSION_COOKIE } from './cookies.ts'
import { onePath } from './hop.ts'
import { createGuards, type Guards, type Session } from './session.ts'

export interface EdgeOptions {
  /** The host's origin: issuer and audience of its tokens. */
  baseURL: string
  /** The public keys, or where they are. Default: `<baseURL>/api/auth/jwks`. */
  jwks?: JSONWebKeySet | URL
}

/** The guards without `fresh`: there is no row to read. */
export interface Edge extends Pick<Guards, 'requireRole'> {
  /** Who is asking; null when nobody is signed in, and for anything expired or forged. */
  getSession(req: Request): Promise<Session | null>
  /** @throws `not_authenticated` (401); `access_expired` (401) where a refresh may help */
  requireAuth(req: Request): Promise<Session>
  /**
   * For a page whose access token has ended while there is a session: leads through the host's
   * refresh and back, in two redirects. Null for anything else. Call it after `sameSiteHop`.
   */
  renew(req: Request): Promise<Response | null>
}

/**
 * Guards over the access token, from its cookie or as a bearer token.
 *
 * @throws TypeError when `baseURL` is no address
 */
export function createEdge(options: EdgeOptions): Edge {
  const origin = new URL(options.baseURL).origin
  const source = options.jwks ?? new URL('/api/auth/jwks', origin)
  const keys = source instanceof URL ? createRemoteJWKSet(source) : createLocalJWKSet(source)
  const verify = createVerify(origin, keys)
  const getSession = async (req: Request) => (await readStatement(req, verify))?.session ?? null
  const hasSession = (req: Request) => readCookie(req, SESSION_COOKIE) !== null
  return {
    ...createGuards(getSession, hasSession),
    async renew(req) {
      const isPage = req.method === 'GET' && req.headers.get('sec-fetch-mode') === 'navigate'
      if (!isPage || !hasSession(req) || readCookie(req, RENEWED_COOKIE) !== null) return null
      if (await getSession(req)) return null
      const { pathname, search } = new URL(req.url)
      const next = encodeURIComponent(`${onePath(pathname)}${search}`)
      const headers = {
        location: `/api/auth/access/renew?next=${next}`,
        'cache-control': 'no-store',
      }
      return new Response(null, { status: 303, headers })
    },
  }
}

export { AuthError, type AuthErrorCode } from './errors.ts'
export { sameSiteHop } from './hop.ts'
export type { Guards, Role, Session } from './session.ts'
