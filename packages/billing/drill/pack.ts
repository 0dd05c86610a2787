/**
 * Mishaps, drawn from the seed like cards from a pack, so that each comes about as often as it should
 * also in a short run; when it comes depends on the machine. Between two of them something gets through:
 * on a slow machine they would else stop all work, and no run would end.
 *
 * @module
 */

import { setTimeout as wait } from 'node:timers/promises'
import type { Random } from '../src/testing.ts'

const LEAST_PROGRESS = 0.01

export interface PackOptions<Mishap extends string> {
  random: Random
  /** How many of each are in a pack. */
  pack: Readonly<Record<Mishap, number>>
  pauseMs: { least: number; more: number }
  /** The share of the work that has got through so far. Between two mishaps it grows by a hundredth. */
  progress(): number
  befall(mishap: Mishap): Promise<void> | void
  /** Whether the next one waits for the end of this. */
  isAlone(mishap: Mishap): boolean
}

export interface Pack<Mishap extends string> {
  /** How often each came. */
  readonly counts: ReadonlyMap<Mishap, number>
  /** No more of them; resolves once the last is over. */
  stop(): Promise<void>
}

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
        // Some last; the next does not wait for them, and may come between.
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

export function shuffled<Item>(random: Random, items: readonly Item[]): Item[] {
  const left = [...items]
  return items.flatMap(() => left.splice(random.whole(left.length), 1))
}
