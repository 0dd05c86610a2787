/**
 * What a session says, and the guards over it. The same in Node, where it is read from the row, and
 * at the edge, where it is read from the access token.
 *
 * @module
 */

import { AuthError } from './errors.ts'

/** A user's own role, or their role in an organization. */
export type Role = 'USER' | 'ADMIN' | 'OWNER'

/** Who is asking. No personal data: `getUser` has that. */
export interface Session {
  /** The session's id, not the token in its cookie. */
  sessionId: string
  userId: string
  /** The user's own role. */
  role: string
  /** The organization the user acts for; null: for themselves. */
  organizationId: string | null
  /** The role in that organization; null without one, and for a member who was removed. */
  organizationRole: string | null
  /** How surely the person was recognised: `aal1`, or `aal2` after a second factor (NIST 800-63B). */
  acr: string
  /** There while a second factor is missing. The guards refuse such a session. */
  mfaRequired?: true
  /** When this statement ends: the access token, or the session where its row was read. */
  expiresAt: Date
}

export interface ReadOptions {
  /**
   * Reads the session's row, whatever the access token says. For what cannot be undone. Default
   * false. Not at the edge, which has no database.
   */
  fresh?: boolean
}

export type GetSession = (req: Request, options?: ReadOptions) => Promise<Session | null>

export interface Guards {
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
  requireRole(req: Request, role: Role | readonly Role[]): Promise<Session>
}

/** @throws `mfa_required` (403) */
export function complete(session: Session): Session {
  if (!session.mfaRequired) return session
  throw new AuthError('mfa_required', 'A second factor is required first.')
}

/** @param canRefresh whether a request without a session may have one after a refresh */
export function createGuards(
  getSession: GetSession,
  canRefresh: (req: Request) => boolean = () => false,
): Guards {
  const requireAuth: Guards['requireAuth'] = async (req, options) => {
    const session = await getSession(req, options)
    if (session) return complete(session)
    if (canRefresh(req)) throw new AuthError('access_expired', 'The access token has ended.')
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
  }
}
