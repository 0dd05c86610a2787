/**
 * The guards over a session. They are the same in Node, where a session may be read from its row, and at the
 * edge, where it is read from the access token.
 *
 * @module
 */

import type { Access } from '../access.ts'
import { AuthError } from '../errors.ts'
import type { OrganizationRole, Permission, UserRole } from '../permissions.ts'
import type { Session } from './caller.ts'

/** A user's own role, or their role in an organization. */
export type Role = UserRole | OrganizationRole

/** How a session is read. */
export interface ReadOptions {
  /**
   * Reads the session's row, whatever the access token says. Use it before actions that cannot be undone.
   * Default false. Not available at the edge, which has no database.
   */
  fresh?: boolean
}

/** The options of `requireRecentSignIn`. */
export interface RecentOptions {
  /** How long ago the user may have signed in or shown the second factor. */
  withinSeconds: number
}

/** The session of a user who acts for an organization and is a member of it. */
export interface OrganizationSession extends Session {
  organizationId: string
  organizationRole: string
}

/** Returns the request's session; null if nobody is signed in. */
export type GetSession = (req: Request, options?: ReadOptions) => Promise<Session | null>

/** The guards of an auth instance. */
export interface Guards<P extends string = Permission, R extends string = OrganizationRole> {
  /**
   * The session; null if nobody is signed in, if the second factor is missing, or if the session has expired,
   * was revoked or forged.
   */
  getSession: GetSession
  /**
   * Returns the session, or throws.
   *
   * @throws `not_authenticated` (401); `access_expired` (401) if a refresh may help; `mfa_required` (403)
   * while the second factor is missing
   */
  requireAuth(req: Request, options?: ReadOptions): Promise<Session>
  /**
   * Requires one of the roles. With an active organization the role in it counts, else the user's own role.
   *
   * @throws `not_authenticated` (401), `insufficient_role` (403)
   */
  requireRole(req: Request, role: R | UserRole | readonly (R | UserRole)[]): Promise<Session>
  /**
   * Requires every one of `permissions`, by the role in the active organization and by the policies. The
   * permission `calls:read` also satisfies `calls:read:own`. To check a single call's owner, use `can`.
   *
   * @throws `not_authenticated` (401), `insufficient_permission` (403)
   */
  requirePermission(req: Request, ...permissions: [P, ...P[]]): Promise<Session>
  /**
   * Requires an active organization. Use it on pages that need one, and send other users to create or join
   * one.
   *
   * @throws `not_authenticated` (401), `organization_required` (400)
   */
  requireOrganization(req: Request): Promise<OrganizationSession>
  /**
   * Requires a session of `aal2`: the user has shown a second factor, or a passkey that asked for a
   * fingerprint, a face or a PIN.
   *
   * @throws `not_authenticated` (401); `mfa_required` (403) if the user has a second factor and has not shown
   * it; `aal2_required` (403) if the user has none and has to turn it on first
   */
  requireAal2(req: Request): Promise<Session>
  /**
   * Requires that the user signed in or showed the second factor within the last `withinSeconds`.
   *
   * @throws `not_authenticated` (401), `mfa_required` (403), `recent_sign_in_required` (403)
   */
  requireRecentSignIn(req: Request, options: RecentOptions): Promise<Session>
}

/** The dependencies of `createGuards`. */
export interface GuardOptions<P extends string, R extends string> {
  /** Decides for `requirePermission`, which throws without it. */
  access: Access<P, R> | undefined
  /** Whether a refresh may give a session to a request that has none. Default: never. */
  canRefresh?: (req: Request) => boolean
}

/** Returns the session unless its second factor is missing. @throws `mfa_required` (403) */
export function complete(session: Session): Session {
  if (!session.mfaRequired) return session
  throw new AuthError('mfa_required', 'A second factor is required.')
}

/** Makes the guards over `getSession`. The messages are short, because they are part of the edge entry. */
export function createGuards<P extends string = Permission, R extends string = OrganizationRole>(
  getSession: GetSession,
  { access, canRefresh }: GuardOptions<P, R>,
): Guards<P, R> {
  const requireAuth: Guards['requireAuth'] = async (req, options) => {
    const session = await getSession(req, options)
    if (session) return complete(session)
    if (canRefresh?.(req)) throw new AuthError('access_expired', 'The token expired.')
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
      if (!access) throw new AuthError('invalid_options', 'The option access is not set.')
      // An empty list would allow everybody.
      if (!asked.length || asked.some((each) => typeof each !== 'string')) {
        throw new AuthError('insufficient_permission', 'Name a permission.')
      }
      access.require(session, req, asked)
      return session
    },
    async requireOrganization(req) {
      const session = await requireAuth(req)
      // A session without an organization, or of a user who is not a member, has no role.
      if (session.organizationRole !== null) return session as OrganizationSession
      throw new AuthError('organization_required', 'Join an organization.', {
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
