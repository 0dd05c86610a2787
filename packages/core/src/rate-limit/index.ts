/**
 * Rate limits: the limiter, the caller's address, the response headers and the error. Not part of the main
 * entry, because it has dependencies of its own.
 *
 * @module
 */

import * as z from 'zod'
import { TollgateError } from '../errors.ts'
import { entriesOf, isHeader, isRange } from './address.ts'
import type { RateLimitResult } from './limiter.ts'
import type { RateLimitPolicy } from './policy.ts'

export { type AddressOf, type AddressOptions, createAddressOf, networkOf } from './address.ts'
export {
  createRateLimiter,
  type RateLimiter,
  type RateLimiterOptions,
  type RateLimitResult,
} from './limiter.ts'
export type { RateLimitPolicy } from './policy.ts'
export type { RateLimitDatabase } from './store.ts'

/** The environment variables of rate limits. */
export const rateLimitEnv = z.object({
  /** Counts rate limits in Redis instead of PostgreSQL: `redis://` or `rediss://`. */
  REDIS_URL: z.url({ protocol: /^rediss?$/, error: 'must be a redis:// URL' }).optional(),
  /** The header in which your proxy or host puts the caller's address. */
  CLIENT_IP_HEADER: z.string().refine(isHeader, "must be a header's name").optional(),
  /** Addresses and CIDR ranges of your proxies, separated by commas. */
  TRUSTED_PROXIES: z
    .string()
    .transform(entriesOf)
    .refine((proxies) => proxies.every(isRange), 'must be addresses or CIDR ranges')
    .optional(),
})

/**
 * The headers `RateLimit-Limit`, `-Remaining`, `-Reset` in seconds and `-Policy`, in the form of the IETF
 * draft that clients read.
 *
 * @see https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-07
 */
export function rateLimitHeaders(
  { limit, windowSeconds }: RateLimitPolicy,
  { remaining, resetSeconds }: RateLimitResult,
): Record<string, string> {
  return {
    'ratelimit-limit': String(limit),
    'ratelimit-remaining': String(remaining),
    'ratelimit-reset': String(resetSeconds),
    'ratelimit-policy': `${limit};w=${windowSeconds}`,
  }
}

/** The caller exceeded a rate limit: 429, with the headers of the limit and `Retry-After`. */
export class RateLimitError extends TollgateError<'too_many_requests'> {
  override readonly name = 'RateLimitError'

  constructor(policy: RateLimitPolicy, result: RateLimitResult) {
    super('too_many_requests', 429, `Too many requests. Try again in ${result.resetSeconds} s.`, {
      headers: {
        ...rateLimitHeaders(policy, result),
        'retry-after': String(result.resetSeconds),
      },
    })
  }
}
