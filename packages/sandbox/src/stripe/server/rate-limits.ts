/**
 * Stripe's rate limits, if the settings have any: requests per second in total, per endpoint, and for search.
 * They are checked before idempotency keys, and count in wall time.
 *
 * @see https://docs.stripe.com/rate-limits
 * @module
 */

import { StripeApiError } from './errors.ts'

/**
 * Requests per second. Stripe's own limits are 100 in total in live mode and 25 in test mode, and 25 per
 * endpoint.
 */
export interface RateLimits {
  /** The limit of all requests together. */
  perSecond: number
  /** The limit of the requests to one endpoint. */
  perEndpoint: number
  /** Default 20, for all search endpoints together. */
  search?: number
}

/** Counts requests against Stripe's rate limits. */
export interface RateLimiter {
  /** Counts a request. @throws `rate_limit`, 429, with `Stripe-Rate-Limited-Reason` */
  take(limits: RateLimits | null, endpoint: string): void
}

/** Creates a limiter that remembers the last second. */
export function createRateLimiter(): RateLimiter {
  const taken = new Map<string, number[]>()
  const isOver = (name: string, limit: number, now: number): boolean => {
    const recent = (taken.get(name) ?? []).filter((at) => now - at < 1000)
    taken.set(name, recent)
    if (recent.length >= limit) return true
    recent.push(now)
    return false
  }
  return {
    take(limits, endpoint) {
      if (limits === null) return
      const now = performance.now()
      if (isOver('', limits.perSecond, now)) throw limited('global-rate')
      if (isOver(endpoint, limits.perEndpoint, now)) throw limited('endpoint-rate')
      if (!endpoint.endsWith('/search')) return
      if (isOver('search', limits.search ?? 20, now)) throw limited('endpoint-rate')
    },
  }
}

const limited = (reason: 'endpoint-rate' | 'global-rate'): StripeApiError =>
  new StripeApiError(
    'rate_limit',
    429,
    'Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.',
    {},
    { 'stripe-rate-limited-reason': reason },
  )
