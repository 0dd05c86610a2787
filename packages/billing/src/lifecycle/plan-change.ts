/**
 * Changes of plan, interval and seats. A change that costs more applies and is charged now, for the rest of the period;
 * a change that costs less applies from the next period. The charge is the amount of the quote, because both count from
 * the same moment. A change of seats leaves a scheduled change of plan in place. Everything else about a subscription
 * stays: add-ons, discounts, taxes, trial, payment method.
 *
 * @module
 */

import type Stripe from 'stripe'
import type { BillingContext } from '../context.ts'
import { updateCustomer } from '../customers/customers.ts'
import { BillingError, isBillingError } from '../errors.ts'
import { idOf, record } from '../providers/json.ts'
import { anchorNow, ask, needsHolder } from '../providers/stripe/client.ts'
import {
  releaseSchedule,
  scheduleIdOf,
  scheduleNext,
  type Terms,
} from '../providers/stripe/schedules.ts'
import { periodOf } from '../providers/stripe/shapes.ts'
import { getSubscription, type OwnerSubscription } from '../subscriptions/subscriptions.ts'
import { dropIntent, finishIntent, recordIntent } from '../sync/plan-intent.ts'
import { syncCustomer } from '../sync/sync.ts'
import { type PlanChangeQuote, quoteOf, requireQuote } from './plan-quote.ts'
import { isEnding, type PlanChange, type Target, targetOf } from './plan-target.ts'

/** Returns what `changePlan` would charge. The contract is in `functions/subscriptions.ts`. */
export async function previewPlanChange(
  ctx: BillingContext,
  ownerId: string,
  change: PlanChange,
): Promise<PlanChangeQuote> {
  const target = await targetOf(ctx, ownerId, change)
  const period = periodOf(target.subscription)
  const now = ctx.clock.now().getTime()
  // Stripe prorates only within the period. A due renewal may not be made yet, and clocks differ.
  const moment = period
    ? Math.min(Math.max(now, period.start.getTime()), period.end.getTime())
    : now
  return quoteOf(ctx, target, Math.floor(moment / 1000))
}

/** The input of `changePlan`. */
export interface QuotedPlanChange extends PlanChange {
  /** The answer of `previewPlanChange`, or its JSON from a form. Default: the change is charged without a quote. */
  quote?: PlanChangeQuote | string
}

/**
 * Changes the owner's subscription and returns its state afterwards.
 * The contract is in `functions/subscriptions.ts`.
 */
export async function changePlan(
  ctx: BillingContext,
  ownerId: string,
  change: QuotedPlanChange,
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

/** Updates an organization's customer. Seats change when members do, and so may the person who gets the invoices. */
async function updateOrganization(ctx: BillingContext, ownerId: string): Promise<void> {
  if ((await ctx.owner(ownerId))?.type !== 'organization') return
  try {
    await updateCustomer(ctx, ownerId)
  } catch (error) {
    // A name or an address that Stripe refuses must not prevent the change of plan.
    if (!isBillingError(error, 'provider_rejected')) throw error
    ctx.logger.warn(
      { ownerId, error },
      "Stripe refused the owner's name or address; the plan is changed all the same",
    )
  }
}

const termsOf = ({ price, quantity }: Target): Terms => ({ stripePriceId: price.id, quantity })

/** Keeps the present plan and seats, and drops a scheduled change. */
async function keep(ctx: BillingContext, { subscription }: Target): Promise<void> {
  const scheduleId = scheduleIdOf(subscription)
  if (scheduleId) await releaseSchedule(ctx, scheduleId)
}

/** Changes the number of seats, and leaves the present and the scheduled plan as they are. */
async function changeSeats(
  ctx: BillingContext,
  target: Target,
  moment: number | null,
): Promise<void> {
  const { subscription, item, quantity, scheduled, at } = target
  const before = item.quantity ?? 1
  // A scheduled change of plan is kept with the new number of seats. A scheduled change of seats alone is replaced.
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

/** Schedules `next` for the next period, unless exactly that is scheduled already. */
async function changeLater(ctx: BillingContext, target: Target, next: Terms): Promise<void> {
  const { row, subscription, item, scheduled } = target
  const isScheduled =
    scheduled?.stripePriceId === next.stripePriceId && scheduled.quantity === next.quantity
  if (isScheduled) return
  await dropIntent(ctx, row.id)
  await scheduleNext(ctx, subscription, item.id, next)
}

interface Now {
  /** The moment that prorations count from, in epoch seconds; null: now. */
  moment: number | null
  /** The price and seats that stay scheduled; null: none. */
  next: Terms | null
}

/**
 * Changes the subscription first and its schedule second, so that a refused payment leaves both as they were. The
 * intent is stored before the first request, so that the next sync finishes what a crash left undone.
 */
async function changeNow(
  ctx: BillingContext,
  target: Target,
  { moment, next }: Now,
): Promise<void> {
  const { row, subscription } = target
  if (isPending(target)) return
  // A schedule that only ends the subscription needs no update.
  const scheduleId = isEnding(subscription) ? null : scheduleIdOf(subscription)
  const intent = scheduleId ? { scheduleId, now: termsOf(target), next } : null
  if (intent) await recordIntent(ctx, row.id, intent)
  let changed: Stripe.Subscription
  try {
    changed = await update(ctx, target, moment)
  } catch (error) {
    // Where Stripe did not answer, the change may have been made.
    if (intent && !isBillingError(error, 'provider_unavailable')) await dropIntent(ctx, row.id)
    throw error
  }
  // Until the change is paid, the schedule stays as it is. The sync that sees the payment updates it.
  if (!intent || changed.pending_update) return
  await finishIntent(ctx, subscription.id, intent)
  await dropIntent(ctx, row.id)
}

/** Whether this change already waits for its payment, so that the page of its invoice can still be used. */
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
  // While a payment is open, another one would fail too, so the change is charged with the next invoice.
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
    // With this behavior a declined card changes nothing.
    const now = { ...paid, payment_behavior: 'error_if_incomplete' as const }
    return await ask('subscription', subscriptions.update(subscription.id, now))
  } catch (error) {
    if (!needsHolder(error)) throw error
    const waiting = { ...paid, payment_behavior: 'pending_if_incomplete' as const }
    return ask('subscription', subscriptions.update(subscription.id, waiting)).catch(
      (refused: unknown) => {
        // Some changes cannot wait at Stripe, such as those of subscriptions that are paid by invoice.
        if (!isBillingError(refused, 'provider_rejected')) throw refused
        const message =
          "The card's bank asks for a confirmation, for which this change cannot wait. " +
          'Use another card.'
        throw new BillingError('authentication_required', message, { cause: refused })
      },
    )
  }
}
