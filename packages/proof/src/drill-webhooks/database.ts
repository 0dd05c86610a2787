/**
 * The database server of a drill, and its mishaps. The server writes durably to disk, because acknowledged
 * changes have to survive a crash.
 *
 * @module
 */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { createCallTable } from '@repo/billing/testing'
import { createDb, type Database, migrate } from '@repo/db'
import { type StopOptions, startPostgres } from '@repo/db/testing'
import { migrateJobs } from '@repo/jobs'
import pg from 'pg'
import type { Scope } from '../harness/scope.ts'

const NAME = 'drill'

/** The server, its database, and its mishaps. */
export interface DrillDatabase {
  url: string
  db: Database
  /** Terminates this share of the connections, whatever they are doing. */
  cut(share: number): Promise<void>
  /** Stops the server and starts it again. */
  restart(options: StopOptions): Promise<void>
}

/** Starts the server and migrates its database. */
export async function startDatabase(folder: string, scope: Scope): Promise<DrillDatabase> {
  // In a named folder the server keeps fsync on.
  const options = { folder: join(folder, 'postgres') }
  let postgres = await startPostgres(options)
  const { port, adminUrl } = postgres
  scope.add(async () => {
    await postgres.stop({ isImmediate: true })
    // For root the server's data may be in another folder, because its user cannot read a private
    // folder.
    rmSync(postgres.folder, { recursive: true, force: true })
  })
  const url = await postgres.createDatabase(NAME)
  await migrate(url)
  await migrateJobs(url)
  const db = createDb(url, { maxConnections: 4 })
  scope.add(() => db.$disconnect())
  await createCallTable(db)
  return {
    url,
    db,
    async cut(share) {
      const admin = new pg.Client({ connectionString: adminUrl })
      admin.on('error', () => {})
      await admin.connect()
      await admin.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND random() < $2',
        [NAME, share],
      )
      await admin.end()
    },
    async restart(stop) {
      await postgres.stop(stop)
      if (!scope.isClosed) postgres = await startPostgres({ ...options, port })
    },
  }
}

const PATIENCE_MS = 300_000

/** Repeats `work` until it succeeds. @throws its error after five minutes. */
export async function patiently<Result>(work: () => Promise<Result>): Promise<Result> {
  const began = Date.now()
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (Date.now() - began > PATIENCE_MS) throw error
      await wait(200)
    }
  }
}
