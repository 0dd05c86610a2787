/**
 * `pnpm billing …`: what a person runs against the environment's Stripe account and database. Words
 * and progress go to standard error; `--json` puts one JSON document on standard output. It ends
 * with 0, with 2 when it was called wrongly and did nothing, and with 1 when it failed.
 *
 * @module
 */

import { isTollgateError, maskText, requireEnv } from '@repo/core'
import { databaseEnv, db } from '@repo/db'
import { say, UsageError } from './cli/command.ts'
import { parse, usage } from './cli/parse.ts'

async function main(): Promise<void> {
  const invocation = parse(process.argv.slice(2))
  if (invocation === null) {
    process.stdout.write(`${usage()}\n`)
    return
  }
  const { command, args, flags } = invocation
  requireEnv(command.needs)
  try {
    const result = await command.run(args, flags)
    if (flags.json) process.stdout.write(`${JSON.stringify(result)}\n`)
  } finally {
    // The client is made when it is touched, and a command without a database has no address for it.
    if (command.needs.includes(databaseEnv)) await db.$disconnect().catch(() => {})
  }
}

main().catch((error: unknown) => {
  say(maskText(error instanceof Error ? error.message : String(error)))
  const isMisuse = error instanceof UsageError || (isTollgateError(error) && error.status === 400)
  process.exitCode = isMisuse ? 2 : 1
})
