/**
 * The parts of a command of `pnpm billing`.
 *
 * @module
 */

import type { z } from 'zod'
import type { Billing } from '../billing.ts'

/** The flags of all commands. */
export interface Flags {
  status?: string
  limit?: string
  after?: string
  customer?: string
  all?: boolean
  keep?: string
  yes?: boolean
  amount?: string
  by?: string
  key?: string
  note?: string
  operator?: string
  order?: string
  type?: string
  map?: string
  'match-email'?: boolean
  'metadata-key'?: string
  'dry-run'?: boolean
  config?: string
  /** Prints the result to standard output as JSON, and nothing else there. */
  json: boolean
}

/** A command of `pnpm billing`. */
export interface Command {
  /** The argument as the help shows it: `<owner>`, `[<owner>]` where it is optional, `<owner>…` for several. */
  takes?: string
  /** The command's flags, with their values as the help shows them. Every command takes `--json` and `--config`. */
  flags?: { [Name in Exclude<keyof Flags, 'json' | 'config'>]?: string }
  /** The description in the help. */
  does: string
  /** The variables that the command reads. All are checked before it starts. */
  needs: readonly z.ZodObject[]
  /** Whether it changes plans, events, effects or money, for which the host's own instance is needed. */
  acts?: true
  /** Whether it writes plans to Stripe, which needs a configuration even if the default plans are meant. */
  ownPlans?: true
  /** Runs the command and returns the result for `--json`. */
  run(args: string[], flags: Flags, billing: Billing): Promise<object>
}

/** The command was called wrongly, and nothing was done. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Writes a line for people, to standard error. */
export const say = (line: string): void => void process.stderr.write(`${line}\n`)

/** The most rows of a list, from `--limit`. @throws `UsageError` */
export function limitOf({ limit = '100' }: Flags, most = 10_000): number {
  const found = Number(limit)
  if (/^\d+$/.test(limit) && found >= 1 && found <= most) return found
  throw new UsageError(`--limit must be a whole number from 1 to ${most}, not ${limit}.`)
}

/** The end of the previous page, from `--after`. */
export const afterOf = ({ after }: Flags): { after?: string } =>
  after === undefined ? {} : { after }

/**
 * Says where the next page of a list begins, and returns it for `--json`. Null: this is the last page. A page that is
 * full may be the last one, too.
 */
export function nextPage<Row>(
  rows: readonly Row[],
  limit: number,
  idOf: (row: Row) => string,
): { nextCursor: string | null } {
  const last = rows.at(-1)
  if (last === undefined) say('There are none.')
  const nextCursor = last !== undefined && rows.length === limit ? idOf(last) : null
  if (nextCursor !== null) say(`There may be more: --after=${nextCursor}`)
  return { nextCursor }
}

/** How many arguments a command takes. */
export function argumentsOf({ takes = '' }: Command): { min: number; max: number } {
  const max = takes.endsWith('…') ? Number.POSITIVE_INFINITY : takes === '' ? 0 : 1
  return { min: takes.startsWith('<') ? 1 : 0, max }
}

/** The line of the help that shows how to call a command. */
export function synopsis(name: string, { takes, flags = {} }: Command): string {
  const shown = Object.entries(flags).map(
    ([flag, value]) => `[--${flag}${value ? ` ${value}` : ''}]`,
  )
  return ['pnpm billing', name, takes, ...shown].filter(Boolean).join(' ')
}
