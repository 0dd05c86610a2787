/**
 * The account that a key belongs to. Two stand-ins with the same key have the same account; another key means
 * another account.
 *
 * @see https://docs.stripe.com/api/accounts/retrieve
 * @module
 */

import { createHash } from 'node:crypto'
import type { Endpoint } from './endpoint.ts'

/** The id of the account that a key belongs to. */
export const accountOf = (secretKey: string): string =>
  `acct_${createHash('sha256').update(secretKey).digest('hex').slice(0, 16)}`

export function accountEndpoints(secretKey: string): Endpoint[] {
  const id = accountOf(secretKey)
  return [
    {
      method: 'GET',
      path: '/v1/account',
      isShown: true,
      run: () => ({
        id,
        object: 'account',
        charges_enabled: true,
        country: 'US',
        default_currency: 'usd',
        details_submitted: true,
        email: null,
        metadata: {},
        payouts_enabled: true,
        type: 'standard',
      }),
    },
  ]
}
