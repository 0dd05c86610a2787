/**
 * `pnpm bench webhooks`: how fast events are taken in and worked through, next to a limit and to a
 * peer, on one PostgreSQL that is thrown away. It leaves nothing behind, also on Ctrl-C. Exit code 0
 * says that it ran, whatever the figures are; 2 that an option cannot be meant.
 *
 * @module
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '@repo/db/testing'
import { say } from '../../core/bench/command.ts'
import type { Report } from '../../core/bench/report.ts'
import { run } from '../../core/bench/run.ts'
import type { Scope } from '../../core/bench/scope.ts'
import { measureIngest } from './ingest.ts'
import { type Options, readOptions, USAGE } from './options.ts'
import { measureProcessing } from './processing.ts'

async function measure(options: Options, scope: Scope): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-bench-'))
  scope.add(async () => rmSync(folder, { recursive: true, force: true }))
  say('starting PostgreSQL, with fsync and synchronous commits')
  // A named folder keeps what a throw-away server switches off: an answer means that it is on disk.
  const postgres = await startPostgres({ folder: join(folder, 'postgres') })
  scope.add(async () => {
    await postgres.stop()
    // Root's server may not reach a private folder, and then its cluster lies elsewhere.
    rmSync(postgres.folder, { recursive: true, force: true })
  })
  const setting = { options, folder, postgres, scope }
  const ingest = await measureIngest(setting)
  const processing = await measureProcessing(setting)
  return {
    rows: [...ingest.rows, ...processing.rows],
    targets: [...ingest.targets, ...processing.targets],
  }
}

await run(USAGE, readOptions, measure)
