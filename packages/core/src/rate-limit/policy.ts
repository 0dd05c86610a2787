/**
 * A rate limit: so many requests in so many seconds.
 *
 * @module
 */

/** So many requests in so many seconds, the window beginning with the first. */
export interface RateLimitPolicy {
  /** Names what is counted, `[a-z-]`: policies with different names do not share counts. */
  name: string
  /** Requests in a window. */
  limit: number
  windowSeconds: number
}
