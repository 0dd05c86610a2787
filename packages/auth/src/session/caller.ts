/**
 * The session of a request, as guards return it.
 *
 * @module
 */

/** The session of a request, without personal data; `getUser` returns that. */
export interface Session {
  /** The session's id, not the token in its cookie. */
  sessionId: string
  /** The user's id. */
  userId: string
  /** The user's own role. */
  role: string
  /** The organization that the user acts for as a member; null if the user acts for themselves. */
  organizationId: string | null
  /** The user's role in that organization; null without an organization. */
  organizationRole: string | null
  /** The assurance level of the sign-in: `aal1`, or `aal2` after a second factor (NIST SP 800-63B). */
  acr: string
  /** Set while a second factor is missing. The guards refuse such a session. */
  mfaRequired?: true
  /** When the user last signed in or showed the second factor in this session. */
  authenticatedAt: Date
  /** When the access token expires, or when the session expires if its row was read. */
  expiresAt: Date
}
