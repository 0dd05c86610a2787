/**
 * How often one may try. An account from one address: five times in a quarter of an hour. An account from
 * anywhere, and an address for whatever account, more often: so that neither many addresses guess one
 * password nor one address many, and yet nobody locks out an office. Nor a victim: what others use up of an
 * account's limit does not bind a network from which the account has signed in before.
 *
 * Sign-ins that succeed do not count.
 *
 * @module
 */

import {
  type AddressOf,
  RateLimitError,
  type RateLimiter,
  type RateLimitPolicy,
  type RateLimitResult,
  rateLimitHeaders,
} from '@repo/core/rate-limit'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware } from 'better-auth/api'

const WINDOW_SECONDS = 15 * 60

interface Limits {
  /** An account from one address. */
  pair: RateLimitPolicy
  /** An account from all addresses. */
  account: RateLimitPolicy
  /** An address for all accounts. */
  address: RateLimitPolicy
}

const limitsOf = (name: string, account: number, address: number): Limits => ({
  pair: { name, limit: 5, windowSeconds: WINDOW_SECONDS },
  account: { name: `${name}-account`, limit: account, windowSeconds: WINDOW_SECONDS },
  address: { name: `${name}-address`, limit: address, windowSeconds: WINDOW_SECONDS },
})

/** The last three send a mail with every request, hence fewer to one account. */
const LIMITS: Record<string, Limits> = {
  '/sign-in/email': limitsOf('sign-in', 50, 100),
  '/sign-up/email': limitsOf('sign-up', 10, 50),
  '/request-password-reset': limitsOf('reset', 10, 50),
  '/send-verification-email': limitsOf('resend', 10, 50),
  '/sign-in/magic-link': limitsOf('magic-link', 10, 50),
}

/** Of what an office does together, and nobody can guess: links are too long, and codes lock. */
const SHARED = { window: 60, max: 100 }

/**
 * Better Auth's own limits, by address and path, the first that fits: off where those above are, and for
 * reading and refreshing the session, which pages do often and offices together.
 */
export const BETTER_AUTH_RULES = {
  ...Object.fromEntries(Object.keys(LIMITS).map((path) => [path, false as const])),
  '/get-session': false as const,
  '/access/refresh': false as const,
  '/access/renew': false as const,
  '/sign-in/social': SHARED,
  '/sign-in/magic-link/confirm': SHARED,
  '/two-factor/verify-totp': SHARED,
  '/two-factor/verify-backup-code': SHARED,
  // A stolen session must not try out the password, nor a new account write to the world.
  '/change-password': { window: WINDOW_SECONDS, max: 20 },
  '/change-email': { window: WINDOW_SECONDS, max: 20 },
  '/change-email/*': SHARED,
  '/delete-user': { window: WINDOW_SECONDS, max: 20 },
  '/delete-user/*': { window: WINDOW_SECONDS, max: 20 },
  '/export-user': { window: WINDOW_SECONDS, max: 20 },
  '/two-factor/*': { window: WINDOW_SECONDS, max: 20 },
  '/organization/invite-member': { window: WINDOW_SECONDS, max: 50 },
}

export interface LimitsOptions {
  limiter: RateLimiter
  addressOf: AddressOf
  /** Whether the account has signed in from the network of this address before. */
  isFamiliar(account: string, address: string): Promise<boolean>
}

/** Before and after Better Auth's endpoints. Server code that passes no headers is not limited. */
export function limits({ limiter, addressOf, isFamiliar }: LimitsOptions): BetterAuthPlugin {
  type Ctx = Parameters<Parameters<typeof createAuthMiddleware>[0]>[0]

  /** What the before-hook found, for the after-hook of the same request. */
  const counted = new WeakMap<Request, RateLimitResult>()

  const keysOf = (ctx: Ctx) => {
    const limits = LIMITS[ctx.path ?? '']
    const source = ctx.request ?? ctx.headers
    const { email } = (ctx.body ?? {}) as { email?: unknown }
    if (!limits || !source || typeof email !== 'string') return null
    const account = email.trim().toLowerCase()
    const address = addressOf(source)
    return { limits, account, address, pair: `${account}\n${address}` }
  }

  const before = createAuthMiddleware(async (ctx) => {
    const keys = keysOf(ctx)
    if (!keys) return
    const { account, address, pair } = keys
    const consume = async (policy: RateLimitPolicy, key: string) => {
      const result = await limiter.consume(policy, key)
      if (!result.isAllowed) throw new RateLimitError(policy, result)
      return result
    }
    // In this order: who is refused for one reason uses up nothing of what others share. Callers without
    // an address share none, or they would lock each other out.
    if (address) await consume(keys.limits.address, address)
    const result = await consume(keys.limits.pair, pair)
    const all = await limiter.consume(keys.limits.account, account)
    if (!all.isAllowed && !(address && (await isFamiliar(account, address)))) {
      throw new RateLimitError(keys.limits.account, all)
    }
    if (ctx.request) counted.set(ctx.request, result)
  })

  const after = createAuthMiddleware(async (ctx) => {
    const keys = keysOf(ctx)
    if (!keys) return
    const result = ctx.request && counted.get(ctx.request)
    if (result) {
      for (const [name, value] of Object.entries(rateLimitHeaders(keys.limits.pair, result))) {
        ctx.setHeader(name, value)
      }
    }
    if (!ctx.context.newSession) return
    const { account, address, pair } = keys
    await limiter.clear(keys.limits.pair, pair)
    await limiter.giveBack(keys.limits.account, account)
    if (address) await limiter.giveBack(keys.limits.address, address)
  })

  return {
    id: 'tollgate-limits',
    hooks: {
      before: [{ matcher: ({ path }) => Object.hasOwn(LIMITS, path ?? ''), handler: before }],
      after: [{ matcher: ({ path }) => Object.hasOwn(LIMITS, path ?? ''), handler: after }],
    },
  }
}

export interface ApiLimits {
  /** Names what is counted; routes of one name share their count. `[a-z-]`. Default `api`. */
  name?: string
  /** Requests in a window of callers who are not signed in, by address. Default 100. */
  anonymous?: number
  /** Of a user, from wherever. Default 1,000. */
  signedIn?: number
  /** Default 3,600. */
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
