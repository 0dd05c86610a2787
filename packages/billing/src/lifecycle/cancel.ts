/**
 * Cancels a subscription, and takes a cancellation back.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { cancelElsewhere, resumeElsewhere } from '../orders/subscriptions.ts'
import { hasCustomerSync } from '../provider-name.ts'
import { ask } from '../providers/stripe/client.ts'
import { endAtPeriodEnd, resume } from '../providers/stripe/subscription-end.ts'
import {
  atStripe,
  getSubscription,
  type OwnerSubscription,
  requireCurrent,
} from '../subscriptions/subscriptions.ts'
import { syncCustomer } from '../sync/sync.ts'

/** The reasons for a cancellation, in Stripe's words. */
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

/** A reason for a cancellation. */
export type CancelReason = (typeof CANCEL_REASONS)[number]

/** The options of `cancelSubscription`. */
export interface CancelOptions {
  /** Default `period_end`: the owner keeps the period that is paid for. */
  at?: 'period_end' | 'now'
  /** Why the owner leaves, from `CANCEL_REASONS`. Default: none. */
  reason?: CancelReason
  /** The owner's own words, stored at Stripe and here. At most 500 characters. */
  comment?: string
}

/**
 * Cancels the owner's current subscription and returns its state afterwards.
 * The contract is in `functions/subscriptions.ts`.
 */
export async function cancelSubscription(
  ctx: BillingContext,
  ownerId: string,
  options: CancelOptions = {},
): Promise<OwnerSubscription> {
  const { at = 'period_end', reason, comment } = options
  if (reason !== undefined && !CANCEL_REASONS.includes(reason)) {
    const message = `The reason must be one of ${CANCEL_REASONS.join(', ')}.`
    throw new BillingError('invalid_cancellation', message)
  }
  if (at !== 'period_end' && at !== 'now') {
    const message = '`at` must be `now` or `period_end`.'
    throw new BillingError('invalid_cancellation', message)
  }
  if (comment !== undefined && comment.length > 500) {
    throw new BillingError('invalid_cancellation', 'The comment may have at most 500 characters.')
  }
  const row = await requireCurrent(ctx, ownerId)
  if (!hasCustomerSync(row.provider)) {
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
 * Takes back a scheduled cancellation or change of plan, so that the subscription renews as it is.
 * The contract is in `functions/subscriptions.ts`.
 */
export async function resumeSubscription(
  ctx: BillingContext,
  ownerId: string,
): Promise<OwnerSubscription> {
  const current = await requireCurrent(ctx, ownerId)
  if (!hasCustomerSync(current.provider)) {
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
