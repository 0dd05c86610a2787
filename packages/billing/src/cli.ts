/**
 * `pnpm billing …`: what a person runs with the instance of the host's `tollgate.config.ts`. Words and
 * progress go to standard error, first what it acts on; `--json` puts one JSON document on standard output.
 * It ends with 0, with 2 when it was called wrongly and did nothing, and with 1 when it failed.
 *
 * @module
 */

import { isTollgateError, maskText } from '@repo/core'
import { databaseEnv } from '@repo/db'
import { say, UsageError } from './cli/command.ts'
import { noteLacking, requireFit } from './cli/fit.ts'
import { parse, usage } from './cli/parse.ts'
import { inWords, openTarget } from './cli/target.ts'

async function main(): Promise<void> {
  const invocation = parse(process.argv.slice(2))
  if (invocation === null) {
    process.stdout.write(`${usage()}\n`)
    return
  }
  const { command, args, flags } = invocation
  const { billing, ctx, target } = await openTarget(command, flags)
  try {
    say(inWords(target))
    if (target.config === null) await requireFit(ctx, command)
    else await noteLacking(ctx, command, target.config)
    const result = await command.run(args, flags, billing)
    if (flags.json) process.stdout.write(`${JSON.stringify({ ...result, target })}\n`)
  } finally {
    // The client is made when it is touched, and a command without a database has no address for it.
    if (command.needs.includes(databaseEnv)) await ctx.db.$disconnect().catch(() => {})
  }
}

main()
  .catch((error: unknown) => {
    say(maskText(error instanceof Error ? error.message : String(error)))
    const isMisuse = error instanceof UsageError || (isTollgateError(error) && error.status === 400)
    process.exitCode = isMisuse ? 2 : 1
  })
  // An instance may hold connections of its own; a process that is done does not wait for them.
  .finally(() => void setTimeout(() => process.exit(), 1_000).unref())
