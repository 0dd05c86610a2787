/**
 * A change that takes two requests at Stripe: the subscription first, its schedule after that. It is written into the
 * subscription's row before the first request, so that a crash between the two leaves something that the next
 * sync finishes. Promise: a change that was made never loses its second half, and one that was refused leaves
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

/** What is asked for. */
export interface ChangeIntent {
  /** The schedule that is brought in line; another one is left alone. */
  scheduleId: string
  /** What the plan's item becomes. */
  now: Terms
  /** What the schedule changes it to later. Null: it is released. */
  next: Terms | null
}

/** A payment that nobody makes runs out after 23 hours at Stripe. */
const LIFE_MS = 25 * 60 * 60 * 1000

/** The members of a row that asks for nothing more. */
export const NO_INTENT = {
  changeScheduleId: null,
  changePriceId: null,
  changeQuantity: null,
  changeNextPriceId: null,
  changeNextQuantity: null,
  changeAskedAt: null,
}

/** Writes down what is asked for. It takes the place of what was asked for before. */
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

/** Nothing more is asked for: it is done, or it was refused. */
export async function dropIntent(
  { db }: Pick<BillingContext, 'db'>,
  subscriptionId: string,
): Promise<void> {
  const where = { id: subscriptionId, changeScheduleId: { not: null } }
  await db.subscription.updateMany({ where, data: NO_INTENT })
}

/** The second half of a change whose first half is made. */
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
 * Finishes what a crash or a refusal has left of the customer's changes, after a sync. Returns whether it changed
 * something at Stripe. Where Stripe does not answer, the next sync tries again.
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
      ctx.logger.warn({ ownerId, subscription: row.id, error }, 'a plan change is half done')
    }
  }
  return isChanged
}

/** Whether all that a row asks for is done: the change is made, and no schedule is left to bring in line. */
export const isFinished = (
  {
    changePriceId,
    changeQuantity,
  }: { changePriceId: string | null; changeQuantity: number | null },
  { price, quantity, schedule }: Pick<SubscriptionShape, 'price' | 'quantity' | 'schedule'>,
): boolean =>
  schedule === null && price.stripePriceId === changePriceId && quantity === changeQuantity

/** What a row says. */
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
