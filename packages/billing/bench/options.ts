/**
 * What the command was asked for. What it does not know is refused, so that a misspelt option never
 * measures something else.
 *
 * @module
 */

import { parseArgs } from 'node:util'

const USAGE = `pnpm bench webhooks [options]
  --seconds <n>    how long each measurement of ingest takes in all its rounds (default 4)
  --customers <n>  customers with one event each in the backlog (default 1500)
  --rounds <n>     rounds of ingest, whose median is reported (default 5)
  --quick          a smoke run of about 20 seconds; its figures mean little
  --json           one JSON document on standard output, all else on standard error
  --out <file>     the same document in a file`

/** An option that is not known or cannot be meant. */
export class UsageError extends Error {
  override name = 'UsageError'
}

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
  const { values, positionals } = parse(args)
  if (positionals.length !== 1 || positionals[0] !== 'webhooks') {
    throw new UsageError(`There is a benchmark of webhooks and no other.\n${USAGE}`)
  }
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

function parse(args: string[]) {
  try {
    return parseArgs({
      // `pnpm bench -- webhooks` hands the separator on.
      args: args[0] === '--' ? args.slice(1) : args,
      allowPositionals: true,
      options: {
        seconds: { type: 'string' },
        customers: { type: 'string' },
        rounds: { type: 'string' },
        quick: { type: 'boolean' },
        json: { type: 'boolean' },
        out: { type: 'string' },
      },
    })
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`)
  }
}

function positive(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  const value = Number(text)
  if (Number.isFinite(value) && value > 0) return value
  throw new UsageError(`--${name} must be a number above 0, not ${text}.\n${USAGE}`)
}

function whole(name: string, text: string | undefined, fallback: number): number {
  const value = positive(name, text, fallback)
  if (Number.isSafeInteger(value)) return value
  throw new UsageError(`--${name} must be a whole number, not ${text}.\n${USAGE}`)
}
