/**
 * The token that lets a person choose a new password: from a mail, or from a confirmation that brought none. It is
 * issued for an address, while the account has it: who loses the address loses the token.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { AuthContext } from 'better-auth'
import { generateRandomString } from 'better-auth/crypto'
import { withinTransaction } from './transaction.ts'

/** A reset is good for so long. */
export const RESET_MINUTES = 60

/**
 * Issues a token that is good once for `/reset-password`; null where the account has another address by now. Of this
 * and a change of address the later one sees the other, and a change takes the token along.
 */
export async function issueReset(
  db: Database,
  { internalAdapter, options }: Pick<AuthContext, 'internalAdapter' | 'options'>,
  { id: userId, email }: { id: string; email: string },
): Promise<string | null> {
  const token = generateRandomString(32)
  return withinTransaction(db, options, async (tx) => {
    const held = await tx.$queryRaw<unknown[]>`
      SELECT 1 FROM "User" WHERE "id" = ${userId} AND "email" = ${email} FOR SHARE`
    if (held.length === 0) return null
    await internalAdapter.createVerificationValue({
      identifier: `reset-password:${token}`,
      value: userId,
      expiresAt: new Date(Date.now() + RESET_MINUTES * 60_000),
    })
    return token
  })
}
