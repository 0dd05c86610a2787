/**
 * What the command was asked for.
 *
 * @module
 */

import { UsageError } from '../../../core/bench/command.ts'
import { type CommonOptions, readArguments } from '../../../core/bench/options.ts'

export const USAGE = `pnpm bench credits [options]
  --seconds <n>  how long each way is measured in all its rounds (default 5)
  --rounds <n>   rounds in which the ways take turns, whose median is reported (default 5)
  --rows <n>     transactions in the largest log, a power of ten from 1000 (default 10000000)
  --quick        a smoke run of a minute, up to 100000 transactions; its figures mean little
  --json         one JSON document on standard output, all else on standard error
  --out <file>   the same document in a file`

export interface Options extends CommonOptions {
  seconds: number
  rounds: number
  /** Transactions in the largest log. */
  rows: number
}

/** @throws UsageError */
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
