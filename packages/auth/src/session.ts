/**
 * What a session says, and the guards over it. The same in Node, where it is read from the row, and
 * at the edge, where it is read from the access token.
 *
 * @module
 */

import type { Access } from './access.ts'
import type { Session } from './caller.ts'
import { AuthError } from './errors.ts'
import type { OrganizationRole, Permission, UserRole } from './permissions.ts'

/** A user's own role, or their role in an organization. */
export type Role = UserRole | OrganizationRole

export interface ReadOptions {
  /**
   * Reads the session's row, whatever the access token says. For what cannot be undone. Default
   * false. Not at the edge, which has no database.
   */
  fresh?: boolean
}

/** A session of somebody who acts for an organization and is a member of it. */
export interface OrganizationSession extends Session {
  organizationId: string
  organizationRole: string
}

export type GetSession = (req: Request, options?: ReadOptions) => Promise<Session | null>

export interface Guards<P extends string = Permission, R extends string = OrganizationRole> {
  /**
   * Who is asking; null when nobody is signed in, while a second factor is missing, and for anything
   * expired, revoked or forged.
   */
  getSession: GetSession
  /**
   * @throws `not_authenticated` (401); `access_expired` (401) where a refresh may help;
   *   `mfa_required` (403) while a second factor is missing
   */
  requireAuth(req: Request, options?: ReadOptions): Promise<Session>
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
  /**
   * Asks for a session of `aal2`: a second factor was shown, or a passkey that asked for a fingerprint, a
   * face or a PIN.
   *
   * @throws `not_authenticated` (401); `mfa_required` (403) where the person has a second factor to show;
   *   `aal2_required` (403) where the person has none, and has to turn it on first
   */
  requireAal2(req: Request): Promise<Session>
  /**
   * Asks that the person signed in or showed the second factor within the last `withinSeconds`.
   *
   * @throws `not_authenticated` (401), `mfa_required` (403), `recent_sign_in_required` (403)
   */
  requireRecentSignIn(req: Request, options: { withinSeconds: number }): Promise<Session>
}

export interface GuardOptions<P extends string, R extends string> {
  /** What `requirePermission` goes by; without it that throws. */
  access: Access<P, R> | undefined
  /** Whether a request without a session may have one after a refresh. Default: never. */
  canRefresh?: (req: Request) => boolean
}

/** @throws `mfa_required` (403) */
export function complete(session: Session): Session {
  if (!session.mfaRequired) return session
  throw new AuthError('mfa_required', 'A second factor is required.')
}

export function createGuards<P extends string = Permission, R extends string = OrganizationRole>(
  getSession: GetSession,
  { access, canRefresh }: GuardOptions<P, R>,
): Guards<P, R> {
  const requireAuth: Guards['requireAuth'] = async (req, options) => {
    const session = await getSession(req, options)
    if (session) return complete(session)
    if (canRefresh?.(req)) throw new AuthError('access_expired', 'It ended.')
    throw new AuthError('not_authenticated', 'Nobody is signed in.')
  }
  return {
    async getSession(req, options) {
      const session = await getSession(req, options)
      return session?.mfaRequired ? null : session
    },
    requireAuth,
    async requireRole(req, role) {
      const session = await requireAuth(req)
      const wanted: readonly string[] = [role].flat()
      const held = session.organizationId === null ? session.role : session.organizationRole
      if (held === null || !wanted.includes(held)) {
        throw new AuthError(
          'insufficient_role',
          `${wanted.join(' or ')} is required, not ${held ?? 'none'}.`,
        )
      }
      return session
    },
    async requirePermission(req, ...asked) {
      const session = await requireAuth(req)
      if (!access) throw new AuthError('invalid_options', 'No access.')
      // Asked for nothing, everybody would have it.
      if (!asked.length || asked.some((each) => typeof each !== 'string')) {
        throw new AuthError('insufficient_permission', 'Name a permission.')
      }
      access.require(session, req, asked)
      return session
    },
    async requireOrganization(req) {
      const session = await requireAuth(req)
      // There is no role without an organization, and none in it for who is no member.
      if (session.organizationRole !== null) return session as OrganizationSession
      throw new AuthError('organization_required', 'Join one first.', {
        title: 'Organization not set up',
      })
    },
    async requireAal2(req) {
      const session = await requireAuth(req)
      if (session.acr === 'aal2') return session
      throw new AuthError('aal2_required', 'Turn on a second factor.')
    },
    async requireRecentSignIn(req, { withinSeconds }) {
      const session = await requireAuth(req)
      if (Date.now() - session.authenticatedAt.getTime() <= withinSeconds * 1000) return session
      throw new AuthError('recent_sign_in_required', 'Sign in again first.')
    },
  }
}
