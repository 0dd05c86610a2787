/**
 * Checks the key, the account and the version of a request, and plays the failures that a test asked for.
 *
 * @module
 */

import { isSameSecret } from '@repo/core/http'
import { accountOf } from './account.ts'
import { StripeApiError, type StripeErrorCode } from './errors.ts'

/** An error that the next API requests answer instead of their result. */
export interface Failure {
  /** 429 and statuses from 502 up occur before a request begins. */
  status: number
  times: number
  /** Stripe's error code. Default: by the status. */
  code?: StripeErrorCode
  /** Stripe's message. Default: by the status. */
  message?: string
  /**
   * Whether the request had begun, so that this answer is kept under its idempotency key. Default: true for
   * 500 only.
   */
  isKept?: boolean
}

/** Refuses every key except the account's, in a Bearer or Basic header. @throws `invalid_api_key` */
export function authenticate(header: string | undefined, secretKey: string): void {
  const key = keyOf(header)
  if (key === '') {
    const message =
      'You did not provide an API key. Send it in the Authorization header, as Bearer.'
    throw new StripeApiError('invalid_api_key', 401, message)
  }
  if (isSameSecret(key, secretKey)) return
  throw new StripeApiError('invalid_api_key', 401, `Invalid API Key provided: ****${key.slice(-4)}`)
}

/** The key in a Bearer or Basic header; empty if there is none. */
function keyOf(header = ''): string {
  const [scheme = '', value = ''] = header.split(' ')
  if (scheme.toLowerCase() === 'bearer') return value
  if (scheme.toLowerCase() !== 'basic') return ''
  return Buffer.from(value, 'base64').toString('utf8').split(':')[0] ?? ''
}

/**
 * Refuses to act for another account, because a key of the stand-in belongs to one account.
 *
 * @throws `account_invalid`, 403
 */
export function checkAccount(named: string | undefined, secretKey: string): void {
  if (named === undefined || named === accountOf(secretKey)) return
  throw new StripeApiError(
    'account_invalid',
    403,
    'The provided key does not have access to the account in the Stripe-Account header (or that account does not exist).',
  )
}

/** Refuses a version header that is not an API version. */
export function checkVersion(version: string): void {
  if (/^\d{4}-\d{2}-\d{2}(\.\w+)?$/.test(version)) return
  const message = `Invalid Stripe API version: ${version.slice(0, 40)}`
  throw new StripeApiError('invalid_request', 400, message)
}

/**
 * Whether a failure interrupted a request that had begun, so that it is kept under its idempotency key.
 * Statuses from 502 up come from a proxy before the API, and 429 from its limiter: then nothing had begun.
 */
export const isBroken = ({ status, isKept }: Failure): boolean => isKept ?? status === 500

/** The error while another request holds the object; it tells the SDK to retry. */
export const lockTimeout = (): StripeApiError =>
  new StripeApiError(
    'lock_timeout',
    429,
    'This object cannot be accessed right now because another API request or Stripe process is currently accessing it.',
    {},
    { 'stripe-should-retry': 'true' },
  )

/** The error of a requested failure. */
export function failureError(
  failure: Pick<Failure, 'code' | 'message' | 'status'>,
): StripeApiError {
  if (failure.code === 'lock_timeout') return lockTimeout()
  const { status, code = status === 429 ? 'rate_limit' : 'api_error' } = failure
  const words = status === 429 ? 'Request rate limit exceeded.' : 'An unknown error occurred.'
  const type = status >= 500 ? 'api_error' : 'invalid_request_error'
  return new StripeApiError(code, status, failure.message ?? words, { type })
}
