/**
 * Subscriptions that a provider other than Stripe bills. Their rows are written when their first order is
 * settled. An ended subscription stays ended, and one subscription per customer is current. Promise 2.
 *
 * @module
 */

import type { Subscription } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { settleOrder } from './settle.ts'

/**
 * Asks the provider to undo a cancellation at the period's end, and settles the subscription's first order.
 *
 * @throws `not_supported` where the provider cannot undo a cancellation.
 */
export async function resumeElsewhere(
  ctx: BillingContext,
  { id, provider, providerSubscriptionId, cancelAtPeriodEnd, updatedAt }: Subscription,
): Promise<void> {
  if (providerSubscriptionId === null || !cancelAtPeriodEnd) return
  const { resumeSubscription } = ctx.providerNamed(provider)
  if (!resumeSubscription) {
    const why = `${provider} cannot undo a cancellation. Buy the plan again once the subscription has ended.`
    throw new BillingError('not_supported', why)
  }
  const idempotencyKey = `resume:${id}:${updatedAt.getTime()}`
  await resumeSubscription(providerSubscriptionId, { idempotencyKey })
  await settleFirst(ctx, provider, providerSubscriptionId)
}

/** Asks the provider to cancel a subscription, and settles its first order. */
export async function cancelElsewhere(
  ctx: BillingContext,
  { id, provider, providerSubscriptionId, updatedAt }: Subscription,
  at: 'period_end' | 'now',
): Promise<void> {
  if (providerSubscriptionId === null) return
  await ctx.providerNamed(provider).cancelSubscription(providerSubscriptionId, {
    at,
    // A second cancellation after a resume needs another key, so the key contains `updatedAt`.
    idempotencyKey: `cancel:${id}:${at}:${updatedAt.getTime()}`,
  })
  await settleFirst(ctx, provider, providerSubscriptionId)
}

async function settleFirst(
  ctx: BillingContext,
  provider: string,
  subscriptionId: string,
): Promise<void> {
  const order = await ctx.db.order.findFirst({
    where: { provider, subscriptionId, checkoutId: { not: null } },
  })
  if (order) await settleOrder(ctx, order.id)
}
