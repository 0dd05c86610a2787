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
  /** When this statement ends: the session in Node, the access token at the edge. */
  expiresAt: Date
}

export type GetSession = (req: Request) => Promise<Session | null>

export interface Guards {
  /** Who is asking; null when nobody is signed in, and for anything expired, revoked or forged. */
  getSession: GetSession
  /** @throws `not_authenticated` (401) */
  requireAuth(req: Request): Promise<Session>
  /**
   * Asks the role in the active organization where there is one, else the user's own.
   *
   * @throws `not_authenticated` (401), `insufficient_role` (403)
   */
  requireRole(req: Request, role: Role | readonly Role[]): Promise<Session>
}

export function createGuards(getSession: GetSession): Guards {
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
  }
}
