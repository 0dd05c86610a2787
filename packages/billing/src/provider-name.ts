/**
 * The names of the payment providers and of their environments.
 *
 * @module
 */

/** The payment providers. `local` works within the process and takes no money. */
export type ProviderName = 'stripe' | 'creem' | 'local'

/** In `production` money is real, in `test` it is not. */
export type PaymentEnvironment = 'production' | 'test'
