/**
 * Subscription schedules at Stripe, which change a subscription at the end of its period. A phase unsets each setting
 * that it does not name, so the phases here repeat all settings of the subscription: add-ons, discounts, taxes, the
 * trial, the payment method.
 *
 * @see https://docs.stripe.com/api/subscription_schedules/update
 * @module
 */

import { monthsAfter } from '@repo/core'
import type Stripe from 'stripe'
import { BillingError, isBillingError } from '../../errors.ts'
import { idOf, record } from '../json.ts'
import { ask } from './client.ts'
import { periodOf } from './shapes.ts'

interface Client {
  stripe: Stripe
}

/** The price and the number of seats of the plan's item. */
export interface Terms {
  stripePriceId: string
  quantity: number
}

/** The schedule that manages a subscription; null where none does. */
export const scheduleIdOf = (subscription: Stripe.Subscription): string | null =>
  idOf(subscription.schedule)

/** Releases a schedule, which also drops an end that it has set. Does nothing for a schedule that is over. */
export async function releaseSchedule({ stripe }: Client, scheduleId: string): Promise<void> {
  const { subscriptionSchedules } = stripe
  try {
    await ask('subscription_schedule', subscriptionSchedules.release(scheduleId))
  } catch (error) {
    // Another call has released the schedule, or its last phase has ended.
    if (!isBillingError(error, 'provider_rejected')) throw error
    const { status } = await ask(
      'subscription_schedule',
      subscriptionSchedules.retrieve(scheduleId),
    )
    if (status === 'active' || status === 'not_started') throw error
  }
}

/** Schedules another price and number of seats of the item `itemId` for the end of the period. */
export async function scheduleNext(
  ctx: Client,
  subscription: Stripe.Subscription,
  itemId: string,
  { stripePriceId, quantity }: Terms,
): Promise<void> {
  const items = itemsOf(subscription)
  const at = subscription.items.data.findIndex(({ id }) => id === itemId)
  const { tax_rates, discounts } = items[at] ?? {}
  const taxed = { ...(tax_rates ? { tax_rates } : {}), ...(discounts ? { discounts } : {}) }
  const changed = items.with(at, { price: stripePriceId, quantity, ...taxed })
  const { price } = await priceOf(ctx, stripePriceId)
  // In flexible billing mode a new interval does not start a period by itself, so nothing would be collected.
  const isOther =
    price.recurring?.interval !== subscription.items.data[at]?.price.recurring?.interval
  const anchor = isOther ? { billing_cycle_anchor: 'phase_start' as const } : {}
  const end = periodEndOf(subscription)
  await inSchedule(ctx, subscription, {
    end_behavior: 'release',
    phases: [
      { items },
      {
        items: changed,
        ...anchor,
        start_date: end,
        end_date: intervalAfter(end, subscription.billing_cycle_anchor, price.recurring),
      },
    ],
  })
}

const priceOf = async ({ stripe }: Client, id: string) => ({
  price: await ask('price', stripe.prices.retrieve(id)),
})

/** Cancels the subscription at the end of its period, in the same request that drops a scheduled change. */
export async function endWithSchedule(
  ctx: Client,
  subscription: Stripe.Subscription,
  scheduleId: string,
): Promise<void> {
  const { subscriptionSchedules } = ctx.stripe
  await inSchedule(ctx, subscription, {
    end_behavior: 'cancel',
    phases: [{ items: itemsOf(subscription) }],
  })
  const kept = { preserve_cancel_date: true }
  await ask('subscription_schedule', subscriptionSchedules.release(scheduleId, kept))
}

interface Phases {
  end_behavior: 'cancel' | 'release'
  /** The present phase, which ends with the period, and the phases that follow it. */
  phases: Stripe.SubscriptionScheduleUpdateParams.Phase[]
}

/** Writes the phases. If Stripe refuses them, a schedule that was made for them is released again. */
async function inSchedule(
  ctx: Client,
  subscription: Stripe.Subscription,
  { end_behavior, phases: [present, ...later] }: Phases,
): Promise<void> {
  const { subscriptionSchedules } = ctx.stripe
  const existing = scheduleIdOf(subscription)
  const found = existing
    ? await ask('subscription_schedule', subscriptionSchedules.retrieve(existing))
    : await makeSchedule(ctx, subscription.id)
  try {
    const phase = found.phases.find(
      ({ start_date }) => start_date === found.current_phase?.start_date,
    )
    if (!phase || !present) throw noPeriod()
    const same = unchanged(subscription)
    const proration_behavior = 'none' as const
    const end_date = periodEndOf(subscription)
    const trial_end = trialEndOf(subscription, end_date)
    const first = { ...same, ...present, start_date: phase.start_date, end_date, ...trial_end }
    await ask(
      'subscription_schedule',
      subscriptionSchedules.update(found.id, {
        end_behavior,
        proration_behavior,
        phases: [
          { ...first, proration_behavior },
          ...later.map((each) => ({ ...same, ...each, proration_behavior })),
        ],
      }),
    )
  } catch (error) {
    if (!existing && isBillingError(error, 'provider_rejected')) {
      await releaseSchedule(ctx, found.id)
    }
    throw error
  }
}

/** Makes a schedule for the subscription `id`, or returns the schedule that another call has made meanwhile. */
async function makeSchedule({ stripe }: Client, id: string): Promise<Stripe.SubscriptionSchedule> {
  const { subscriptionSchedules, subscriptions } = stripe
  try {
    const created = subscriptionSchedules.create({ from_subscription: id })
    return await ask('subscription_schedule', created)
  } catch (error) {
    if (!isBillingError(error, 'provider_rejected')) throw error
    const made = scheduleIdOf(await ask('subscription', subscriptions.retrieve(id)))
    if (!made) throw error
    return ask('subscription_schedule', subscriptionSchedules.retrieve(made))
  }
}

function periodEndOf(subscription: Stripe.Subscription): number {
  const period = periodOf(subscription)
  if (period) return Math.floor(period.end.getTime() / 1000)
  throw noPeriod()
}

const noPeriod = () =>
  new BillingError(
    'provider_rejected',
    'The subscription has no current period, so nothing can be scheduled for its end.',
  )

/** The end of the trial, which a phase has to name, because otherwise the trial would be over at once. */
function trialEndOf({ status, trial_end }: Stripe.Subscription, end: number) {
  return status === 'trialing' && trial_end ? { trial_end: Math.min(trial_end, end) } : {}
}

/** The subscription's items as a phase has them. */
function itemsOf({
  items,
}: Stripe.Subscription): Stripe.SubscriptionScheduleUpdateParams.Phase.Item[] {
  return items.data.map(({ price, quantity, tax_rates, discounts, billing_thresholds }) => ({
    price: price.id,
    // A metered price has no quantity.
    ...(quantity === undefined ? {} : { quantity }),
    ...named('tax_rates', idsOf(tax_rates)),
    ...named('discounts', discountsOf(discounts)),
    ...(billing_thresholds?.usage_gte
      ? { billing_thresholds: { usage_gte: billing_thresholds.usage_gte } }
      : {}),
  }))
}

const idsOf = (list: unknown): string[] =>
  Array.isArray(list) ? list.flatMap((each) => idOf(each) ?? []) : []
/** Discounts are named by their ids, so that a discount of three months does not start again. */
const discountsOf = (list: unknown) => idsOf(list).map((discount) => ({ discount }))
const named = <Name extends string, T>(name: Name, list: T[]): { [K in Name]?: T[] } =>
  (list.length > 0 ? { [name]: list } : {}) as { [K in Name]?: T[] }

/** The subscription's settings beside its items, as a phase has them. Settings without a value are left out. */
function unchanged(
  subscription: Stripe.Subscription,
): Partial<Stripe.SubscriptionScheduleUpdateParams.Phase> {
  const paymentMethod = idOf(subscription.default_payment_method)
  // In API versions before 2025-03-31 a single discount is in a field of its own.
  const single = idsOf([record(subscription)?.discount])
  const discounts = discountsOf(subscription.discounts)
  const { application_fee_percent: fee, automatic_tax: tax, transfer_data: transfer } = subscription
  const { billing_thresholds: thresholds, days_until_due: days } = subscription
  const onBehalfOf = idOf(subscription.on_behalf_of)
  const issuer = accountOf(record(subscription.invoice_settings)?.issuer)
  const taxIds = idsOf(record(subscription.invoice_settings)?.account_tax_ids)
  const liability = accountOf(tax?.liability)
  const settings = {
    ...(days ? { days_until_due: days } : {}),
    ...(issuer ? { issuer } : {}),
    ...named('account_tax_ids', taxIds),
  }
  return {
    ...(paymentMethod ? { default_payment_method: paymentMethod } : {}),
    ...named('discounts', discounts.length > 0 ? discounts : discountsOf(single)),
    ...named('default_tax_rates', idsOf(subscription.default_tax_rates)),
    ...(subscription.collection_method === 'send_invoice'
      ? { collection_method: 'send_invoice' as const }
      : {}),
    ...(Object.keys(settings).length > 0 ? { invoice_settings: settings } : {}),
    ...(tax?.enabled ? { automatic_tax: { enabled: true, ...(liability && { liability }) } } : {}),
    ...(fee ? { application_fee_percent: fee } : {}),
    ...(thresholds?.amount_gte
      ? { billing_thresholds: { amount_gte: thresholds.amount_gte } }
      : {}),
    ...(onBehalfOf ? { on_behalf_of: onBehalfOf } : {}),
    ...(transfer ? { transfer_data: transferOf(transfer) } : {}),
    ...(subscription.description ? { description: subscription.description } : {}),
  }
}

/** The connected account that a setting names; undefined where it names the host's own. */
function accountOf(value: unknown): { type: 'account'; account: string } | undefined {
  const raw = record(value)
  const account = idOf(raw?.account)
  return raw?.type === 'account' && account ? { type: 'account', account } : undefined
}

function transferOf({ destination, amount_percent }: Stripe.Subscription.TransferData) {
  const percent = amount_percent ? { amount_percent } : {}
  return { destination: idOf(destination) as string, ...percent }
}

/** The end of the first period at the new price, in epoch seconds, on the last day of a shorter month. */
function intervalAfter(
  start: number,
  anchor: number | undefined,
  recurring: Stripe.Price['recurring'],
): number {
  const months = (recurring?.interval === 'year' ? 12 : 1) * (recurring?.interval_count ?? 1)
  // With an anchor on the 31st, a period that began on 28 February ends on 31 March.
  const end = monthsAfter(new Date(start * 1000), months, new Date((anchor ?? start) * 1000))
  return Math.floor(end.getTime() / 1000)
}
