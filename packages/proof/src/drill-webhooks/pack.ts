/**
 * Draws mishaps from the seed like cards from a pack, so that even in a short run each mishap comes about as
 * often as wanted. Their timing depends on the machine. Between two mishaps some work has to succeed, because
 * on a slow machine the mishaps would otherwise stop all work and the run would never end.
 *
 * @module
 */

import { setTimeout as wait } from 'node:timers/promises'
import type { Random } from '../drill/index.ts'

/** The share of the work that has to succeed between two mishaps. */
const LEAST_PROGRESS = 0.01

/** The mishaps, their timing and their effects. */
export interface PackOptions<Mishap extends string> {
  random: Random
  /** How often each mishap is in a pack. */
  pack: Readonly<Record<Mishap, number>>
  pauseMs: { least: number; more: number }
  /** The share of the work that has succeeded so far, from 0 to 1. */
  progress(): number
  /** Makes a mishap happen. */
  befall(mishap: Mishap): Promise<void> | void
  /** Whether the next mishap waits for the end of this one. */
  isAlone(mishap: Mishap): boolean
}

/** Running mishaps. */
export interface Pack<Mishap extends string> {
  /** How often each mishap happened. */
  readonly counts: ReadonlyMap<Mishap, number>
  /** Stops the mishaps. Resolves once the last is over. */
  stop(): Promise<void>
}

/** Starts drawing mishaps. */
export function playPack<Mishap extends string>(options: PackOptions<Mishap>): Pack<Mishap> {
  const { random, pauseMs, progress, befall, isAlone } = options
  const pack = Object.entries<number>(options.pack).flatMap(([name, count]) =>
    Array<Mishap>(count).fill(name as Mishap),
  )
  const counts = new Map<Mishap, number>()
  const open = new Set<Promise<void>>()
  let isOver = false
  let next = 0
  const run = async () => {
    while (!isOver) {
      for (const mishap of shuffled(random, pack)) {
        await wait(pauseMs.least + random.whole(pauseMs.more))
        while (!isOver && progress() < next) await wait(20)
        if (isOver) break
        next = progress() + LEAST_PROGRESS
        counts.set(mishap, (counts.get(mishap) ?? 0) + 1)
        // A mishap may last a while. The next does not wait for it unless `isAlone` says so.
        const happening = Promise.resolve(befall(mishap))
          .catch(() => {})
          .finally(() => open.delete(happening))
        open.add(happening)
        if (isAlone(mishap)) await happening
      }
    }
    await Promise.all(open)
  }
  const running = run()
  return {
    counts,
    stop() {
      isOver = true
      return running
    },
  }
}

/** The items in random order. */
export function shuffled<Item>(random: Random, items: readonly Item[]): Item[] {
  const left = [...items]
  return items.flatMap(() => left.splice(random.whole(left.length), 1))
}
