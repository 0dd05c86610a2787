/**
 * What a host may set about orders.
 *
 * @module
 */

import type { RateLimiter } from '@repo/core/rate-limit'

export interface OrderSettings {
  /**
   * Where `handlePaymentCallback` is mounted. Default `/api/payment/callback`. Providers lead browsers
   * back to it.
   */
  callbackPath?: string
  /** Default: one of its own, in PostgreSQL or in `REDIS_URL`. */
  limiter?: RateLimiter
  /**
   * The caller's address, for the limit of callbacks; null where it is not known, and then there is no
   * limit. Default: `CLIENT_IP_HEADER`, else `x-forwarded-for`, past `TRUSTED_PROXIES`.
   */
  addressOf?: (req: Request) => string | null
}

export const CALLBACK_PATH = '/api/payment/callback'
