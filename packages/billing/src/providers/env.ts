/**
 * Which provider, and whether its money is real.
 *
 * @module
 */

/** Where money is real, and where it is not. */
export type PaymentEnvironment = 'production' | 'test'
