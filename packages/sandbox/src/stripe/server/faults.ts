/**
 * Faults for drills: a share of the API requests fails, in the ways in which a network or a provider can
 * fail. The same seed makes the same faults in the order of requests, so a drill can be repeated.
 *
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { SandboxError } from '../../errors.ts'

/**
 * The ways in which a request fails. Before it begins: `429`; `503`; `lock_timeout`, a 429 because another
 * request holds the object; `hang`, no response until the caller gives up; `reset`, a destroyed connection.
 * After it has begun: `500`, with nothing done, and `broken`, with everything done, are both kept under its
 * idempotency key as a 500. `applied` is done and kept, but its response is lost, as a 502. `late` is not a
 * failure: the response arrives a second after it was made and may be outdated by then.
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

/** The faults of a drill. */
export interface Faults {
  /** The share of requests that fail, from 0 to 1. */
  rate: number
  /** At least one kind; all kinds are equally likely. */
  kinds: readonly FaultKind[]
  /** Default 1. */
  seed?: number
}

/** Decides which requests fail. */
export interface FaultSource {
  /** Null ends the faults. @throws `invalid_state` for a rate outside 0 to 1, or without kinds */
  set(faults: Faults | null): void
  /** The fault of the next request; null if it does not fail. */
  next(): FaultKind | null
}

export function createFaultSource(): FaultSource {
  let faults: Faults | null = null
  let draw = drawsOf(1)
  return {
    set(given) {
      if (given !== null && !(given.rate >= 0 && given.rate <= 1 && given.kinds.length > 0)) {
        throw new SandboxError(
          'invalid_state',
          409,
          'Faults need a rate from 0 to 1 and at least one kind.',
        )
      }
      faults = given === null ? null : { ...given, kinds: [...given.kinds] }
      draw = drawsOf(given?.seed ?? 1)
    },
    next() {
      if (faults === null) return null
      // Every request draws twice, so that the rate does not change the sequence of kinds.
      const [chance, choice] = [draw(), draw()]
      if (chance >= faults.rate) return null
      return faults.kinds[Math.floor(choice * faults.kinds.length)] ?? null
    },
  }
}

/** A sequence of numbers from 0 to below 1 that depends on the seed only (mulberry32). */
function drawsOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Milliseconds after which a hanging request is answered. */
const HANG_MS = 3000

/** Waits until the caller gives up, for at most three seconds. */
export async function hang(signal: AbortSignal): Promise<void> {
  // The timer alone does not keep the process alive.
  await sleep(HANG_MS, undefined, { signal, ref: false }).catch(() => {})
}

const LATE_MS = 1000

/** Delays a finished response. */
export async function delay(signal: AbortSignal): Promise<void> {
  await sleep(LATE_MS, undefined, { signal, ref: false }).catch(() => {})
}

/** Destroys the connection of a request. `env` is the server's data of the request. */
export function tearDown(env: unknown): void {
  const { incoming } = (env ?? {}) as { incoming?: { socket?: { destroy?(): void } } }
  incoming?.socket?.destroy?.()
}
