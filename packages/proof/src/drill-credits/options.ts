/**
 * The options of the command.
 *
 * @module
 */

import { seedOf } from '../drill-webhooks/options.ts'
import { readArguments } from '../harness/options.ts'

export const USAGE = `pnpm drill credits [options]
  --operations <n>  calls of the ledger's functions (default 20000)
  --seed <n>        decides calls and mishaps (default: a new seed, which is printed)
  --quick           3000 calls, under half a minute
  --json            prints one JSON document on standard output, and all else on standard error
  --out <file>      writes the same document into a file`

export interface Options {
  seed: number
  operations: number
  /** True: mishaps come faster, so that each comes in the short run. */
  quick: boolean
  json: boolean
  out: string | undefined
}

/** Reads the options. @throws UsageError. */
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
