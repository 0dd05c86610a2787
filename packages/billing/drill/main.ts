/**
 * `pnpm drill webhooks`: customers live at a stand-in of Stripe while deliveries are lost, doubled and
 * forged, processes are killed, and the database and the provider fail; in the end our tables have to
 * say what the provider says. Exit code 0: all holds; 1: something does not; 2: an option cannot be
 * meant. It leaves nothing behind, also on Ctrl-C.
 *
 * @module
 */

import { writeFileSync } from 'node:fs'
import { runCommand } from '../../core/bench/command.ts'
import { drill } from './drill.ts'
import { readOptions, USAGE } from './options.ts'
import { draw } from './report.ts'

await runCommand(USAGE, async (args, scope) => {
  const options = readOptions(args)
  const report = await drill(options, scope)
  const json = `${JSON.stringify(report, null, 2)}\n`
  if (options.out) writeFileSync(options.out, json)
  process.stdout.write(options.json ? json : draw(report))
  return report.violations.length === 0 ? 0 : 1
})
