/**
 * Changing what is paid for: plan, interval, seats. What costs more begins now and is charged now,
 * for the rest of the period; what costs less begins with the next period. What a quote names is what
 * is charged: both count from the same moment. Plan and seats are two changes: one leaves the other as it is
 * scheduled. What else a subscription has stays: add-ons, discounts, taxes, trial, payment method.
 *
 * @module
 */

import type Stripe from 'stripe'
import type { BillingContext } from '../context.ts'
import { updateCustomer } from '../customers/customers.ts'
import { BillingError, isBillingError } from '../errors.ts'
import { anchorNow, ask, needsHolder } from '../providers/stripe/client.ts'
import {
  releaseSchedule,
  scheduleIdOf,
  scheduleNext,
  type Terms,
} from '../providers/stripe/schedules.ts'
import { idOf, periodOf, record } from '../providers/stripe/shapes.ts'
import { getSubscription, type OwnerSubscription } from '../subscriptions/subscriptions.ts'
import { dropIntent, finishIntent, recordIntent } from '../sync/plan-intent.ts'
import { syncCustomer } from '../sync/sync.ts'
import { type PlanChangeQuote, quoteOf, requireQuote } from './plan-quote.ts'
import { isEnding, type PlanChange, type Target, targetOf } from './plan-target.ts'

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
  const target = await targetOf(ctx, ownerId, change)
  const period = periodOf(target.subscription)
  const now = ctx.clock.now().getTime()
  // A renewal may be due and not made yet, and clocks differ: Stripe counts within the period only.
  const moment = period
    ? Math.min(Math.max(now, period.start.getTime()), period.end.getTime())
    : now
  return quoteOf(ctx, target, Math.floor(moment / 1000))
}

/**
 * Changes the owner's subscription and returns what they have then. A plan that the owner has keeps the price they
 * pay. Changing to that plan without naming seats takes back a change that is scheduled. With a `quote`, or its JSON
 * as a form brings it back, nothing is charged but what it says.
 *
 * Where the bank asks the card's holder to confirm the payment, nothing has changed yet: `pendingChange` of the answer
 * has the provider's page, and the change is made once it is paid there.
 *
 * A change of seats alone is also possible while an end is scheduled or a payment is open: more seats are then charged
 * with the next invoice where a payment is open, and fewer seats change nothing where an end is scheduled.
 *
 * @throws `subscription_not_found`; `subscription_not_active` while a payment is open;
 * `subscription_ending` when it was cancelled: resume it first; `plan_not_found`, `price_not_found`,
 * `invalid_amount`, `invalid_currency`, `invalid_input`; `invalid_quote`; `quote_changed` and `quote_expired`: ask for a new one;
 * `card_declined`: nothing has changed; `authentication_required` where the bank asks the card's holder and Stripe
 * lets this change not wait for that; `not_supported` (422) for a plan that another provider than Stripe
 * bills; `provider_unavailable`, `provider_rejected`.
 */
export async function changePlan(
  ctx: BillingContext,
  ownerId: string,
  change: PlanChange & { quote?: PlanChangeQuote | string },
): Promise<OwnerSubscription> {
  const target = await targetOf(ctx, ownerId, change)
  await updateOrganization(ctx, ownerId)
  const isAsked = target.isSame && !target.isSeats
  const moment =
    change.quote && !target.isSame ? await requireQuote(ctx, target, change.quote) : null
  if (isAsked) await keep(ctx, target)
  else if (target.isSeats) await changeSeats(ctx, target, moment)
  else if (target.at === 'period_end') await changeLater(ctx, target, termsOf(target))
  else await changeNow(ctx, target, { moment, next: null })
  await syncCustomer(ctx, ownerId)
  return getSubscription(ctx, ownerId)
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

const termsOf = ({ price, quantity }: Target): Terms => ({ stripePriceId: price.id, quantity })

/** The owner keeps what they have: what is scheduled falls away. */
async function keep(ctx: BillingContext, { subscription }: Target): Promise<void> {
  const scheduleId = scheduleIdOf(subscription)
  if (scheduleId) await releaseSchedule(ctx, scheduleId)
}

/** Changes the number of seats and leaves the plan, now and as scheduled. */
async function changeSeats(
  ctx: BillingContext,
  target: Target,
  moment: number | null,
): Promise<void> {
  const { subscription, item, quantity, scheduled, at } = target
  const before = item.quantity ?? 1
  // A change of plan that is scheduled comes with as many seats. Scheduled seats alone are replaced.
  const next =
    scheduled && scheduled.stripePriceId !== item.price.id ? { ...scheduled, quantity } : null
  if (isEnding(subscription)) {
    if (quantity > before) await changeNow(ctx, target, { moment, next: null })
  } else if (quantity === before) {
    if (next && scheduled?.quantity !== quantity) await changeLater(ctx, target, next)
    else if (!next) await keep(ctx, target)
  } else if (at === 'now' || subscription.status === 'unpaid' || subscription.status === 'paused') {
    await changeNow(ctx, target, { moment, next })
  } else {
    await changeLater(ctx, target, next ?? termsOf(target))
  }
}

/** From the next period on. What is scheduled so already stays. */
async function changeLater(ctx: BillingContext, target: Target, next: Terms): Promise<void> {
  const { row, subscription, item, scheduled } = target
  const isScheduled =
    scheduled?.stripePriceId === next.stripePriceId && scheduled.quantity === next.quantity
  if (isScheduled) return
  await dropIntent(ctx, row.id)
  await scheduleNext(ctx, subscription, item.id, next)
}

interface Now {
  /** The second that prorations count from; null: now. */
  moment: number | null
  /** What stays scheduled; null: nothing. */
  next: Terms | null
}

/**
 * Changes the subscription first and its schedule after that: a refused payment leaves both as they were, and
 * what a crash leaves undone is written down.
 */
async function changeNow(
  ctx: BillingContext,
  target: Target,
  { moment, next }: Now,
): Promise<void> {
  const { row, subscription } = target
  if (isPending(target)) return
  // A schedule that ends its subscription has nothing to be brought in line with.
  const scheduleId = isEnding(subscription) ? null : scheduleIdOf(subscription)
  const intent = scheduleId ? { scheduleId, now: termsOf(target), next } : null
  if (intent) await recordIntent(ctx, row.id, intent)
  let changed: Stripe.Subscription
  try {
    changed = await update(ctx, target, moment)
  } catch (error) {
    // Without an answer it may have been made.
    if (intent && !isBillingError(error, 'provider_unavailable')) await dropIntent(ctx, row.id)
    throw error
  }
  // The schedule stays as it is until the change is paid; the sync that sees it finishes it.
  if (!intent || changed.pending_update) return
  await finishIntent(ctx, subscription.id, intent)
  await dropIntent(ctx, row.id)
}

/** Whether this very change waits for its payment already: the page of its invoice is still good. */
function isPending({ subscription, item, price, quantity }: Target): boolean {
  const items = subscription.pending_update?.subscription_items ?? []
  const pending = items.find(({ id }) => id === item.id)
  return idOf(pending?.price) === price.id && (record(pending)?.quantity ?? 1) === quantity
}

async function update(
  ctx: BillingContext,
  target: Target,
  moment: number | null,
): Promise<Stripe.Subscription> {
  const { subscriptions } = ctx.stripe
  const { subscription, item, price, quantity, onTrial } = target
  const { status } = subscription
  const isSamePrice = price.id === item.price.id
  const items = [{ id: item.id, ...(isSamePrice ? {} : { price: price.id }), quantity }]
  if (onTrial || status === 'unpaid' || status === 'paused') {
    const free = { items, proration_behavior: 'none' as const }
    return ask('subscription', subscriptions.update(subscription.id, free))
  }
  const isOtherInterval = price.recurring?.interval !== item.price.recurring?.interval
  const anchor = (isOtherInterval ? anchorNow(ctx.stripe) : {}) as object
  // While a payment is open another one would fail as well: the next invoice has it.
  if (status === 'past_due') {
    const later = { items, ...anchor, proration_behavior: 'create_prorations' as const }
    return ask('subscription', subscriptions.update(subscription.id, later))
  }
  const paid = {
    items,
    ...anchor,
    proration_behavior: 'always_invoice' as const,
    ...(moment === null ? {} : { proration_date: moment }),
  }
  try {
    // A declined card leaves everything as it was.
    const now = { ...paid, payment_behavior: 'error_if_incomplete' as const }
    return await ask('subscription', subscriptions.update(subscription.id, now))
  } catch (error) {
    if (!needsHolder(error)) throw error
    const waiting = { ...paid, payment_behavior: 'pending_if_incomplete' as const }
    return ask('subscription', subscriptions.update(subscription.id, waiting)).catch(
      (refused: unknown) => {
        // Stripe lets some changes not wait, as those of subscriptions that are paid by invoice.
        if (!isBillingError(refused, 'provider_rejected')) throw refused
        const message = "The card's bank asks its holder to confirm, and this change cannot wait."
        throw new BillingError('authentication_required', message, { cause: refused })
      },
    )
  }
}
