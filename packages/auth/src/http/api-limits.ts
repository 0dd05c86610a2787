/**
 * Limits of a host's own API.
 *
 * @module
 */

import { RateLimitError, type RateLimiter, rateLimitHeaders } from '@repo/core/rate-limit'

/** The limits of a host's own API. */
export interface ApiLimits {
  /** The name of the count, in `[a-z-]`. Routes with the same name share it. Default `api`. */
  name?: string
  /** Requests per window from an address without a session. Default 100. */
  anonymous?: number
  /** Requests per window of a user, from all addresses. Default 1,000. */
  signedIn?: number
  /** The length of the window, in seconds. Default 3,600. */
  windowSeconds?: number
}

/**
 * Counts a request to the host's own API. Returns the `RateLimit-…` headers for its answer.
 *
 * @throws RateLimitError (429) with these headers and `Retry-After`
 */
export async function limitRequest(
  limiter: RateLimiter,
  caller: { userId: string | null; address: string | null },
  options: ApiLimits,
): Promise<Record<string, string>> {
  const { name = 'api', anonymous = 100, signedIn = 1_000, windowSeconds = 3_600 } = options
  const { userId, address } = caller
  const policy = userId
    ? { name: `${name}-user`, limit: signedIn, windowSeconds }
    : { name: `${name}-address`, limit: anonymous, windowSeconds }
  const result = await limiter.consume(policy, userId ?? address ?? 'unknown')
  if (!result.isAllowed) throw new RateLimitError(policy, result)
  return rateLimitHeaders(policy, result)
}
