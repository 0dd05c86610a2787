/**
 * Applies migrations with nothing but `pg` and records them exactly as `prisma migrate deploy` does: same
 * table, same checksums, same lock. Both can be used in turn on one database.
 *
 * @module
 */

import { createHash, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TollgateError } from '@repo/core'
import pg from 'pg'
import { connectionStringOf } from './connection.ts'
import { PRISMA_LOCK, repeatGrants } from './grants.ts'

/**
 * The folder `migrations/`, which is beside both `src/` and `dist/`, or the folder of the host's migrations that
 * `package.json` names. It is resolved when needed and not written as `new URL('…', import.meta.url)`, which bundlers
 * take for a file to bundle.
 */
function migrationsFolder(): string {
  const folder = join(dirname(fileURLToPath(import.meta.url)), '..')
  const { tollgate } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    tollgate?: { migrations?: string }
  }
  return join(folder, tollgate?.migrations ?? 'migrations')
}

interface Migration {
  name: string
  sql: string
  /** The SHA-256 of the file, in hex. */
  checksum: string
}

interface MigrationRow {
  migration_name: string
  checksum: string
  finished_at: Date | null
}

/**
 * Applies every pending migration in order and returns their names. Each migration runs in a transaction of
 * its own, together with its record. Roles that `grantRole` was called with get their rights on the new
 * tables. If two deployments run at once, one waits.
 *
 * @throws `migration_failed_earlier` if an engine left an unfinished migration behind, and `migration_edited`
 *   if a file differs from the applied one. Nothing is applied then.
 */
export async function migrate(databaseUrl: string, folder = migrationsFolder()): Promise<string[]> {
  const applied = await withClient(databaseUrl, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [PRISMA_LOCK])
    await client.query(MIGRATIONS_TABLE)
    const pending = await findPending(client, folder)
    for (const migration of pending) await apply(client, migration)
    return pending.map(({ name }) => name)
  })
  await repeatGrants(databaseUrl)
  return applied
}

/** The names of the migrations that `migrate` would apply. Changes nothing. */
export async function pendingMigrations(
  databaseUrl: string,
  folder = migrationsFolder(),
): Promise<string[]> {
  return withClient(databaseUrl, async (client) => {
    const { rows } = await client.query("SELECT to_regclass('_prisma_migrations') AS found")
    if (!rows[0].found) return (await readMigrations(folder)).map(({ name }) => name)
    return (await findPending(client, folder)).map(({ name }) => name)
  })
}

async function findPending(client: pg.Client, folder: string): Promise<Migration[]> {
  const { rows } = await client.query<MigrationRow>(
    'SELECT migration_name, checksum, finished_at FROM _prisma_migrations WHERE rolled_back_at IS NULL',
  )
  const unfinished = rows.find((row) => row.finished_at === null)
  if (unfinished) {
    throw new TollgateError(
      'migration_failed_earlier',
      500,
      `Migration ${unfinished.migration_name} was started and not finished. Resolve it first, for instance with prisma migrate resolve.`,
    )
  }
  const applied = new Map(rows.map((row) => [row.migration_name, row.checksum]))
  const migrations = await readMigrations(folder)
  for (const { name, checksum } of migrations) {
    if (applied.has(name) && applied.get(name) !== checksum) {
      throw new TollgateError(
        'migration_edited',
        500,
        `Migration ${name} was edited after it was applied. Undo the edit and add a new migration.`,
      )
    }
  }
  return migrations.filter(({ name }) => !applied.has(name))
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(join(folder, name, 'migration.sql'), 'utf8')
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

async function apply(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  await client.query('BEGIN')
  try {
    await client.query(sql)
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, now(), 1)`,
      [randomUUID(), checksum, name],
    )
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  }
}

/** A separate connection: closing it also releases the session's advisory lock. */
async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: connectionStringOf(url) })
  // A lost server also fails the running query; without a listener the event would end the process.
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

const MIGRATIONS_TABLE = `
  CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                  VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum            VARCHAR(64) NOT NULL,
    finished_at         TIMESTAMPTZ,
    migration_name      VARCHAR(255) NOT NULL,
    logs                TEXT,
    rolled_back_at      TIMESTAMPTZ,
    started_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
  )`
