/**
 * Faults for drills: a share of the API's requests fails, each as a network or a provider may fail.
 * The same seed makes the same faults in the order of requests, so that a drill can be repeated.
 *
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { SandboxError } from '../errors.ts'

/**
 * How a request fails. Before it begins: `429`; `503`; `lock_timeout`, a 429 because another request
 * holds the object; `hang` without an answer until the caller
 * gives up; `reset` with the connection torn down. After it begins: `500` with nothing done, and
 * `broken` with everything done, are kept under its idempotency key as a 500; `applied` was done and
 * kept, and the answer is lost on its way, as a 502; `late` is no failure, but the answer comes a
 * second after it was made and may tell what is no longer so.
 */
export type FaultKind =
  | '429'
  | '500'
  | '503'
  | 'applied'
  | 'broken'
  | 'hang'
  | 'late'
  | 'lock_timeout'
  | 'reset'

export interface Faults {
  /** The share of requests that fail: 0 to 1. */
  rate: number
  /** Each is as likely as the others; at least one. */
  kinds: readonly FaultKind[]
  /** Default 1. */
  seed?: number
}

export interface FaultSource {
  /** Null ends the faults. @throws `invalid_state` for a rate outside 0 to 1 or no kinds */
  set(faults: Faults | null): void
  /** How the next request fails; null where it does not. */
  next(): FaultKind | null
}

export function createFaultSource(): FaultSource {
  let faults: Faults | null = null
  let draw = drawsOf(1)
  return {
    set(given) {
      if (given !== null && !(given.rate >= 0 && given.rate <= 1 && given.kinds.length > 0)) {
        throw new SandboxError('invalid_state', 409, 'Faults need a rate from 0 to 1 and a kind.')
      }
      faults = given === null ? null : { ...given, kinds: [...given.kinds] }
      draw = drawsOf(given?.seed ?? 1)
    },
    next() {
      if (faults === null) return null
      // Two draws for every request, so that the rate does not shift which kinds come.
      const [chance, choice] = [draw(), draw()]
      if (chance >= faults.rate) return null
      return faults.kinds[Math.floor(choice * faults.kinds.length)] ?? null
    },
  }
}

/** Numbers from 0 to below 1, fixed by the seed (mulberry32). */
function drawsOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Milliseconds after which a hanging request is answered after all. */
const HANG_MS = 3000

/** Waits until the caller gives up, at most three seconds. */
export async function hang(signal: AbortSignal): Promise<void> {
  // The timer alone keeps no process alive.
  await sleep(HANG_MS, undefined, { signal, ref: false }).catch(() => {})
}

const LATE_MS = 1000

/** Keeps a finished answer back. */
export async function delay(signal: AbortSignal): Promise<void> {
  await sleep(LATE_MS, undefined, { signal, ref: false }).catch(() => {})
}

/** Tears down the connection of a request that came over one. `env` is what the server knows of it. */
export function tearDown(env: unknown): void {
  const { incoming } = (env ?? {}) as { incoming?: { socket?: { destroy?(): void } } }
  incoming?.socket?.destroy?.()
}
