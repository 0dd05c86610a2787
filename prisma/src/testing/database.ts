/**
 * A database of its own for each test file, cloned from the migrated template in milliseconds.
 *
 * @module
 */

import pg from 'pg'
import { createDb, type Database } from '../client.ts'

export interface TestDatabase {
  db: Database
  /** For the role that owns it. */
  url: string
  /** Closes the client and drops the database. */
  drop(): Promise<void>
}

export interface TestPostgres {
  adminUrl: string
  template: string
  owner: string
}

let count = 0

/**
 * Clones the template. In a test file: `await createTestDatabase(inject('postgres'))`, and `drop()`
 * in `afterAll`.
 */
export async function createTestDatabase(postgres: TestPostgres): Promise<TestDatabase> {
  count += 1
  const name = `test_${process.pid}_${Date.now().toString(36)}_${count}_${Math.random().toString(36).slice(2, 8)}`
  await asAdmin(
    postgres.adminUrl,
    `CREATE DATABASE ${name} OWNER ${postgres.owner} TEMPLATE ${postgres.template} STRATEGY FILE_COPY`,
  )
  const url = new URL(postgres.adminUrl)
  url.username = postgres.owner
  url.password = ''
  url.pathname = `/${name}`
  const db = createDb(url.href)
  return {
    db,
    url: url.href,
    async drop() {
      await db.$disconnect()
      await asAdmin(postgres.adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    },
  }
}

async function asAdmin(url: string, statement: string): Promise<void> {
  const admin = new pg.Client({ connectionString: url })
  admin.on('error', () => {})
  await admin.connect()
  try {
    await admin.query(statement)
  } finally {
    await admin.end()
  }
}
