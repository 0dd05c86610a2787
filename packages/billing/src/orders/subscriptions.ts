/**
 * Subscriptions that another provider than Stripe bills: the same rows, written when the order with which
 * they began is settled. An ended one stays ended, and one per customer counts. Promise 2.
 *
 * @module
 */

import type { Subscription } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { settleOrder } from './settle.ts'

/**
 * Asks the provider to take back that one will end, and writes what it then says.
 *
 * @throws `not_supported` where the provider cannot.
 */
export async function resumeElsewhere(
  ctx: BillingContext,
  { id, provider, providerSubscriptionId, cancelAtPeriodEnd, updatedAt }: Subscription,
): Promise<void> {
  if (providerSubscriptionId === null || !cancelAtPeriodEnd) return
  const { resumeSubscription } = ctx.providerNamed(provider)
  if (!resumeSubscription) {
    const why = `${provider} does not take a cancellation back: buy the plan again once it has ended.`
    throw new BillingError('not_supported', why)
  }
  const idempotencyKey = `resume:${id}:${updatedAt.getTime()}`
  await resumeSubscription(providerSubscriptionId, { idempotencyKey })
  await settleFirst(ctx, provider, providerSubscriptionId)
}

/** Asks the provider to end one, and writes what it then says. */
export async function cancelElsewhere(
  ctx: BillingContext,
  { id, provider, providerSubscriptionId, updatedAt }: Subscription,
  at: 'period_end' | 'now',
): Promise<void> {
  if (providerSubscriptionId === null) return
  await ctx.providerNamed(provider).cancelSubscription(providerSubscriptionId, {
    at,
    // Cancelled again after it was resumed, it is another request.
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
