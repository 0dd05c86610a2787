import type { Auth } from '@repo/auth'
import { type Billing, products as defaultProducts, defineProducts } from '@repo/billing'
import type { Logger } from '@repo/core'

/** The parts that the host is made of. */
export interface HostOptions {
  auth: Auth
  billing: Billing
  /** Origins of the providers' pages: checkout, portal, booking. */
  providers: string[]
  logger?: Logger
}

/** The products: the credit packs and plans of the package, and a call that is booked on Cal.com. */
export const products = defineProducts({
  ...defaultProducts,
  STRATEGY_CALL: { name: 'Strategy call, 30 minutes', amount: 4900, currency: 'usd' },
})

/** Cal.com's id of the call's event type. */
export const CALL_EVENT_TYPE = 101

/** Whether a payment was for a call. The order's SKU is in the payment's metadata. */
export const isCall = ({ metadata }: { metadata: unknown }): boolean =>
  (metadata as { sku?: unknown }).sku === 'STRATEGY_CALL'
