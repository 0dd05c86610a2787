/**
 * The words for the provider that takes the payments, and for whether its money is real.
 *
 * @module
 */

export type ProviderName = 'stripe' | 'creem' | 'local'

/** Where money is real, and where it is not. */
export type PaymentEnvironment = 'production' | 'test'
