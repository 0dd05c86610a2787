/**
 * The store of the counts: the table `RateLimit` through the host's own database client, or Redis.
 *
 * @module
 */

import type { RateLimiterAbstract } from 'rate-limiter-flexible'
import { TollgateError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { RateLimitPolicy } from './policy.ts'

/** The database client that the store uses. Prisma's fits. */
export interface RateLimitDatabase {
  /** Runs `sql` with the values of `$1` …, and returns the rows. */
  $queryRawUnsafe<T>(sql: string, ...values: unknown[]): PromiseLike<T>
}

export interface Store {
  limiter(id: string, policy: RateLimitPolicy): RateLimiterAbstract
  close(): Promise<void>
}

interface StoreOptions {
  db: RateLimitDatabase
  redisUrl?: string | undefined
}

const SAY_AGAIN_MS = 60_000
const CONNECT_MS = 1_000

/**
 * Opens the store in Redis or PostgreSQL. If Redis cannot be reached, each process counts by itself.
 *
 * @throws `missing_package` (500) if the store is Redis and `ioredis` is not installed
 */
export async function openStore({ db, redisUrl }: StoreOptions, logger: Logger): Promise<Store> {
  const library = await import('rate-limiter-flexible')
  const failed = once(SAY_AGAIN_MS, (error) =>
    logger.warn(
      { error },
      'the store of rate limits is unreachable; each process counts by itself',
    ),
  )
  const shared = (id: string, { limit, windowSeconds }: RateLimitPolicy) => ({
    keyPrefix: id,
    points: limit,
    duration: windowSeconds,
    // After one request too many, the process refuses further requests itself until the window ends.
    inMemoryBlockOnConsumed: limit + 1,
    insuranceLimiter: new library.RateLimiterMemory({
      keyPrefix: id,
      points: limit,
      duration: windowSeconds,
    }),
  })
  if (redisUrl) {
    const { Redis } = await import('ioredis').catch(notInstalled)
    const client = new Redis(redisUrl, {
      lazyConnect: true,
      // Every server and proxy supports protocol 2, and it suffices.
      protocol: 2,
      connectTimeout: CONNECT_MS,
      commandTimeout: CONNECT_MS,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
    })
    // Without a listener, ioredis would print the error with the address of the server.
    client.on('error', failed)
    await client.connect().catch(failed)
    return {
      limiter: (id, policy) =>
        new library.RateLimiterRedis({
          ...shared(`rate-limit:${id}`, policy),
          storeClient: client,
          rejectIfRedisNotReady: true,
        }),
      async close() {
        client.disconnect()
      },
    }
  }
  const storeClient = {
    async query({ text, values }: { text: string; values: unknown[] }) {
      try {
        const rows = await db.$queryRawUnsafe<Record<string, unknown>[]>(text, ...values)
        return { rows: rows.map(withNumbers), rowCount: rows.length }
      } catch (error) {
        failed(error)
        throw error
      }
    },
  }
  let isFirst = true
  return {
    limiter(id, policy) {
      const limiter = new library.RateLimiterPostgres({
        ...shared(id, policy),
        storeClient,
        storeType: 'client',
        tableName: 'RateLimit',
        tableCreated: true,
        // Only the first limiter deletes expired rows, every few minutes.
        clearExpiredByTimeout: isFirst,
      })
      isFirst = false
      return limiter
    },
    async close() {},
  }
}

/** Only hosts that count in Redis install its client. */
function notInstalled(cause: unknown): never {
  throw new TollgateError(
    'missing_package',
    500,
    'Rate limits are to be counted in Redis, but the package ioredis cannot be loaded. Install it, or leave REDIS_URL empty to count in PostgreSQL.',
    { cause },
  )
}

/** Prisma returns `bigint` columns as BigInt; a time in milliseconds fits into a number. */
const withNumbers = (row: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(row).map(([key, value]) => [
      key,
      typeof value === 'bigint' ? Number(value) : value,
    ]),
  )

/** Calls `say` at most once every `ms` milliseconds. */
function once(ms: number, say: (error: unknown) => void): (error: unknown) => void {
  let said = Number.NEGATIVE_INFINITY
  return (error) => {
    const now = performance.now()
    if (now - said < ms) return
    said = now
    say(error)
  }
}
