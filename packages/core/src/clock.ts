/**
 * Domain time: periods, trials, expiry, due dates. Signatures, tokens, leases and locks use the machine's
 * clock and not this one.
 *
 * @module
 */

export interface Clock {
  now(): Date
}

/** The machine's own time. */
export const systemClock: Clock = { now: () => new Date() }
