/**
 * Runs the benchmark and drill commands: messages go to standard error, and the command cleans up after
 * itself, even when it is stopped with Ctrl-C.
 *
 * @module
 */

import { inspect } from 'node:util'
import { createScope, type Scope } from './scope.ts'

/** A command-line option that is unknown or has an invalid value. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** Writes messages and progress to standard error, so that standard output holds the report alone. */
export const say = (what: unknown): void => {
  process.stderr.write(`${typeof what === 'string' ? what : inspect(what)}\n`)
}

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const

/**
 * Runs `command`, cleans up and ends the process. The exit code is the command's own, 1 after a failure, and
 * 2 for invalid options.
 */
export async function runCommand(
  usage: string,
  command: (args: string[], scope: Scope) => Promise<number>,
): Promise<never> {
  const scope = createScope()
  // The reader of our output may have gone (`| head`); the command still cleans up.
  for (const out of [process.stdout, process.stderr]) out.on('error', () => {})
  const interrupted = new Promise<number>((done) => {
    // Package managers pass Ctrl-C on, so the signal arrives twice; the second must not stop the clean-up.
    for (const [signal, code] of Object.entries(SIGNALS)) process.on(signal, () => done(code))
  })
  const ran = command(process.argv.slice(2), scope).catch((error: unknown) => {
    if (error instanceof UsageError) {
      say(`${error.message}\n${usage}`)
      return 2
    }
    // After an interruption the connections are closed, so the errors of running work mean nothing.
    if (!scope.isClosed) say(error)
    return 1
  })
  const code = await Promise.race([ran, interrupted])
  await scope.close()
  process.exit(code)
}
