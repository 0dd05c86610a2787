/**
 * Rate limits of orders and callbacks, over all processes. Webhooks of providers are counted after their
 * signature was verified, and sixty times as many are accepted as callbacks of browsers, so that a burst is
 * stored.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { readEnv } from '@repo/core'
import {
  createAddressOf,
  createRateLimiter,
  RateLimitError,
  type RateLimiter,
  type RateLimitPolicy,
  rateLimitEnv,
} from '@repo/core/rate-limit'
import * as z from 'zod'
import type { BillingContext } from '../context.ts'

/** New orders, for each owner. */
export const ORDERS: RateLimitPolicy = { name: 'orders', limit: 10, windowSeconds: 60 }
/** Returning browsers, for each IP address. */
export const CALLBACKS: RateLimitPolicy = {
  name: 'payment-callbacks',
  limit: 100,
  windowSeconds: 60,
}

/** Signed webhooks, for each IP address. No provider's burst comes near this limit. */
export const DELIVERIES: RateLimitPolicy = {
  name: 'payment-deliveries',
  limit: 6_000,
  windowSeconds: 60,
}

/**
 * The environment variables of the limits. Sign-in uses the same variables and requires `BETTER_AUTH_SECRET`;
 * here all are optional.
 */
export const limitEnv = rateLimitEnv.extend({
  BETTER_AUTH_SECRET: z.string().optional(),
})

const limiters = new WeakMap<BillingContext, RateLimiter>()
const addresses = new WeakMap<BillingContext, (req: Request) => string | null>()

/** Counts one request. @throws `too_many_requests` (429, with `Retry-After`). */
export async function limit(
  ctx: BillingContext,
  policy: RateLimitPolicy,
  key: string,
): Promise<void> {
  const result = await limiterOf(ctx).consume(policy, key)
  if (!result.isAllowed) throw new RateLimitError(policy, result)
}

function limiterOf(ctx: BillingContext): RateLimiter {
  const made = ctx.orders.limiter ?? limiters.get(ctx)
  if (made) return made
  const env = readEnv(limitEnv)
  const limiter = createRateLimiter({
    db: ctx.db,
    redisUrl: env.REDIS_URL,
    // Without a shared secret each process counts for itself.
    secret: env.BETTER_AUTH_SECRET ?? randomBytes(32).toString('hex'),
    logger: ctx.logger,
  })
  limiters.set(ctx, limiter)
  return limiter
}

/** The caller's IP address; for IPv6 the network (/64). Null: unknown. */
export function addressOf(ctx: BillingContext, req: Request): string | null {
  let read = ctx.orders.addressOf ?? addresses.get(ctx)
  if (!read) {
    const env = readEnv(limitEnv)
    read = createAddressOf({
      ...(env.CLIENT_IP_HEADER ? { ipAddressHeaders: [env.CLIENT_IP_HEADER] } : {}),
      ...(env.TRUSTED_PROXIES ? { trustedProxies: env.TRUSTED_PROXIES } : {}),
    })
    addresses.set(ctx, read)
  }
  return read(req)
}
