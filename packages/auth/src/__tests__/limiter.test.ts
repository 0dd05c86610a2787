/** The limiter of `@repo/core/rate-limit`, over PostgreSQL and Redis, as several processes would use it. */

import { createRateLimiter, type RateLimiter } from '@repo/core/rate-limit'
import { createTestLogger, until } from '@repo/core/testing'
import { createDb, type Database } from '@repo/db'
import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { startRedis, type TestRedis } from './redis.ts'

const SECRET = 'a-secret-for-tests-of-32-characters'
const FIVE = { name: 'five', limit: 5, windowSeconds: 900 }

let database: TestDatabase
let redis: TestRedis
const closing: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  redis = await startRedis()
})
afterAll(async () => {
  for (const close of closing) await close()
  await redis.stop()
  await database.drop()
})

/** A limiter with connections and a memory of its own, as in another process. */
function process(store: string, logger = createTestLogger()): RateLimiter {
  const db: Database = createDb(database.url, { maxConnections: 4 })
  const redisUrl = store === 'Redis' ? redis.url : undefined
  const limiter = createRateLimiter({ db, redisUrl, secret: SECRET, logger })
  closing.push(
    () => limiter.close(),
    () => db.$disconnect(),
  )
  return limiter
}

describe.each(['PostgreSQL', 'Redis'])('%s', (store) => {
  test('exactly five of 60 requests at once over three processes are let through', async () => {
    const processes = [process(store), process(store), process(store)]
    const results = await Promise.all(
      Array.from({ length: 60 }, (_, n) =>
        (processes[n % 3] as RateLimiter).consume(FIVE, 'burst'),
      ),
    )
    expect(results.filter(({ isAllowed }) => isAllowed)).toHaveLength(5)
    expect(
      results
        .map(({ remaining }) => remaining)
        .sort()
        .slice(-5),
    ).toEqual([0, 1, 2, 3, 4])
    for (const { resetSeconds } of results) {
      expect(resetSeconds).toBeGreaterThan(600)
      expect(resetSeconds).toBeLessThanOrEqual(900)
    }
  })

  test('keys and policies have counts of their own', async () => {
    const limiter = process(store)
    for (let n = 0; n < 6; n += 1) await limiter.consume(FIVE, 'one')
    expect((await limiter.consume(FIVE, 'one')).isAllowed).toBe(false)
    expect((await limiter.consume(FIVE, 'other')).remaining).toBe(4)
    expect((await limiter.consume({ ...FIVE, name: 'six' }, 'one')).remaining).toBe(4)
  })

  test('a window ends by itself, and refused requests do not make it longer', async () => {
    const limiter = process(store)
    const short = { name: 'short', limit: 1, windowSeconds: 2 }
    const ask = () => limiter.consume(short, 'key')
    // On a slow machine the first window may be over before the second request.
    await until(async () => (await ask()).isAllowed && !(await ask()).isAllowed)
    const { isAllowed, resetSeconds } = await ask()
    if (!isAllowed) expect(resetSeconds).toBeLessThanOrEqual(2)
    // Requests that made the window longer would never be let through, because they come more often.
    await until(async () => (await ask()).isAllowed, 100)
  })

  test('a counted request can be given back, and a key’s count deleted', async () => {
    const limiter = process(store)
    await limiter.consume(FIVE, 'given')
    await limiter.giveBack(FIVE, 'given')
    expect((await limiter.consume(FIVE, 'given')).remaining).toBe(4)
    for (let n = 0; n < 6; n += 1) await limiter.consume(FIVE, 'given')
    expect((await limiter.consume(FIVE, 'given')).isAllowed).toBe(false)
    await limiter.clear(FIVE, 'given')
    expect((await limiter.consume(FIVE, 'given')).remaining).toBe(4)
  })

  test('no key is readable in the store', async () => {
    await process(store).consume(FIVE, 'ada@example.com 203.0.113.7')
    const stored = store === 'Redis' ? await keysInRedis() : await keysInTable()
    expect(stored.length).toBeGreaterThan(0)
    expect(stored.join()).not.toMatch(/example|203\.0/)
  })
})

test('after a refusal the process refuses further requests without asking the store', async () => {
  let asked = 0
  const db = {
    $queryRawUnsafe: <T>(sql: string, ...values: unknown[]): Promise<T> => {
      asked += 1
      return database.db.$queryRawUnsafe<T>(sql, ...values)
    },
  }
  const limiter = createRateLimiter({ db, secret: SECRET })
  for (let n = 0; n < 60; n += 1) await limiter.consume(FIVE, 'flood')
  expect(asked).toBe(6)
})

test('while PostgreSQL is unreachable a process counts by itself, and warns once', async () => {
  const logger = createTestLogger()
  const db = { $queryRawUnsafe: () => Promise.reject(new Error('away')) }
  const limiter = createRateLimiter({ db, secret: SECRET, logger })
  const allowed = []
  for (let n = 0; n < 8; n += 1) allowed.push((await limiter.consume(FIVE, 'key')).isAllowed)
  expect(allowed.filter(Boolean)).toHaveLength(5)
  expect(logger.entries.map(({ level }) => level)).toEqual(['warn'])
})

test('while Redis is unreachable a process counts by itself, and warns once', async () => {
  const own = await startRedis()
  const logger = createTestLogger()
  const redisUrl = own.url
  const limiter = createRateLimiter({ db: database.db, redisUrl, secret: SECRET, logger })
  closing.push(() => limiter.close())
  expect((await limiter.consume(FIVE, 'key')).remaining).toBe(4)
  await own.stop()
  const allowed = []
  for (let n = 0; n < 8; n += 1) allowed.push((await limiter.consume(FIVE, 'key')).isAllowed)
  expect(allowed.filter(Boolean)).toHaveLength(5)
  await expect.poll(() => logger.entries.map(({ level }) => level)).toEqual(['warn'])
})

async function keysInTable(): Promise<string[]> {
  return (await database.db.rateLimit.findMany()).map(({ key }) => key)
}

async function keysInRedis(): Promise<string[]> {
  const client = new Redis(redis.url)
  try {
    return await client.keys('*')
  } finally {
    client.disconnect()
  }
}

test('Redis without its client package is refused with the package’s name, and nothing is counted instead', async () => {
  vi.doMock('ioredis', () => {
    throw new Error("Cannot find package 'ioredis'")
  })
  onTestFinished(() => vi.doUnmock('ioredis'))
  const redisUrl = 'redis://127.0.0.1:6379'
  const limiter = createRateLimiter({ db: database.db, redisUrl, secret: SECRET })
  await expect(limiter.consume(FIVE, 'key')).rejects.toMatchObject({
    code: 'missing_package',
    message: expect.stringContaining('ioredis'),
  })
})
