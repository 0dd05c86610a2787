/**
 * Runs a benchmark: the report on standard output as a table or as JSON, all else on standard error;
 * leaves nothing behind, also on Ctrl-C. Exit code 0 says that it ran, whatever the figures are.
 *
 * @module
 */

import { writeFileSync } from 'node:fs'
import { type CommonOptions, UsageError } from './options.ts'
import { draw, type Report, say } from './report.ts'
import { createScope, type Scope } from './scope.ts'

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const

/** Ends the process. */
export async function run<Options extends CommonOptions>(
  readOptions: (args: string[]) => Options,
  measure: (options: Options, scope: Scope) => Promise<Report>,
): Promise<never> {
  const scope = createScope()
  const work = async () => {
    const options = readOptions(process.argv.slice(2))
    const report = await measure(options, scope)
    const json = `${JSON.stringify(report, null, 2)}\n`
    if (options.out) writeFileSync(options.out, json)
    process.stdout.write(options.json ? json : draw(report))
  }
  const interrupted = new Promise<number>((done) => {
    for (const [signal, code] of Object.entries(SIGNALS)) process.once(signal, () => done(code))
  })
  const ran = work().then(
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
}
