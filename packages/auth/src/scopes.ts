/**
 * What another program may do: the tokens that `oauth-server.ts` gives, verified without a database
 * and without a Node builtin. Beside the edge entry, which stays small for those who need no other.
 *
 * @module
 */

import { createLocalJWKSet, createRemoteJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { AuthError } from './errors.ts'

export { AuthError, type AuthErrorCode } from './errors.ts'

export interface ScopeOptions {
  /** The host's origin, which issues the tokens. */
  baseURL: string
  /** The public keys, or where they are. Default: `<baseURL>/api/auth/jwks`. */
  jwks?: JSONWebKeySet | URL
}

/** A program that asks with a token of its own. */
export interface Client {
  clientId: string
  /** On whose behalf; null for a service's own token. */
  userId: string | null
  scopes: string[]
  expiresAt: Date
}

/** The resource that tokens are for: the host's API. */
export const apiResource = (origin: string): string => `${origin}/api`

/**
 * The program that asks with a bearer token, if it has all of `scopes`.
 *
 * @throws `not_authenticated` (401), `insufficient_scope` (403)
 */
export type RequireScope = (req: Request, ...scopes: string[]) => Promise<Client>

/**
 * The guard for tokens of the option `oauth`; a session's own token is refused.
 *
 * @throws TypeError when `baseURL` is no address
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
      throw new AuthError('not_authenticated', 'There is no token for this.', { headers })
    }
    const held = typeof scope === 'string' ? scope.split(' ').filter(Boolean) : []
    if (!scopes.every((wanted) => held.includes(wanted))) {
      const headers = {
        'www-authenticate': `Bearer error="insufficient_scope", scope="${scopes.join(' ')}"`,
      }
      throw new AuthError('insufficient_scope', `The token lacks ${scopes.join(' or ')}.`, {
        headers,
      })
    }
    const userId = sub === clientId ? null : sub
    return { clientId, userId, scopes: held, expiresAt: new Date(exp * 1000) }
  }
}
