/**
 * Limits how often a caller may try. An account may be tried five times in a quarter of an hour from one
 * address. Wider limits hold for an account from all addresses, and for an address over all accounts. So many
 * addresses cannot guess one password, one address cannot guess many, and an office is not locked out. The
 * owner is not locked out either: when strangers use up an account's limit, each network from which the
 * account has signed in before has a limit of its own.
 *
 * All endpoints that ask for an account's password share one limit, so a stolen session cannot guess more
 * often than a stranger. A right password does not count there. Right and wrong passwords together count in
 * another limit, because each costs a hash.
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
import { type Database, Prisma } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware, isAPIError } from 'better-auth/api'
import { accountEmail } from '../database/stand-in-address.ts'
import { cookieSession, type HookContext } from '../session/cookie-session.ts'
import type { Passwords } from '../sign-in/password.ts'
import {
  createPasswordFields,
  type Endpoints,
  type PasswordField,
} from '../sign-in/password-fields.ts'
import { verifiedPassword } from '../sign-in/password-hooks.ts'
import { pathLimits } from './path-limits.ts'

/** The window of these limits: a quarter of an hour. */
const WINDOW_SECONDS = 15 * 60

const inWindow = (name: string, limit: number): RateLimitPolicy => ({
  name,
  limit,
  windowSeconds: WINDOW_SECONDS,
})

/** The limits of an endpoint. */
interface Limits {
  /** For one account from one address. */
  pair: RateLimitPolicy
  /**
   * For one account from all addresses. Null for endpoints that mail: `mail-limits.ts` limits an account's
   * mails, and drops the rest without telling the caller.
   */
  wide: Wide | null
  /** For one address over all accounts. */
  address: RateLimitPolicy
}

/** The limits of an account over all addresses. */
interface Wide {
  /** For one account from all addresses. */
  account: RateLimitPolicy
  /** Once that is used up: for each network from which the account has signed in. */
  familiar: RateLimitPolicy
}

/** The limits of guesses at a password, over all endpoints that ask for it. */
const PASSWORD: Limits = {
  pair: inWindow('password', 5),
  wide: { account: inWindow('password-account', 50), familiar: inWindow('password-familiar', 100) },
  address: inWindow('password-address', 100),
}

/**
 * The limits of an endpoint that mails. They do not depend on whether the account knows the network:
 * otherwise a neighbour in that network would pass a limit that binds others, and learn that the account
 * exists.
 */
const ofMails = (name: string): Limits => ({
  pair: inWindow(name, 5),
  wide: null,
  address: inWindow(`${name}-address`, 50),
})

/**
 * The limits of all password checks, including right passwords and requests that a full queue refused. They
 * are far above what people do, and far below what keeps a processor busy.
 */
const HASHES = { pair: inWindow('hashes', 30), address: inWindow('hashes-address', 300) }

/** Callers without an address share this limit per endpoint, so that their rows stay few. */
const UNKNOWN: RateLimitPolicy = { name: 'unknown-address', limit: 100, windowSeconds: 10 }

/** The endpoints that mail, each with its limits. */
const LIMITS: Readonly<Record<string, Limits>> = {
  '/sign-up/email': ofMails('sign-up'),
  '/request-password-reset': ofMails('reset'),
  '/send-verification-email': ofMails('resend'),
  '/sign-in/magic-link': ofMails('magic-link'),
}

/** The dependencies of `limits`. */
export interface LimitsOptions {
  db: Database
  limiter: RateLimiter
  addressOf: AddressOf
  /** The endpoints of the running instance. */
  endpoints: Endpoints
  /** Whether the account has signed in from the network of this address before. */
  isFamiliar(account: string, address: string): Promise<boolean>
  /** Called for a request from such a network, so that its hashes come before those of strangers. */
  noteFamiliar(source: object): void
  passwords: Pick<Passwords, 'isBusy' | 'requirePlace'>
}

/** The keys that a request is counted under. */
interface Keys {
  limits: Limits
  account: string
  address: string | null
  pair: string
}

/** The counts that the before-hook made, for the after-hook of the same request. */
interface Counted {
  keys: Keys
  result: RateLimitResult
  /** The limit over all addresses that let the request through, with its key. */
  wide: [RateLimitPolicy, string] | null
}

/**
 * The plugin that counts before and after Better Auth's endpoints. Server code that passes no headers is not
 * limited.
 */
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
    const account = isNamed
      ? textOf(body.email)
      : ((path.startsWith('/sign-in/') ? await named(body, guess) : null) ?? (await signedIn(ctx)))
    if (account === null) return null
    const address = addressOf(source)
    return { limits, account, address, pair: `${account}\n${address}` }
  }

  /**
   * The account whose password is asked for: the session's account, or else a key made of the mailed token.
   */
  async function signedIn(ctx: HookContext): Promise<string | null> {
    const session = await cookieSession(ctx, db)
    if (session) return session.user.email
    const { token } = (ctx.body ?? {}) as { token?: unknown }
    return typeof token === 'string' ? `token:${token}` : null
  }

  /**
   * The account at a sign-in by another name than the address, such as a username. It shares the limits of its address,
   * so that a second name gives no second set of guesses. Any name counts, also one that no account has.
   */
  async function named(
    body: Record<string, unknown>,
    field: PasswordField,
  ): Promise<string | null> {
    const names = Object.entries(body).filter(
      ([name, value]) => name !== field.name && name !== 'callbackURL' && typeof value === 'string',
    ) as [string, string][]
    const [first] = names
    if (!first) return null
    for (const [name, value] of names.filter(([name]) => isColumn(name))) {
      for (const text of new Set([value, value.trim().toLowerCase()])) {
        const user = await db.user.findFirst({ where: { [name]: text } }).catch(() => null)
        if (user) return user.email
      }
    }
    return `${first[0]}:${first[1].trim().toLowerCase()}`
  }

  const isColumn = (name: string) => Object.hasOwn(Prisma.UserScalarFieldEnum, name)

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
    // The order matters: a caller who is refused by one limit uses up none of the limits that others share.
    if (address) await consume(limits.address, address)
    else await consume(UNKNOWN, ctx.path ?? '')
    if (isHashed && address) await consume(HASHES.address, address)
    if (isHashed) await consume(HASHES.pair, pair)
    const result = await consume(limits.pair, pair)
    const wide = await consumeWide(keys)
    counted.set(sourceOf(ctx) as object, { keys, result, wide })
  })

  /**
   * A request that the queue cannot take now does not count as a try. Repeating such requests is still
   * limited.
   */
  async function requirePlace(ctx: HookContext, { limits, account, address }: Keys): Promise<void> {
    // `isFamiliar` costs a query, so it is asked only while the queue is busy.
    const isAsked = limits === PASSWORD && address && passwords.isBusy()
    if (isAsked && (await isFamiliar(account, address))) noteFamiliar(sourceOf(ctx) as object)
    try {
      passwords.requirePlace()
    } catch (error) {
      if (address) await consume(HASHES.address, address)
      throw error
    }
  }

  /**
   * Counts against the account's limit over all addresses, and then against the limit of a familiar network.
   */
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
    // An endpoint that succeeded without checking the password does not show that the password is right.
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

/** The canonical address, so that other spellings of its domain or accents count as the same account. */
const textOf = (email: unknown): string | null =>
  typeof email === 'string' ? (accountEmail(email) ?? email.trim().toLowerCase()) : null
