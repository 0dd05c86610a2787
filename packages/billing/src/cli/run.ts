/**
 * The commands `pnpm billing …`, which people run with the instance of the host's `tollgate.config.ts`. Text and
 * progress go to standard error, beginning with the database and account that the command acts on. `--json` prints one
 * JSON document to standard output. The exit code is 0; 2 where the command was called wrongly and did nothing; 1 where
 * it failed or found something wrong.
 *
 * @module
 */

import { isTollgateError, maskText } from '@repo/core'
import { databaseEnv } from '@repo/db'
import { say, UsageError } from './command.ts'
import { noteLacking, requireFit } from './fit.ts'
import { parse, usage } from './parse.ts'
import { inWords, openTarget } from './target.ts'

/** Runs the command that `args` name, and returns 0, 1 or 2. Never throws. */
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
    // Touching `db` makes its client, for which a command without a database has no address.
    if (command.needs.includes(databaseEnv)) await ctx.db.$disconnect().catch(() => {})
  }
}
