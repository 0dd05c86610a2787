/**
 * Reads the parameters of a subscription, for every endpoint that accepts them.
 *
 * @module
 */

import { attachCard, resolveCard, verified } from '../customers/payment-methods.ts'
import type { Price } from '../server/base-objects.ts'
import { invalid, missing, notCovered } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type { MissingPaymentMethod, PaymentMethod, Subscription } from '../server/objects.ts'
import { find, type Store, seconds } from '../server/store.ts'
import { daysAfter } from './periods.ts'

/** The billing mode of a new subscription in an API version, unless the request names one. */
export const billingModeOf = (version: string): 'classic' | 'flexible' =>
  version.slice(0, 10) >= '2025-09-30' ? 'flexible' : 'classic'

/** A recurring price by id. */
export function recurringPrice(store: Store, id: string, param: string): Price {
  const price = find(store, 'prices', id, param)
  if (!price.active)
    throw invalid('The price specified is inactive. This field only accepts active prices.', param)
  if (price.recurring !== null) return price
  throw invalid(
    'The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.',
    param,
  )
}

/** A quantity of at least `least`; 1 if absent. */
export function quantityOf(params: Params, least = 0): number {
  const quantity = params.integer('quantity') ?? 1
  if (quantity >= least) return quantity
  throw invalid(
    `This value must be greater than or equal to ${least}.`,
    params.name('quantity'),
    'parameter_invalid_integer',
  )
}

/** The trial's end in Unix seconds; null for no trial. */
export function trialEndOf(store: Store, params: Params | undefined): number | null {
  const days = params?.integer('trial_period_days')
  const isNow = params?.isText('trial_end') && params.text('trial_end') === 'now'
  const end = isNow ? undefined : params?.integer('trial_end')
  if (days !== undefined && end !== undefined) {
    throw invalid(
      'You may only specify one of trial_end and trial_period_days.',
      params?.name('trial_period_days'),
    )
  }
  if (days !== undefined && (days < 1 || days > 730)) {
    throw invalid('The trial must last between 1 and 730 days.', params?.name('trial_period_days'))
  }
  if (end !== undefined && end <= seconds(store)) {
    throw invalid('Invalid timestamp: must be in the future.', params?.name('trial_end'))
  }
  return days === undefined ? (end ?? null) : daysAfter(seconds(store), days)
}

/** The end that a request sets: at the period's end, at a time, or none any more. */
export function cancellation(
  store: Store,
  params: Params,
  subscription: Subscription,
): Partial<Subscription> {
  const atPeriodEnd = params.flag('cancel_at_period_end')
  if (atPeriodEnd !== undefined || params.has('cancel_at')) refuseManaged(subscription)
  if (atPeriodEnd !== undefined && params.text('cancel_at')) {
    throw invalid('You may only specify one of these parameters: cancel_at, cancel_at_period_end.')
  }
  if (atPeriodEnd === true)
    return scheduled(store, subscription, subscription.current_period_end, true)
  if (atPeriodEnd === false || params.clears('cancel_at')) return unscheduled(subscription)
  const isNamed = ['min_period_end', 'max_period_end'].includes(params.text('cancel_at') ?? '')
  if (isNamed) return scheduled(store, subscription, subscription.current_period_end, false)
  const at = params.integer('cancel_at')
  if (at === undefined) return {}
  if (at <= seconds(store)) throw invalid('Invalid timestamp: must be in the future.', 'cancel_at')
  return scheduled(store, subscription, at, false)
}

/** Refuses to schedule the end of a subscription whose schedule controls it. */
export function refuseManaged(subscription: Subscription): void {
  if (subscription.schedule === null) return
  throw invalid(
    `The subscription is managed by the subscription schedule ${subscription.schedule}; its end is changed there.`,
  )
}

/** The members that show that a subscription ends at `at`. */
export function scheduled(
  store: Store,
  subscription: Subscription,
  at: number,
  isPeriodEnd: boolean,
): Partial<Subscription> {
  return {
    cancel_at: at,
    cancel_at_period_end: isPeriodEnd,
    canceled_at: seconds(store),
    cancellation_details: {
      ...subscription.cancellation_details,
      reason: 'cancellation_requested',
    },
  }
}

/** The members that show that a subscription continues. */
export const unscheduled = (subscription: Subscription): Partial<Subscription> => ({
  cancel_at: null,
  cancel_at_period_end: false,
  canceled_at: null,
  cancellation_details: { ...subscription.cancellation_details, reason: null },
})

/** The card that a request names for a subscription, attached to the customer; null if it names none. */
export function cardOf(store: Store, params: Params, customer: string): PaymentMethod | null {
  const id = params.text('default_payment_method')
  if (!id) return null
  const card = verified(resolveCard(store, id, 'default_payment_method'))
  return attachCard(store, card, customer)
}

/**
 * Whether a request moves the anchor: `now` or `unchanged`; null if it does not say. Since 2026-09-30 the
 * value is in an object's `type`, before that it was plain text.
 */
export function anchorOf(params: Params, version: string): 'now' | 'unchanged' | null {
  const choices = ['now', 'unchanged'] as const
  if (version.slice(0, 10) < '2026-09-30') {
    return params.choice('billing_cycle_anchor', choices) ?? null
  }
  const anchor = params.object('billing_cycle_anchor')
  anchor?.only(['type'])
  return anchor?.choice('type', choices) ?? null
}

/** The reasons for cancelling that Stripe knows. */
export const CANCELLATION_REASONS = [
  'customer_service',
  'low_quality',
  'missing_features',
  'other',
  'switched_service',
  'too_complex',
  'too_expensive',
  'unused',
] as const

/** The customer's reasons for cancelling, as far as the request gives them; others are unchanged. */
export function detailsOf(params: Params): Partial<Subscription['cancellation_details']> {
  const details = params.object('cancellation_details')
  details?.only(['comment', 'feedback'])
  return {
    ...(details?.has('comment') ? { comment: details.text('comment') ?? null } : {}),
    ...(details?.has('feedback')
      ? { feedback: details.choice('feedback', CANCELLATION_REASONS) ?? null }
      : {}),
  }
}

/** The pause of collection that a request sets: null ends the pause, undefined changes nothing. */
export function pauseOf(params: Params): Subscription['pause_collection'] | undefined {
  if (params.clears('pause_collection')) return null
  const pause = params.object('pause_collection')
  if (pause === undefined) return undefined
  pause.only(['behavior', 'resumes_at'])
  const behavior = pause.choice('behavior', [
    'keep_as_draft',
    'mark_uncollectible',
    'void',
  ] as const)
  if (behavior === undefined) throw missing(pause.name('behavior'))
  return { behavior, resumes_at: pause.integer('resumes_at') ?? null }
}

/** What happens at the end of a trial without a card; undefined if the request does not say. */
export function missingPaymentMethodOf(
  params: Params | undefined,
): MissingPaymentMethod | undefined {
  const end = params?.object('trial_settings')?.object('end_behavior')
  if (end === undefined) return undefined
  end.only(['missing_payment_method'])
  const named = end.choice('missing_payment_method', ['cancel', 'create_invoice', 'pause'] as const)
  if (named === undefined) throw missing(end.name('missing_payment_method'))
  return named
}

/** Refuses invoices that are sent to the customer and paid manually: here invoices are charged. */
export function refuseSent(params: Params): void {
  const method = params.choice('collection_method', [
    'charge_automatically',
    'send_invoice',
  ] as const)
  if (method === 'send_invoice') throw notCovered('invoices that are sent', 'collection_method')
}
