/**
 * The mishaps of a drill of webhooks.
 *
 * @module
 */

import { setTimeout as wait } from 'node:timers/promises'
import type { FaultKind, Faults } from '@repo/sandbox'
import { createRandom, type Random } from '../drill/index.ts'
import type { DrillDatabase } from './database.ts'
import { type Pack, playPack, shuffled } from './pack.ts'
import type { Product } from './product.ts'

/** How often each mishap is in a pack. */
const PACK = {
  'host killed': 2,
  'worker killed': 3,
  'host frozen': 1,
  'worker frozen': 2,
  'connections cut': 3,
  'database restarted': 1,
  'database crashed': 1,
  'provider failing': 3,
} as const

/** The name of a mishap. */
export type Mishap = keyof typeof PACK

/** Faults of a failing provider. */
const KINDS: readonly FaultKind[] = ['429', '500', 'hang', 'reset', 'applied', 'late']

/** The provider's usual faults. Some answers are always late, so that the state a sync has loaded may be outdated. */
const USUAL = { rate: 0.02, kinds: ['late', '500'] as FaultKind[] }

const PAUSE_MS = { least: 600, more: 1_800 }

/** The parts that mishaps need. */
export interface MishapOptions {
  seed: number
  leaseMs: number
  progress(): number
  system: Product
  database: DrillDatabase
  setFaults(faults: Required<Faults> | null): Promise<unknown>
}

/** The running mishaps. */
export type Mishaps = Pack<Mishap>

/** Starts the mishaps, which last until `stop`. */
export function startMishaps(options: MishapOptions): Mishaps {
  const random = createRandom(options.seed, 5)
  const usual = options.setFaults({ ...USUAL, seed: random.whole(1e9) })
  const pack = playPack({
    random,
    pack: PACK,
    pauseMs: PAUSE_MS,
    progress: options.progress,
    befall: (mishap: Mishap) => befall(mishap, random, options),
    isAlone: (mishap) => mishap.startsWith('database'),
  })
  return {
    counts: pack.counts,
    async stop() {
      await usual
      await pack.stop()
      await options.setFaults(null)
    },
  }
}

async function befall(
  mishap: Mishap,
  random: Random,
  { system, database, setFaults, leaseMs }: MishapOptions,
): Promise<void> {
  switch (mishap) {
    case 'host killed':
      return system.kill('host', random)
    case 'worker killed':
      return system.kill('worker', random)
    case 'host frozen':
      return system.freeze('host', random, leaseMs / 3)
    case 'worker frozen':
      // Longer than a lease, so that another worker has taken its events when it continues.
      return system.freeze('worker', random, leaseMs * 1.3)
    case 'connections cut':
      return database.cut(0.2 + random.next() * 0.8)
    case 'database restarted':
      return database.restart({ isImmediate: false })
    case 'database crashed':
      return database.restart({ isImmediate: true })
    case 'provider failing': {
      const rate = 0.1 + random.next() * 0.5
      const kinds = shuffled(random, KINDS).slice(0, 1 + random.whole(KINDS.length))
      await setFaults({ rate, kinds, seed: random.whole(1e9) })
      await wait(800 + random.whole(2_000))
      await setFaults({ ...USUAL, seed: random.whole(1e9) })
    }
  }
}
