/**
 * Who is asking.
 *
 * @module
 */

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
  /** How surely the person was recognised: `aal1`, or `aal2` after a second factor (NIST 800-63B). */
  acr: string
  /** There while a second factor is missing. The guards refuse such a session. */
  mfaRequired?: true
  /** When the person last signed in here or showed the second factor. */
  authenticatedAt: Date
  /** When this statement ends: the access token, or the session where its row was read. */
  expiresAt: Date
}
