/**
 * The billing interval of a subscription, and the lines it is billed for.
 *
 * @module
 */

import { SandboxError } from '../../errors.ts'
import type { LineDraft } from '../invoices/invoice-draft.ts'
import type { Recurring } from '../server/base-objects.ts'
import type { Subscription } from '../server/objects.ts'

/** The interval of a subscription: that of its first item. */
export function rhythm(subscription: Subscription): Recurring {
  const recurring = subscription.items.data[0]?.price.recurring
  if (recurring) return recurring
  throw new SandboxError('invalid_state', 409, `Subscription ${subscription.id} has no item.`)
}

/** Whether two intervals have the same length. */
export const isSameRhythm = (one: Recurring, other: Recurring): boolean =>
  one.interval === other.interval && one.interval_count === other.interval_count

/** The lines of the current period; a trial costs nothing. */
export function itemLines(subscription: Subscription): LineDraft[] {
  const isTrial = subscription.status === 'trialing'
  return subscription.items.data.map((item) => ({
    amount: isTrial ? 0 : item.price.unit_amount * item.quantity,
    description: isTrial
      ? 'Trial period'
      : `${item.quantity} × ${item.price.nickname ?? item.price.lookup_key ?? item.price.id}`,
    item: item.id,
    period: { start: item.current_period_start, end: item.current_period_end },
    price: item.price,
    proration: false,
    quantity: item.quantity,
  }))
}

/** Moves the subscription and all its items to the period from `start` to `end`. */
export function setPeriod(subscription: Subscription, start: number, end: number): void {
  subscription.current_period_start = start
  subscription.current_period_end = end
  for (const item of subscription.items.data) {
    item.current_period_start = start
    item.current_period_end = end
  }
}
