/**
 * The tokens in the mails of an account. They are random, stored as a keyed hash for one purpose, and good
 * once. A token is used up in the same transaction as its action, so it stays valid if the action is refused.
 *
 * @module
 */

import type { Db } from '@repo/db'
import type { Keys } from '../database/keys.ts'
import { createIdentifierHash } from '../database/verification.ts'
import { invalidToken } from '../sign-in/confirmation.ts'

/** The action of a link: confirm a new address, or undo a change of address. */
export type AccountLink = 'change-email' | 'undo-email-change'

/** The identifier of the token's row, before it is hashed. */
export const linkIdentifier = (link: AccountLink, token: string): string => `${link}:${token}`

/**
 * Uses up `token` and returns the value of its row.
 *
 * @throws `invalid_token` (400) for a token that is unknown, used or expired
 */
export async function redeem(
  tx: Db,
  keys: Keys,
  link: AccountLink,
  token: string,
): Promise<string> {
  const identifier = await createIdentifierHash(keys)(linkIdentifier(link, token))
  const [row] = await tx.$queryRaw<{ value: string }[]>`
    DELETE FROM "VerificationToken"
    WHERE "identifier" = ${identifier} AND "expiresAt" > clock_timestamp() RETURNING "value"`
  if (!row) throw invalidToken()
  return row.value
}
