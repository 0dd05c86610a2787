/**
 * What a change of plan, interval or seats comes to, by what the provider has now: from what to what, when it
 * begins, and what stays as it is.
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

/** A change as the provider will be asked for it. */
export interface Target {
  row: StripeSubscriptionRow
  /** As Stripe has it now. */
  subscription: Stripe.Subscription
  /** The plan's item. */
  item: Stripe.SubscriptionItem
  /** What the plan's item becomes. */
  price: Stripe.Price
  quantity: number
  at: 'now' | 'period_end'
  /** Nothing of what the customer has changes. */
  isSame: boolean
  /** Only the number of seats was asked for: a change of plan that is scheduled still comes. */
  isSeats: boolean
  onTrial: boolean
  /** What is scheduled for the end of the period. */
  scheduled: Terms | null
}

/** Price, interval and seats that a customer has, or will have. */
interface Cost {
  plan: string
  interval: Interval
  quantity: number
  /** Minor units per interval and seat. */
  amount: number
}

/**
 * Reads the subscription at Stripe and holds the change against it.
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
  // Of a subscription that grants nothing `getSubscription` tells the free plan, and that comes back here.
  const grace = graceOf(ctx, { status, pastDueSince: row.pastDueSince })
  const isGranted = isActive({ status: status as SubscriptionStatus, ...grace })
  const told = isGranted ? has.plan : freePlanOf(ctx.plans)
  const plan = change.plan === undefined || change.plan === told ? has.plan : change.plan
  const interval = change.interval ?? has.interval
  const isSeats = change.quantity !== undefined && plan === has.plan && interval === has.interval
  const price = await priceFor(ctx, { plan, interval }, change, found)
  if (!isSeats) requireChangeable(subscription)
  if (price.currency !== row.price.currency) {
    const message = `${plan} costs ${price.currency}, and the subscription ${row.price.currency}.`
    throw new BillingError('invalid_currency', message)
  }
  const isSame = price.id === item.price.id && quantity === (item.quantity ?? 1)
  const onTrial = status === 'trialing'
  const from = costOf(ctx.plans, { ...has, quantity: item.quantity ?? 1 }, item.price)
  const natural = costsMore(from, costOf(ctx.plans, { plan, interval, quantity }, price))
  // A trial has no period that was paid for, so there is nothing to wait for.
  const at = change.at ?? (onTrial || natural ? 'now' : 'period_end')
  return { row, subscription, item, price, quantity, at, isSame, isSeats, onTrial, scheduled }
}

/** More than this is no number of seats that the provider or a row can hold. */
const MAX_SEATS = 1_000_000

function checkChange({ quantity = 1, interval = 'month', at = 'now' }: PlanChange): void {
  if (!Number.isSafeInteger(quantity) || quantity < 1 || quantity > MAX_SEATS) {
    const message = `The number of seats is ${quantity}; it must be a whole number from 1 to ${MAX_SEATS}.`
    throw new BillingError('invalid_amount', message)
  }
  if (interval !== 'month' && interval !== 'year') {
    throw new BillingError('price_not_found', 'The interval must be `month` or `year`.')
  }
  if (at !== 'now' && at !== 'period_end') {
    throw new BillingError('invalid_input', 'A change begins `now` or at the `period_end`.')
  }
}

interface Present {
  subscription: Stripe.Subscription
  item: Stripe.SubscriptionItem
  has: { plan: string; interval: Interval }
  scheduled: Terms | null
  scheduledAs: { plan: string; interval: Interval } | null
}

/** The subscription as Stripe has it, and which of its items is the plan. */
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
    throw new BillingError('provider_rejected', `The subscription has ${shape.unreadable}.`)
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
    throw new BillingError('subscription_not_found', 'The subscription has no item that is a plan.')
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

/** The price that the customer has keeps standing for its plan, also after another has replaced it. */
async function priceFor(
  ctx: BillingContext,
  { plan, interval }: { plan: string; interval: Interval },
  { plan: named }: PlanChange,
  { item, has, scheduled, scheduledAs }: Present,
): Promise<Stripe.Price> {
  if (plan === has.plan && interval === has.interval) return item.price
  // Unknown plans and plans without such a price are refused before the provider is asked.
  priceOf(ctx.plans, named ?? plan, interval)
  if (scheduled && scheduledAs?.plan === plan && scheduledAs.interval === interval) {
    return ask('price', ctx.stripe.prices.retrieve(scheduled.stripePriceId))
  }
  return stripePriceOf(ctx.stripe, ctx.plans, plan, interval)
}

function requireChangeable(subscription: Stripe.Subscription): void {
  const { status } = subscription
  if (status !== 'active' && status !== 'trialing') {
    throw new BillingError('subscription_not_active', `The subscription is ${status}.`)
  }
  if (isEnding(subscription)) {
    throw new BillingError(
      'subscription_ending',
      'The subscription was cancelled: resume it first.',
    )
  }
}

/** Whether an end is scheduled, in either of Stripe's two ways. */
export const isEnding = ({ cancel_at, cancel_at_period_end }: Stripe.Subscription): boolean =>
  cancel_at !== null || cancel_at_period_end

function costOf(
  plans: Plans,
  { plan, interval, quantity }: Omit<Cost, 'amount'>,
  { unit_amount }: Stripe.Price,
): Cost {
  // A tiered price has no amount of its own; the plan's stands for it.
  const amount = unit_amount ?? plans[plan]?.prices?.[interval]?.amount ?? 0
  return { plan, interval, quantity, amount }
}

/**
 * Whether a change costs more by the month. A year of the same plan is cheaper by the month and still the
 * larger purchase, so there the seats decide, and then the interval.
 */
function costsMore(from: Cost, to: Cost): boolean {
  if (from.plan === to.plan && from.interval !== to.interval) {
    return to.quantity === from.quantity ? to.interval === 'year' : to.quantity > from.quantity
  }
  const monthly = ({ amount, quantity, interval }: Cost) =>
    (amount * quantity) / (interval === 'year' ? 12 : 1)
  return monthly(to) > monthly(from)
}

export interface PlanChange {
  /** Default: as it is. */
  plan?: string
  /** Default: as it is. */
  interval?: Interval
  /**
   * Seats. Default: as it is. Beside the plan that the owner has, or without one, only the seats change: a change of plan
   * that is scheduled still comes, with as many seats.
   */
  quantity?: number
  /** Default: now for what costs more, `period_end` for what costs less. */
  at?: 'now' | 'period_end'
}
