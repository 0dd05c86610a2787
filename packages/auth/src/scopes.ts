/**
 * The guard for tokens of OAuth clients, which `oauth-server.ts` issues. It needs no database and no Node
 * builtin. It is an entry of its own so that the edge entry stays small.
 *
 * @module
 */

import { createLocalJWKSet, createRemoteJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { AuthError } from './errors.ts'

export { AuthError, type AuthErrorCode } from './errors.ts'

/** The options of `createRequireScope`. */
export interface ScopeOptions {
  /** The host's origin, which issues the tokens. */
  baseURL: string
  /** The public keys, or the URL to fetch them from. Default: `<baseURL>/api/auth/jwks`. */
  jwks?: JSONWebKeySet | URL
}

/** The OAuth client behind a request. */
export interface Client {
  clientId: string
  /** The user on whose behalf the client acts; null for a service's own token. */
  userId: string | null
  scopes: string[]
  /** When the token expires. */
  expiresAt: Date
}

/** The resource that tokens are for: the host's API. */
export const apiResource = (origin: string): string => `${origin}/api`

/**
 * Returns the client of the request's bearer token, if the token has all of `scopes`.
 *
 * @throws `not_authenticated` (401), `insufficient_scope` (403)
 */
export type RequireScope = (req: Request, ...scopes: string[]) => Promise<Client>

/**
 * Makes the guard for tokens of the option `oauth`. It refuses a session's own access token.
 *
 * @throws TypeError if `baseURL` is not a URL
 */
export function createRequireScope({ baseURL, jwks }: ScopeOptions): RequireScope {
  const { origin } = new URL(baseURL)
  const source = jwks ?? new URL('/api/auth/jwks', origin)
  const keys = source instanceof URL ? createRemoteJWKSet(source) : createLocalJWKSet(source)
  const options = {
    algorithms: ['ES256', 'RS256'],
    issuer: origin,
    audience: apiResource(origin),
    typ: 'at+jwt',
    requiredClaims: ['exp', 'sub', 'client_id'],
  }
  return async (req, ...scopes) => {
    const token = /^Bearer +(\S{1,4096})$/i.exec(req.headers.get('authorization') ?? '')?.[1]
    const claims = token && (await jwtVerify(token, keys, options).catch(() => null))?.payload
    const { sub, client_id: clientId, scope, exp } = claims || {}
    if (typeof clientId !== 'string' || typeof sub !== 'string' || typeof exp !== 'number') {
      const headers = { 'www-authenticate': 'Bearer error="invalid_token"' }
      throw new AuthError('not_authenticated', 'Send a valid bearer token of this host.', {
        headers,
      })
    }
    const held = typeof scope === 'string' ? scope.split(' ').filter(Boolean) : []
    if (!scopes.every((wanted) => held.includes(wanted))) {
      const headers = {
        'www-authenticate': `Bearer error="insufficient_scope", scope="${scopes.join(' ')}"`,
      }
      throw new AuthError('insufficient_scope', `The token needs ${scopes.join(' and ')}.`, {
        headers,
      })
    }
    const userId = sub === clientId ? null : sub
    return { clientId, userId, scopes: held, expiresAt: new Date(exp * 1000) }
  }
}
