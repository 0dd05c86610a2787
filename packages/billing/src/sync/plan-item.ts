/**
 * Finds the plan's item of a subscription: the item whose price belongs to a plan, in whatever order the
 * provider lists the items. All other items are add-ons and stay unchanged.
 *
 * @module
 */

import { type Plans, planOfPrice } from '../catalog/plans.ts'
import type { ItemShape, SubscriptionShape } from '../providers/stripe/shapes.ts'
import type { PriceRow } from './prices.ts'

/** Our price rows, by the provider's id. */
export type PriceRows = ReadonlyMap<string, PriceRow>

/** The first item whose price belongs to a plan. Null: no item's price does. */
export const planItemOf = (
  plans: Plans,
  prices: PriceRows,
  items: readonly ItemShape[],
): ItemShape | null =>
  items.find(({ stripePriceId }) => {
    const row = prices.get(stripePriceId)
    return row !== undefined && planOfPrice(plans, row) !== null
  }) ?? null

/**
 * Sets the subscription's price, quantity and period to those of the plan's item, and the scheduled price and
 * quantity likewise. Without a plan's item the first item's values stay.
 */
export function withPlanItem(
  plans: Plans,
  prices: PriceRows,
  shape: SubscriptionShape,
): SubscriptionShape {
  const item = planItemOf(plans, prices, shape.items)
  const price = shape.prices.find(({ stripePriceId }) => stripePriceId === item?.stripePriceId)
  const next = shape.schedule?.next ?? null
  const later = next && planItemOf(plans, prices, next.items)
  return {
    ...shape,
    ...(item && price ? { price, quantity: item.quantity } : {}),
    ...(item?.period
      ? { currentPeriodStart: item.period.start, currentPeriodEnd: item.period.end }
      : {}),
    schedule: shape.schedule && {
      ...shape.schedule,
      next:
        next && later
          ? { ...next, stripePriceId: later.stripePriceId, quantity: later.quantity }
          : next,
    },
  }
}
