/**
 * The tokens in the mails of an account: random, stored as a keyed hash for one purpose, good once. A token is
 * used up in the transaction of what it is for, so a refusal leaves it good.
 *
 * @module
 */

import type { Db } from '@repo/db'
import { invalidToken } from '../confirmation.ts'
import type { Keys } from '../keys.ts'
import { createIdentifierHash } from '../verification.ts'

/** What a link does: confirms a new address, or takes a change of address back. */
export type AccountLink = 'change-email' | 'undo-email-change'

/** The identifier of the token's row, before it is hashed. */
export const linkIdentifier = (link: AccountLink, token: string): string => `${link}:${token}`

/**
 * Uses up `token` and returns what it stands for.
 *
 * @throws `invalid_token`, an HTTP 400, for a token that is unknown, used or expired
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
