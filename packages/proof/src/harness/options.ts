/**
 * Reads the command-line options of a benchmark or a drill. An unknown option is refused, so that a misspelt
 * option never runs something else.
 *
 * @module
 */

import { parseArgs } from 'node:util'
import { UsageError } from './command.ts'

/** The options of every benchmark and drill. */
export interface CommonOptions {
  quick: boolean
  json: boolean
  out: string | undefined
}

/** The parsed options of a command. */
export interface Arguments extends CommonOptions {
  /** The text given with `--name`. */
  text(name: string): string | undefined
  /** The number above 0 given with `--name`. @throws UsageError */
  positive(name: string, fallback: number): number
  /** The whole number above 0 given with `--name`. @throws UsageError */
  whole(name: string, fallback: number): number
}

/** @param numbers names of the options that take a number @throws UsageError */
export function readArguments(args: string[], name: string, numbers: string[]): Arguments {
  const refuse = (why: string) => new UsageError(why)
  const parse = () => {
    try {
      return parseArgs({
        // `pnpm bench -- webhooks` passes the `--` on.
        args: args[0] === '--' ? args.slice(1) : args,
        allowPositionals: true,
        options: {
          ...Object.fromEntries(numbers.map((number) => [number, { type: 'string' } as const])),
          quick: { type: 'boolean' },
          json: { type: 'boolean' },
          out: { type: 'string' },
        },
      })
    } catch (error) {
      throw refuse((error as Error).message)
    }
  }
  const { values, positionals } = parse()
  if (positionals.length !== 1 || positionals[0] !== name) {
    throw refuse(`This command runs ${name} only. Name ${name} and no other.`)
  }
  const texts = values as Record<string, string | undefined>
  const positive = (option: string, fallback: number) => {
    const text = texts[option]
    if (text === undefined) return fallback
    const value = Number(text)
    if (Number.isFinite(value) && value > 0) return value
    throw refuse(`--${option} must be a number above 0, not ${text}.`)
  }
  return {
    quick: Boolean(values.quick),
    json: Boolean(values.json),
    out: texts.out,
    text: (option) => texts[option],
    positive,
    whole(option, fallback) {
      const value = positive(option, fallback)
      if (Number.isSafeInteger(value)) return value
      throw refuse(`--${option} must be a whole number, not ${texts[option]}.`)
    },
  }
}
