/**
 * Rate limits that hold over any number of processes: counted by `rate-limiter-flexible`, in PostgreSQL or
 * in Redis, each request in one atomic step. A limit that is used up is remembered in the process until it
 * ends, so that a flood costs the store nothing.
 *
 * Keys are hashed with a secret: no address stands in the store. While the store is away each process
 * counts by itself; a limiter is never the reason that nothing works.
 *
 * @module
 */

import { createHmac } from 'node:crypto'
import type { RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible'
import { createLogger, type Logger } from '../logger.ts'
import type { RateLimitPolicy } from './policy.ts'
import { openStore, type RateLimitDatabase, type Store } from './store.ts'

export interface RateLimitResult {
  isAllowed: boolean
  /** Requests left in this window; 0 for the last that is allowed. */
  remaining: number
  /** Until the window ends. */
  resetSeconds: number
}

export interface RateLimiter {
  /** Counts a request of `key`. */
  consume(policy: RateLimitPolicy, key: string): Promise<RateLimitResult>
  /** Takes one request back that turned out not to count. */
  giveBack(policy: RateLimitPolicy, key: string): Promise<void>
  /** Forgets what `key` has used, here and in the store. */
  clear(policy: RateLimitPolicy, key: string): Promise<void>
  /** Closes the connection to Redis, if there is one. */
  close(): Promise<void>
}

export interface RateLimiterOptions {
  /** Where the table `RateLimit` is. */
  db: RateLimitDatabase
  /** Counts in Redis instead. Default: PostgreSQL. */
  redisUrl?: string | undefined
  /** Keys the hashes of the keys. Processes that share limits share it. */
  secret: string
  /** Put behind the mask. Default: JSON lines on standard error. */
  logger?: Logger | undefined
}

/** Nothing is opened before the first request is counted. */
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
        // The library rejects with its result; an error never gets here, because each process can count.
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
