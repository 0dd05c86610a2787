/**
 * `pnpm bench webhooks`: measures how fast events are stored and processed, next to a limit and to a peer, on
 * a temporary PostgreSQL server. It leaves nothing behind, even after Ctrl-C. Exit code 0: it ran, whatever
 * the figures are. Exit code 2: an option is wrong.
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
import { measureIngest } from './ingest.ts'
import { type Options, readOptions, USAGE } from './options.ts'
import { measureProcessing } from './processing.ts'

async function measure(options: Options, scope: Scope): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-bench-'))
  scope.add(async () => rmSync(folder, { recursive: true, force: true }))
  say('starting PostgreSQL, with fsync and synchronous commits')
  // In a named folder the server keeps fsync on, so an answered event is on disk.
  const postgres = await startPostgres({ folder: join(folder, 'postgres') })
  scope.add(async () => {
    await postgres.stop()
    // For root the server's data may be in another folder, because its user cannot read a private
    // folder.
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
