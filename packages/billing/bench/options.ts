/**
 * What the command was asked for. What it does not know is refused, so that a misspelt option never
 * measures something else.
 *
 * @module
 */

import { type CommonOptions, readArguments } from '../../core/bench/options.ts'

export const USAGE = `pnpm bench webhooks [options]
  --seconds <n>    how long each measurement of ingest takes in all its rounds (default 4)
  --customers <n>  customers with one event each in the backlog (default 1500)
  --rounds <n>     rounds of ingest, whose median is reported (default 5)
  --quick          a smoke run of about 20 seconds; its figures mean little
  --json           one JSON document on standard output, all else on standard error
  --out <file>     the same document in a file`

export interface Options extends CommonOptions {
  seconds: number
  customers: number
  rounds: number
  /** Times that each number of workers drains the backlog. */
  drains: number
}

/** @throws UsageError */
export function readOptions(args: string[]): Options {
  const { quick, json, out, positive, whole } = readArguments(args, 'webhooks', [
    'seconds',
    'customers',
    'rounds',
  ])
  return {
    quick,
    seconds: positive('seconds', quick ? 0.6 : 4),
    customers: whole('customers', quick ? 150 : 1500),
    rounds: whole('rounds', quick ? 2 : 5),
    drains: quick ? 1 : 3,
    json,
    out,
  }
}
