/**
 * The token in a confirmation mail: random, stored hashed, good once and for an hour. Better Auth's
 * own is a JWT that holds the address, readable in every log of addresses, and good until it ends; where it
 * is used it stays in the row. For a sign-up with a password the row holds that, hashed: who presses the link
 * of one sign-up does not confirm the password of another.
 *
 * @module
 */

import type { AuthContext } from 'better-auth'
import { APIError } from 'better-auth/api'
import { generateRandomString } from 'better-auth/crypto'

export const CONFIRMATION_SECONDS = 3600

/** Better Auth's side, as far as it is used here. */
export type Tokens = Pick<AuthContext, 'internalAdapter'>

const identifier = (token: string) => `confirm-email:${token}`

/** The token for the mail, standing for `value`: a sign-up, or Better Auth's JWT. */
export async function issueConfirmation(
  { internalAdapter }: Tokens,
  value: string,
): Promise<string> {
  const token = generateRandomString(32)
  await internalAdapter.createVerificationValue({
    identifier: identifier(token),
    value,
    expiresAt: new Date(Date.now() + CONFIRMATION_SECONDS * 1000),
  })
  return token
}

/**
 * Uses up `token`. Of several at once one gets it.
 *
 * @throws INVALID_TOKEN, an HTTP 400, for a token that is unknown, used or expired
 */
export async function redeemConfirmation(
  { internalAdapter }: Tokens,
  token: string,
): Promise<string> {
  const row = await internalAdapter.consumeVerificationValue(identifier(token))
  if (row) return row.value
  throw invalidToken()
}

export const invalidToken = () =>
  new APIError('BAD_REQUEST', {
    code: 'INVALID_TOKEN',
    message: 'The token is unknown, used or expired.',
  })
