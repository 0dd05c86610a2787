/**
 * Domain time: periods, trials, expiry, due dates. Wall time (signatures, tokens, leases, locks)
 * does not go through here.
 *
 * @module
 */

export interface Clock {
  now(): Date
}

/** The machine's own time. */
export const systemClock: Clock = { now: () => new Date() }
