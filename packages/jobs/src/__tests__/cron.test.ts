/** Cron without a worker, and beside one: each minute once, whoever comes to it. */

import { type Clock, defineJob } from '@repo/core'
import { createTestLogger } from '@repo/core/testing'
import type { Database } from '@repo/db'
import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test, vi } from 'vitest'
import { type CronEntry, createWorker, listDeadJobs, migrateJobs, runPending } from '../index.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  db = database.db
  await migrateJobs(database.url)
  // Jobs leave the queue once they have run; what was enqueued stays here.
  await db.$executeRaw`CREATE TABLE "Tick" ("at" timestamptz, "backfilled" boolean)`
  await db.$executeRaw`
    CREATE FUNCTION "noteTick"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO "Tick" VALUES ((new.payload->'_cron'->>'ts')::timestamptz,
        (new.payload->'_cron'->>'backfilled')::boolean);
      RETURN new;
    END $$`
  await db.$executeRaw`
    CREATE TRIGGER "noteTick" AFTER INSERT ON graphile_worker._private_jobs
    FOR EACH ROW EXECUTE FUNCTION "noteTick"()`
})
beforeEach(async () => {
  runs = []
  await db.$executeRaw`TRUNCATE "Tick", graphile_worker._private_known_crontabs`
  await db.$executeRaw`DELETE FROM graphile_worker._private_jobs`
})
afterEach(() => void vi.useRealTimers())
afterAll(() => database.drop())

const logger = createTestLogger()
let runs: string[] = []
const noting = (name: string) =>
  defineJob<object>({
    name,
    parse: (payload) => payload as object,
    run: async () => runs.push(name),
  })
const jobs = [[noting('often'), noting('daily')]]

const MINUTELY: CronEntry = { pattern: '* * * * *', job: 'often' }
const HOURLY: CronEntry = { pattern: '0 * * * *', job: 'often' }
const DAILY: CronEntry = { pattern: '5 10 * * *', job: 'daily' }
const HOUR = 3_600_000

const at = (time: string): Clock => ({ now: () => new Date(`2026-03-${time}Z`) })

/** One call at `time`, and what it ran. */
async function pass(time: string, cron: readonly CronEntry[]): Promise<string[]> {
  runs = []
  await runPending({ databaseUrl: database.url, jobs, cron, clock: at(time), logger })
  return runs.sort()
}

/** What was enqueued since the last look, as `day hour:minute`. */
async function ticks(): Promise<string[]> {
  const rows = await db.$queryRaw<{ at: Date }[]>`SELECT "at" FROM "Tick" ORDER BY "at"`
  await db.$executeRaw`TRUNCATE "Tick"`
  return rows.map((row) => row.at.toISOString().slice(8, 16).replace('T', ' '))
}

test('a new entry runs from its next minute on, and once each minute', async () => {
  const cron = [MINUTELY, DAILY]
  expect(await pass('02T10:00:30', cron)).toEqual([])
  expect(await pass('02T10:00:59.999', cron)).toEqual([])
  expect(await pass('02T10:01:00', cron)).toEqual(['often'])
  expect(await pass('02T10:01:40', cron)).toEqual([])
  expect(await pass('02T10:02:01', cron)).toEqual(['often'])
  expect(await pass('02T10:05:59', cron)).toEqual(['daily', 'often'])
  expect(await pass('03T10:04:59', cron)).toEqual(['often'])
  expect(await pass('03T10:05:00', cron)).toEqual(['daily', 'often'])
})

test('rare calls run an entry that became due in between once, for the newest minute', async () => {
  await pass('02T10:00:30', [MINUTELY, HOURLY])
  expect(await pass('02T10:05:30', [MINUTELY, HOURLY])).toEqual(['often'])
  expect(await ticks()).toEqual(['02 10:05'])
  expect(await pass('02T11:02:30', [MINUTELY, HOURLY])).toEqual(['often', 'often'])
  expect(await ticks()).toEqual(['02 11:00', '02 11:02'])
  expect(await pass('03T11:30:00', [HOURLY])).toEqual(['often'])
  expect(await ticks()).toEqual(['03 11:00'])
})

test('missed minutes are made up for as far back as the entry says, and none from before it was known', async () => {
  const cron = [{ ...HOURLY, backfillMs: 3 * HOUR }]
  await pass('02T10:00:30', cron)
  expect(await pass('02T11:30:00', cron)).toEqual(['often'])
  expect(await ticks()).toEqual(['02 11:00'])
  expect(await pass('02T18:30:00', cron)).toHaveLength(3)
  const kinds = await db.$queryRaw`SELECT "backfilled" FROM "Tick" ORDER BY "at"`
  expect(kinds).toEqual([{ backfilled: true }, { backfilled: true }, { backfilled: false }])
  expect(await ticks()).toEqual(['02 16:00', '02 17:00', '02 18:00'])
})

test('a minute more than two days ago is left out, unless the entry asks for it', async () => {
  for (const [pattern, ran] of [
    ['5 10 * * 2', []],
    ['6 10 * * 2', ['daily']],
  ] as const) {
    const cron = [{ ...DAILY, pattern, backfillMs: ran.length * 72 * HOUR }]
    await pass('02T10:00:00', cron)
    expect(await pass('05T10:07:00', cron)).toEqual(ran)
  }
  // Tuesday is the 3rd; this call is on the 5th, an hour less than two days later.
  const cron = [{ ...DAILY, pattern: '7 10 * * 2' }]
  await pass('02T10:00:00', cron)
  expect(await pass('05T09:07:00', cron)).toEqual(['daily'])
})

test('calls that overlap enqueue each minute once', async () => {
  const cron = [MINUTELY, { ...MINUTELY, job: 'daily', backfillMs: HOUR }]
  await pass('02T10:00:30', cron)
  const call = (time: string) =>
    runPending({ databaseUrl: database.url, jobs, cron, clock: at(time), logger })
  await Promise.all([...Array(6).fill('02T10:04:10'), '02T10:03:59', '02T10:05:00'].map(call))
  expect(runs.filter((name) => name === 'daily')).toHaveLength(5)
  const often = runs.filter((name) => name === 'often').length
  // Each of the three times may have come first, and was then the newest.
  expect(often).toBeGreaterThanOrEqual(1)
  expect(often).toBeLessThanOrEqual(3)
  runs = []
  await Promise.all(Array(8).fill('02T10:06:00').map(call))
  expect(runs.sort()).toEqual(['daily', 'often'])
})

test('beside a worker with the same entries each minute runs once', async () => {
  const databaseUrl = database.url
  // Two tenths of a second before a minute that only this process believes in.
  vi.useFakeTimers({ toFake: ['Date'], shouldAdvanceTime: true, now: at('02T10:00:59.800').now() })
  const worker = await createWorker({ databaseUrl, jobs, cron: [MINUTELY], logger })
  for (let since = 0; since < 8; ) {
    await Promise.all(
      [1, 2, 3].map(() => runPending({ databaseUrl, jobs, cron: [MINUTELY], logger })),
    )
    if (Date.now() >= at('02T10:01:00').now().getTime()) since += 1
  }
  await worker.stop()
  await runPending({ databaseUrl, jobs, logger })
  // Where this takes longer, other minutes come.
  const minutes = await ticks()
  expect(minutes[0]).toBe('02 10:01')
  expect(new Set(minutes).size).toBe(minutes.length)
  expect(runs).toHaveLength(minutes.length)
})

test('a worker makes up for missed minutes once, beside calls that do the same', async () => {
  const databaseUrl = database.url
  const cron = [{ ...MINUTELY, backfillMs: HOUR }]
  await pass('02T10:00:30', cron)
  vi.useFakeTimers({ toFake: ['Date'], shouldAdvanceTime: true, now: at('02T10:20:10').now() })
  const started = createWorker({ databaseUrl, jobs, cron, logger })
  await Promise.all([1, 2, 3].map(() => runPending({ databaseUrl, jobs, cron, logger })))
  await expect.poll(() => runs.length).toBeGreaterThanOrEqual(20)
  await (await started).stop()
  await runPending({ databaseUrl, jobs, logger })
  const minutes = await ticks()
  expect(minutes.slice(0, 20).at(-1)).toBe('02 10:20')
  expect(new Set(minutes).size).toBe(minutes.length)
  expect(runs).toHaveLength(minutes.length)
})

test('due jobs run in the same call, even if the database’s clock is behind', async () => {
  const ahead = (minutes: number) => ({ now: () => new Date(Date.now() + minutes * 60_000) })
  const options = { databaseUrl: database.url, jobs, cron: [MINUTELY], logger }
  await runPending({ ...options, clock: ahead(2) })
  await runPending({ ...options, clock: ahead(4) })
  expect(runs).toEqual(['often'])
})

test('a job queued by cron has the tries of its definition', async () => {
  const doomed = defineJob<object>({
    name: 'doomed',
    parse: () => ({}),
    run: () => Promise.reject(new Error('never')),
    maxAttempts: 1,
  })
  const cron = [{ ...MINUTELY, job: 'doomed' }]
  for (const time of ['02T10:00:30', '02T10:01:30']) {
    await runPending({
      databaseUrl: database.url,
      jobs: [[doomed]],
      cron,
      clock: at(time),
      logger,
    })
  }
  expect(await listDeadJobs(db)).toMatchObject([{ name: 'doomed', attempts: 1 }])

  vi.useFakeTimers({ toFake: ['Date'], shouldAdvanceTime: true, now: at('02T10:01:59.9').now() })
  const worker = await createWorker({ databaseUrl: database.url, jobs: [[doomed]], cron, logger })
  await expect.poll(() => listDeadJobs(db)).toHaveLength(2)
  await worker.stop()
})

test('an entry for an unknown job is refused, and nothing is stored for it', async () => {
  const refused = pass('02T10:00:30', [MINUTELY, { ...MINUTELY, job: 'missing' }])
  await expect(refused).rejects.toMatchObject({ code: 'unknown_job' })
  const known = await db.$queryRaw`SELECT 1 FROM graphile_worker._private_known_crontabs`
  expect(known).toEqual([])
})
