/**
 * The options of the command.
 *
 * @module
 */

import { UsageError } from '../harness/command.ts'
import { type CommonOptions, readArguments } from '../harness/options.ts'

export const USAGE = `pnpm bench credits [options]
  --seconds <n>  seconds that each way is measured, over all rounds (default 5)
  --rounds <n>   rounds in which the ways take turns; their median is reported (default 5)
  --rows <n>     transactions in the largest log, a power of ten from 1000 (default 10000000)
  --quick        a smoke run of a minute, up to 100000 transactions; its figures mean little
  --json         prints one JSON document on standard output, and all else on standard error
  --out <file>   writes the same document into a file`

export interface Options extends CommonOptions {
  seconds: number
  rounds: number
  /** Transactions in the largest log. */
  rows: number
}

/** Reads the options. @throws UsageError. */
export function readOptions(args: string[]): Options {
  const { positive, whole, ...common } = readArguments(args, 'credits', [
    'seconds',
    'rounds',
    'rows',
  ])
  const rows = whole('rows', common.quick ? 100_000 : 10_000_000)
  if (rows < 1_000 || !/^10+$/.test(String(rows))) {
    throw new UsageError(`--rows must be a power of ten from 1000, not ${rows}.`)
  }
  return {
    quick: common.quick,
    json: common.json,
    out: common.out,
    seconds: positive('seconds', common.quick ? 0.4 : 5),
    rounds: whole('rounds', common.quick ? 2 : 5),
    rows,
  }
}
