/**
 * Injects faults into a process, for tests. A process changes lasting state only by calls to the database or
 * the network, so faults before and after each call stand for crashes at any line.
 *
 * @module
 */

import type { Database } from '@repo/db'

/** The fault of one call. `die`: this call and all later calls of the process fail, as after a kill. */
export type Fault =
  | 'none'
  | 'fail_before'
  | 'fail_after'
  | 'die_before'
  | 'die_after'
  | 'stall_before'
  | 'stall_after'

/** Chooses the faults of a process. */
export interface Chaos {
  /** The fault of the next call. */
  next(): Fault
  /** How long a stalled call waits, in milliseconds. Set it longer than a lease to test the lease. */
  stallMs: number
  /** Called for each fault. */
  onFault?(fault: Fault): void
}

/** The error of an injected fault, so that a test can tell it from a real error. */
export class InjectedFault extends Error {
  override readonly name = 'InjectedFault'
}

/** A simulated process. All its external calls go through `call`. */
export interface Fated {
  /** Makes an external call, before or after which the process may die. */
  call<T>(work: () => PromiseLike<T>): Promise<T>
  /** Whether the process has died; each later call throws. */
  readonly isDead: boolean
}

/** Creates a simulated process with the faults of `chaos`. */
export function createFated(chaos: Chaos): Fated {
  let isDead = false
  const stall = () => new Promise((resolve) => setTimeout(resolve, chaos.stallMs))
  const requireLife = () => {
    if (isDead) throw new InjectedFault('The simulated process is dead.')
  }
  return {
    get isDead() {
      return isDead
    },
    async call(work) {
      requireLife()
      const fault = chaos.next()
      if (fault !== 'none') chaos.onFault?.(fault)
      if (fault === 'die_before') isDead = true
      if (fault === 'die_before' || fault === 'fail_before') throw new InjectedFault(fault)
      if (fault === 'stall_before') await stall()
      requireLife()
      const result = await work()
      if (fault === 'die_after') isDead = true
      if (fault === 'die_after' || fault === 'fail_after') throw new InjectedFault(fault)
      if (fault === 'stall_after') await stall()
      return result
    },
  }
}

/** `db` as the simulated process sees it: each statement, transaction and commit is a call that may fail. */
export function fatedDatabase(db: Database, fated: Fated): Database {
  return proxy(db, fated) as Database
}

type Operation = (...args: unknown[]) => PromiseLike<unknown>

function proxy(target: object, fated: Fated): object {
  return new Proxy(target, {
    get(on, key) {
      const member: unknown = Reflect.get(on, key)
      if (key === '$transaction') return transaction(member as Operation, on, fated)
      if (typeof member === 'function') {
        return (...args: unknown[]) => fated.call(() => (member as Operation).apply(on, args))
      }
      // Model delegates: `db.customer.findMany`.
      const isDelegate = typeof member === 'object' && member !== null && typeof key === 'string'
      return isDelegate ? proxy(member, fated) : member
    },
  })
}

/** A fault after the commit matters most: the transaction was committed, but its caller does not know. */
function transaction(open: Operation, on: object, fated: Fated): Operation {
  return (work, ...options) =>
    fated.call(() =>
      open.call(
        on,
        (tx: object) => (work as (tx: object) => unknown)(proxy(tx, fated)),
        ...options,
      ),
    )
}

/** `fetch` as the simulated process sees it: a fault is a network error or an answer with 500 or 429. */
export function fatedFetch(fated: Fated, real: typeof fetch = fetch): typeof fetch {
  let failures = 0
  return async (input, init) => {
    try {
      return await fated.call(() => real(input, init))
    } catch (error) {
      if (!(error instanceof InjectedFault)) throw error
      failures += 1
      if (fated.isDead || failures % 3 === 0) throw new TypeError('fetch failed', { cause: error })
      const status = failures % 3 === 1 ? 500 : 429
      const type = status === 500 ? 'api_error' : 'rate_limit_error'
      return Response.json({ error: { type, message: 'injected' } }, { status })
    }
  }
}
