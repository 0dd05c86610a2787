/**
 * As what a subscription is sold: by its price at Stripe, by its product elsewhere.
 *
 * @module
 */

import { inNumbers } from '../rows.ts'
import { type Interval, type Plans, planOfPrice, type SoldPrice } from './plans.ts'
import type { Products } from './products.ts'

/** What of a row says it. */
export interface SoldRow {
  price?: (SoldPrice & { amount: bigint | number | null; currency: string }) | null
  sku: string | null
}

export interface Sold {
  plan: string
  interval: Interval
  /** Minor units per interval and seat. Null: tiered or custom. */
  amount: number | null
  currency: string
}

/** Null for what is no plan of ours. */
export function soldAs(
  ctx: { plans: Plans; products: Products },
  { price, sku }: SoldRow,
): Sold | null {
  if (price) {
    const sold = planOfPrice(ctx.plans, price)
    const { amount, currency } = inNumbers(price)
    return sold && { ...sold, amount, currency }
  }
  const product = sku === null ? undefined : ctx.products[sku]
  if (product?.plan === undefined) return null
  const { plan, interval, amount, currency } = product
  return { plan, interval, amount, currency }
}
