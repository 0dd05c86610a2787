/**
 * What a session says, and the guards over it. The same in Node, where it is read from the row, and
 * at the edge, where it is read from the access token.
 *
 * @module
 */

import { type Access, type Can, defaultAccess } from './access.ts'
import { AuthError } from './errors.ts'
import type { OrganizationRole, Permission, UserRole } from './permissions.ts'

/** A user's own role, or their role in an organization. */
export type Role = UserRole | OrganizationRole

/** Who is asking. No personal data: `getUser` has that. */
export interface Session {
  /** The session's id, not the token in its cookie. */
  sessionId: string
  userId: string
  /** The user's own role. */
  role: string
  /** The organization the user acts for, as a member; null: for themselves. */
  organizationId: string | null
  /** The role in that organization; null without one. */
  organizationRole: string | null
  /** When this statement ends: the session in Node, the access token at the edge. */
  expiresAt: Date
}

/** A session of somebody who acts for an organization and is a member of it. */
export interface OrganizationSession extends Session {
  organizationId: string
  organizationRole: string
}

export type GetSession = (req: Request) => Promise<Session | null>

export interface Guards<P extends string = Permission, R extends string = OrganizationRole> {
  /** Who is asking; null when nobody is signed in, and for anything expired, revoked or forged. */
  getSession: GetSession
  /** @throws `not_authenticated` (401) */
  requireAuth(req: Request): Promise<Session>
  /**
   * Asks the role in the active organization where there is one, else the user's own.
   *
   * @throws `not_authenticated` (401), `insufficient_role` (403)
   */
  requireRole(req: Request, role: R | UserRole | readonly (R | UserRole)[]): Promise<Session>
  /**
   * Asks for every one of `permissions`, of the role in the active organization and of the policies.
   * `calls:read:own` is met by `calls:read`, too; whose a call is, ask with `can`.
   *
   * @throws `not_authenticated` (401), `insufficient_permission` (403)
   */
  requirePermission(req: Request, ...permissions: [P, ...P[]]): Promise<Session>
  /**
   * Asks for an organization to act for: what stands before pages that need one, and sends the
   * others to create or join one.
   *
   * @throws `not_authenticated` (401), `organization_required` (400)
   */
  requireOrganization(req: Request): Promise<OrganizationSession>
  can: Can<P>
}

export function createGuards<P extends string = Permission, R extends string = OrganizationRole>(
  getSession: GetSession,
  access: Access<P, R> = defaultAccess as unknown as Access<P, R>,
): Guards<P, R> {
  const requireAuth = async (req: Request) => {
    const session = await getSession(req)
    if (!session) throw new AuthError('not_authenticated', 'Nobody is signed in.')
    return session
  }
  return {
    getSession,
    requireAuth,
    async requireRole(req, role) {
      const session = await requireAuth(req)
      const wanted: readonly string[] = typeof role === 'string' ? [role] : role
      const held = session.organizationId === null ? session.role : session.organizationRole
      if (held === null || !wanted.includes(held)) {
        throw new AuthError(
          'insufficient_role',
          `${wanted.join(' or ')} is required, the role is ${held ?? 'none'}.`,
        )
      }
      return session
    },
    async requirePermission(req, ...permissions) {
      const session = await requireAuth(req)
      const circumstances = access.circumstancesOf(req)
      for (const permission of permissions) {
        const asked = { ...circumstances, explain: true } as const
        const { allowed, rule } = access.can(session, permission, null, asked)
        if (allowed) continue
        const role = session.organizationRole ?? 'none'
        throw new AuthError(
          'insufficient_permission',
          rule.kind === 'policy'
            ? `${permission} is required, and denied by a policy.`
            : `${permission} is required, the role is ${role}.`,
        )
      }
      return session
    },
    async requireOrganization(req) {
      const { organizationId, organizationRole, ...session } = await requireAuth(req)
      if (organizationId === null || organizationRole === null) {
        throw new AuthError('organization_required', 'Create an organization or join one first.', {
          title: 'Organization not set up',
        })
      }
      return { ...session, organizationId, organizationRole }
    },
    can: access.can,
  }
}
