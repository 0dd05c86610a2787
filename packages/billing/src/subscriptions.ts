/**
 * Subscriptions: what an owner has, and how it ends. Rows are written by `sync.ts` alone.
 *
 * @module
 */

import type { BillingContext } from './context.ts'
import { BillingError } from './errors.ts'
import { cancelElsewhere, resumeElsewhere } from './orders/subscriptions.ts'
import { freePlanOf, type Interval, planOfPrice } from './plans.ts'
import { inNumbers } from './rows.ts'
import type { SubscriptionStatus } from './shapes.ts'
import { soldAs } from './sold.ts'
import { ask } from './stripe.ts'
import { endAtPeriodEnd, resume } from './subscription-end.ts'
import { CURRENT, findCurrent, type SubscriptionRow, WITH_PRICES } from './subscription-row.ts'
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
  /** Past due: when the plan's features end, unless it is paid until then. Null: it is not past due. */
  graceEndsAt: Date | null
  /** Whether that time is over. */
  isGraceOver: boolean
  trialEnd: Date | null
  /** What it changes to by itself at the end of the period; null: nothing. */
  scheduledChange: ScheduledChange | null
  /** A change that is made once the owner has paid for it on the provider's page; null: nothing waits. */
  pendingChange: PendingChange | null
  /** What becomes of invoices while their collection is paused; null: it is not. The status stays as it is. */
  pauseCollection: PauseCollection | null
}

/** A change whose payment the card's holder has to confirm. Abandoned, nothing changes. */
export interface PendingChange {
  plan: string
  interval: Interval
  quantity: number
  /** The provider's page of the invoice: send the browser there. Null until the invoice is known here. */
  url: string | null
  /** Until then it can be paid. */
  expiresAt: Date
}

/** As the provider says it. */
export interface PauseCollection {
  /** `keep_as_draft`, `mark_uncollectible` or `void`. */
  behavior: string
  /** Null: until somebody resumes it. */
  resumesAt: Date | null
}

export interface ScheduledChange {
  plan: string
  interval: Interval
  quantity: number
  at: Date
}

export { CURRENT, type SubscriptionRow }

const ENDED: readonly string[] = ['canceled', 'incomplete_expired']

/** Whether a subscription of this status takes the owner's one place. */
export const isCurrentStatus = (status: string): boolean => CURRENT.includes(status)
export const isEndedStatus = (status: string): boolean => ENDED.includes(status)

type Stateful = Pick<OwnerSubscription, 'status'>

type Graceful = Stateful & Partial<Pick<OwnerSubscription, 'isGraceOver'>>

/**
 * Whether the plan's features apply. A failed payment leaves them in place while it is retried, and no longer than
 * `pastDueGraceDays`.
 */
export const isActive = ({ status, isGraceOver = false }: Graceful): boolean =>
  status === 'active' || status === 'trialing' || (status === 'past_due' && !isGraceOver)
export const onTrial = ({ status }: Stateful): boolean => status === 'trialing'
export const isPastDue = ({ status }: Stateful): boolean => status === 'past_due'
/** Whether it has ended. `getSubscription` tells of the current one only; see `listSubscriptions`. */
export const isCanceled = ({ status }: Stateful): boolean => status === 'canceled'
/** Whether it still runs but will not renew. */
export const onGracePeriod = (
  subscription: Graceful & Pick<OwnerSubscription, 'endsAt'>,
): boolean => isActive(subscription) && subscription.endsAt !== null

/** What `ownerId` has, from our own rows. An owner unknown to billing has the free plan. */
export async function getSubscription(
  ctx: BillingContext,
  ownerId: string,
): Promise<OwnerSubscription> {
  const row = await findCurrent(ctx, ownerId)
  if (!row) {
    return {
      plan: freePlanOf(ctx.plans),
      status: null,
      stripeSubscriptionId: null,
      interval: null,
      amount: null,
      currency: null,
      quantity: 0,
      currentPeriodEnd: null,
      endsAt: null,
      graceEndsAt: null,
      isGraceOver: false,
      trialEnd: null,
      scheduledChange: null,
      pendingChange: null,
      pauseCollection: null,
    }
  }
  return describe(ctx, row)
}

/** Every subscription the owner has or had, the newest first, those a person has to look at too. */
export async function listSubscriptions(
  ctx: BillingContext,
  ownerId: string,
): Promise<(OwnerSubscription & { needsAttention: string | null; endedAt: Date | null })[]> {
  const rows = await ctx.db.subscription.findMany({
    where: { customer: { ownerId } },
    include: WITH_PRICES,
    orderBy: { createdAt: 'desc' },
  })
  return rows.map((row) => ({
    ...describe(ctx, row),
    needsAttention: row.needsAttention,
    endedAt: row.endedAt,
  }))
}

/** One that Stripe bills. */
export type StripeSubscriptionRow = SubscriptionRow & {
  stripeSubscriptionId: string
  price: NonNullable<SubscriptionRow['price']>
}

function describe(ctx: BillingContext, row: SubscriptionRow): OwnerSubscription {
  const free = freePlanOf(ctx.plans)
  const status = row.status as SubscriptionStatus
  const grace = graceOf(ctx, row)
  const sold = soldAs(ctx, row)
  const amount = row.price ? inNumbers(row.price).amount : (sold?.amount ?? null)
  return {
    ...grace,
    plan: sold && isActive({ status, ...grace }) ? sold.plan : free,
    status,
    stripeSubscriptionId: row.stripeSubscriptionId,
    interval: sold?.interval ?? null,
    amount: amount === null ? null : amount * row.quantity,
    currency: row.price?.currency ?? sold?.currency ?? null,
    quantity: row.quantity,
    currentPeriodEnd: row.currentPeriodEnd,
    // The portal schedules an end either way, depending on the account's billing mode.
    endsAt: row.cancelAt ?? (row.cancelAtPeriodEnd ? row.currentPeriodEnd : null),
    trialEnd: row.trialEnd,
    scheduledChange: scheduledChange(ctx, row),
    pendingChange: pendingChange(ctx, row),
    pauseCollection:
      row.pauseBehavior === null
        ? null
        : { behavior: row.pauseBehavior, resumesAt: row.pauseResumesAt },
  }
}

function pendingChange(
  { clock }: BillingContext,
  {
    pendingPlan: plan,
    pendingInterval,
    pendingQuantity,
    pendingUntil,
    pendingUrl,
  }: SubscriptionRow,
): PendingChange | null {
  if (plan === null || pendingUntil === null || pendingUntil <= clock.now()) return null
  const interval = pendingInterval === 'year' ? 'year' : 'month'
  const quantity = pendingQuantity ?? 1
  return { plan, interval, quantity, url: pendingUrl, expiresAt: pendingUntil }
}

const DAY_MS = 24 * 60 * 60 * 1000

/** How long a row that is past due still has its plan's features. */
export function graceOf(
  { clock, pastDueGraceDays }: Pick<BillingContext, 'clock' | 'pastDueGraceDays'>,
  { status, pastDueSince }: Pick<SubscriptionRow, 'status' | 'pastDueSince'>,
): Pick<OwnerSubscription, 'graceEndsAt' | 'isGraceOver'> {
  if (status !== 'past_due' || !pastDueSince) return { graceEndsAt: null, isGraceOver: false }
  const graceEndsAt = new Date(pastDueSince.getTime() + pastDueGraceDays * DAY_MS)
  return { graceEndsAt, isGraceOver: graceEndsAt <= clock.now() }
}

/** Since when a row of this status is past due. What was unpaid in between does not begin anew. */
export const pastDueSinceOf = (
  { clock }: Pick<BillingContext, 'clock'>,
  status: string,
  row: Pick<SubscriptionRow, 'pastDueSince'> | null | undefined,
): Date | null =>
  status === 'past_due' || status === 'unpaid' ? (row?.pastDueSince ?? clock.now()) : null

function scheduledChange(
  ctx: BillingContext,
  { scheduledPrice, scheduledFor, scheduledQuantity }: SubscriptionRow,
): ScheduledChange | null {
  const sold = scheduledPrice ? planOfPrice(ctx.plans, scheduledPrice) : null
  if (!sold || !scheduledFor) return null
  return { ...sold, quantity: scheduledQuantity ?? 1, at: scheduledFor }
}

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

export async function requireCurrent(
  ctx: BillingContext,
  ownerId: string,
): Promise<SubscriptionRow> {
  const row = await findCurrent(ctx, ownerId)
  if (row) return row
  throw new BillingError('subscription_not_found', `${ownerId} has no current subscription.`)
}

/** @throws `not_supported` for one that another provider bills. */
export function atStripe(row: SubscriptionRow): StripeSubscriptionRow {
  const { stripeSubscriptionId, price } = row
  if (stripeSubscriptionId && price) return { ...row, stripeSubscriptionId, price }
  throw new BillingError(
    'not_supported',
    `A plan at ${row.provider} cannot be changed: cancel it, and buy the other once it has ended.`,
  )
}
