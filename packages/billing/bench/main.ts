/**
 * `pnpm bench webhooks`: how fast events are taken in and worked through, next to a limit and to a
 * peer, on one PostgreSQL that is thrown away. It leaves nothing behind, also on Ctrl-C. Exit code 0
 * says that it ran, whatever the figures are.
 *
 * @module
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '@repo/db/testing'
import { measureIngest } from './ingest.ts'
import { readOptions, UsageError } from './options.ts'
import { measureProcessing } from './processing.ts'
import { draw, type Report, say } from './report.ts'
import { createScope } from './scope.ts'

const scope = createScope()

async function measure(args: string[]): Promise<void> {
  const options = readOptions(args)
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
  const report: Report = {
    rows: [...ingest.rows, ...processing.rows],
    targets: [...ingest.targets, ...processing.targets],
  }
  const json = `${JSON.stringify(report, null, 2)}\n`
  if (options.out) writeFileSync(options.out, json)
  if (options.json) process.stdout.write(json)
  else process.stdout.write(draw(report))
}

const signals = { SIGINT: 130, SIGTERM: 143 } as const
const interrupted = new Promise<number>((done) => {
  for (const [signal, code] of Object.entries(signals)) process.once(signal, () => done(code))
})
const ran = measure(process.argv.slice(2)).then(
  () => 0,
  (error: unknown) => {
    // After an interruption the connections are gone, and what was under way says so.
    if (!scope.isClosed) say(error instanceof UsageError ? error.message : error)
    return 1
  },
)
const code = await Promise.race([ran, interrupted])
await scope.close()
process.exit(code)
