/**
 * A second role, to test what an app's role without ownership may do.
 *
 * @module
 */

import pg from 'pg'
import type { TestPostgres } from './database.ts'

/** A role that owns nothing. */
export interface TestRole {
  /** The role's name, unlike any other. */
  name: string
  /** `databaseUrl` with this role as the user. */
  url(databaseUrl: string): string
  /** Drops the role. Call it after the databases in which it has rights were dropped. */
  drop(): Promise<void>
}

let count = 0

/**
 * Creates a role that may only log in, unless `options` says otherwise. Give it rights with `grantRole`.
 * Needs CREATEROLE.
 */
export async function createTestRole(postgres: TestPostgres, options = ''): Promise<TestRole> {
  count += 1
  const random = Math.random().toString(36).slice(2, 8)
  // A name that must be quoted everywhere.
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
