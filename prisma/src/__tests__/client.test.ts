/** The client, when the database goes away. */

import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createDb } from '../client.ts'
import { createTestDatabase, type TestDatabase } from '../testing/index.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
})
afterAll(() => database.drop())

test('connections that are cut at any moment fail their queries and nothing else', async () => {
  const db = createDb(database.url, { maxConnections: 2 })
  const outcomes = new Set<string>()
  for (let round = 0; round < 60; round += 1) {
    const work = Array.from({ length: 12 }, () =>
      db
        .$transaction(async (tx) => tx.$queryRaw`SELECT 1`)
        .then(
          () => outcomes.add('done'),
          () => outcomes.add('failed'),
        ),
    )
    await new Promise((done) => setTimeout(done, round % 8))
    await database.db.$executeRaw`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`
    await Promise.all(work)
  }
  await db.$disconnect()
  expect([...outcomes].sort()).toEqual(['done', 'failed'])
})
