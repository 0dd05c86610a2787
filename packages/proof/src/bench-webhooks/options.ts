/**
 * The options of the command. An unknown option is refused, so that a misspelt option never measures
 * something else.
 *
 * @module
 */

import { type CommonOptions, readArguments } from '../harness/options.ts'

export const USAGE = `pnpm bench webhooks [options]
  --seconds <n>    seconds of each measurement of ingest, over all rounds (default 4)
  --customers <n>  customers in the backlog, each with one event (default 1500)
  --rounds <n>     rounds of ingest; their median is reported (default 5)
  --quick          a smoke run of about 20 seconds; its figures mean little
  --json           prints one JSON document on standard output, and all else on standard error
  --out <file>     writes the same document into a file`

export interface Options extends CommonOptions {
  seconds: number
  customers: number
  rounds: number
  /** How often one worker, and then two, drain the backlog. */
  drains: number
}

/** Reads the options. @throws UsageError. */
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
