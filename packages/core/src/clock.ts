/**
 * Domain time: periods, trials, expiry, due dates. Signatures, tokens, leases and locks use the machine's
 * clock and not this one.
 *
 * @module
 */

/** Tells domain time. Tests pass a clock that they move. */
export interface Clock {
  /** The present moment of domain time. */
  now(): Date
}

/** The machine's own time. */
export const systemClock: Clock = { now: () => new Date() }
