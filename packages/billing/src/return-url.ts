/**
 * Return addresses that a provider's page sends people back to. They always lead to the host.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { BillingError } from './errors.ts'

/**
 * Makes `candidate`, a path or an address on the origin of `appUrl`, absolute. Stripe's placeholder
 * `{CHECKOUT_SESSION_ID}` is kept in a query.
 *
 * @throws `invalid_return_url` for another origin, another scheme or a malformed address, which would make the
 * provider's page an open redirect.
 */
export function returnUrl(appUrl: URL, candidate: string): string {
  let url: URL
  try {
    url = new URL(candidate, appUrl)
  } catch {
    throw new BillingError('invalid_return_url', 'The return address must be a path or a URL.')
  }
  if (url.origin !== appUrl.origin || url.username !== '' || url.password !== '') {
    throw new BillingError(
      'invalid_return_url',
      `The return address must be on ${appUrl.origin}, not on ${url.origin}.`,
    )
  }
  return url.href
}

/** A random key that signs an order's return address. */
export const newReturnKey = (): string => randomBytes(32).toString('base64url')
