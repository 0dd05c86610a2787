/**
 * What the command was asked for.
 *
 * @module
 */

import { UsageError } from '../../core/bench/command.ts'
import { readArguments } from '../../core/bench/options.ts'

export const USAGE = `pnpm drill webhooks [options]
  --events <n>   deliveries to make, genuine and refused (default 20000)
  --seed <n>     decides history, deliveries and faults (default: a new one, which is printed)
  --workers <n>  worker processes (default 2)
  --quick        1500 deliveries, under a minute
  --json         one JSON document on standard output, all else on standard error
  --out <file>   the same document in a file`

export interface Options {
  seed: number
  /** Deliveries to make. */
  events: number
  workers: number
  json: boolean
  out: string | undefined
}

/** @throws UsageError */
export function readOptions(args: string[]): Options {
  const { quick, json, out, text, whole } = readArguments(args, 'webhooks', [
    'events',
    'seed',
    'workers',
  ])
  return {
    seed: seedOf(text('seed')),
    events: whole('events', quick ? 1_500 : 20_000),
    workers: whole('workers', 2),
    json,
    out,
  }
}

/** @throws UsageError */
export function seedOf(text: string | undefined): number {
  if (text === undefined) return Math.floor(Math.random() * 1_000_000)
  const seed = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(seed) && seed >= 0) return seed
  throw new UsageError(`--seed must be a whole number from 0, not ${text}.`)
}
