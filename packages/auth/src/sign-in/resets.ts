/**
 * The token for choosing a new password, from a reset mail or from a confirmation without a password. It is
 * issued for an address and valid only while the account has that address.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { AuthContext } from 'better-auth'
import { generateRandomString } from 'better-auth/crypto'
import { withinTransaction } from '../database/transaction.ts'

/** How long a reset link lasts, in minutes. */
export const RESET_MINUTES = 60

/**
 * Issues a token that is good once for `/reset-password`; null if the account has another address by now. The
 * user's row is locked, so a parallel change of address either comes first and is seen here, or comes later
 * and deletes the token.
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
