/**
 * The host's settings of orders.
 *
 * @module
 */

import type { RateLimiter } from '@repo/core/rate-limit'

/** The member `orders` of the options of `createBilling`. */
export interface OrderSettings {
  /**
   * The path at which the host mounts `handlePaymentCallback`. Providers send browsers back to it. Default
   * `/api/payment/callback`.
   */
  callbackPath?: string
  /** Default: a limiter that counts in PostgreSQL, or in Redis at `REDIS_URL`. */
  limiter?: RateLimiter
  /**
   * Returns the caller's IP address, for the limits of callbacks. Null: unknown, and then no limit applies.
   * Default: `CLIENT_IP_HEADER`, else `x-forwarded-for`, past `TRUSTED_PROXIES`.
   */
  addressOf?: (req: Request) => string | null
}

/** The default of `callbackPath`. */
export const CALLBACK_PATH = '/api/payment/callback'
