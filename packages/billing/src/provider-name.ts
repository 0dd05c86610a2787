/**
 * The names of the payment providers and of their environments.
 *
 * @module
 */

/** The names that `PAYMENT_PROVIDER` accepts. */
export const PROVIDER_NAMES = [
  'stripe',
  'creem', // #creem
  'local',
] as const

/** The payment providers. `local` works within the process and takes no money. */
export type ProviderName = (typeof PROVIDER_NAMES)[number]

/** The providers that send events. */
export type EventProvider = (typeof EVENT_PROVIDERS)[number]

const EVENT_PROVIDERS = [
  ...PROVIDER_NAMES,
  'calcom', // #calcom
] as const

/** The providers at which products have ids. `productIds` and the variables of products name them. */
export const PRODUCT_ID_PROVIDERS = [
  'stripe',
  'creem', // #creem
] as const satisfies readonly ProviderName[]

/** A provider at which products have ids. */
export type ProductIdProvider = (typeof PRODUCT_ID_PROVIDERS)[number]

/**
 * Whether a sync of the customer follows plans and payments at the provider, as at Stripe. At the other
 * providers each payment of a plan is an order, and orders are settled one by one.
 */
export const hasCustomerSync = (provider: string): boolean => provider === 'stripe'

/** In `production` money is real, in `test` it is not. */
export type PaymentEnvironment = 'production' | 'test'
