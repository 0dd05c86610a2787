/**
 * `jobs migrate`: creates or updates the queue's own tables. Part of `pnpm db:migrate`.
 *
 * @module
 */

import { maskText, readEnv } from '@repo/core'
import { databaseEnv } from '@repo/db'
import { migrateJobs } from './worker.ts'

async function main(): Promise<void> {
  if (process.argv[2] !== 'migrate') throw new Error('usage: jobs migrate')
  // Without a database of one's own `pnpm demo` makes both, whenever it starts.
  if (!process.env.DATABASE_URL) return
  await migrateJobs(readEnv(databaseEnv).DATABASE_URL)
  process.stderr.write('The queue is up to date.\n')
}

main().catch((error: unknown) => {
  process.stderr.write(`${maskText(error instanceof Error ? error.message : String(error))}\n`)
  process.exitCode = 1
})
