/**
 * Reads an owner's subscriptions from our rows. `sync` writes the rows of Stripe's subscriptions, and
 * `orders` those of other providers.
 *
 * @module
 */

import type { Subscription } from '@repo/db'
import { freePlanOf, type Interval, planOfPrice } from '../catalog/plans.ts'
import { soldAs } from '../catalog/sold.ts'
import { CURRENT, isActive, type SubscriptionStatus } from '../catalog/status.ts'
import type { BillingContext } from '../context.ts'
import { customerIdOf } from '../customers/customer-id.ts'
import { BillingError } from '../errors.ts'
import { endOf, following, PAGE, type PageOptions, type Sorting } from '../page.ts'
import { inNumbers } from '../rows.ts'
import { findCurrent, type SubscriptionRow, WITH_PRICES } from './row.ts'

/** An owner's current subscription. Without one: the free plan and nulls. */
export interface OwnerSubscription {
  /** The plan whose features apply. */
  plan: string
  /** The provider's status of the current subscription; null without one. */
  status: SubscriptionStatus | null
  /** Stripe's id; null without a subscription, and where another provider bills it. */
  stripeSubscriptionId: string | null
  /** How often the subscription renews; null without one. */
  interval: Interval | null
  /** Price of an interval in minor units, for all seats together. */
  amount: number | null
  /** Lower case; null without a subscription. */
  currency: string | null
  /** Seats; 0 without a subscription. */
  quantity: number
  /** When the period that is paid for ends; null without a subscription. */
  currentPeriodEnd: Date | null
  /** When the subscription ends because it was cancelled. Null: it renews. */
  endsAt: Date | null
  /**
   * While the subscription is past due: when the plan's features end unless it is paid before. Null: not past
   * due.
   */
  graceEndsAt: Date | null
  /** Whether `graceEndsAt` has passed. */
  isGraceOver: boolean
  /** When the trial ends or ended; null where there was none. */
  trialEnd: Date | null
  /** The change that happens by itself at the end of the period. Null: none. */
  scheduledChange: ScheduledChange | null
  /** The change that happens once the owner pays for it on the provider's page. Null: none. */
  pendingChange: PendingChange | null
  /**
   * How invoices are handled while collection is paused; the status does not change. Null: collection is not
   * paused.
   */
  pauseCollection: PauseCollection | null
}

/** A present or past subscription, as `listSubscriptions` returns it. */
export interface ListedSubscription extends OwnerSubscription {
  /** The id of the row, for the next page of the list. */
  id: string
  /** Why a person has to look at it, such as `trial_already_used`. A flagged subscription grants nothing. Null: fine. */
  needsAttention: string | null
  /** When it ended for good. Null: it has not. */
  endedAt: Date | null
}

/** A change whose payment the card's holder has to confirm. Without the confirmation nothing changes. */
export interface PendingChange {
  plan: string
  interval: Interval
  /** Seats after the change. */
  quantity: number
  /** The provider's page of the invoice, to which the browser is sent. Null until the invoice is stored here. */
  url: string | null
  /** Until when the change can be paid. */
  expiresAt: Date
}

/** A pause of collection, as the provider has it. */
export interface PauseCollection {
  /** `keep_as_draft`, `mark_uncollectible` or `void`. */
  behavior: string
  /** When collection resumes. Null: until somebody resumes it. */
  resumesAt: Date | null
}

/** A change at the end of the period, and when it happens. */
export interface ScheduledChange {
  plan: string
  interval: Interval
  /** Seats after the change. */
  quantity: number
  /** When the change happens. */
  at: Date
}

export { CURRENT, type SubscriptionRow }

/** The owner's current subscription, from our own rows. The contract is in `functions/subscriptions.ts`. */
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

const NEWEST_FIRST: Sorting<Subscription> = [
  ['createdAt', 'desc'],
  ['id', 'desc'],
]

/**
 * All present and past subscriptions of the owner, the newest first, including flagged ones.
 * The contract is in `functions/subscriptions.ts`.
 */
export async function listSubscriptions(
  ctx: BillingContext,
  ownerId: string,
  { limit = PAGE, after }: PageOptions = {},
): Promise<ListedSubscription[]> {
  const customerId = (await customerIdOf(ctx, ownerId)) ?? ''
  const last = await endOf(after, "one of the owner's subscriptions", (id) =>
    ctx.db.subscription.findFirst({ where: { customerId, id } }),
  )
  const { where, orderBy } = following<Subscription>(NEWEST_FIRST, last)
  const rows = await ctx.db.subscription.findMany({
    where: { customerId, ...where },
    include: WITH_PRICES,
    orderBy,
    take: limit,
  })
  return rows.map((row) => ({
    id: row.id,
    ...describe(ctx, row),
    needsAttention: row.needsAttention,
    endedAt: row.endedAt,
  }))
}

/** A subscription's row that Stripe bills. */
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
    // Stripe's portal sets `cancelAt` or `cancelAtPeriodEnd`, depending on the account's billing
    // mode.
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

/** Until when a past-due subscription keeps its plan's features, and whether that time has passed. */
export function graceOf(
  { clock, pastDueGraceDays }: Pick<BillingContext, 'clock' | 'pastDueGraceDays'>,
  { status, pastDueSince }: Pick<SubscriptionRow, 'status' | 'pastDueSince'>,
): Pick<OwnerSubscription, 'graceEndsAt' | 'isGraceOver'> {
  if (status !== 'past_due' || !pastDueSince) return { graceEndsAt: null, isGraceOver: false }
  const graceEndsAt = new Date(pastDueSince.getTime() + pastDueGraceDays * DAY_MS)
  return { graceEndsAt, isGraceOver: graceEndsAt <= clock.now() }
}

/**
 * Since when a subscription is past due or unpaid. A change between these two statuses keeps the date. Null:
 * neither.
 */
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

/** The owner's current subscription. @throws `subscription_not_found`. */
export async function requireCurrent(
  ctx: BillingContext,
  ownerId: string,
): Promise<SubscriptionRow> {
  const row = await findCurrent(ctx, ownerId)
  if (row) return row
  throw new BillingError(
    'subscription_not_found',
    `The owner ${ownerId} has no current subscription.`,
  )
}

/** The row, if Stripe bills the subscription. @throws `not_supported` if another provider does. */
export function atStripe(row: SubscriptionRow): StripeSubscriptionRow {
  const { stripeSubscriptionId, price } = row
  if (stripeSubscriptionId && price) return { ...row, stripeSubscriptionId, price }
  throw new BillingError(
    'not_supported',
    `A plan at ${row.provider} cannot be changed. Cancel it, and buy the other plan once it has ended.`,
  )
}
