/**
 * The account a key belongs to. Two stand-ins with one key are one account, with two keys two.
 *
 * @see https://docs.stripe.com/api/accounts/retrieve
 * @module
 */

import { createHash } from 'node:crypto'
import type { Endpoint } from './endpoint.ts'

export function accountEndpoints(secretKey: string): Endpoint[] {
  const id = `acct_${createHash('sha256').update(secretKey).digest('hex').slice(0, 16)}`
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
