/**
 * A second role, for tests of what an app may do that owns nothing.
 *
 * @module
 */

import pg from 'pg'
import type { TestPostgres } from './database.ts'

export interface TestRole {
  name: string
  /** `databaseUrl`, for this role. */
  url(databaseUrl: string): string
  /** After the databases in which it has rights. */
  drop(): Promise<void>
}

let count = 0

/**
 * Makes a role that may log in and nothing more; `options` may say otherwise. Give it rights with
 * `grantRole`. Needs CREATEROLE.
 */
export async function createTestRole(postgres: TestPostgres, options = ''): Promise<TestRole> {
  count += 1
  const random = Math.random().toString(36).slice(2, 8)
  // A name that has to be quoted, wherever it stands.
  const name = `the "app's" role ${process.pid} ${count} ${random}`
  const quoted = pg.escapeIdentifier(name)
  await asAdmin(postgres, `CREATE ROLE ${quoted} LOGIN PASSWORD '${random}' ${options}`)
  return {
    name,
    url(databaseUrl) {
      const url = new URL(databaseUrl)
      url.username = encodeURIComponent(name)
      url.password = random
      return url.href
    },
    drop: () => asAdmin(postgres, `DROP ROLE ${quoted}`),
  }
}

async function asAdmin({ adminUrl }: TestPostgres, statement: string): Promise<void> {
  const admin = new pg.Client({ connectionString: adminUrl })
  await admin.connect()
  try {
    await admin.query(statement)
  } finally {
    await admin.end()
  }
}
