/**
 * The definition of a rate limit.
 *
 * @module
 */

/** A number of requests in a window of seconds. The window begins with the first request. */
export interface RateLimitPolicy {
  /** The policy's name, `[a-z-]`. Policies with different names count separately. */
  name: string
  /** The most requests in a window. */
  limit: number
  /** The length of a window, a whole number above 0. */
  windowSeconds: number
}
