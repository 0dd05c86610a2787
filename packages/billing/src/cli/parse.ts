/**
 * Parses the command line of `pnpm billing`.
 *
 * @module
 */

import { parseArgs } from 'node:util'
import { argumentsOf, type Command, type Flags, synopsis, UsageError } from './command.ts'
import { creditCommands } from './credits.ts'
import { customerCommands } from './customers.ts'
import { effectCommands } from './effects.ts'
import { eventCommands } from './events.ts'
import { importCommands } from './import.ts'
import { orderCommands } from './orders.ts'
import { webhookCommands } from './webhooks.ts'

const COMMANDS: Record<string, Command> = {
  ...customerCommands,
  ...importCommands,
  ...creditCommands,
  ...eventCommands,
  ...effectCommands,
  ...orderCommands,
  ...webhookCommands,
}

/** The help text: every command and what it does, or the commands whose name begins with the word `group`. */
export function usage(group?: string): string {
  const lines = Object.entries(COMMANDS)
    .filter(([name]) => group === undefined || name.startsWith(`${group} `))
    .map(([name, command]) => `${synopsis(name, command)}\n    ${command.does}`)
  return [
    ...lines,
    'With --json the result is one JSON document on standard output.',
    'A command uses the instance of the nearest tollgate.config.ts, or of --config <path>.',
  ].join('\n')
}

/** A command with its arguments and flags. */
export interface Invocation {
  command: Command
  args: string[]
  flags: Flags
}

/** The command to run; null for `--help`. @throws `UsageError` for unknown commands, arguments and flags. */
export function parse(argv: string[]): Invocation | null {
  const { positionals, values } = read(argv)
  const { help, ...flags } = values
  if (help) return null
  const words = Object.hasOwn(COMMANDS, positionals[0] ?? '') ? 1 : 2
  const name = positionals.slice(0, words).join(' ')
  const args = positionals.slice(words)
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!command) {
    const [group] = positionals
    if (Object.keys(COMMANDS).some((known) => known.startsWith(`${group} `))) {
      const what = name === group ? 'Name one of these commands.' : `There is no command ${name}.`
      throw new UsageError(`${what}\n${usage(group)}`)
    }
    const what = name ? `There is no command ${name}.` : 'Name a command.'
    throw new UsageError(`${what}\n${usage()}`)
  }
  const wrong = (what: string) =>
    new UsageError(`${name} ${what}.\n${synopsis(name, command)} [--json]`)
  const { min, max } = argumentsOf(command)
  if (args.length < min || args.includes('')) throw wrong(`needs ${command.takes}`)
  if (args.length > max) throw wrong(`does not take ${args[max]}`)
  for (const flag of Object.keys(flags)) {
    const isKnown = flag === 'json' || flag === 'config' || Object.hasOwn(command.flags ?? {}, flag)
    if (!isKnown) throw wrong(`does not take --${flag}`)
  }
  return { command, args, flags: { json: false, ...flags } as Flags }
}

function read(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        status: { type: 'string' },
        limit: { type: 'string' },
        after: { type: 'string' },
        customer: { type: 'string' },
        all: { type: 'boolean' },
        keep: { type: 'string' },
        yes: { type: 'boolean' },
        amount: { type: 'string' },
        by: { type: 'string' },
        key: { type: 'string' },
        note: { type: 'string' },
        operator: { type: 'string' },
        order: { type: 'string' },
        type: { type: 'string' },
        map: { type: 'string' },
        'match-email': { type: 'boolean' },
        'metadata-key': { type: 'string' },
        'dry-run': { type: 'boolean' },
        config: { type: 'string' },
      },
    })
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage()}`)
  }
}
