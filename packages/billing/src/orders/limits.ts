/**
 * How often orders may be made and callbacks called, over all processes. Deliveries of providers are counted
 * where they are known to be theirs, and a hundred times as many are taken: a burst of them is stored.
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
import { z } from 'zod'
import type { BillingContext } from '../context.ts'

/** By owner. */
export const ORDERS: RateLimitPolicy = { name: 'orders', limit: 10, windowSeconds: 60 }
/** By the caller's address. */
export const CALLBACKS: RateLimitPolicy = {
  name: 'payment-callbacks',
  limit: 100,
  windowSeconds: 60,
}

/** Signed deliveries, by the caller's address: no burst of a provider comes near. */
export const DELIVERIES: RateLimitPolicy = {
  name: 'payment-deliveries',
  limit: 6_000,
  windowSeconds: 60,
}

/** Shared with sign-in, which asks for the first; all are optional here. */
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
    // Without a secret that is shared, each process counts by itself.
    secret: env.BETTER_AUTH_SECRET ?? randomBytes(32).toString('hex'),
    logger: ctx.logger,
  })
  limiters.set(ctx, limiter)
  return limiter
}

/** The caller's address, of an IPv6 one the network (/64); null where it is not known. */
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
