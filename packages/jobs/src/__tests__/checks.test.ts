/** `tollgate doctor`'s checks of the queue: a missing worker, waiting jobs and dead jobs are found. */

import { defineJob } from '@repo/core'
import { createTestLogger } from '@repo/core/testing'
import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest'
import { queueChecks } from '../checks.ts'
import { createWorker, enqueue, migrateJobs, runPending } from '../index.ts'

const mail = defineJob({ name: 'mail', parse: () => ({}), run: async () => {} })
const dead = defineJob({
  name: 'dead',
  maxAttempts: 1,
  parse: () => ({}),
  run: async () => Promise.reject(new Error('never')),
})
const logger = createTestLogger()

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
})
afterEach(async () => {
  await database.db.$executeRaw`DELETE FROM graphile_worker._private_jobs`
  await database.db.$executeRaw`DELETE FROM graphile_worker._private_known_crontabs`
})
afterAll(() => database.drop())

const result = (id: string) =>
  queueChecks(database.db)
    .find((check) => check.id === `jobs.${id}`)
    ?.run()

test('a queue without tables is found', async () => {
  expect(await result('worker')).toMatchObject({
    state: 'failed',
    says: 'The queue has no tables.',
    advice: expect.stringContaining('db:migrate'),
  })
  expect(await result('dead')).toMatchObject({ state: 'skipped' })
  await migrateJobs(database.url)
})

test('a missing worker is found, with what waits for it', async () => {
  expect(await result('worker')).toMatchObject({
    state: 'failed',
    says: 'No worker is alive, and no job waits.',
  })
  await enqueue(database.db, mail, {}, { runAt: new Date(Date.now() - 90_000) })
  expect(await result('worker')).toMatchObject({
    state: 'failed',
    says: expect.stringMatching(/^No worker is alive, and 1 jobs wait, the oldest for 9\d s\.$/),
  })
})

test('a running worker is alive, and one that lacks a waiting job is found', async () => {
  const worker = await createWorker({ databaseUrl: database.url, jobs: [[mail]], logger })
  await expect
    .poll(() => result('worker'))
    .toMatchObject({
      state: 'ok',
      says: '1 worker has reported within a minute, and no job waits.',
    })
  await enqueue(database.db, dead, {}, { runAt: new Date(Date.now() - 90_000) })
  expect(await result('worker')).toMatchObject({
    state: 'failed',
    says: expect.stringMatching(/^1 worker has reported within a minute, but 1 jobs wait/),
    advice: expect.stringContaining('all instances'),
  })
  await worker.stop()
})

test('a route that runs the jobs is as good as a worker', async () => {
  const options = {
    databaseUrl: database.url,
    jobs: [[mail]],
    cron: [{ pattern: '* * * * *', job: 'mail' }],
    logger,
  }
  // The first pass only records the entry.
  await runPending(options)
  expect(await result('worker')).toMatchObject({ state: 'failed' })
  await runPending({ ...options, clock: { now: () => new Date(Date.now() + 60_000) } })
  expect(await result('worker')).toMatchObject({
    state: 'ok',
    says: expect.stringMatching(/^A pass ran -?\d+ s ago, and no job waits\.$/),
  })
})

test('dead jobs are found by name', async () => {
  expect(await result('dead')).toMatchObject({ state: 'ok' })
  await enqueue(database.db, dead, {})
  await runPending({ databaseUrl: database.url, jobs: [[dead]], logger })
  expect(await result('dead')).toMatchObject({
    state: 'failed',
    says: 'Jobs used up their tries: dead (1).',
  })
})
