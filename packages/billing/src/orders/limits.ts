/**
 * How often orders may be made and callbacks called, over all processes. Deliveries of providers are not
 * counted here: a burst of them is stored and never refused.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { BlockList, isIP } from 'node:net'
import { readEnv } from '@repo/core'
import {
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

/** Shared with sign-in, which asks for the first; all are optional here. */
export const limitEnv = rateLimitEnv.extend({
  BETTER_AUTH_SECRET: z.string().optional(),
  CLIENT_IP_HEADER: z.string().optional(),
  TRUSTED_PROXIES: z
    .string()
    .refine((list) => proxiesIn(list).every(isRange), 'must be addresses or CIDR ranges')
    .optional(),
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
    const { CLIENT_IP_HEADER = 'x-forwarded-for', TRUSTED_PROXIES = '' } = readEnv(limitEnv)
    read = createAddressOf(CLIENT_IP_HEADER, proxiesIn(TRUSTED_PROXIES))
    addresses.set(ctx, read)
  }
  return read(req)
}

const proxiesIn = (list: string): string[] => list.split(',').flatMap((each) => each.trim() || [])

function isRange(text: string): boolean {
  const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const version = isIP(address)
  return version !== 0 && (bits === undefined || Number(bits) <= (version === 4 ? 32 : 128))
}

/** A list of addresses says nothing unless the proxies are known: anyone can begin one. */
export function createAddressOf(header: string, proxies: readonly string[]) {
  const trusted = new BlockList()
  for (const proxy of proxies) {
    const [address = '', bits] = proxy.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) trusted.addAddress(address, family)
    else trusted.addSubnet(address, Number(bits), family)
  }
  return ({ headers }: Request): string | null => {
    const listed = (headers.get(header) ?? '').split(',').flatMap((each) => each.trim() || [])
    if (listed.length > 1 && proxies.length === 0) return null
    const isTrusted = (each: string) => trusted.check(each, isIP(each) === 6 ? 'ipv6' : 'ipv4')
    const caller = listed.findLast((each) => isIP(each) === 0 || !isTrusted(each))
    if (caller === undefined || isIP(caller) === 0) return null
    return isIP(caller) === 4 ? caller : networkOf(caller)
  }
}

/** The first four groups, written out. */
function networkOf(address: string): string {
  const [before = '', after] = address.split('::')
  const groups = before === '' ? [] : before.split(':')
  const end = after ? after.split(':').length : 0
  const missing = after === undefined ? 0 : 8 - groups.length - end
  const all = [...groups, ...Array<string>(missing).fill('0'), ...(after ? after.split(':') : [])]
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
