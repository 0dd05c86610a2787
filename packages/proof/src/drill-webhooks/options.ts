/**
 * The options of the command.
 *
 * @module
 */

import { UsageError } from '../harness/command.ts'
import { readArguments } from '../harness/options.ts'

export const USAGE = `pnpm drill webhooks [options]
  --events <n>   deliveries, genuine and refused ones together (default 20000)
  --seed <n>     decides history, deliveries and faults (default: a new seed, which is printed)
  --workers <n>  worker processes (default 2)
  --quick        1500 deliveries, under a minute
  --json         prints one JSON document on standard output, and all else on standard error
  --out <file>   writes the same document into a file`

export interface Options {
  seed: number
  /** Number of deliveries. */
  events: number
  workers: number
  json: boolean
  out: string | undefined
}

/** Reads the options. @throws UsageError. */
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

/** The seed of an option's text, or a new seed. @throws UsageError. */
export function seedOf(text: string | undefined): number {
  if (text === undefined) return Math.floor(Math.random() * 1_000_000)
  const seed = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(seed) && seed >= 0) return seed
  throw new UsageError(`--seed must be a whole number from 0, not ${text}.`)
}
