/**
 * `pnpm bench credits`: measures what a deduction costs, next to the least work that a database can do and to
 * the usual code, on a temporary PostgreSQL server. It leaves nothing behind, even after Ctrl-C. Exit code 0:
 * it ran, whatever the figures are. Exit code 2: an option is wrong.
 *
 * @module
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '@repo/db/testing'
import { say } from '../harness/command.ts'
import type { Report } from '../harness/report.ts'
import { run } from '../harness/run.ts'
import type { Scope } from '../harness/scope.ts'
import { measureContention } from './contention.ts'
import { measureGrowth } from './growth.ts'
import { type Options, readOptions, USAGE } from './options.ts'

async function measure(options: Options, scope: Scope): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-bench-'))
  scope.add(async () => rmSync(folder, { recursive: true, force: true }))
  say('starting PostgreSQL, with fsync and synchronous commits')
  // In a named folder the server keeps fsync on, so an answered change is on disk.
  const postgres = await startPostgres({ folder: join(folder, 'postgres') })
  scope.add(async () => {
    await postgres.stop({ isImmediate: true })
    // For root the server's data may be in another folder, because its user cannot read a private
    // folder.
    rmSync(postgres.folder, { recursive: true, force: true })
  })
  const setting = { options, postgres, scope }
  const contention = await measureContention(setting)
  const growth = await measureGrowth(setting)
  return {
    rows: [...contention.rows, ...growth.rows],
    targets: [...contention.targets, ...growth.targets],
  }
}

await run(USAGE, readOptions, measure)
