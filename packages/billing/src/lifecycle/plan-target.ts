/**
 * Works out a change of plan, interval or seats against the subscription at Stripe: the new price and seats, when they
 * apply, and what stays as it is.
 *
 * @module
 */

import type Stripe from 'stripe'
import { freePlanOf, type Interval, type Plans, planOfPrice, priceOf } from '../catalog/plans.ts'
import { isActive, type SubscriptionStatus } from '../catalog/status.ts'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { ask } from '../providers/stripe/client.ts'
import { stripePriceOf } from '../providers/stripe/prices.ts'
import type { Terms } from '../providers/stripe/schedules.ts'
import { subscriptionShape } from '../providers/stripe/shapes.ts'
import {
  atStripe,
  graceOf,
  requireCurrent,
  type StripeSubscriptionRow,
} from '../subscriptions/subscriptions.ts'
import { planItemOf, withPlanItem } from '../sync/plan-item.ts'
import { ensurePrices } from '../sync/prices.ts'

/** A change as it will be requested from Stripe. */
export interface Target {
  row: StripeSubscriptionRow
  /** The present state at Stripe. */
  subscription: Stripe.Subscription
  /** The plan's item. */
  item: Stripe.SubscriptionItem
  /** The new price of the plan's item. */
  price: Stripe.Price
  /** The new number of seats. */
  quantity: number
  at: 'now' | 'period_end'
  /** The customer already has this price and number of seats. */
  isSame: boolean
  /** The caller asked only for a number of seats, so a scheduled change of plan stays. */
  isSeats: boolean
  onTrial: boolean
  /** The price and seats that are scheduled for the end of the period. */
  scheduled: Terms | null
}

/** The price, interval and seats that a customer has, or will have. */
interface Cost {
  plan: string
  interval: Interval
  quantity: number
  /** Minor units per interval and seat. */
  amount: number
}

/**
 * Reads the subscription at Stripe and works out the change.
 *
 * @throws as `changePlan`.
 */
export async function targetOf(
  ctx: BillingContext,
  ownerId: string,
  change: PlanChange,
): Promise<Target> {
  checkChange(change)
  const row = atStripe(await requireCurrent(ctx, ownerId))
  const found = await presentOf(ctx, row)
  const { subscription, item, has, scheduled } = found
  const { status } = subscription
  const quantity = change.quantity ?? item.quantity ?? 1
  // For a subscription that grants nothing, `getSubscription` returns the free plan, and a caller may name that here.
  const grace = graceOf(ctx, { status, pastDueSince: row.pastDueSince })
  const isGranted = isActive({ status: status as SubscriptionStatus, ...grace })
  const shown = isGranted ? has.plan : freePlanOf(ctx.plans)
  const plan = change.plan === undefined || change.plan === shown ? has.plan : change.plan
  const interval = change.interval ?? has.interval
  const isSeats = change.quantity !== undefined && plan === has.plan && interval === has.interval
  const price = await priceFor(ctx, { plan, interval }, change, found)
  if (!isSeats) requireChangeable(subscription)
  if (price.currency !== row.price.currency) {
    const message = `The price of ${plan} is in ${price.currency}, but the subscription is in ${row.price.currency}.`
    throw new BillingError('invalid_currency', message)
  }
  const isSame = price.id === item.price.id && quantity === (item.quantity ?? 1)
  const onTrial = status === 'trialing'
  const from = costOf(ctx.plans, { ...has, quantity: item.quantity ?? 1 }, item.price)
  const isDearer = costsMore(from, costOf(ctx.plans, { plan, interval, quantity }, price))
  // No period of a trial was paid for, so there is nothing to wait for.
  const at = change.at ?? (onTrial || isDearer ? 'now' : 'period_end')
  return { row, subscription, item, price, quantity, at, isSame, isSeats, onTrial, scheduled }
}

/** The most seats that a subscription may have. */
const MAX_SEATS = 1_000_000

function checkChange({ quantity = 1, interval = 'month', at = 'now' }: PlanChange): void {
  if (!Number.isSafeInteger(quantity) || quantity < 1 || quantity > MAX_SEATS) {
    const message = `The number of seats must be from 1 to ${MAX_SEATS}, not ${quantity}.`
    throw new BillingError('invalid_amount', message)
  }
  if (interval !== 'month' && interval !== 'year') {
    throw new BillingError('price_not_found', 'The interval must be `month` or `year`.')
  }
  if (at !== 'now' && at !== 'period_end') {
    throw new BillingError('invalid_input', '`at` must be `now` or `period_end`.')
  }
}

interface Present {
  subscription: Stripe.Subscription
  item: Stripe.SubscriptionItem
  has: { plan: string; interval: Interval }
  scheduled: Terms | null
  scheduledAs: { plan: string; interval: Interval } | null
}

/** The subscription as Stripe has it, with its plan, the plan's item, and the scheduled change. */
async function presentOf(
  ctx: BillingContext,
  { stripeSubscriptionId }: StripeSubscriptionRow,
): Promise<Present> {
  const { subscriptions } = ctx.stripe
  const expand = ['schedule']
  const subscription = await ask(
    'subscription',
    subscriptions.retrieve(stripeSubscriptionId, { expand }),
  )
  const shape = subscriptionShape(subscription)
  if ('unreadable' in shape) {
    const message = `The subscription cannot be read (${shape.unreadable}).`
    throw new BillingError('provider_rejected', message)
  }
  const prices = await ensurePrices(ctx, { subscriptions: [shape], invoices: [] })
  const soldAs = (id: string | undefined) => {
    const price = id === undefined ? undefined : prices.get(id)
    return price ? planOfPrice(ctx.plans, price) : null
  }
  const planItem = planItemOf(ctx.plans, prices, shape.items)
  const has = soldAs(planItem?.stripePriceId)
  const item = subscription.items.data.find(({ id }) => id === planItem?.stripeItemId)
  if (!item || !has) {
    const message = "No item of the subscription has a plan's price."
    throw new BillingError('subscription_not_found', message)
  }
  const { schedule } = withPlanItem(ctx.plans, prices, shape)
  const next = schedule?.next ?? null
  return {
    subscription,
    item,
    has,
    scheduled: next && { stripePriceId: next.stripePriceId, quantity: next.quantity },
    scheduledAs: soldAs(next?.stripePriceId),
  }
}

/** The price of the change. The plan that the customer has keeps its present price, even if a newer one replaced it. */
async function priceFor(
  ctx: BillingContext,
  { plan, interval }: { plan: string; interval: Interval },
  { plan: named }: PlanChange,
  { item, has, scheduled, scheduledAs }: Present,
): Promise<Stripe.Price> {
  if (plan === has.plan && interval === has.interval) return item.price
  // An unknown plan, or one without such a price, is refused before Stripe is asked.
  priceOf(ctx.plans, named ?? plan, interval)
  if (scheduled && scheduledAs?.plan === plan && scheduledAs.interval === interval) {
    return ask('price', ctx.stripe.prices.retrieve(scheduled.stripePriceId))
  }
  return stripePriceOf(ctx.stripe, ctx.plans, plan, interval)
}

function requireChangeable(subscription: Stripe.Subscription): void {
  const { status } = subscription
  if (status !== 'active' && status !== 'trialing') {
    const message = `The subscription is ${status}. Its plan can be changed once it is active.`
    throw new BillingError('subscription_not_active', message, { data: { status } })
  }
  if (isEnding(subscription)) {
    throw new BillingError(
      'subscription_ending',
      'The subscription was cancelled. Resume it first.',
    )
  }
}

/** Whether an end is scheduled, by either of Stripe's two fields. */
export const isEnding = ({ cancel_at, cancel_at_period_end }: Stripe.Subscription): boolean =>
  cancel_at !== null || cancel_at_period_end

function costOf(
  plans: Plans,
  { plan, interval, quantity }: Omit<Cost, 'amount'>,
  { unit_amount }: Stripe.Price,
): Cost {
  // A tiered price has no amount of its own, so the plan's amount is used.
  const amount = unit_amount ?? plans[plan]?.prices?.[interval]?.amount ?? 0
  return { plan, interval, quantity, amount }
}

/**
 * Whether a change costs more per month. A year costs less per month than the same plan by the month but is the larger
 * purchase, so for the same plan the seats decide, and then the interval.
 */
function costsMore(from: Cost, to: Cost): boolean {
  if (from.plan === to.plan && from.interval !== to.interval) {
    return to.quantity === from.quantity ? to.interval === 'year' : to.quantity > from.quantity
  }
  const monthly = ({ amount, quantity, interval }: Cost) =>
    (amount * quantity) / (interval === 'year' ? 12 : 1)
  return monthly(to) > monthly(from)
}

/** A change of plan, interval or seats. */
export interface PlanChange {
  /** Default: the present plan. */
  plan?: string
  /** Default: the present interval. */
  interval?: Interval
  /**
   * Seats. Default: the present number. Where plan and interval stay, only the seats change: a scheduled change of plan
   * is kept and gets the same number of seats.
   */
  quantity?: number
  /** Default: `now` for a change that costs more and during a trial, else `period_end`. */
  at?: 'now' | 'period_end'
}
