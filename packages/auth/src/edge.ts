/**
 * The guards for places without a database. They only read the access token, and need no Node builtin and no
 * native module. A revoked session stays valid here until its token expires, five minutes at the most.
 *
 * @module
 */

import { originOf } from '@repo/core/edge'
import type { JSONWebKeySet } from 'jose'
import type { Access } from './access.ts'
import { AuthError } from './errors.ts'
import { onePath } from './http/same-site.ts'
import type { OrganizationRole, Permission } from './permissions.ts'
import { createVerifier, readClaims } from './session/access-token.ts'
import type { Session } from './session/caller.ts'
import { cookiesAt, readCookie } from './session/cookies.ts'
import { createKeyFinder } from './session/jwks.ts'
import { createGuards, type Guards } from './session/session.ts'

/** The options of `createEdge`. */
export interface EdgeOptions<P extends string = Permission, R extends string = OrganizationRole> {
  /** The host's origin, which is the issuer and the audience of its tokens. */
  baseURL: string
  /**
   * The public keys, or the URL to fetch them from. Fetched keys are kept for ten minutes. An unknown key id
   * fetches them again, every half minute at the most. Default: `<baseURL>/api/auth/jwks`.
   */
  jwks?: JSONWebKeySet | URL
  /** The roles and policies for `requirePermission`, from `createAccess` of `@repo/auth/access`. */
  access?: Access<P, R>
}

/** The guards without the option `fresh`, because there is no session row to read. */
export interface Edge<P extends string = Permission, R extends string = OrganizationRole>
  extends Omit<Guards<P, R>, 'getSession' | 'requireAuth'> {
  /** The session; null if nobody is signed in, or the token has expired or was forged. */
  getSession(req: Request): Promise<Session | null>
  /** Returns the session. @throws `not_authenticated` (401); `access_expired` (401) if a refresh may help */
  requireAuth(req: Request): Promise<Session>
  /**
   * Renews a page's expired access token while its session lasts: it returns a redirect to the host's
   * refresh, which leads back. Returns null for every other request. Call it after `sameSiteRedirect`.
   */
  renew(req: Request): Promise<Response | null>
}

/**
 * Makes guards that read the access token from its cookie or its bearer header.
 *
 * @throws `invalid_options` (500) if `baseURL` is not an origin
 *
 * @example
 * ```ts
 * import { createEdge } from '@repo/auth/edge'
 *
 * const edge = createEdge({ baseURL: 'https://app.example.com' })
 *
 * export async function middleware(req: Request): Promise<Response | undefined> {
 *   if (await edge.getSession(req)) return undefined
 *   return Response.redirect('https://app.example.com/sign-in', 302)
 * }
 * ```
 */
export function createEdge<P extends string = Permission, R extends string = OrganizationRole>(
  options: EdgeOptions<P, R>,
): Edge<P, R> {
  const origin = originOf(options?.baseURL)
  if (origin === null) throw new AuthError('invalid_options', 'baseURL must be an origin.')
  const cookies = cookiesAt(origin)
  const source = options.jwks ?? new URL('/api/auth/jwks', origin)
  const keys =
    source instanceof URL
      ? createKeyFinder(() => fetchKeys(source), { freshMs: 600_000, searchMs: 30_000 })
      : createKeyFinder(async () => source, { freshMs: Infinity, searchMs: Infinity })
  const verifier = createVerifier(origin, keys)
  const getSession = async (req: Request) => (await readClaims(req, verifier))?.session ?? null
  const canRefresh = (req: Request) => readCookie(req, cookies.session) !== null
  return {
    ...createGuards(getSession, { access: options.access, canRefresh }),
    async renew(req) {
      const isPage = req.method === 'GET' && req.headers.get('sec-fetch-mode') === 'navigate'
      if (!isPage || !canRefresh(req) || readCookie(req, cookies.renewed) !== null) return null
      if (await getSession(req)) return null
      const { pathname, search } = new URL(req.url)
      const next = encodeURIComponent(`${onePath(pathname)}${search}`)
      const headers = {
        location: `${origin}/api/auth/access/renew?next=${next}`,
        'cache-control': 'no-store',
      }
      return new Response(null, { status: 303, headers })
    },
  }
}

async function fetchKeys(url: URL): Promise<JSONWebKeySet> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) })
  if (!answer.ok) throw new Error('No key.')
  return (await answer.json()) as JSONWebKeySet
}

export { AuthError, type AuthErrorCode } from './errors.ts'
export { sameSiteRedirect } from './http/same-site.ts'
export type { Session } from './session/caller.ts'
export type { Guards, OrganizationSession, Role } from './session/session.ts'
