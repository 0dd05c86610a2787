/**
 * The plan that a subscription row stands for. At Stripe the price decides, at other providers the product.
 *
 * @module
 */

import { inNumbers } from '../rows.ts'
import { type Interval, type Plans, planOfPrice, type SoldPrice } from './plans.ts'
import type { Products } from './products.ts'

/** The columns of a subscription row from which its plan is known. */
export interface SoldRow {
  price?: (SoldPrice & { amount: bigint | number | null; currency: string }) | null
  sku: string | null
}

/** A plan with the interval and the price at which a subscription has it. */
export interface Sold {
  plan: string
  interval: Interval
  /** Minor units per interval and seat. Null: the price is tiered or custom. */
  amount: number | null
  currency: string
}

/** The plan, interval and price of a subscription row; null where its price or product belongs to no plan of ours. */
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
