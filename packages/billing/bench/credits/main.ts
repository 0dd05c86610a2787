/**
 * `pnpm bench credits`: what a deduction costs, next to the least that the database can do and to what
 * is usually written, on one PostgreSQL that is thrown away. It leaves nothing behind, also on Ctrl-C.
 * Exit code 0 says that it ran, whatever the figures are; 2 that an option cannot be meant.
 *
 * @module
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '@repo/db/testing'
import { say } from '../../../core/bench/command.ts'
import type { Report } from '../../../core/bench/report.ts'
import { run } from '../../../core/bench/run.ts'
import type { Scope } from '../../../core/bench/scope.ts'
import { measureContention } from './contention.ts'
import { measureGrowth } from './growth.ts'
import { type Options, readOptions, USAGE } from './options.ts'

async function measure(options: Options, scope: Scope): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-bench-'))
  scope.add(async () => rmSync(folder, { recursive: true, force: true }))
  say('starting PostgreSQL, with fsync and synchronous commits')
  // A named folder keeps what a throw-away server switches off: an answer means that it is on disk.
  const postgres = await startPostgres({ folder: join(folder, 'postgres') })
  scope.add(async () => {
    await postgres.stop({ isImmediate: true })
    // Root's server may not reach a private folder, and then its cluster lies elsewhere.
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
