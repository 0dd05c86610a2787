/**
 * What a command of `pnpm billing` is made of.
 *
 * @module
 */

import type { z } from 'zod'
import type { Billing } from '../billing.ts'

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
  config?: string
  /** The result goes to standard output, so nothing else does. */
  json: boolean
}

export interface Command {
  /** Its argument as the usage shows it: `<owner>`, `[<owner>]` where it may be left out, `<owner>…`. */
  takes?: string
  /** The flags it knows, and how the usage shows them. `--json` and `--config` are everyone's. */
  flags?: { [Name in Exclude<keyof Flags, 'json' | 'config'>]?: string }
  does: string
  /** The variables it reads sooner or later: all are asked for before it begins. */
  needs: readonly z.ZodObject[]
  /** It changes plans, events, effects or money, which an instance that is not the host's would do wrongly. */
  acts?: true
  /** What it does is said by the host's plans alone, so that it never takes the default ones unasked. */
  ownPlans?: true
  run(args: string[], flags: Flags, billing: Billing): Promise<object>
}

/** It was called in a way that means nothing; nothing was done. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Words for a person. */
export const say = (line: string): void => void process.stderr.write(`${line}\n`)

/** How many arguments it takes, at the least and at the most. */
export function argumentsOf({ takes = '' }: Command): { min: number; max: number } {
  const max = takes.endsWith('…') ? Number.POSITIVE_INFINITY : takes === '' ? 0 : 1
  return { min: takes.startsWith('<') ? 1 : 0, max }
}

/** The line that shows how to call it. */
export function synopsis(name: string, { takes, flags = {} }: Command): string {
  const shown = Object.entries(flags).map(
    ([flag, value]) => `[--${flag}${value ? ` ${value}` : ''}]`,
  )
  return ['pnpm billing', name, takes, ...shown].filter(Boolean).join(' ')
}
