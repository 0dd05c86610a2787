/**
 * Repeatable random numbers: the same seed and stream give the same numbers, and streams do not depend on
 * each other.
 *
 * @module
 */

/** A stream of random numbers. */
export interface Random {
  /** A number from 0, below 1. */
  next(): number
  /** A whole number from 0, below `below`. */
  whole(below: number): number
  /** True in this share of the calls, from 0 to 1. */
  chance(probability: number): boolean
  /** One of the items, each equally often. */
  pick<T>(items: readonly [T, ...T[]]): T
  /** A random key of `weights`, in proportion to its weight. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name
}

/** Creates the stream of a seed. Further numbers name a separate stream. */
export function createRandom(seed: number, ...stream: readonly number[]): Random {
  let state = [seed, ...stream].reduce((hash, part) => mix((hash ^ part) + 0x9e3779b9), 0)
  const next = () => {
    state = (state + 0x9e3779b9) | 0
    return (mix(state) >>> 0) / 2 ** 32
  }
  return {
    next,
    whole: (below) => Math.floor(next() * below),
    chance: (probability) => next() < probability,
    pick: (items) => items[Math.floor(next() * items.length)] ?? items[0],
    weighted(weights) {
      const entries = Object.entries<number>(weights)
      let left = next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
      const found = entries.find(([, weight]) => {
        left -= weight
        return left < 0
      })
      return (found ?? entries.at(-1))?.[0] as keyof typeof weights
    },
  }
}

/** The finalizer of MurmurHash3, in which every input bit affects every output bit. */
function mix(value: number): number {
  let mixed = value | 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
