/**
 * Whether a mailed link is still open, for the page behind it: a page with a button that could only fail sends people
 * away, and a page that knows leads to a new link. Looking uses nothing up.
 *
 * @module
 */

import type { AuthContext } from 'better-auth'
import { isTokenShaped } from '../database/token-shape.ts'
import { linkIdentifier as magicLinkIdentifier } from '../sign-in/magic-link.ts'
import { linkIdentifier } from './tokens.ts'

/**
 * A mailed link by the page that it leads to. The link of a confirmation mail is asked about with `confirmation`, which
 * says more.
 */
export type MailedLink = 'magic_link' | 'reset_password' | 'change_email' | 'undo_email_change'

const IDENTIFIERS: Record<MailedLink, (token: string) => string> = {
  magic_link: magicLinkIdentifier,
  reset_password: (token) => `reset-password:${token}`,
  change_email: (token) => linkIdentifier('change-email', token),
  undo_email_change: (token) => linkIdentifier('undo-email-change', token),
}

/** Whether the token of the link is known, unused and not expired. */
export async function isLinkOpen(
  { internalAdapter }: Pick<AuthContext, 'internalAdapter'>,
  link: MailedLink,
  token: string,
): Promise<boolean> {
  if (!isTokenShaped(token)) return false
  const row = await internalAdapter.findVerificationValue(IDENTIFIERS[link](token))
  return row !== null && row.expiresAt > new Date()
}
