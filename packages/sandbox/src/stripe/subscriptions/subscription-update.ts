/**
 * The API for changes of subscriptions. A preview runs the same `updateSubscription`.
 *
 * @see https://docs.stripe.com/api/subscriptions/update
 * @module
 */

import { redeem, redemptionsOf, setDiscounts } from '../catalog/discounts.ts'
import { automaticTax, automaticTaxOf, ratesAsked, requirePlace } from '../catalog/taxes.ts'
import type { Metadata } from '../server/base-objects.ts'
import type { Call } from '../server/endpoint.ts'
import { invalid, missing, noSuch, StripeApiError } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type { Subscription } from '../server/objects.ts'
import { change, find, type Store, seconds } from '../server/store.ts'
import { expirePendingUpdate } from './pending-expiry.ts'
import { checkPending } from './pending-update.ts'
import { type ItemChange, planItems } from './plan-change.ts'
import { PRORATIONS } from './prorations.ts'
import { rehearsalOf } from './rehearsal.ts'
import { phaseAt, phaseItems, scheduleOf } from './schedule-phases.ts'
import { isEnded, renewSubscription } from './subscription-life.ts'
import {
  anchorOf,
  cancellation,
  cardOf,
  detailsOf,
  missingPaymentMethodOf,
  pauseOf,
  quantityOf,
  recurringPrice,
  refuseSent,
  trialEndOf,
} from './subscription-params.ts'

function itemChanges(store: Store, params: Params, subscription: Subscription): ItemChange[] {
  return params.objects('items').map((item) => {
    item.only(['id', 'price', 'quantity', 'deleted', 'metadata', 'tax_rates'])
    const id = item.text('id') ?? null
    const own = subscription.items.data.find((candidate) => candidate.id === id)
    if (id !== null && own === undefined) throw noSuch('subscription_item', id, item.name('id'))
    const price = item.text('price')
    if (id === null && !price) throw missing(item.name('price'))
    const metadata: Metadata = item.metadata(own?.metadata)
    return {
      id,
      isDeleted: item.flag('deleted') ?? false,
      price: price ? recurringPrice(store, price, item.name('price')) : null,
      quantity: item.has('quantity') ? quantityOf(item) : null,
      metadata,
      taxRates: ratesAsked(store, item, 'tax_rates') ?? null,
    }
  })
}

const BEHAVIOURS = [
  'allow_incomplete',
  'default_incomplete',
  'error_if_incomplete',
  'pending_if_incomplete',
] as const

/** The time from which prorations count: `proration_date` within the current period, else now. */
export function prorationDate(store: Store, params: Params, subscription: Subscription): number {
  const at = params.integer('proration_date')
  if (at === undefined) return seconds(store)
  const { current_period_start: start, current_period_end: end } = subscription
  if (at >= start && at <= end) return at
  throw invalid(
    "The proration date must be within the subscription's current billing period.",
    params.name('proration_date'),
  )
}

/** The payment behaviour of a change. */
function behaviourOf(params: Params) {
  const behaviour = params.choice('payment_behavior', BEHAVIOURS) ?? 'allow_incomplete'
  if (behaviour === 'pending_if_incomplete') checkPending(params)
  return behaviour
}

/** Changes a subscription as a request asks. */
export function updateSubscription(call: Call): Subscription {
  const { store, params, id } = call
  const subscription = find(store, 'subscriptions', id)
  checkEnded(params, subscription)
  const behaviour = behaviourOf(params)
  if (behaviour === 'error_if_incomplete') {
    // First tried on a copy: a refused payment must leave everything unchanged.
    const { refused } = apply({ ...call, store: rehearsalOf(store, subscription.customer) })
    if (refused !== null) throw withoutTrace(refused)
  }
  if (behaviour === 'pending_if_incomplete') {
    const { refused } = apply({ ...call, store: rehearsalOf(store, subscription.customer) })
    if (refused !== null) return apply(call, true).subscription
  }
  return apply(call).subscription
}

/** The error without the ids of records that only exist in the copy. */
function withoutTrace({ code, status, message, details }: StripeApiError): StripeApiError {
  const { payment_intent: _, charge: __, ...rest } = details
  return new StripeApiError(code, status, message, rest)
}

function checkEnded(params: Params, subscription: Subscription): void {
  if (!isEnded(subscription)) return
  const allowed = ['metadata', 'cancellation_details', 'expand']
  if (params.keys().every((key) => allowed.includes(key))) return
  throw invalid('A canceled subscription can only update its cancellation_details and metadata.')
}

/** With `isHeld` the change is only made once it is paid. */
function apply({ store, params, id, version }: Call, isHeld = false) {
  refuseSent(params)
  const subscription = find(store, 'subscriptions', id)
  const metadata = params.metadata(subscription.metadata)
  const schedule = cancellation(store, params, subscription)
  const items = itemChanges(store, params, subscription)
  const terms = {
    proration: params.choice('proration_behavior', PRORATIONS) ?? 'create_prorations',
    at: prorationDate(store, params, subscription),
    anchor: anchorOf(params, version),
    isDeferred: params.text('payment_behavior') === 'default_incomplete',
  }
  const description = params.text('description')
  const taxRates = ratesAsked(store, params, 'default_tax_rates')
  const isTaxed = automaticTaxOf(params)
  if (isTaxed) requirePlace(store, subscription.customer)
  const trialEnd = params.has('trial_end') ? trialEndOf(store, params) : undefined
  const details = detailsOf(params)
  const pause = pauseOf(params)
  const missingCard = missingPaymentMethodOf(params)
  const { currency, customer } = subscription
  const redemptions = redemptionsOf(store, params, currency, customer)
  const isChanged = items.length > 0 || (terms.anchor === 'now' && !isEnded(subscription))
  const isTrial = Boolean(trialEnd) || subscription.status === 'trialing'
  // Everything is checked before anything is changed, and then all changes make one event.
  const planned = isChanged ? planItems(store, subscription, items, terms, isTrial) : undefined
  const card = cardOf(store, params, subscription.customer)
  // Another change replaces the change that waits for its payment.
  if (isChanged) expirePendingUpdate(store, subscription)
  if (isHeld) {
    planned?.hold()
    return { subscription, refused: null }
  }

  change(store, 'customer.subscription.updated', subscription, (current) => {
    current.metadata = metadata
    Object.assign(current, schedule)
    if (description !== undefined) current.description = description
    if (card !== null) current.default_payment_method = card.id
    if (taxRates) current.default_tax_rates = taxRates
    if (isTaxed !== undefined) current.automatic_tax = automaticTax(isTaxed)
    if (details) current.cancellation_details = { ...current.cancellation_details, ...details }
    if (pause !== undefined) current.pause_collection = pause
    if (redemptions) {
      setDiscounts(store, current, redeem(store, redemptions, { customer, subscription: id }))
    }
    if (missingCard) {
      current.trial_settings = { end_behavior: { missing_payment_method: missingCard } }
    }
    if (trialEnd) moveTrial(current, trialEnd)
    planned?.apply(current)
  })
  const refused = planned?.settle() ?? null
  const managed = scheduleOf(store, subscription)
  const phase = managed && phaseAt(managed, seconds(store))
  // The current phase follows its subscription, so that the schedule's next change keeps this change.
  if (items.length > 0 && phase) phase.items = phaseItems(subscription)
  // The trial's end is the period's end, so ending it now is the renewal that was due then.
  if (trialEnd === null && subscription.status === 'trialing') endTrial(store, subscription)
  return { subscription, refused }
}

function moveTrial(subscription: Subscription, trialEnd: number): void {
  subscription.trial_end = trialEnd
  subscription.billing_cycle_anchor = trialEnd
  subscription.current_period_end = trialEnd
  subscription.status = 'trialing'
  for (const item of subscription.items.data) item.current_period_end = trialEnd
}

/** Ends a trial now, with the renewal that was due at its end. */
export function endTrial(store: Store, subscription: Subscription): void {
  moveTrial(subscription, seconds(store))
  renewSubscription(store, subscription)
}
