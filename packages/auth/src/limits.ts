/**
 * How often one may try. An account from one address: five times in a quarter of an hour. An account from
 * anywhere, and an address for whatever account, more often: so that neither many addresses guess one
 * password nor one address many, and yet nobody locks out an office. Nor a victim: what others use up of an
 * account's limit does not bind a network from which the account has signed in before; that network has a
 * wider limit of its own.
 *
 * The password of an account has one limit over all endpoints that ask for it, so a stolen session guesses no
 * more often than a stranger. A password that is right counts for nothing there. It counts with all others in
 * a limit of its own, because each costs a hash.
 *
 * @module
 */

import {
  type AddressOf,
  networkOf,
  RateLimitError,
  type RateLimiter,
  type RateLimitPolicy,
  type RateLimitResult,
  rateLimitHeaders,
} from '@repo/core/rate-limit'
import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware, isAPIError } from 'better-auth/api'
import type { Passwords } from './password.ts'
import { createPasswordFields, type Endpoints } from './password-fields.ts'
import { verifiedPassword } from './password-hooks.ts'
import { pathLimits } from './path-limits.ts'
import { type HookContext, presentedSession } from './presented.ts'
import { accountEmail } from './stand-in-address.ts'

const WINDOW_SECONDS = 15 * 60

const inWindow = (name: string, limit: number): RateLimitPolicy => ({
  name,
  limit,
  windowSeconds: WINDOW_SECONDS,
})

interface Limits {
  /** An account from one address. */
  pair: RateLimitPolicy
  /** Null: `mail-limits.ts` counts what an account gets from everywhere, and leaves out the rest without a word. */
  wide: Wide | null
  /** An address for all accounts. */
  address: RateLimitPolicy
}

interface Wide {
  /** An account from all addresses. */
  account: RateLimitPolicy
  /** Beyond that, from each network in which the account has signed in. */
  familiar: RateLimitPolicy
}

/** Of guesses at a password, wherever it is asked for. */
const PASSWORD: Limits = {
  pair: inWindow('password', 5),
  wide: { account: inWindow('password-account', 50), familiar: inWindow('password-familiar', 100) },
  address: inWindow('password-address', 100),
}

/**
 * A network that an account knows would pass a limit that binds others, and so tell its neighbours there that there is
 * such an account. What sends a mail has none of these limits.
 */
const ofMails = (name: string): Limits => ({
  pair: inWindow(name, 5),
  wide: null,
  address: inWindow(`${name}-address`, 50),
})

/** With the passwords that are right, and with what a full queue refused: far above what people do, and far below what keeps a processor busy. */
const HASHES = { pair: inWindow('hashes', 30), address: inWindow('hashes-address', 300) }

/** Callers without an address share this, endpoint by endpoint, so that they make no rows without end. */
const UNKNOWN: RateLimitPolicy = { name: 'unknown-address', limit: 100, windowSeconds: 10 }

/** Each of them sends a mail. */
const LIMITS: Readonly<Record<string, Limits>> = {
  '/sign-up/email': ofMails('sign-up'),
  '/request-password-reset': ofMails('reset'),
  '/send-verification-email': ofMails('resend'),
  '/sign-in/magic-link': ofMails('magic-link'),
}

export interface LimitsOptions {
  db: Database
  limiter: RateLimiter
  addressOf: AddressOf
  /** The endpoints of the running instance. */
  endpoints: Endpoints
  /** Whether the account has signed in from the network of this address before. */
  isFamiliar(account: string, address: string): Promise<boolean>
  /** Told of requests from such a network: their hashes come before those of strangers. */
  noteFamiliar(source: object): void
  passwords: Pick<Passwords, 'isBusy' | 'requirePlace'>
}

/** What a request is counted by. */
interface Keys {
  limits: Limits
  account: string
  address: string | null
  pair: string
}

/** What the before-hook counted, for the after-hook of the same request. */
interface Counted {
  keys: Keys
  result: RateLimitResult
  /** The limit over all addresses that let the request through, and its key. */
  wide: [RateLimitPolicy, string] | null
}

/** Before and after Better Auth's endpoints. Server code that passes no headers is not limited. */
export function limits(options: LimitsOptions): BetterAuthPlugin {
  const { db, limiter, addressOf, endpoints, isFamiliar, noteFamiliar, passwords } = options
  const passwordFieldOf = createPasswordFields(endpoints)
  const counted = new WeakMap<object, Counted>()
  const sourceOf = (ctx: HookContext) => ctx.request ?? ctx.headers

  async function keysOf(ctx: HookContext): Promise<Keys | null> {
    const path = ctx.path ?? ''
    const source = sourceOf(ctx)
    const body = (ctx.body ?? {}) as Record<string, unknown>
    const field = passwordFieldOf(path)
    const guess = field && typeof body[field.name] === 'string' ? field : null
    const limits = guess ? PASSWORD : LIMITS[path]
    if (!limits || !source) return null
    const isNamed = !guess || guess.isByEmail
    const account = isNamed ? textOf(body.email) : await signedIn(ctx)
    if (account === null) return null
    const address = addressOf(source)
    return { limits, account, address, pair: `${account}\n${address}` }
  }

  /** The account whose password is asked for: that of the session, else that of a mailed token. */
  async function signedIn(ctx: HookContext): Promise<string | null> {
    const session = await presentedSession(ctx, db)
    if (session) return session.user.email
    const { token } = (ctx.body ?? {}) as { token?: unknown }
    return typeof token === 'string' ? `token:${token}` : null
  }

  async function consume(policy: RateLimitPolicy, key: string): Promise<RateLimitResult> {
    const result = await limiter.consume(policy, key)
    if (!result.isAllowed) throw new RateLimitError(policy, result)
    return result
  }

  const before = createAuthMiddleware(async (ctx) => {
    const keys = await keysOf(ctx)
    if (!keys) return
    const { limits, address, pair } = keys
    const isHashed = limits === PASSWORD
    if (isHashed || ctx.path === '/sign-up/email') await requirePlace(ctx, keys)
    // In this order: a caller who is refused for one reason uses up nothing of what others share.
    if (address) await consume(limits.address, address)
    else await consume(UNKNOWN, ctx.path ?? '')
    if (isHashed && address) await consume(HASHES.address, address)
    if (isHashed) await consume(HASHES.pair, pair)
    const result = await consume(limits.pair, pair)
    const wide = await consumeWide(keys)
    counted.set(sourceOf(ctx) as object, { keys, result, wide })
  })

  /** A caller who cannot be served now has not tried; but asking again and again has a limit, too. */
  async function requirePlace(ctx: HookContext, { limits, account, address }: Keys): Promise<void> {
    // Looked up only where it matters, because it is a question more to the database.
    const isAsked = limits === PASSWORD && address && passwords.isBusy()
    if (isAsked && (await isFamiliar(account, address))) noteFamiliar(sourceOf(ctx) as object)
    try {
      passwords.requirePlace()
    } catch (error) {
      if (address) await consume(HASHES.address, address)
      throw error
    }
  }

  /** Of an account from everywhere; beyond that from a network it knows. */
  async function consumeWide({ limits, account, address }: Keys): Promise<Counted['wide']> {
    const { wide } = limits
    if (!wide) return null
    const all = await limiter.consume(wide.account, account)
    if (all.isAllowed) return [wide.account, account]
    if (!address || !(await isFamiliar(account, address))) {
      throw new RateLimitError(wide.account, all)
    }
    const here = `${account}\n${networkOf(address)}`
    await consume(wide.familiar, here)
    return [wide.familiar, here]
  }

  const after = createAuthMiddleware(async (ctx) => {
    const source = sourceOf(ctx)
    const done = source && counted.get(source)
    if (!done) return
    const { keys, result, wide } = done
    const { limits, address, pair } = keys
    for (const [name, value] of Object.entries(rateLimitHeaders(limits.pair, result))) {
      ctx.setHeader(name, value)
    }
    // An endpoint that did without the password says nothing of it by its success.
    if (limits !== PASSWORD || isAPIError(ctx.context.returned)) return
    if ((await verifiedPassword()) === undefined) return
    await limiter.clear(limits.pair, pair)
    if (wide) await limiter.giveBack(...wide)
    if (address) await limiter.giveBack(limits.address, address)
  })

  const isLimited = ({ path = '' }: { path?: string }) =>
    Object.hasOwn(LIMITS, path) || passwordFieldOf(path) !== undefined

  return {
    id: 'tollgate-limits',
    onRequest: pathLimits({ limiter, addressOf, endpoints }),
    hooks: {
      before: [{ matcher: isLimited, handler: before }],
      after: [{ matcher: isLimited, handler: after }],
    },
  }
}

/** An account has one address, however its domain and its accents are written. */
const textOf = (email: unknown): string | null =>
  typeof email === 'string' ? (accountEmail(email) ?? email.trim().toLowerCase()) : null

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
