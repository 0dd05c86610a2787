/** The client, when the database goes away. */

import { until } from '@repo/core/testing'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { atomically, createDb } from '../client.ts'
import { createTestDatabase, type TestDatabase, WITHOUT_HURRY } from '../testing/index.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
})
afterAll(() => database.drop())

test('connections that are cut at any moment fail only their own queries', async () => {
  const db = createDb(database.url, { maxConnections: 2 })
  const outcomes = new Set<string>()
  let steps = 0
  for (let round = 0; round < 60; round += 1) {
    const work = Array.from({ length: 12 }, () =>
      atomically(
        db,
        async (tx) => {
          steps += 1
          await tx.$queryRaw`SELECT 1`
          steps += 1
        },
        WITHOUT_HURRY,
      ).then(
        () => outcomes.add('done'),
        () => outcomes.add('failed'),
      ),
    )
    // By their steps and not by time, so that a slow machine is cut where a fast one is.
    const cutAt = steps + (round % 8)
    let isOver = false
    const all = Promise.all(work).then(() => {
      isOver = true
    })
    await until(() => isOver || steps >= cutAt, 0)
    await database.db.$executeRaw`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`
    await all
  }
  await db.$disconnect()
  expect([...outcomes].sort()).toEqual(['done', 'failed'])
})
