/**
 * The effects of a schedule on its subscription: a phase begins, or the schedule releases or ends it.
 *
 * @see https://docs.stripe.com/billing/subscriptions/subscription-schedules
 * @module
 */

import { redeem, setDiscounts } from '../catalog/discounts.ts'
import { automaticTax } from '../catalog/taxes.ts'
import { copy } from '../server/copy.ts'
import type { Subscription, SubscriptionItem } from '../server/objects.ts'
import { change, emit, find, type Store, seconds } from '../server/store.ts'
import type { PhaseItem, SchedulePhase, SubscriptionSchedule } from './schedule-objects.ts'
import { newItem } from './subscription-draft.ts'

/** The schedule that manages a subscription; undefined if there is none. */
export const scheduleOf = (
  store: Store,
  subscription: Subscription,
): SubscriptionSchedule | undefined => store.tables.schedules.get(subscription.schedule ?? '')

/** The phase that contains a time; undefined after the last phase. */
export const phaseAt = (schedule: SubscriptionSchedule, at: number): SchedulePhase | undefined =>
  schedule.phases.find((phase) => phase.start_date <= at && at < phase.end_date)

/** The subscription's items in the form of a phase. */
export const phaseItems = (subscription: Subscription): PhaseItem[] =>
  subscription.items.data.map(({ price, quantity, metadata, tax_rates }) => ({
    billing_thresholds: null,
    discounts: [],
    metadata: { ...metadata },
    plan: price.id,
    price: price.id,
    quantity,
    tax_rates: copy(tax_rates),
  }))

/** Gives the subscription the phase's items and metadata. An item keeps its id if possible. */
export function enterPhase(store: Store, subscription: Subscription, phase: SchedulePhase): void {
  const left = [...subscription.items.data]
  const isNamed = (item: SubscriptionItem): boolean =>
    phase.items.some(({ price }) => price === item.price.id)
  // An item with the same price is kept; otherwise an item that the phase does not name gets the price.
  const take = (price: string): SubscriptionItem | undefined => {
    const same = left.findIndex((item) => item.price.id === price)
    const at = same < 0 ? left.findIndex((item) => !isNamed(item)) : same
    return at < 0 ? undefined : left.splice(at, 1)[0]
  }
  const { current_period_start: start, current_period_end: end } = subscription
  subscription.items.data = phase.items.map(({ price: id, quantity, metadata, tax_rates }) => {
    const price = find(store, 'prices', id)
    const own = take(id)
    if (own === undefined) {
      const draft = { price, quantity, metadata, taxRates: tax_rates }
      return newItem(store, subscription.id, draft, { start, end })
    }
    const laid = { ...own.metadata, ...metadata }
    return { ...own, price: copy(price), quantity, metadata: laid, tax_rates: copy(tax_rates) }
  })
  subscription.items.total_count = subscription.items.data.length
  subscription.metadata = { ...subscription.metadata, ...phase.metadata }
  unsetBy(store, subscription, phase)
}

/**
 * Applies the phase's settings beside its items. A setting that the phase does not name is unset, as on
 * Stripe. Metadata is merged and never unset.
 */
export function unsetBy(store: Store, subscription: Subscription, phase: SchedulePhase): void {
  subscription.description = phase.description
  subscription.default_payment_method = phase.default_payment_method
  subscription.default_tax_rates = copy(phase.default_tax_rates)
  subscription.automatic_tax = automaticTax(phase.automatic_tax?.enabled ?? false)
  for (const item of subscription.items.data) {
    const named = phase.items.find(({ price }) => price === item.price.id)
    if (named) item.tax_rates = copy(named.tax_rates)
  }
  const { currency, customer, id } = subscription
  const ids = phase.discounts.flatMap((named): string[] => {
    if (named.discount !== null)
      return subscription.discounts.includes(named.discount) ? [named.discount] : []
    const coupon = find(store, 'coupons', named.coupon ?? couponOf(store, named.promotion_code))
    // An existing discount of the same coupon continues; its duration does not start again.
    const own = subscription.discounts.find(
      (one) => find(store, 'discounts', one).coupon.id === coupon.id,
    )
    if (own !== undefined) return [own]
    if (coupon.currency !== null && coupon.currency !== currency) return []
    const code = store.tables.promotionCodes.get(named.promotion_code ?? '') ?? null
    return redeem(store, [{ coupon, code, kept: null }], { customer, subscription: id })
  })
  setDiscounts(store, subscription, ids)
}

const couponOf = (store: Store, code: string | null): string =>
  find(store, 'promotionCodes', code ?? '').coupon

/** Sets the current phase. */
export function markPhase(store: Store, schedule: SubscriptionSchedule, at: number): void {
  const phase = phaseAt(schedule, at)
  change(store, 'subscription_schedule.updated', schedule, (current) => {
    current.current_phase = phase
      ? { start_date: phase.start_date, end_date: phase.end_date }
      : null
  })
}

/** Releases a schedule: its subscription continues. A scheduled end is removed unless it should stay. */
export function releaseSchedule(
  store: Store,
  schedule: SubscriptionSchedule,
  keepsEnd = false,
): SubscriptionSchedule {
  const subscription = store.tables.subscriptions.get(schedule.subscription ?? '')
  schedule.status = 'released'
  schedule.released_at = seconds(store)
  schedule.released_subscription = schedule.subscription
  schedule.subscription = null
  schedule.current_phase = null
  emit(store, 'subscription_schedule.released', schedule)
  if (subscription === undefined) return schedule
  change(store, 'customer.subscription.updated', subscription, (current) => {
    current.schedule = null
    if (keepsEnd || schedule.end_behavior !== 'cancel' || current.status === 'canceled') return
    current.cancel_at = null
    current.canceled_at = null
  })
  return schedule
}

/** Closes a schedule that is completed or canceled, and detaches it from its subscription. */
export function closeSchedule(
  store: Store,
  schedule: SubscriptionSchedule,
  subscription: Subscription,
  status: 'canceled' | 'completed',
): void {
  schedule.status = status
  schedule[`${status}_at`] = seconds(store)
  schedule.current_phase = null
  subscription.schedule = null
  emit(store, `subscription_schedule.${status}`, schedule)
}
