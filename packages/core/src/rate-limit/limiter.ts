/**
 * Rate limits that hold across any number of processes. `rate-limiter-flexible` counts each request in one
 * atomic step, in PostgreSQL or Redis. Once a limit is used up, the process remembers it until the window
 * ends, so that a flood costs the store nothing.
 *
 * Keys are hashed with a secret, so the store holds no addresses. While the store is unreachable, each
 * process counts by itself: a limiter never stops the host from working.
 *
 * @module
 */

import { createHmac } from 'node:crypto'
import type { RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible'
import { createLogger, type Logger } from '../logger.ts'
import type { RateLimitPolicy } from './policy.ts'
import { openStore, type RateLimitDatabase, type Store } from './store.ts'

/** The state of a limit after a request was counted. */
export interface RateLimitResult {
  /** Whether the request is within the limit. */
  isAllowed: boolean
  /** Requests left in this window; 0 after the last allowed request. */
  remaining: number
  /** Seconds until the window ends. */
  resetSeconds: number
}

/** Counts requests against rate limits. */
export interface RateLimiter {
  /** Counts one request of `key`. */
  consume(policy: RateLimitPolicy, key: string): Promise<RateLimitResult>
  /** Takes back one request that should not count. */
  giveBack(policy: RateLimitPolicy, key: string): Promise<void>
  /** Resets the count of `key`, in this process and in the store. */
  clear(policy: RateLimitPolicy, key: string): Promise<void>
  /** Closes the connection to Redis, if there is one. */
  close(): Promise<void>
}

/** The options of `createRateLimiter`. */
export interface RateLimiterOptions {
  /** The database with the table `RateLimit`. */
  db: RateLimitDatabase
  /** Counts in Redis instead of PostgreSQL. Default: PostgreSQL. */
  redisUrl?: string | undefined
  /** The secret for hashing keys. Processes that share limits must share it. */
  secret: string
  /** The host's logger; its entries are masked. Default: JSON lines on standard error. */
  logger?: Logger | undefined
}

/** Creates a rate limiter. It opens no connection before it counts the first request. */
export function createRateLimiter(options: RateLimiterOptions): RateLimiter {
  const logger = createLogger(options.logger)
  const limiters = new Map<string, Promise<RateLimiterAbstract>>()
  let store: Promise<Store> | undefined

  function limiterOf(policy: RateLimitPolicy): Promise<RateLimiterAbstract> {
    const id = `${policy.name}:${policy.limit}:${policy.windowSeconds}`
    let limiter = limiters.get(id)
    if (!limiter) {
      store ??= openStore(options, logger)
      limiter = store.then(({ limiter }) => limiter(id, policy))
      limiters.set(id, limiter)
    }
    return limiter
  }

  const hashed = (key: string) =>
    createHmac('sha256', options.secret).update(`rate-limit:${key}`).digest('base64url')

  return {
    async consume(policy, key) {
      const limiter = await limiterOf(policy)
      try {
        return resultOf(await limiter.consume(hashed(key)), true)
      } catch (refused) {
        // The library rejects with its result. Errors do not get here, because each process can count by
        // itself.
        if (refused instanceof Error) throw refused
        return resultOf(refused as RateLimiterRes, false)
      }
    },
    async giveBack(policy, key) {
      await (await limiterOf(policy)).reward(hashed(key))
    },
    async clear(policy, key) {
      await (await limiterOf(policy)).delete(hashed(key))
    },
    async close() {
      await (await store)?.close()
    },
  }
}

const resultOf = (result: RateLimiterRes, isAllowed: boolean): RateLimitResult => ({
  isAllowed,
  remaining: isAllowed ? result.remainingPoints : 0,
  resetSeconds: Math.max(1, Math.ceil(result.msBeforeNext / 1000)),
})
