/**
 * Promise: a customer with a plan, or with a plan's first payment under way, cannot begin to buy a second
 * plan.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { isLinked } from '../customers/customers.ts'
import { BillingError } from '../errors.ts'
import { ask, isMissing } from '../providers/stripe/client.ts'
import { CURRENT } from '../subscriptions/subscriptions.ts'
import { syncLinked } from '../sync/sync.ts'

/**
 * Refuses a second subscription, also if the first subscription is flagged or its first payment is under way;
 * the provider is asked about that payment first. A subscription whose first payment has failed does not
 * block a purchase: it is cancelled at the provider before the new purchase begins.
 *
 * @throws `already_subscribed`.
 */
export async function requireNoSubscription(ctx: BillingContext, ownerId: string): Promise<void> {
  let running = await findRunning(ctx, ownerId)
  const id = running?.stripeSubscriptionId
  if (id && isUnpaid(running)) {
    await syncOwner(ctx, ownerId, id)
    running = await findRunning(ctx, ownerId)
    if (running?.needsAttention === 'first_payment_failed') {
      await ask('subscription', ctx.stripe.subscriptions.cancel(id)).catch((error: unknown) => {
        if (!isMissing(error)) throw error
      })
      await syncOwner(ctx, ownerId, id)
      running = await findRunning(ctx, ownerId)
    }
  }
  if (!running) return
  const why =
    running.needsAttention === 'first_payment_pending'
      ? 'already has a subscription whose first payment is under way.'
      : `already has a subscription that is ${running.status}.`
  const { status, needsAttention } = running
  throw new BillingError('already_subscribed', `The owner ${ownerId} ${why}`, {
    data: { status, needsAttention },
  })
}

const UNPAID: readonly (string | null)[] = ['first_payment_pending', 'first_payment_failed']

const isUnpaid = (row: { needsAttention: string | null } | null): boolean =>
  row !== null && UNPAID.includes(row.needsAttention)

async function syncOwner(ctx: BillingContext, ownerId: string, id: string): Promise<void> {
  const customer = await ctx.db.customer.findUnique({ where: { ownerId } })
  if (isLinked(customer)) await syncLinked(ctx, customer, { also: async () => [id] })
}

const findRunning = (ctx: BillingContext, ownerId: string) =>
  ctx.db.subscription.findFirst({
    where: {
      customer: { ownerId },
      OR: [
        { status: { in: [...CURRENT] } },
        { status: 'incomplete', needsAttention: 'first_payment_pending' },
      ],
    },
    orderBy: { createdAt: 'asc' },
  })
