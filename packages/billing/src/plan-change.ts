/**
 * Changing what is paid for: plan, interval, seats. What costs more begins now and is charged now,
 * for the rest of the period; what costs less begins with the next period. What a quote names is what
 * is charged: both count from the same moment.
 *
 * @module
 */

import type Stripe from 'stripe'
import type { BillingContext } from './context.ts'
import { updateCustomer } from './customers.ts'
import { BillingError, isBillingError } from './errors.ts'
import { type PlanChangeQuote, quoteOf, requireQuote } from './plan-quote.ts'
import { type Interval, type Plans, stripePriceOf } from './plans.ts'
import { periodOf } from './shapes.ts'
import { ask } from './stripe.ts'
import {
  atStripe,
  getSubscription,
  type OwnerSubscription,
  releaseSchedule,
  requireCurrent,
  resumeSubscription,
  type SubscriptionRow,
} from './subscriptions.ts'
import { syncCustomer } from './sync.ts'

export interface PlanChange {
  plan: string
  /** Default: as it is. */
  interval?: Interval
  /** Seats. Default: as it is. */
  quantity?: number
  /** Default: now for what costs more, `period_end` for what costs less. */
  at?: 'now' | 'period_end'
}

/**
 * What `changePlan` would charge. Hand the answer to it as `quote`.
 *
 * @throws as `changePlan`.
 */
export async function previewPlanChange(
  ctx: BillingContext,
  ownerId: string,
  change: PlanChange,
): Promise<PlanChangeQuote> {
  const target = await resolve(ctx, ownerId, change)
  return quoteOf(ctx, target, Math.floor(ctx.clock.now().getTime() / 1000))
}

/**
 * Changes the owner's subscription and returns what they have then. Changing to what they have takes
 * back a change that is scheduled. With a `quote`, or its JSON as a form brings it back, nothing is
 * charged but what it says.
 *
 * @throws `subscription_not_found`; `subscription_not_active` while a payment is open;
 * `subscription_ending` when it was cancelled: resume it first; `plan_not_found`, `price_not_found`,
 * `invalid_amount`, `invalid_currency`; `invalid_quote`; `quote_changed` and `quote_expired`: ask for a new one;
 * `card_declined`: nothing has changed; `not_supported` (422) for a plan that another provider than Stripe
 * bills; `provider_unavailable`, `provider_rejected`.
 */
export async function changePlan(
  ctx: BillingContext,
  ownerId: string,
  change: PlanChange & { quote?: PlanChangeQuote | string },
): Promise<OwnerSubscription> {
  const target = await resolve(ctx, ownerId, change)
  const { row, isSame, at } = target
  await updateOrganization(ctx, ownerId)
  if (isSame) return row.stripeScheduleId ? resumeSubscription(ctx, ownerId) : present(ctx, ownerId)
  const now = Math.floor(ctx.clock.now().getTime() / 1000)
  const moment = change.quote ? await requireQuote(ctx, target, change.quote) : now
  if (at === 'period_end') await schedule(ctx, target)
  else await changeNow(ctx, target, moment)
  return present(ctx, ownerId)
}

/** Seats change when members do, and the owner to whom an organization's invoices go may be another now. */
async function updateOrganization(ctx: BillingContext, ownerId: string): Promise<void> {
  if ((await ctx.owner(ownerId))?.type !== 'organization') return
  try {
    await updateCustomer(ctx, ownerId)
  } catch (error) {
    // A name or an address that the provider does not take is no reason to keep the plan.
    if (!isBillingError(error, 'provider_rejected')) throw error
    ctx.logger.warn(
      { ownerId, error },
      'the provider did not take the name or address of the owner',
    )
  }
}

async function present(ctx: BillingContext, ownerId: string): Promise<OwnerSubscription> {
  await syncCustomer(ctx, ownerId)
  return getSubscription(ctx, ownerId)
}

/** A change as the provider will be asked for it. */
export interface Target {
  row: SubscriptionRow
  /** As Stripe has it now. */
  subscription: Stripe.Subscription
  item: Stripe.SubscriptionItem
  price: Stripe.Price
  quantity: number
  at: 'now' | 'period_end'
  isSame: boolean
  onTrial: boolean
}

async function resolve(ctx: BillingContext, ownerId: string, change: PlanChange): Promise<Target> {
  const { plan, at } = change
  const row = atStripe(await requireCurrent(ctx, ownerId))
  const now = await getSubscription(ctx, ownerId)
  const interval = change.interval ?? now.interval ?? 'month'
  const quantity = change.quantity ?? row.quantity
  if (!Number.isSafeInteger(quantity) || quantity < 1) {
    throw new BillingError('invalid_amount', `${quantity} is no number of seats.`)
  }
  const price = await stripePriceOf(ctx.stripe, ctx.plans, plan, interval)
  if (row.status !== 'active' && row.status !== 'trialing') {
    throw new BillingError('subscription_not_active', `The subscription is ${row.status}.`)
  }
  if (row.cancelAt || row.cancelAtPeriodEnd) {
    throw new BillingError(
      'subscription_ending',
      'The subscription was cancelled: resume it first.',
    )
  }
  if (price.currency !== row.price.currency) {
    const message = `${plan} costs ${price.currency}, and the subscription ${row.price.currency}.`
    throw new BillingError('invalid_currency', message)
  }
  const subscription = await ask(
    'subscription',
    ctx.stripe.subscriptions.retrieve(row.stripeSubscriptionId),
  )
  const [item] = subscription.items.data
  if (!item) throw new BillingError('subscription_not_found', 'The subscription has no item.')
  const from = { plan: now.plan, interval: now.interval ?? interval, quantity: row.quantity }
  const isSame = price.id === item.price.id && quantity === (item.quantity ?? 1)
  const onTrial = subscription.status === 'trialing'
  const natural = costsMore(ctx.plans, from, { plan, interval, quantity }) ? 'now' : 'period_end'
  // A trial has no period that was paid for, so there is nothing to wait for.
  return {
    row,
    subscription,
    item,
    price,
    quantity,
    at: at ?? (onTrial ? 'now' : natural),
    isSame,
    onTrial,
  }
}

interface Terms {
  plan: string
  interval: Interval
  quantity: number
}

/** A higher plan, else a longer interval, else more seats. */
function costsMore(plans: Plans, from: Terms, to: Terms): boolean {
  const rank = ({ plan }: Terms) => {
    const { month, year } = plans[plan]?.prices ?? {}
    return month?.amount ?? (year ? year.amount / 12 : 0)
  }
  if (rank(to) !== rank(from)) return rank(to) > rank(from)
  if (to.interval !== from.interval) return to.interval === 'year'
  return to.quantity > from.quantity
}

async function changeNow(ctx: BillingContext, target: Target, moment: number): Promise<void> {
  const { row, subscription, item, price, quantity, onTrial } = target
  await releaseSchedule(ctx, row)
  await ask(
    'subscription',
    ctx.stripe.subscriptions.update(subscription.id, {
      items: [{ id: item.id, price: price.id, quantity }],
      ...(onTrial
        ? { proration_behavior: 'none' }
        : {
            proration_behavior: 'always_invoice',
            proration_date: moment,
            // A declined card leaves everything as it was.
            payment_behavior: 'error_if_incomplete',
          }),
    }),
  )
}

/** Two phases: what is paid for until the period ends, then the new price, then free of schedule. */
async function schedule(ctx: BillingContext, target: Target): Promise<void> {
  const { subscription, item, price, quantity } = target
  const { subscriptionSchedules } = ctx.stripe
  const present = subscription.schedule
  const id = typeof present === 'string' ? present : present?.id
  const found = await ask(
    'subscription_schedule',
    id
      ? subscriptionSchedules.retrieve(id)
      : subscriptionSchedules.create({ from_subscription: subscription.id }),
  )
  const phase = found.phases.find(
    ({ start_date }) => start_date === found.current_phase?.start_date,
  )
  const period = periodOf(subscription)
  if (!phase || !period) {
    throw new BillingError('provider_rejected', 'The subscription has no period to wait for.')
  }
  const end = Math.floor(period.end.getTime() / 1000)
  await ask(
    'subscription_schedule',
    subscriptionSchedules.update(found.id, {
      end_behavior: 'release',
      proration_behavior: 'none',
      phases: [
        {
          items: [{ price: item.price.id, quantity: item.quantity ?? 1 }],
          start_date: phase.start_date,
          end_date: end,
          proration_behavior: 'none',
          ...keptOf(phase),
        },
        {
          items: [{ price: price.id, quantity }],
          start_date: end,
          end_date: intervalAfter(period.end, price.recurring),
          proration_behavior: 'none',
          ...keptOf(phase),
        },
      ],
    }),
  )
}

/** What a phase that does not name it would take from the subscription: Stripe unsets it. */
function keptOf(phase: Stripe.SubscriptionSchedule.Phase) {
  const { default_payment_method: method, description, discounts } = phase
  const named = (discounts ?? []).flatMap(({ discount }) =>
    discount ? [{ discount: typeof discount === 'string' ? discount : discount.id }] : [],
  )
  return {
    ...(method ? { default_payment_method: typeof method === 'string' ? method : method.id } : {}),
    ...(description ? { description } : {}),
    ...(named.length > 0 ? { discounts: named } : {}),
  }
}

/** The end of the first period at the new price, in epoch seconds; its last day where months differ. */
function intervalAfter(start: Date, recurring: Stripe.Price['recurring']): number {
  const months = (recurring?.interval === 'year' ? 12 : 1) * (recurring?.interval_count ?? 1)
  const end = new Date(start)
  const day = end.getUTCDate()
  end.setUTCDate(1)
  end.setUTCMonth(end.getUTCMonth() + months)
  const lastDay = new Date(Date.UTC(end.getUTCFullYear(), end.getUTCMonth() + 1, 0)).getUTCDate()
  end.setUTCDate(Math.min(day, lastDay))
  return Math.floor(end.getTime() / 1000)
}
