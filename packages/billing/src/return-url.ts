/**
 * Return addresses handed to a provider's page. They lead back to the host and nowhere else.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { BillingError } from './errors.ts'

/**
 * `candidate`, a path or an address below `appUrl`, made absolute. Stripe's placeholder
 * `{CHECKOUT_SESSION_ID}` survives in a query.
 *
 * @throws `invalid_return_url` for another origin, another scheme or a malformed address: anything
 * else would make the provider's page an open redirect.
 */
export function returnUrl(appUrl: URL, candidate: string): string {
  let url: URL
  try {
    url = new URL(candidate, appUrl)
  } catch {
    throw new BillingError('invalid_return_url', 'The return address is malformed.')
  }
  if (url.origin !== appUrl.origin || url.username !== '' || url.password !== '') {
    throw new BillingError(
      'invalid_return_url',
      `The return address must be on ${appUrl.origin}, not on ${url.origin}.`,
    )
  }
  return url.href
}

export const newReturnKey = (): string => randomBytes(32).toString('base64url')
