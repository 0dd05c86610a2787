/** Jobs that wait for a worker that is not there are noticed, seldom and at little cost. */

import { defineJob } from '@repo/core'
import { createTestLogger } from '@repo/core/testing'
import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { afterAll, afterEach, beforeAll, expect, inject, test, vi } from 'vitest'
import {
  type BacklogWatchOptions,
  createBacklogWatch,
  createWorker,
  enqueue,
  migrateJobs,
} from '../index.ts'

const mail = defineJob({ name: 'mail', parse: () => ({}), run: async () => {} })
const other = defineJob({ name: 'other', parse: () => ({}), run: async () => {} })
const ago = (seconds: number) => new Date(Date.now() - seconds * 1000)

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  await migrateJobs(database.url)
})
afterEach(async () => {
  vi.restoreAllMocks()
  await database.db.$executeRaw`DELETE FROM graphile_worker._private_jobs`
})
afterAll(() => database.drop())

function watching(
  options: Partial<Pick<BacklogWatchOptions, 'db' | 'lookEverySeconds' | 'warnEverySeconds'>> = {},
) {
  const logger = createTestLogger()
  const advice = 'Start a worker.'
  const watch = createBacklogWatch({ db: database.db, logger, jobs: ['mail'], advice, ...options })
  const warnings = () => logger.entries.filter(({ level }) => level === 'warn')
  return { ...watch, warnings }
}

test('a job that has waited for over a minute is logged, with its wait and what to do', async () => {
  await enqueue(database.db, mail, {}, { runAt: ago(75) })
  await enqueue(database.db, mail, {}, { runAt: ago(61) })
  const { look, warnings } = watching()
  await look()
  expect(warnings()).toHaveLength(1)
  expect(warnings()[0]).toMatchObject({
    message: expect.stringMatching(
      /^The job mail has waited for 7[5-9] s, and no worker is running\. Start a worker\.$/,
    ),
    fields: { job: 'mail', workers: 0 },
  })
})

test('nothing is logged about a job that is young, not due, of another kind, running or dead', async () => {
  await enqueue(database.db, mail, {}, { runAt: ago(30) })
  await enqueue(database.db, mail, {}, { runAt: ago(-30) })
  await enqueue(database.db, other, {}, { runAt: ago(300) })
  const dead = await enqueue(database.db, mail, {}, { runAt: ago(300) })
  const underWay = await enqueue(database.db, mail, {}, { runAt: ago(300) })
  await database.db.$executeRaw`
    UPDATE graphile_worker._private_jobs SET attempts = max_attempts WHERE id = ${dead}::bigint`
  await database.db.$executeRaw`
    UPDATE graphile_worker._private_jobs SET locked_at = now(), locked_by = 'w'
    WHERE id = ${underWay}::bigint`
  const { look, warnings } = watching()
  await look()
  expect(warnings()).toEqual([])
})

test('a worker that does not have the job in its list is distinguished from no worker', async () => {
  await enqueue(database.db, mail, {}, { runAt: ago(90) })
  const worker = await createWorker({
    databaseUrl: database.url,
    jobs: [[other]],
    logger: createTestLogger(),
  })
  try {
    await vi.waitFor(async () => expect(await database.db.jobWorker.count()).toBe(1))
    const { look, warnings } = watching()
    await look()
    expect(warnings()[0]?.message).toContain('the running workers do not take it')
  } finally {
    await worker.stop()
  }
})

test('the database is queried once a minute and the warning logged once in five, however many callers there are', async () => {
  await enqueue(database.db, mail, {}, { runAt: ago(90) })
  // A client that is not ours is asked through `$queryRaw`.
  const db = new Proxy(database.db, {})
  const asked = vi.spyOn(database.db, '$queryRaw')
  const { look, warnings } = watching({ db })
  const start = performance.now()
  const clock = vi.spyOn(performance, 'now')
  const at = async (seconds: number) => {
    clock.mockReturnValue(start + seconds * 1000)
    await Promise.all(Array.from({ length: 100 }, look))
    return [asked.mock.calls.length, warnings().length]
  }
  expect(await at(0)).toEqual([1, 1])
  expect(await at(59)).toEqual([1, 1])
  expect(await at(61)).toEqual([2, 1])
  expect(await at(299)).toEqual([3, 1])
  expect(await at(360)).toEqual([4, 2])
})

test('a database that does not answer fails no caller', async () => {
  const asked = vi.fn().mockRejectedValue(new Error('away'))
  const { look, warnings } = watching({ db: { $queryRaw: asked } })
  await look()
  expect(asked).toHaveBeenCalledOnce()
  expect(warnings()).toEqual([])
})
