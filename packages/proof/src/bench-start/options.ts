/**
 * The options of `pnpm bench start`.
 *
 * @module
 */

import { type CommonOptions, readArguments } from '../harness/options.ts'

export const USAGE = `pnpm bench start [options]
  --rounds <n>   rounds in which the processes take turns; their median is reported (default 11)
  --quick        a smoke run of a few seconds, whose figures mean little
  --json         one JSON document on standard output, everything else on standard error
  --out <file>   the same document in a file`

export interface Options extends CommonOptions {
  rounds: number
}

export function readOptions(args: string[]): Options {
  const { whole, ...common } = readArguments(args, 'start', ['rounds'])
  return { ...common, rounds: whole('rounds', common.quick ? 1 : 11) }
}
