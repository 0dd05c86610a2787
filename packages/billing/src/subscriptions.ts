/**
 * Subscriptions: what an owner has, and how it ends. Rows are written by `sync.ts` alone.
 *
 * @module
 */

import type { BillingContext } from './context.ts'
import { BillingError } from './errors.ts'
import { freePlanOf, type Interval, planOfPrice } from './plans.ts'
import type { SubscriptionStatus } from './shapes.ts'
import { ask } from './stripe.ts'
import { syncCustomer } from './sync.ts'

/** What an owner has now. Without a current subscription: the free plan and nulls. */
export interface OwnerSubscription {
  /** The plan whose features apply. */
  plan: string
  /** The provider's word for the current subscription; null without one. */
  status: SubscriptionStatus | null
  stripeSubscriptionId: string | null
  interval: Interval | null
  /** Minor units per interval, all seats together. */
  amount: number | null
  currency: string | null
  quantity: number
  currentPeriodEnd: Date | null
  /** When it ends by a cancellation already asked for; null: it renews. */
  endsAt: Date | null
  trialEnd: Date | null
}

const CURRENT: readonly string[] = ['trialing', 'active', 'past_due', 'unpaid', 'paused']
const ENDED: readonly string[] = ['canceled', 'incomplete_expired']

/** Whether a subscription of this status takes the owner's one place. */
export const isCurrentStatus = (status: string): boolean => CURRENT.includes(status)
export const isEndedStatus = (status: string): boolean => ENDED.includes(status)

type Stateful = Pick<OwnerSubscription, 'status'>

/** Whether the plan's features apply. A failed payment leaves them in place while it is retried. */
export const isActive = ({ status }: Stateful): boolean =>
  status === 'active' || status === 'trialing' || status === 'past_due'
export const onTrial = ({ status }: Stateful): boolean => status === 'trialing'
export const isPastDue = ({ status }: Stateful): boolean => status === 'past_due'
/** Whether it still runs but will not renew. */
export const onGracePeriod = (
  subscription: Pick<OwnerSubscription, 'status' | 'endsAt'>,
): boolean => isActive(subscription) && subscription.endsAt !== null

/** What `ownerId` has, from our own rows. An owner unknown to billing has the free plan. */
export async function getSubscription(
  ctx: BillingContext,
  ownerId: string,
): Promise<OwnerSubscription> {
  const row = await findCurrent(ctx, ownerId)
  const free = freePlanOf(ctx.plans)
  if (!row) {
    return {
      plan: free,
      status: null,
      stripeSubscriptionId: null,
      interval: null,
      amount: null,
      currency: null,
      quantity: 0,
      currentPeriodEnd: null,
      endsAt: null,
      trialEnd: null,
    }
  }
  const status = row.status as SubscriptionStatus
  const sold = planOfPrice(ctx.plans, row.price)
  return {
    plan: sold && isActive({ status }) ? sold.plan : free,
    status,
    stripeSubscriptionId: row.stripeSubscriptionId,
    interval: sold?.interval ?? null,
    amount: row.price.amount === null ? null : row.price.amount * row.quantity,
    currency: row.price.currency,
    quantity: row.quantity,
    currentPeriodEnd: row.currentPeriodEnd,
    // The portal schedules an end either way, depending on the account's billing mode.
    endsAt: row.cancelAt ?? (row.cancelAtPeriodEnd ? row.currentPeriodEnd : null),
    trialEnd: row.trialEnd,
  }
}

export interface CancelOptions {
  /** Default `period_end`: what was paid for stays. */
  at?: 'period_end' | 'now'
}

/**
 * Cancels the owner's current subscription and returns what they have then.
 *
 * @throws `subscription_not_found`, `provider_unavailable`, `provider_rejected`.
 */
export async function cancelSubscription(
  ctx: BillingContext,
  ownerId: string,
  options: CancelOptions = {},
): Promise<OwnerSubscription> {
  const { stripeSubscriptionId: id } = await requireCurrent(ctx, ownerId)
  await ask(
    'subscription',
    options.at === 'now'
      ? ctx.stripe.subscriptions.cancel(id)
      : ctx.stripe.subscriptions.update(id, { cancel_at_period_end: true }),
  )
  await syncCustomer(ctx, ownerId)
  return getSubscription(ctx, ownerId)
}

/** Takes a scheduled cancellation back. Throws like `cancelSubscription`. */
export async function resumeSubscription(
  ctx: BillingContext,
  ownerId: string,
): Promise<OwnerSubscription> {
  const row = await requireCurrent(ctx, ownerId)
  // Stripe takes only one of the two in a request: take back the one that was set.
  const change =
    row.cancelAt && !row.cancelAtPeriodEnd
      ? { cancel_at: '' as const }
      : { cancel_at_period_end: false }
  await ask('subscription', ctx.stripe.subscriptions.update(row.stripeSubscriptionId, change))
  await syncCustomer(ctx, ownerId)
  return getSubscription(ctx, ownerId)
}

async function requireCurrent(ctx: BillingContext, ownerId: string) {
  const row = await findCurrent(ctx, ownerId)
  if (row) return row
  throw new BillingError('subscription_not_found', `${ownerId} has no current subscription.`)
}

/** The row that the database allows once per customer. */
function findCurrent(ctx: BillingContext, ownerId: string) {
  return ctx.db.subscription.findFirst({
    where: { customer: { ownerId }, status: { in: [...CURRENT] }, needsAttention: null },
    include: { price: { include: { product: true } } },
  })
}
