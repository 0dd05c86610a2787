/**
 * The command `doctor`. Text goes to standard output and progress to standard error; with `--json` standard output has
 * one document.
 *
 * @module
 */

import { parseArgs } from 'node:util'
import { createDrawing } from './draw.ts'
import { examine } from './examine.ts'

const HELP = `doctor [--live] [--tests] [--only <area or id>] [--json]

  Measures what your instances do: password hashes, cookies, sessions, signatures, prices, the database, the queue,
  mails and your folder. Exits with 1 if a check failed.

  --live           the dry run before production: what is fine on your machine only fails; nothing is written
  --tests          run the tests of the copied packages, too
  --only <names>   areas or ids, separated by commas, such as auth,billing.prices
  --rehearse       try a sign-in on a database of another machine as well, in a transaction that is rolled back
  --config <path>  the configuration; default: the nearest tollgate.config.ts
  --json           print one JSON document to standard output
`

/** Runs the command and returns its exit code: 0, or 1 where a check failed or the command was called wrongly. */
export async function runDoctor(args: string[]): Promise<0 | 1> {
  const say = (line: string) => void process.stderr.write(`${line}\n`)
  const isJson = args.includes('--json')
  let flags: ReturnType<typeof parse>
  try {
    flags = parse(args)
  } catch (error) {
    const { message } = error as Error
    if (isJson) process.stdout.write(`${JSON.stringify({ error: { code: 'usage', message } })}\n`)
    say(`${message}\n\n${HELP}`)
    return 1
  }
  if (flags.help) {
    process.stdout.write(isJson ? `${JSON.stringify({ help: HELP })}\n` : HELP)
    return 0
  }
  const drawing = createDrawing({ isJson })
  const report = await examine(
    {
      isLive: flags.live,
      mayRehearse: flags.rehearse,
      runsTests: flags.tests,
      only: flags.only?.split(',') ?? null,
      ...(flags.config === undefined ? {} : { config: flags.config }),
    },
    drawing,
  )
  drawing.ended(report)
  if (isJson) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  return report.isOk ? 0 : 1
}

const parse = (args: string[]) =>
  parseArgs({
    args,
    options: {
      live: { type: 'boolean', default: false },
      tests: { type: 'boolean', default: false },
      rehearse: { type: 'boolean', default: false },
      only: { type: 'string' },
      config: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  }).values
