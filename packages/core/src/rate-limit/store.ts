/**
 * Where limits are counted: the table `RateLimit` through the host's own database client, or Redis.
 *
 * @module
 */

import type { RateLimiterAbstract } from 'rate-limiter-flexible'
import type { Logger } from '../logger.ts'
import type { RateLimitPolicy } from './policy.ts'

/** What is asked of a database client. Prisma's fits. */
export interface RateLimitDatabase {
  /** Runs `sql` with values for `$1` …, and returns the rows. */
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

export async function openStore({ db, redisUrl }: StoreOptions, logger: Logger): Promise<Store> {
  const library = await import('rate-limiter-flexible')
  const failed = once(SAY_AGAIN_MS, (error) =>
    logger.warn({ error }, 'rate limits are counted by each process, because their store is away'),
  )
  const shared = (id: string, { limit, windowSeconds }: RateLimitPolicy) => ({
    keyPrefix: id,
    points: limit,
    duration: windowSeconds,
    // Known here until it ends, once a request too many was seen.
    inMemoryBlockOnConsumed: limit + 1,
    insuranceLimiter: new library.RateLimiterMemory({
      keyPrefix: id,
      points: limit,
      duration: windowSeconds,
    }),
  })
  if (redisUrl) {
    const { Redis } = await import('ioredis')
    const client = new Redis(redisUrl, {
      lazyConnect: true,
      // Every server and proxy speaks it, and it says all that is needed.
      protocol: 2,
      connectTimeout: CONNECT_MS,
      commandTimeout: CONNECT_MS,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
    })
    // Unheard, the event would be printed with the address of the server.
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
        // One of them clears away what has ended, every few minutes.
        clearExpiredByTimeout: isFirst,
      })
      isFirst = false
      return limiter
    },
    async close() {},
  }
}

/** Prisma reads `bigint` as one; a time in milliseconds fits a number. */
const withNumbers = (row: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(row).map(([key, value]) => [
      key,
      typeof value === 'bigint' ? Number(value) : value,
    ]),
  )

/** `say`, at most once in `ms`. */
function once(ms: number, say: (error: unknown) => void): (error: unknown) => void {
  let said = Number.NEGATIVE_INFINITY
  return (error) => {
    const now = performance.now()
    if (now - said < ms) return
    said = now
    say(error)
  }
}
