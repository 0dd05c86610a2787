/** Jobs: with the caller's transaction or not at all, at least once, through a killed worker. */

import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { defineJob, type JobInfo } from '@repo/core'
import { createTestLogger } from '@repo/core/testing'
import { atomically, type Database } from '@repo/db'
import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest'
import {
  createWorker,
  enqueue,
  type Jobs,
  listDeadJobs,
  migrateJobs,
  retryDeadJobs,
  runPending,
  type Worker,
  type WorkerOptions,
} from '../index.ts'

let database: TestDatabase
let db: Database
const workers: Worker[] = []
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  db = database.db
  await migrateJobs(database.url)
})
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()))
  await db.$executeRaw`DELETE FROM graphile_worker._private_jobs`
})
afterAll(() => database.drop())

interface Payload {
  n: number
}
const parse = (payload: unknown): Payload => {
  const { n } = payload as Payload
  if (typeof n !== 'number') throw new Error('n is no number')
  return { n }
}

type Tail = Parameters<typeof enqueue<Payload>> extends [unknown, ...infer Rest] ? Rest : never

/** A job that notes what it was run with. */
function noting(name = 'note', fail: (info: JobInfo) => boolean = () => false) {
  const runs: number[] = []
  const job = defineJob<Payload>({
    name,
    parse,
    async run({ n }, info) {
      runs.push(n)
      if (fail(info)) throw new Error('failed for ada@example.com')
    },
  })
  return { job, runs }
}

const logger = createTestLogger()

async function start(jobs: Jobs, options: Partial<WorkerOptions> = {}) {
  const worker = await createWorker({ databaseUrl: database.url, jobs, logger, ...options })
  workers.push(worker)
  return worker
}

const waiting = async () =>
  Number(
    (await db.$queryRaw<[{ count: bigint }]>`SELECT count(*) FROM graphile_worker.jobs`)[0].count,
  )

test('a job is added with its transaction, and not without it', async () => {
  const { job, runs } = noting()
  await start([[job]])
  const rolledBack = atomically(db, async (tx) => {
    await enqueue(tx, job, { n: 1 })
    throw new Error('never mind')
  })
  await expect(rolledBack).rejects.toThrow('never mind')
  await atomically(db, (tx) => enqueue(tx, job, { n: 2 }))
  await expect.poll(() => runs).toEqual([2])
  expect(await waiting()).toBe(0)
})

test('a transaction that adds a job without a key tells nobody, because such commits would wait for each other', async () => {
  const { job } = noting('quiet')
  await enqueue(db, job, { n: 0 })
  const told: unknown[] = []
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  client.on('notification', ({ payload }) => told.push(payload))
  await client.query('LISTEN "jobs:insert"')
  await atomically(db, (tx) => enqueue(tx, job, { n: 1 }))
  await atomically(db, (tx) => enqueue(tx, job, { n: 2 }, { runAt: new Date(), priority: 3 }))
  await enqueue(db, job, { n: 3 })
  // Notifications arrive in the order of the commits.
  await expect.poll(() => told).toHaveLength(1)
  await client.end()
  expect(await waiting()).toBe(4)
})

test('a job is the same row in a transaction as without one', async () => {
  const { job } = noting('same')
  const options = { runAt: new Date(Date.now() + 60_000), priority: 7 }
  const most = { ...job, maxAttempts: 3 }
  await atomically(db, (tx) => enqueue(tx, job, { n: 1 }))
  for (const add of [
    enqueue,
    (_: unknown, ...args: Tail) => atomically(db, (tx) => enqueue(tx, ...args)),
  ]) {
    await add(db, job, { n: 1 }, {})
    await add(db, most, { n: 2 }, options)
  }
  const rows = await db.$queryRaw<{ row: Record<string, unknown> }[]>`
    SELECT to_jsonb(j) - ARRAY['id', 'created_at', 'updated_at'] || jsonb_build_object(
      'run_at', greatest(run_at, now())) AS row
    FROM graphile_worker._private_jobs j ORDER BY id`
  const [first, plain, chosen, plainInside, chosenInside] = rows.map(({ row }) => row)
  expect(plainInside).toEqual(plain)
  expect(first).toEqual(plain)
  expect(chosenInside).toEqual(chosen)
  expect(chosen).toMatchObject({ max_attempts: 3, priority: 7 })
})

test('a job without a payload, and a time in a transaction with a time zone of its own, are the same row, too', async () => {
  const job = defineJob<undefined>({ name: 'empty', parse: () => undefined, async run() {} })
  const runAt = new Date('2030-01-01T00:00:00Z')
  await enqueue(db, job, undefined, { runAt })
  await atomically(db, async (tx) => {
    await tx.$executeRaw`SET LOCAL TIME ZONE 'Asia/Tokyo'`
    await enqueue(tx, job, undefined, { runAt })
    await enqueue(tx, job, undefined, { runAt, key: 'empty' })
  })
  const rows = await db.$queryRaw`SELECT payload, run_at FROM graphile_worker._private_jobs`
  expect(rows).toEqual([1, 2, 3].map(() => ({ payload: {}, run_at: runAt })))
})

test('a priority or a number of tries that the engine cannot store is refused, and the transaction goes on', async () => {
  const { job, runs } = noting('small')
  await atomically(db, async (tx) => {
    const refused = expect.objectContaining({ code: 'invalid_argument' })
    for (const priority of [40_000, 1.5, Number.NaN]) {
      await expect(enqueue(tx, job, { n: 1 }, { priority })).rejects.toEqual(refused)
    }
    for (const maxAttempts of [0, -1, 2.5, 100_000]) {
      await expect(enqueue(tx, { ...job, maxAttempts }, { n: 1 })).rejects.toEqual(refused)
    }
    await enqueue(tx, job, { n: 2 }, { priority: -5 })
  })
  await start([[job]])
  await expect.poll(() => runs).toEqual([2])
})

test('a payload that does not fit the job is refused when it is added', async () => {
  const { job } = noting()
  const added = enqueue(db, job, { n: 'one' } as unknown as Payload)
  await expect(added).rejects.toMatchObject({ code: 'invalid_payload', status: 422 })
  expect(await waiting()).toBe(0)
})

test('two jobs with one key are one waiting job, with the newest payload and the first time', async () => {
  const { job, runs } = noting()
  const runAt = new Date(Date.now() + 400)
  await enqueue(db, job, { n: 1 }, { key: 'only', runAt })
  await enqueue(db, job, { n: 2 }, { key: 'only', runAt: new Date(Date.now() + 3_600_000) })
  expect(await waiting()).toBe(1)
  await expect
    .poll(async () => {
      await runPending({ databaseUrl: database.url, jobs: [[job]], logger })
      return runs
    })
    .toEqual([2])
  expect(Date.now()).toBeGreaterThanOrEqual(runAt.getTime())
})

test('a lower priority number runs first, and a later time waits', async () => {
  const { job, runs } = noting()
  await enqueue(db, job, { n: 1 }, { priority: 5 })
  await enqueue(db, job, { n: 2 }, { priority: -5 })
  await enqueue(db, job, { n: 3 }, { runAt: new Date(Date.now() + 3_600_000) })
  await runPending({ databaseUrl: database.url, jobs: [[job]], logger })
  expect(runs).toEqual([2, 1])
  expect(await waiting()).toBe(1)
})

test('a job that fails is tried again later, and the log contains no personal data', async () => {
  const { job, runs } = noting('flaky', ({ attempt }) => attempt === 1)
  await enqueue(db, job, { n: 1 })
  await runPending({ databaseUrl: database.url, jobs: [[job]], logger })
  expect(runs).toEqual([1])
  const [row] = await db.$queryRaw<{ run_at: Date; attempts: number }[]>`
    SELECT run_at, attempts FROM graphile_worker.jobs`
  expect(row?.attempts).toBe(1)
  expect(row?.run_at.getTime()).toBeGreaterThan(Date.now())
  await db.$executeRaw`UPDATE graphile_worker._private_jobs SET run_at = now()`
  await runPending({ databaseUrl: database.url, jobs: [[job]], logger })
  expect(runs).toEqual([1, 1])
  expect(await waiting()).toBe(0)
  expect(logger.text).not.toContain('ada@example.com')
})

test('a job whose tries are used up is dead, is listed, and can be retried', async () => {
  let broken = true
  const { job: flaky, runs } = noting('doomed', () => broken)
  const job = { ...flaky, maxAttempts: 1 }
  const id = await enqueue(db, job, { n: 1 })
  await runPending({ databaseUrl: database.url, jobs: [[job]], logger })
  expect(await listDeadJobs(db)).toEqual([
    { id, name: 'doomed', attempts: 1, lastError: expect.stringContaining('failed') },
  ])
  await runPending({ databaseUrl: database.url, jobs: [[job]], logger })
  expect(runs).toEqual([1])
  broken = false
  expect(await retryDeadJobs(db, [id, '999999999'])).toEqual([id])
  expect(await retryDeadJobs(db, [id])).toEqual([])
  await runPending({ databaseUrl: database.url, jobs: [[job]], logger })
  expect(runs).toEqual([1, 1])
  expect(await listDeadJobs(db)).toEqual([])
})

test('stopping waits for the running job and takes no other', async () => {
  const order: string[] = []
  let finish = () => {}
  const isFinished = new Promise<void>((done) => {
    finish = done
  })
  const slow = defineJob<Payload>({
    name: 'slow',
    parse,
    async run() {
      order.push('begun')
      await isFinished
      order.push('done')
    },
  })
  const worker = await start([[slow]], { concurrency: 1 })
  await enqueue(db, slow, { n: 1 })
  await enqueue(db, slow, { n: 2 })
  await expect.poll(() => order).toEqual(['begun'])
  workers.length = 0
  const stopped = worker.stop().then(() => order.push('stopped'))
  // Meanwhile a worker without a job is started and stopped, so a stop that did not wait would be over.
  const idle = defineJob<Payload>({ name: 'idle', parse, async run() {} })
  const other = await start([[idle]], { concurrency: 1 })
  workers.length = 0
  await other.stop()
  expect(order).toEqual(['begun'])
  finish()
  await stopped
  expect(order).toEqual(['begun', 'done', 'stopped'])
  expect(await waiting()).toBe(1)
  expect(await db.jobWorker.count()).toBe(0)
})

test('a single pass reports that it is alive, too, while it holds a job', async () => {
  const held: object[] = []
  const look = defineJob<Payload>({
    name: 'look',
    parse,
    async run() {
      await expect.poll(() => db.jobWorker.count()).toBe(1)
      held.push(
        ...(await db.$queryRaw<object[]>`
          SELECT j.locked_by = w."id" AS alive
          FROM graphile_worker._private_jobs j, "JobWorker" w`),
      )
    },
  })
  await enqueue(db, look, { n: 1 })
  await runPending({ databaseUrl: database.url, jobs: [[look]], logger })
  expect(held).toEqual([{ alive: true }])
  expect(await db.jobWorker.count()).toBe(0)
})

test('two jobs with one name, and a cron entry for an unknown job, are refused', async () => {
  const { job } = noting()
  await expect(start([[job], [job]])).rejects.toMatchObject({ code: 'duplicate_job' })
  const cron = [{ pattern: '* * * * *', job: 'missing' }]
  await expect(start([[job]], { cron })).rejects.toMatchObject({ code: 'unknown_job' })
})

test('four workers share a hundred jobs and run each once', async () => {
  const { job, runs } = noting()
  await Promise.all([1, 2, 3, 4].map(() => start([[job]])))
  await Promise.all(Array.from({ length: 100 }, (_, n) => enqueue(db, job, { n })))
  await expect.poll(() => runs.length).toBe(100)
  expect(new Set(runs).size).toBe(100)
})

test('promise 1: a worker and its jobs survive the loss of all its connections', async () => {
  const { job, runs } = noting('cut', ({ attempt }) => attempt === 1)
  const cutting = {
    ...job,
    async run(payload: Payload, info: JobInfo) {
      await db.$executeRaw`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`
      await job.run(payload, info)
    },
  }
  await start([[cutting]])
  await enqueue(db, job, { n: 1 })
  await expect.poll(() => runs).toEqual([1, 1])
  const left = () => db.$queryRaw`SELECT 1 FROM graphile_worker.jobs`
  await expect.poll(left).toEqual([])
})

test('promise 1: the jobs of a worker that was killed before it reported that it is alive are run', async () => {
  const { job, runs } = noting('orphan')
  await enqueue(db, job, { n: 1 })
  await db.$executeRaw`
    UPDATE graphile_worker._private_jobs SET locked_by = 'nobody', locked_at = now()`
  await start([[job]], { beatMs: 100, silentMs: 500 })
  await expect.poll(() => runs).toEqual([1])
})

test('promise 1: the jobs of a worker that was killed are run by another', async () => {
  const script = fileURLToPath(new URL('./killed-worker.ts', import.meta.url))
  const child: ChildProcess = spawn(
    process.execPath,
    ['--conditions=source', '--import', 'tsx', script, database.url],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const { job, runs } = noting('stuck')
  await enqueue(db, job, { n: 7 })
  await new Promise((done) => child.stdout?.once('data', done))
  await expect.poll(() => db.jobWorker.count()).toBeGreaterThan(0)
  child.kill('SIGKILL')
  await new Promise((done) => child.once('exit', done))

  await start([[job]], { beatMs: 100, silentMs: 1_000 })
  await expect.poll(() => runs).toEqual([7])
})
