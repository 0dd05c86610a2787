/**
 * The token that lets a person choose a new password: from a mail, or from a confirmation that brought none.
 *
 * @module
 */

import type { AuthContext } from 'better-auth'
import { generateRandomString } from 'better-auth/crypto'

/** A reset is good for so long. */
export const RESET_MINUTES = 60

/** Issues a token that is good once for `/reset-password`. */
export async function issueReset(
  { internalAdapter }: Pick<AuthContext, 'internalAdapter'>,
  userId: string,
): Promise<string> {
  const token = generateRandomString(32)
  await internalAdapter.createVerificationValue({
    identifier: `reset-password:${token}`,
    value: userId,
    expiresAt: new Date(Date.now() + RESET_MINUTES * 60_000),
  })
  return token
}
