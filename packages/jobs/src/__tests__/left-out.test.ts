/** What is left out never means everything: jobs are found by ids and numbers that were given. */

import { defineJob } from '@repo/core'
import { checksums, createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import * as entry from '../index.ts'

let database: TestDatabase
const job = defineJob({ name: 'test', parse: (payload) => payload, run: async () => {} })
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  await entry.migrateJobs(database.url)
  for (const n of [1, 2]) await entry.enqueue(database.db, job, { n })
  await database.db.$executeRaw`UPDATE graphile_worker._private_jobs SET attempts = max_attempts`
})
afterAll(() => database.drop())

/** Each function of the package, as far as it looks anything up: how it is called with a wrong value. */
const CALLS: Record<string, ((wrong: never) => Promise<unknown>)[] | null> = {
  listDeadJobs: [(wrong) => entry.listDeadJobs(database.db, ...([wrong] as [number]))],
  retryDeadJobs: [
    (wrong) => entry.retryDeadJobs(database.db, wrong),
    (wrong) => entry.retryDeadJobs(database.db, [wrong]),
  ],
  enqueue: [
    (wrong) => entry.enqueue(database.db, job, {}, { key: wrong }),
    (wrong) => entry.enqueue(database.db, job, {}, { runAt: wrong }),
  ],
  createBacklogWatch: null,
  createWorker: null,
  migrateJobs: null,
  runPending: null,
}
const WRONG = [null, '', {}, { not: '' }, Number.NaN, 0, -1, 1.5, 'x', '1;2', new Date(Number.NaN)]

test('the test lists for each function of the package whether it looks up rows', () => {
  const names = Object.entries(entry).filter(([, value]) => !/^class\b/.test(String(value)))
  expect(Object.keys(CALLS).sort()).toEqual(names.map(([name]) => name).sort())
})

test.each(Object.entries(CALLS))(
  '%s does not treat a wrong argument as everything',
  async (name, calls) => {
    const before = await checksums(database.db)
    for (const [at, call] of (calls ?? []).entries()) {
      for (const wrong of WRONG) {
        // A key may be any text.
        if (name === 'enqueue' && at === 0 && typeof wrong === 'string' && wrong !== '') continue
        const answer = await call(wrong as never).catch((error) => error)
        expect([wrong, answer]).toEqual([
          wrong,
          expect.objectContaining({ code: 'invalid_argument', status: 400 }),
        ])
      }
    }
    expect(await checksums(database.db)).toEqual(before)
  },
)

test('the dead jobs are listed and tried again by their ids', async () => {
  const dead = await entry.listDeadJobs(database.db)
  expect(dead).toHaveLength(2)
  expect(await entry.retryDeadJobs(database.db, [])).toEqual([])
  const [first] = dead
  expect(await entry.retryDeadJobs(database.db, [first?.id ?? ''])).toEqual([first?.id])
  expect(await entry.listDeadJobs(database.db, 1)).toHaveLength(1)
})
