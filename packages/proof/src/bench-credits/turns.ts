/**
 * Measures ways in turns, in short rounds, so that other load of the machine affects all of them. The median
 * of the rounds is reported, and a ratio is the median of the rounds' ratios.
 *
 * @module
 */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { PostgresServer } from '@repo/db/testing'
import { say } from '../harness/command.ts'
import { median } from '../harness/report.ts'
import type { Scope } from '../harness/scope.ts'
import type { Options } from './options.ts'

/** The setting of a measurement. */
export interface Setting {
  options: Options
  postgres: PostgresServer
  scope: Scope
}

/** Database connections of each way. */
export const CONNECTIONS = 16
/** Accounts of each way. */
export const ACCOUNTS = 1_000

/** The result of one round. */
export interface Figures {
  perSecond: number
  /** Latencies in milliseconds. */
  p50: number
  p99: number
}

/** One way to deduct a credit. */
export interface Way {
  name: string
  /** Lets `callers` callers deduct repeatedly for `ms` milliseconds. */
  run(callers: number, ms: number): Promise<Figures>
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** A `run` whose callers call `once` repeatedly. */
export const calling =
  (once: () => Promise<unknown>): Way['run'] =>
  async (callers, ms) => {
    collectGarbage()
    const latencies: number[] = []
    const began = performance.now()
    const caller = async () => {
      for (let last = performance.now(); last - began < ms; ) {
        await once()
        const now = performance.now()
        latencies.push(now - last)
        last = now
      }
    }
    await Promise.all(Array.from({ length: callers }, caller))
    const seconds = (performance.now() - began) / 1000
    latencies.sort((a, b) => a - b)
    const quantile = (share: number) => latencies[Math.floor(share * (latencies.length - 1))] ?? 0
    return { perSecond: latencies.length / seconds, p50: quantile(0.5), p99: quantile(0.99) }
  }

/** The results of all rounds. */
export interface Rounds {
  of(name: string): Figures
  /** The median over the rounds of the rate of `name` divided by the rate of `other`. */
  ratio(name: string, other: string): number
}

/** Measures `ways` in turns. */
export async function takeTurns(
  what: string,
  ways: readonly Way[],
  callers: number,
  { seconds, rounds }: Options,
): Promise<Rounds> {
  const found = new Map<string, Figures[]>(ways.map(({ name }) => [name, []]))
  for (const way of ways) await way.run(callers, 200)
  for (let round = 0; round < rounds; round += 1) {
    say(`${what}, round ${round + 1} of ${rounds}`)
    // Each way is first in some round, because a way may have to wait for disk writes of the way
    // before.
    for (const index of ways.keys()) {
      const way = ways[(index + round) % ways.length] as Way
      found.get(way.name)?.push(await way.run(callers, (seconds * 1000) / rounds))
    }
  }
  const rates = (name: string) => (found.get(name) ?? []).map(({ perSecond }) => perSecond)
  const medianOf = (name: string, figure: keyof Figures) =>
    median((found.get(name) ?? []).map((figures) => figures[figure]))
  return {
    of: (name) => ({
      perSecond: medianOf(name, 'perSecond'),
      p50: medianOf(name, 'p50'),
      p99: medianOf(name, 'p99'),
    }),
    ratio: (name, other) => {
      const others = rates(other)
      return median(rates(name).map((rate, round) => rate / (others[round] ?? Number.NaN)))
    },
  }
}

/** A random whole number from 0, below `below`. */
export const anyOf = (below: number): number => Math.floor(Math.random() * below)
