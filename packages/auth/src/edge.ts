/**
 * The guards where there is no database: they read the access token. No Node builtin, no native
 * module. A revoked session lives on here until its token ends, five minutes at the most.
 *
 * @module
 */

import { createLocalJWKSet, createRemoteJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import type { Access } from './access.ts'
import { ACCESS_COOKIE, readCookie } from './cookies.ts'
import type { OrganizationRole, Permission } from './permissions.ts'
import { createGuards, type Guards, type Session } from './session.ts'

export interface EdgeOptions<P extends string = Permission, R extends string = OrganizationRole> {
  /** The host's origin: issuer and audience of its tokens. */
  baseURL: string
  /** The public keys, or where they are. Default: `<baseURL>/api/auth/jwks`. */
  jwks?: JSONWebKeySet | URL
  /** Roles, permissions and policies, from `createAccess`. Default: the five roles, no policies. */
  access?: Access<P, R>
}

/** Guards over the access token, from its cookie or as a bearer token. */
export function createEdge<P extends string = Permission, R extends string = OrganizationRole>(
  options: EdgeOptions<P, R>,
): Guards<P, R> {
  const origin = new URL(options.baseURL).origin
  const source = options.jwks ?? new URL('/api/auth/jwks', origin)
  const keys = source instanceof URL ? createRemoteJWKSet(source) : createLocalJWKSet(source)
  return createGuards(async (req) => {
    const bearer = /^Bearer (\S+)$/i.exec(req.headers.get('authorization') ?? '')?.[1]
    const token = readCookie(req, ACCESS_COOKIE) ?? bearer
    if (!token || token.length > 4096) return null
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: ['ES256'],
        issuer: origin,
        audience: origin,
        typ: 'at+jwt',
        requiredClaims: ['exp', 'iat', 'sub', 'sid'],
      })
      return sessionOf(payload)
    } catch {
      // Expired, forged, of another issuer, or the keys cannot be had: nobody is signed in.
      return null
    }
  }, options.access)
}

function sessionOf(claims: Record<string, unknown>): Session | null {
  const { sub, sid, role, org, orgRole, exp } = claims
  if (typeof sub !== 'string' || typeof sid !== 'string' || typeof exp !== 'number') return null
  return {
    userId: sub,
    sessionId: sid,
    role: typeof role === 'string' ? role : 'USER',
    organizationId: typeof org === 'string' ? org : null,
    organizationRole: typeof orgRole === 'string' ? orgRole : null,
    expiresAt: new Date(exp * 1000),
  }
}

export {
  type Access,
  type AccessOptions,
  type AccessRecord,
  type Circumstances,
  createAccess,
  type Decision,
  type Policy,
  type Question,
  type Resource,
  type Rule,
} from './access.ts'
export { AuthError, type AuthErrorCode } from './errors.ts'
export { sameSiteHop } from './hop.ts'
export {
  defaultRoles,
  defineRoles,
  type OrganizationRole,
  PERMISSIONS,
  type Permission,
  ROLES,
  type Roles,
  type UserRole,
} from './permissions.ts'
export type { Guards, OrganizationSession, Role, Session } from './session.ts'
