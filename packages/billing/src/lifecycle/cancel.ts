/**
 * Cancelling a subscription, and taking that back.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { cancelElsewhere, resumeElsewhere } from '../orders/subscriptions.ts'
import { ask } from '../providers/stripe/client.ts'
import { endAtPeriodEnd, resume } from '../providers/stripe/subscription-end.ts'
import {
  atStripe,
  getSubscription,
  type OwnerSubscription,
  requireCurrent,
} from '../subscriptions/subscriptions.ts'
import { syncCustomer } from '../sync/sync.ts'

/** Why people leave, in the provider's words. */
export const CANCEL_REASONS = [
  'customer_service',
  'low_quality',
  'missing_features',
  'other',
  'switched_service',
  'too_complex',
  'too_expensive',
  'unused',
] as const

export type CancelReason = (typeof CANCEL_REASONS)[number]

export interface CancelOptions {
  /** Default `period_end`: what was paid for stays. */
  at?: 'period_end' | 'now'
  reason?: CancelReason
  /** The owner's own words, kept at the provider and here. At most 500 characters. */
  comment?: string
}

/**
 * Cancels the owner's current subscription and returns what they have then. A change of plan that
 * was scheduled falls away.
 *
 * Providers other than Stripe are not told the reason.
 *
 * @throws `subscription_not_found`, `invalid_cancellation`, `provider_unavailable`, `provider_rejected`.
 */
export async function cancelSubscription(
  ctx: BillingContext,
  ownerId: string,
  options: CancelOptions = {},
): Promise<OwnerSubscription> {
  const { at = 'period_end', reason, comment } = options
  if (reason !== undefined && !CANCEL_REASONS.includes(reason)) {
    throw new BillingError('invalid_cancellation', `There is no such reason to cancel.`)
  }
  if (at !== 'period_end' && at !== 'now') {
    const message = 'A subscription is cancelled `now` or at the `period_end`.'
    throw new BillingError('invalid_cancellation', message)
  }
  if (comment !== undefined && comment.length > 500) {
    throw new BillingError('invalid_cancellation', 'A comment has at most 500 characters.')
  }
  const row = await requireCurrent(ctx, ownerId)
  if (row.provider !== 'stripe') {
    await cancelElsewhere(ctx, row, at)
    return getSubscription(ctx, ownerId)
  }
  const { stripeSubscriptionId: id } = atStripe(row)
  const details = {
    ...(reason ? { feedback: reason } : {}),
    ...(comment ? { comment } : {}),
  }
  const said = Object.keys(details).length > 0 ? { cancellation_details: details } : {}
  if (at === 'now') await ask('subscription', ctx.stripe.subscriptions.cancel(id, said))
  else await endAtPeriodEnd(ctx, id, said)
  await syncCustomer(ctx, ownerId, { also: async () => [id] })
  return getSubscription(ctx, ownerId)
}

/**
 * Takes back what is scheduled, a cancellation or a change of plan: it renews as it is. A subscription that is paused
 * because its trial ended without a card begins anew and is charged. Where nothing is scheduled and the collection
 * of payments is paused, it is collected again.
 *
 * @throws as `cancelSubscription`; `not_supported` (422) where the provider does not take a cancellation back; of a
 * paused one: `payment_method_required`, `card_declined`, and `authentication_required` where the card's holder
 * has to confirm the payment on the page of the open invoice. It stays paused then.
 */
export async function resumeSubscription(
  ctx: BillingContext,
  ownerId: string,
): Promise<OwnerSubscription> {
  const current = await requireCurrent(ctx, ownerId)
  if (current.provider !== 'stripe') {
    await resumeElsewhere(ctx, current)
    return getSubscription(ctx, ownerId)
  }
  const { stripeSubscriptionId: id } = atStripe(current)
  try {
    await resume(ctx, id)
  } finally {
    await syncCustomer(ctx, ownerId, { also: async () => [id] })
  }
  return getSubscription(ctx, ownerId)
}
