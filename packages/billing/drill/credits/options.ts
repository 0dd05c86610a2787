/**
 * What the command was asked for.
 *
 * @module
 */

import { readArguments } from '../../../core/bench/options.ts'
import { seedOf } from '../options.ts'

export const USAGE = `pnpm drill credits [options]
  --operations <n>  calls of the ledger's functions to make (default 20000)
  --seed <n>        decides calls and mishaps (default: a new one, which is printed)
  --quick           3000 calls, under half a minute
  --json            one JSON document on standard output, all else on standard error
  --out <file>      the same document in a file`

export interface Options {
  seed: number
  operations: number
  /** Mishaps come faster, so that each comes. */
  quick: boolean
  json: boolean
  out: string | undefined
}

/** @throws UsageError */
export function readOptions(args: string[]): Options {
  const { quick, json, out, text, whole } = readArguments(args, 'credits', ['operations', 'seed'])
  return {
    seed: seedOf(text('seed')),
    operations: whole('operations', quick ? 3_000 : 20_000),
    quick,
    json,
    out,
  }
}
