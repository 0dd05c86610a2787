/**
 * `jobs migrate` creates or updates the queue's own tables; it is part of `pnpm db:migrate`. `jobs worker`
 * runs the jobs of the host's `tollgate.config.ts` until it is stopped; with `--once` it runs the jobs that
 * are due and exits.
 *
 * @module
 */

import { parseArgs } from 'node:util'
import { maskText, TollgateError } from '@repo/core'
import { openHost } from '@repo/core/cli'
import { databaseOfCommand } from '@repo/db/cli'
import { createWorker, migrateJobs, runPending } from './worker.ts'

const say = (line: string) => process.stderr.write(`${line}\n`)

async function runWorker(path: string | undefined, once: boolean): Promise<void> {
  const { config, file } = await openHost(path === undefined ? {} : { path })
  if (config === null) {
    throw new TollgateError(
      'config_not_found',
      404,
      'The worker runs the jobs of your own instances, but found no tollgate.config.ts in this folder or ' +
        'above it. Create one: export default defineConfig({ auth, billing })',
    )
  }
  const databaseUrl = databaseOfCommand('worker')
  if (once) {
    await runPending({ databaseUrl, config })
    return
  }
  const worker = await createWorker({ databaseUrl, config })
  say(`The worker runs the jobs of ${file}: mails are sent, and webhooks are processed.`)
  await new Promise<void>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => done())
  })
  await worker.stop()
}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { config: { type: 'string' }, once: { type: 'boolean', default: false } },
  })
  const [command] = positionals
  if (command === 'worker') return runWorker(values.config, values.once)
  if (command !== 'migrate') {
    throw new Error('usage: jobs migrate | jobs worker [--once] [--config <path>]')
  }
  await migrateJobs(databaseOfCommand('db:migrate'))
  say('The queue is up to date.')
}

main()
  .catch((error: unknown) => {
    say(maskText(error instanceof Error ? error.message : String(error)))
    process.exitCode = 1
  })
  // An instance may keep connections open; a finished process does not wait for them.
  .finally(() => void setTimeout(() => process.exit(), 1_000).unref())
