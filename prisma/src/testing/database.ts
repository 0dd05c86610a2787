/**
 * Creates a separate database for each test file, cloned from the migrated template in milliseconds.
 *
 * @module
 */

import pg from 'pg'
import { createDb, type Database, type TransactionOptions } from '../client.ts'

/** A test's own database and its client. */
export interface TestDatabase {
  /** A client of the database. */
  db: Database
  /** The direct URL for the role that owns the database. */
  url: string
  /** Closes the client and drops the database. */
  drop(): Promise<void>
}

/** Options of `atomically` for a test that keeps its transaction open: only the test's own time limit counts. */
export const WITHOUT_HURRY: TransactionOptions = { maxWaitMs: 600_000, timeoutMs: 600_000 }

/** The number of connections to this database that wait for another connection's lock. */
export async function countLockWaits(db: Pick<Database, '$queryRaw'>): Promise<number> {
  const [{ waits }] = await db.$queryRaw<[{ waits: number }]>`
    SELECT count(*)::int AS waits FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`
  return waits
}

/** The server and template of a test run. */
export interface TestPostgres {
  /** The URL for a role that may create databases. */
  adminUrl: string
  /** The migrated database to clone. */
  template: string
  /** The role that owns the clones. */
  owner: string
  /** The host and port of a pooler in front of the server, which `db` goes through. Null: `db` is direct. */
  pooler: string | null
  /**
   * The folder of the server's Unix socket, which `db` uses without a pooler: a round trip takes a third less
   * processor time than by TCP. Null: `db` uses TCP.
   */
  socketFolder: string | null
}

/** The options of `createTestDatabase`. */
export interface TestDatabaseOptions {
  /** The database's time zone. Default: the server's. */
  timeZone?: string
}

let count = 0

/**
 * Clones the template. In a test file call `await createTestDatabase(inject('postgres'))`, and `drop()` in
 * `afterAll`.
 */
export async function createTestDatabase(
  postgres: TestPostgres,
  options: TestDatabaseOptions = {},
): Promise<TestDatabase> {
  count += 1
  const random = Math.random().toString(36).slice(2, 8)
  const name = `test_${process.pid}_${count}_${random}`
  const url = await cloneDatabase(postgres, name)
  if (options.timeZone) {
    await asAdmin(
      postgres.adminUrl,
      `ALTER DATABASE "${name}" SET TimeZone = '${options.timeZone}'`,
    )
  }
  const db = createDb(addressFor(postgres, url))
  return {
    db,
    url,
    async drop() {
      await db.$disconnect()
      await dropDatabase(postgres.adminUrl, name)
    },
  }
}

/** Creates `name` from the template and returns its URL for the owner. */
export async function cloneDatabase(postgres: TestPostgres, name: string): Promise<string> {
  const { adminUrl, template, owner } = postgres
  await asAdmin(
    adminUrl,
    `CREATE DATABASE "${name}" OWNER "${owner}" TEMPLATE "${template}" STRATEGY FILE_COPY`,
  )
  const url = new URL(adminUrl)
  if (decodeURIComponent(url.username) !== owner) {
    // The embedded server trusts local connections, and the role it creates has no password.
    url.username = owner
    url.password = ''
  }
  url.pathname = `/${name}`
  return url.href
}

/** How `db` reaches the database at `url`. */
function addressFor({ pooler, socketFolder }: TestPostgres, url: string): string {
  if (pooler !== null) return through(pooler, url)
  if (socketFolder === null) return url
  const local = new URL(url)
  local.searchParams.set('host', socketFolder)
  return local.href
}

/** The URL of the database at `url` through the pooler at `host:port`. */
export function through(pooler: string, url: string): string {
  const pooled = new URL(url)
  pooled.host = pooler
  pooled.searchParams.set('pgbouncer', 'true')
  return pooled.href
}

/** Drops a database, and its connections with it. */
export const dropDatabase = (adminUrl: string, name: string): Promise<void> =>
  asAdmin(adminUrl, `DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`)

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
