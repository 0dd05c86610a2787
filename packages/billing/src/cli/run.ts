/**
 * `pnpm billing …`: what a person runs with the instance of the host's `tollgate.config.ts`. Words and
 * progress go to standard error, first what it acts on; `--json` puts one JSON document on standard output.
 * It ends with 0, with 2 when it was called wrongly and did nothing, and with 1 when it failed.
 *
 * @module
 */

import { isTollgateError, maskText } from '@repo/core'
import { databaseEnv } from '@repo/db'
import { say, UsageError } from './command.ts'
import { noteLacking, requireFit } from './fit.ts'
import { parse, usage } from './parse.ts'
import { inWords, openTarget } from './target.ts'

/** Runs the command that `args` name, and says how it ended: 0, 1 or 2. Nothing is thrown. */
export async function runCommand(args: string[]): Promise<0 | 1 | 2> {
  try {
    await run(args)
    return 0
  } catch (error) {
    say(maskText(error instanceof Error ? error.message : String(error)))
    const isMisuse = error instanceof UsageError || (isTollgateError(error) && error.status === 400)
    return isMisuse ? 2 : 1
  }
}

async function run(argv: string[]): Promise<void> {
  const invocation = parse(argv)
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
