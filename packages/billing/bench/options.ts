/**
 * What the command was asked for. What it does not know is refused, so that a misspelt option never
 * measures something else.
 *
 * @module
 */

import { positive, readWebhooksArgs, whole } from './command.ts'

export const USAGE = `pnpm bench webhooks [options]
  --seconds <n>    how long each measurement of ingest takes in all its rounds (default 4)
  --customers <n>  customers with one event each in the backlog (default 1500)
  --rounds <n>     rounds of ingest, whose median is reported (default 5)
  --quick          a smoke run of about 20 seconds; its figures mean little
  --json           one JSON document on standard output, all else on standard error
  --out <file>     the same document in a file`

export interface Options {
  seconds: number
  customers: number
  rounds: number
  /** Times that each number of workers drains the backlog. */
  drains: number
  json: boolean
  out: string | undefined
}

/** @throws UsageError */
export function readOptions(args: string[]): Options {
  const values = readWebhooksArgs('benchmark', args, {
    seconds: { type: 'string' },
    customers: { type: 'string' },
    rounds: { type: 'string' },
    quick: { type: 'boolean' },
    json: { type: 'boolean' },
    out: { type: 'string' },
  })
  const { quick = false, json = false, out } = values
  return {
    seconds: positive('seconds', values.seconds, quick ? 0.6 : 4),
    customers: whole('customers', values.customers, quick ? 150 : 1500),
    rounds: whole('rounds', values.rounds, quick ? 2 : 5),
    drains: quick ? 1 : 3,
    json,
    out,
  }
}
