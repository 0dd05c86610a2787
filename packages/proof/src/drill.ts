/**
 * The command `pnpm drill`.
 *
 * `pnpm drill webhooks`: customers live at a stand-in of Stripe while deliveries are lost, repeated and
 * forged, processes are killed, and the database and the provider fail. At the end our tables have to agree
 * with the provider.
 *
 * `pnpm drill credits`: callers change credits while processes are killed and the database fails. At the end
 * the ledger must have no violation and must agree with the answers that callers got.
 *
 * Exit code 0: all promises hold. 1: a promise is broken. 2: an option is wrong. The command leaves nothing
 * behind, even after Ctrl-C.
 *
 * @module
 */

import { writeFileSync } from 'node:fs'
import { drill as drillCredits } from './drill-credits/drill.ts'
import * as creditsOptions from './drill-credits/options.ts'
import { draw as drawCredits } from './drill-credits/report.ts'
import { drill } from './drill-webhooks/drill.ts'
import { readOptions, USAGE } from './drill-webhooks/options.ts'
import { draw } from './drill-webhooks/report.ts'
import { runCommand, UsageError } from './harness/command.ts'
import type { Scope } from './harness/scope.ts'

/** A drill as a command. */
interface Drill<Options, Report> {
  usage: string
  readOptions(args: string[]): Options
  drill(options: Options, scope: Scope): Promise<Report>
  draw(report: Report): string
}

async function run<
  Options extends { json: boolean; out: string | undefined },
  Report extends { violations: readonly unknown[] },
>({ usage, readOptions, drill, draw }: Drill<Options, Report>): Promise<never> {
  return runCommand(usage, async (args, scope) => {
    const options = readOptions(args)
    const report = await drill(options, scope)
    const json = `${JSON.stringify(report, null, 2)}\n`
    if (options.out) writeFileSync(options.out, json)
    process.stdout.write(options.json ? json : draw(report))
    return report.violations.length === 0 ? 0 : 1
  })
}

const DRILLS = {
  webhooks: () => run({ usage: USAGE, readOptions, drill, draw }),
  credits: () =>
    run({
      usage: creditsOptions.USAGE,
      readOptions: creditsOptions.readOptions,
      drill: drillCredits,
      draw: drawCredits,
    }),
}

const name = process.argv.slice(2).find((argument) => argument in DRILLS)
if (name === undefined) {
  await runCommand(`${USAGE}\n${creditsOptions.USAGE}`, async () => {
    throw new UsageError('The first argument must be webhooks or credits.')
  })
}
await DRILLS[name as keyof typeof DRILLS]()
