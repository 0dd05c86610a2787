/**
 * Runs a benchmark. The report goes to standard output as a table or as JSON, everything else to standard
 * error. Exit code 0 means that the benchmark ran, whatever its figures are.
 *
 * @module
 */

import { writeFileSync } from 'node:fs'
import { runCommand } from './command.ts'
import type { CommonOptions } from './options.ts'
import { draw, type Report } from './report.ts'
import type { Scope } from './scope.ts'

/** Measures, prints the report, writes it to `out` if given, and ends the process. */
export const run = <Options extends CommonOptions>(
  usage: string,
  readOptions: (args: string[]) => Options,
  measure: (options: Options, scope: Scope) => Promise<Report>,
): Promise<never> =>
  runCommand(usage, async (args, scope) => {
    const options = readOptions(args)
    const report = await measure(options, scope)
    const json = `${JSON.stringify(report, null, 2)}\n`
    if (options.out) writeFileSync(options.out, json)
    process.stdout.write(options.json ? json : draw(report))
    return 0
  })
