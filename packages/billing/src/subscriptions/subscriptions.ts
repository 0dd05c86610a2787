/**
 * Subscriptions: what an owner has, and how it ends. Rows are written by `sync.ts` alone.
 *
 * @module
 */

import { freePlanOf, type Interval, planOfPrice } from '../catalog/plans.ts'
import { soldAs } from '../catalog/sold.ts'
import { CURRENT, isActive, type SubscriptionStatus } from '../catalog/status.ts'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { inNumbers } from '../rows.ts'
import { findCurrent, type SubscriptionRow, WITH_PRICES } from './row.ts'

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
