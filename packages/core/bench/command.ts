/**
 * What our commands have in common: words on standard error, and an end that leaves nothing behind,
 * also on Ctrl-C.
 *
 * @module
 */

import { inspect } from 'node:util'
import { createScope, type Scope } from './scope.ts'

/** An option that is not known or cannot be meant. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** Words and progress go to standard error, so that standard output is the report alone. */
export const say = (what: unknown): void => {
  process.stderr.write(`${typeof what === 'string' ? what : inspect(what)}\n`)
}

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const

/**
 * Runs `command`, cleans up and ends the process: with the command's own code, 1 for a failure, 2 for
 * options that cannot be meant.
 */
export async function runCommand(
  usage: string,
  command: (args: string[], scope: Scope) => Promise<number>,
): Promise<never> {
  const scope = createScope()
  // Whoever reads may have gone (`| head`); what was begun is cleaned up all the same.
  for (const out of [process.stdout, process.stderr]) out.on('error', () => {})
  const interrupted = new Promise<number>((done) => {
    // Package managers hand Ctrl-C on, so it comes twice; the second must not end the cleaning.
    for (const [signal, code] of Object.entries(SIGNALS)) process.on(signal, () => done(code))
  })
  const ran = command(process.argv.slice(2), scope).catch((error: unknown) => {
    if (error instanceof UsageError) {
      say(`${error.message}\n${usage}`)
      return 2
    }
    // After an interruption the connections are gone, and what was under way says so.
    if (!scope.isClosed) say(error)
    return 1
  })
  const code = await Promise.race([ran, interrupted])
  await scope.close()
  process.exit(code)
}
