/**
 * A plan change that takes two requests at Stripe: the subscription first, then its schedule. The change is
 * written into the subscription's row before the first request, so that the next sync can finish it after a
 * crash. Promise: a change whose first request succeeded never loses the second, and a refused change leaves
 * the schedule as it was.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import type { LinkedCustomer } from '../customers/customers.ts'
import { BillingError } from '../errors.ts'
import { ask } from '../providers/stripe/client.ts'
import { releaseSchedule, scheduleNext, type Terms } from '../providers/stripe/schedules.ts'
import type { SubscriptionShape } from '../providers/stripe/shapes.ts'
import type { ProviderState } from './provider-state.ts'

/** A change of a subscription that also changes its schedule. */
export interface ChangeIntent {
  /** The schedule to change. If the subscription has another schedule by then, that schedule is left alone. */
  scheduleId: string
  /** Price and quantity of the plan's item from now on. */
  now: Terms
  /** Price and quantity that the schedule changes the item to later. Null: the schedule is released. */
  next: Terms | null
}

/** How long an unfinished change is kept. Stripe drops a change that waits for its payment after 23 hours. */
const LIFE_MS = 25 * 60 * 60 * 1000

/** Column values of a subscription's row without an unfinished change. */
export const NO_INTENT = {
  changeScheduleId: null,
  changePriceId: null,
  changeQuantity: null,
  changeNextPriceId: null,
  changeNextQuantity: null,
  changeAskedAt: null,
}

/** Writes the change into the subscription's row, in place of an earlier unfinished change. */
export async function recordIntent(
  { db, clock }: Pick<BillingContext, 'db' | 'clock'>,
  subscriptionId: string,
  { scheduleId, now, next }: ChangeIntent,
): Promise<void> {
  await db.subscription.update({
    where: { id: subscriptionId },
    data: {
      changeScheduleId: scheduleId,
      changePriceId: now.stripePriceId,
      changeQuantity: now.quantity,
      changeNextPriceId: next?.stripePriceId ?? null,
      changeNextQuantity: next?.quantity ?? null,
      changeAskedAt: clock.now(),
    },
  })
}

/** Removes the change from the row, because it is done or was refused. */
export async function dropIntent(
  { db }: Pick<BillingContext, 'db'>,
  subscriptionId: string,
): Promise<void> {
  const where = { id: subscriptionId, changeScheduleId: { not: null } }
  await db.subscription.updateMany({ where, data: NO_INTENT })
}

/** Makes the second request of a change: releases the schedule or sets what comes next. */
export async function finishIntent(
  ctx: Pick<BillingContext, 'stripe'>,
  stripeSubscriptionId: string,
  { scheduleId, now, next }: ChangeIntent,
): Promise<void> {
  if (!next) return releaseSchedule(ctx, scheduleId)
  const live = await ask('subscription', ctx.stripe.subscriptions.retrieve(stripeSubscriptionId))
  const item = live.items.data.find(({ price }) => price.id === now.stripePriceId)
  if (item) await scheduleNext(ctx, live, item.id, next)
}

/**
 * Finishes the customer's unfinished plan changes after a sync. Returns whether something changed at Stripe.
 * Where Stripe does not answer, the next sync tries again.
 */
export async function finishIntents(
  ctx: BillingContext,
  { id: customerId, ownerId }: LinkedCustomer,
  { subscriptions }: Pick<ProviderState, 'subscriptions'>,
): Promise<boolean> {
  const managed = subscriptions.filter(({ schedule }) => schedule !== null)
  if (managed.length === 0) return false
  const rows = await ctx.db.subscription.findMany({
    where: { customerId, changeScheduleId: { not: null } },
  })
  let isChanged = false
  for (const row of rows) {
    const live = managed.find(
      ({ stripeSubscriptionId }) => stripeSubscriptionId === row.stripeSubscriptionId,
    )
    const intent = intentOf(row)
    if (!live || !intent || live.schedule?.stripeScheduleId !== intent.scheduleId) continue
    const { stripePriceId, quantity } = intent.now
    const isMade = live.price.stripePriceId === stripePriceId && live.quantity === quantity
    if (!isMade) {
      const age = ctx.clock.now().getTime() - (row.changeAskedAt?.getTime() ?? 0)
      if (age > LIFE_MS) await dropIntent(ctx, row.id)
      continue
    }
    try {
      await finishIntent(ctx, live.stripeSubscriptionId, intent)
      await dropIntent(ctx, row.id)
      isChanged = true
    } catch (error) {
      if (!(error instanceof BillingError)) throw error
      ctx.logger.warn(
        { ownerId, subscription: row.id, error },
        'could not finish a plan change; the next sync tries again',
      )
    }
  }
  return isChanged
}

/** Whether the row's change is finished: price and quantity match, and the subscription has no schedule. */
export const isFinished = (
  {
    changePriceId,
    changeQuantity,
  }: { changePriceId: string | null; changeQuantity: number | null },
  { price, quantity, schedule }: Pick<SubscriptionShape, 'price' | 'quantity' | 'schedule'>,
): boolean =>
  schedule === null && price.stripePriceId === changePriceId && quantity === changeQuantity

/** The unfinished change in a subscription's row, or null. */
function intentOf(
  row: Record<'changeScheduleId' | 'changePriceId' | 'changeNextPriceId', string | null> &
    Record<'changeQuantity' | 'changeNextQuantity', number | null>,
): ChangeIntent | null {
  const { changeScheduleId: scheduleId, changePriceId, changeQuantity } = row
  const { changeNextPriceId, changeNextQuantity } = row
  if (scheduleId === null || changePriceId === null || changeQuantity === null) return null
  return {
    scheduleId,
    now: { stripePriceId: changePriceId, quantity: changeQuantity },
    next:
      changeNextPriceId === null
        ? null
        : { stripePriceId: changeNextPriceId, quantity: changeNextQuantity ?? changeQuantity },
  }
}
