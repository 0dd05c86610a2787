/** Lines: one connection each, in order, and what fails there fails alone. */

import { until } from '@repo/core/testing'
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { createDb, type Database, Prisma, pipelineQuery } from '../index.ts'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'
import { createWire } from './wire.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
})
afterAll(() => database.drop())
beforeEach(async () => {
  db = createDb(database.url, { maxConnections: 3 })
  await db.$executeRaw`CREATE TABLE IF NOT EXISTS "Noted" (at serial, note text UNIQUE, pid int)`
  await db.$executeRaw`TRUNCATE "Noted"`
})
afterEach(() => db.$disconnect())

interface Row {
  at: number
  pid: number
}

/** Notes it, and fails where it is there already. */
const note = (text: string, line = 'a', on: Database = db) =>
  pipelineQuery<Row>(
    on,
    line,
    'note',
    Prisma.sql`INSERT INTO "Noted" (note, pid) VALUES (${text}::text, pg_backend_pid())
      RETURNING at, pid`,
  ).then(([row]) => row as Row)

const sleep = (seconds: number, line: string, on: Database = db) =>
  pipelineQuery(on, line, 'sleep', Prisma.sql`SELECT pg_sleep(${seconds}::float8)::text`)

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at)
const asleep = () => database.db.$queryRaw<{ pid: number }[]>`
  SELECT pid FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND query LIKE '%pg_sleep(%' AND state = 'active'`

test('concurrent statements are answered in order, on one connection', async () => {
  const rows = await Promise.all(numbers(200).map((at) => note(`${at}`)))
  const first = rows[0] as Row
  expect(rows.map(({ at }) => at - first.at)).toEqual(numbers(200))
  expect(new Set(rows.map(({ pid }) => pid)).size).toBeLessThan(5)
  const [{ connections }] = await database.db.$queryRaw<[{ connections: number }]>`
    SELECT count(*)::int AS connections FROM pg_stat_activity WHERE query LIKE '%"Noted"%'
      AND pid <> pg_backend_pid() AND datname = current_database()`
  expect(connections).toBe(1)
})

test('sixteen statements are sent before the first answer, and no more', async () => {
  const way = await wayTo(database.url)
  const far = createDb(way.url, { maxConnections: 1 })
  await note('by Prisma', 'a', far)
  await note('prepared', 'a', far)
  way.answers = 0
  const [from, all] = [way.asked, numbers(40).map((at) => note(`${at}`, 'a', far))]
  const asked = (count: number) => expect.poll(() => way.asked - from).toBe(count)
  // The first of a turn goes alone.
  await asked(1)
  way.answers = 1
  await asked(17)
  way.answers = 3
  await asked(20)
  way.answers = Infinity
  await Promise.all(all)
  await asked(40)
  await far.$disconnect()
  way.close()
})

test('a statement that fails undoes none before it and stops none after it', async () => {
  const results = await Promise.allSettled(
    numbers(60).map((at) => note(at % 3 === 2 ? 'twice' : `${at}`)),
  )
  const failed = results.flatMap((result, at) => (result.status === 'rejected' ? [at] : []))
  expect(failed).toEqual(
    numbers(60)
      .filter((at) => at % 3 === 2)
      .slice(1),
  )
  const [{ count }] = await db.$queryRaw<[{ count: number }]>`
    SELECT count(*)::int AS count FROM "Noted"`
  expect(count).toBe(41)
})

test('while the statement cannot be prepared each call gets the error', async () => {
  const missing = () =>
    pipelineQuery(db, 'a', 'missing', Prisma.sql`SELECT * FROM "no_such_function"(${1}::int)`)
  await note('connected')
  const results = await Promise.allSettled(numbers(20).map(missing))
  for (const result of results) {
    expect(result).toMatchObject({ status: 'rejected', reason: { code: '42883' } })
  }
  await note('and after')
})

test('a cut connection fails the statements that were sent on it; the others go on with another connection', async () => {
  await note('connected')
  const sleeping = sleep(3_600, 'a').catch((error: unknown) => error)
  // Behind it in its own line.
  const behind = numbers(40).map(() =>
    sleep(0, 'a').then(
      () => 'done',
      () => 'failed',
    ),
  )
  await expect.poll(async () => (await asleep()).length).toBe(1)
  const [row] = await asleep()
  await database.db.$queryRaw`SELECT pg_terminate_backend(${row?.pid})`
  expect(await sleeping).toBeInstanceOf(Error)
  const results = await Promise.all(behind)
  expect(results.filter((result) => result === 'done').length).toBeGreaterThan(20)
  expect(await note('again')).toMatchObject({ at: expect.any(Number) })
})

test('more busy lines than connections all make progress', async () => {
  await note('connected')
  let isOver = false
  const counts = new Map<string, number>()
  const busy = numbers(6).flatMap((line) =>
    numbers(8).map(async () => {
      const name = `line ${line}`
      while (!isOver) {
        // So long that a line is never without one under way.
        await sleep(0.002, name)
        counts.set(name, (counts.get(name) ?? 0) + 1)
      }
    }),
  )
  const least = () => Math.min(...numbers(6).map((line) => counts.get(`line ${line}`) ?? 0))
  try {
    await until(() => least() > 100)
    // Neither is anybody shut out who is in no line.
    expect(await db.$queryRaw`SELECT 1 AS one`).toEqual([{ one: 1 }])
  } finally {
    isOver = true
    await Promise.all(busy)
  }
})

test('an unreachable server fails all waiting calls, and later calls are answered', async () => {
  const away = createDb('postgresql://nobody@127.0.0.1:1/none')
  const results = await Promise.allSettled(numbers(5).map((at) => note(`${at}`, 'a', away)))
  expect(results.map(({ status }) => status)).toEqual(Array(5).fill('rejected'))
  await away.$disconnect()
  await db.$disconnect()
  expect(await note('connected again')).toMatchObject({ at: expect.any(Number) })
})

test('a client that the host extended runs the statements through its extension, two at a time', async () => {
  let [open, most, seen] = [0, 0, 0]
  const extended = db.$extends({
    query: {
      async $queryRaw({ args, query }) {
        seen += 1
        open += 1
        most = Math.max(most, open)
        try {
          return await query(args)
        } finally {
          open -= 1
        }
      },
    },
  }) as unknown as Database
  await Promise.all(numbers(20).map((at) => note(`${at}`, 'a', extended)))
  expect({ most, seen }).toEqual({ most: 2, seen: 20 })
})

/** A way to the database that counts what is asked and lets through as many answers as it is told. */
async function wayTo(url: string) {
  let [asked, answers, held] = [0, Infinity, Buffer.alloc(0)]
  let pour = () => {}
  const wire = await createWire(url, {
    asked(chunk, pass) {
      // As a `Bind` names the statement.
      asked += chunk.toString('latin1').split('\0note\0').length - 1
      pass(chunk)
    },
    answered(chunk, pass) {
      held = Buffer.concat([held, chunk])
      pour = () => {
        // Each message is a letter and its length; `Z` ends an answer.
        while (held.length > 4 && answers > 0) {
          const end = 1 + held.readInt32BE(1)
          if (held.length < end) return
          if (held[0] === 0x5a) answers -= 1
          pass(held.subarray(0, end))
          held = held.subarray(end)
        }
      }
      pour()
    },
  })
  return {
    url: wire.url,
    close: wire.close,
    get asked() {
      return asked
    },
    /** How many more may pass. */
    set answers(count: number) {
      answers = count
      pour()
    },
  }
}
