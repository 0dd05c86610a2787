/**
 * `pnpm demo [--fresh | --smoke]` starts everything, prints a line for each service, and stops everything on
 * Ctrl-C.
 *
 * @module
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { consoleLogger, maskText } from '@repo/core'
import { startPostgres } from '@repo/db/testing'
import { startDemo } from './demo.ts'
import { smoke } from './smoke.ts'

const FOLDER = fileURLToPath(new URL('../../../.tollgate', import.meta.url))

const say = (line: string) => process.stdout.write(`${line}\n`)
const onReady = (service: string, detail: string) => say(`  ${service.padEnd(11)} ${detail}`)

/** Logs only errors, warnings and the links to mails, to keep the terminal readable. */
const logger = {
  ...consoleLogger,
  info(fields: object, message?: string) {
    if (message === 'mail in the outbox') consoleLogger.info(fields, message)
  },
}

async function runSmoke(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tollgate-smoke-'))
  const postgres = process.env.DATABASE_URL ? undefined : await startPostgres()
  try {
    const databaseUrl = process.env.DATABASE_URL ?? (await postgres?.createDatabase('tollgate'))
    const demo = await startDemo({
      folder,
      hostPort: 0,
      sandboxPort: 0,
      logger,
      onReady,
      ...(databaseUrl ? { databaseUrl } : {}),
    })
    await smoke(demo, (step) => say(`  ✓ ${step}`)).finally(() => demo.stop())
    say('Every step of the demo works.')
  } finally {
    await postgres?.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function runDemo(fresh: boolean): Promise<void> {
  say('Tollgate')
  const databaseUrl = process.env.DATABASE_URL
  const demo = await startDemo({
    folder: FOLDER,
    fresh,
    logger,
    onReady,
    ...(process.env.PORT ? { hostPort: Number(process.env.PORT) } : {}),
    ...(databaseUrl ? { databaseUrl } : {}),
  })
  say(`\n  Open ${demo.url} – Ctrl-C stops everything; your data stays until \`demo --fresh\`.\n`)
  await new Promise<void>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => done())
  })
  say('\nStopping …')
  await demo.stop()
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      fresh: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
    },
  })
  await (values.smoke ? runSmoke() : runDemo(values.fresh))
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(
      `${maskText(error instanceof Error ? (error.stack ?? '') : String(error))}\n`,
    )
    process.exit(1)
  },
)
