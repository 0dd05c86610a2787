/** A worker, a pass and what adds jobs, all as a role that owns nothing. */

import { defineJob } from '@repo/core'
import { createTestLogger } from '@repo/core/testing'
import { atomically, createDb, type Database, grantRole } from '@repo/db'
import {
  createTestDatabase,
  createTestRole,
  type TestDatabase,
  type TestRole,
} from '@repo/db/testing'
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import {
  createWorker,
  enqueue,
  listDeadJobs,
  migrateJobs,
  retryDeadJobs,
  runPending,
} from '../index.ts'

let database: TestDatabase
let role: TestRole
let databaseUrl: string
/** The role's own. */
let db: Database
let runs: string[] = []
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  await migrateJobs(database.url)
  role = await createTestRole(inject('postgres'))
  await grantRole(database.url, role.name)
  databaseUrl = role.url(database.url)
  db = createDb(databaseUrl)
})
beforeEach(() => {
  runs = []
})
afterAll(async () => {
  await db.$disconnect()
  await database.drop()
  await role.drop()
})

const logger = createTestLogger()
const note = defineJob<{ by?: string }>({
  name: 'note',
  parse: (payload) => payload as { by?: string },
  maxAttempts: 1,
  async run({ by = 'cron' }) {
    if (by === 'nobody') throw new Error('nobody is here')
    const [row] = await db.$queryRaw<[{ role: string }]>`SELECT current_user::text AS role`
    runs.push(`${by} ${row.role}`)
  },
})
const jobs = [[note]]

test('a job is added and run, by a worker and by a single pass', async () => {
  const worker = await createWorker({ databaseUrl, jobs, logger })
  await atomically(db, (tx) => enqueue(tx, note, { by: 'worker' }, { key: 'once' }))
  await expect.poll(() => runs).toEqual([`worker ${role.name}`])
  await worker.stop()
  await enqueue(db, note, { by: 'pass' })
  await runPending({ databaseUrl, jobs, logger })
  expect(runs).toEqual([`worker ${role.name}`, `pass ${role.name}`])
  expect(await db.$queryRaw`SELECT 1 FROM graphile_worker.jobs`).toEqual([])
  expect(logger.text).not.toContain('heartbeat failed')
})

test('cron runs, by a worker and by a single pass', async () => {
  const cron = [{ pattern: '* * * * *', job: 'note' }]
  const at = (time: string) => ({ now: () => new Date(`2026-03-02T10:${time}Z`) })
  await runPending({ databaseUrl, jobs, cron, logger, clock: at('00:30') })
  await runPending({ databaseUrl, jobs, cron, logger, clock: at('01:30') })
  expect(runs).toEqual([`cron ${role.name}`])
  const worker = await createWorker({ databaseUrl, jobs, cron, logger })
  await worker.stop()
})

test('promise 1: the jobs of a killed worker are freed, and dead jobs can be retried', async () => {
  await enqueue(db, note, { by: 'orphan' })
  await database.db
    .$executeRaw`UPDATE graphile_worker._private_jobs SET locked_by = 'gone', locked_at = now()`
  const worker = await createWorker({ databaseUrl, jobs, logger, beatMs: 100, silentMs: 500 })
  await expect.poll(() => runs).toEqual([`orphan ${role.name}`])
  await worker.stop()
  const id = await enqueue(db, note, { by: 'nobody' })
  await runPending({ databaseUrl, jobs, logger })
  expect(await listDeadJobs(db)).toMatchObject([{ id }])
  expect(await retryDeadJobs(db, [id])).toEqual([id])
})
