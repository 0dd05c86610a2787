/**
 * Which item of a subscription is the plan: the one whose price is a plan's, in whatever order the provider has
 * them. The others are add-ons, which nothing here changes.
 *
 * @module
 */

import { type Plans, planOfPrice } from '../catalog/plans.ts'
import type { ItemShape, SubscriptionShape } from '../providers/stripe/shapes.ts'
import type { PriceRow } from './prices.ts'

/** Our rows of prices, by the provider's id. */
export type PriceRows = ReadonlyMap<string, PriceRow>

/** The plan's item; where several are plans, the first; null where none is. */
export const planItemOf = (
  plans: Plans,
  prices: PriceRows,
  items: readonly ItemShape[],
): ItemShape | null =>
  items.find(({ stripePriceId }) => {
    const row = prices.get(stripePriceId)
    return row !== undefined && planOfPrice(plans, row) !== null
  }) ?? null

/** Says price and quantity of the plan's item, now and as scheduled. Without one they stay the first item's. */
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
