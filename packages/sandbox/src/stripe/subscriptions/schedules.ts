/**
 * The API of subscription schedules: created from a subscription, updated, released, canceled.
 *
 * @see https://docs.stripe.com/api/subscription_schedules
 * @module
 */

import { automaticTax } from '../catalog/taxes.ts'
import { copy } from '../server/copy.ts'
import { type Call, type Endpoint, LIST_PARAMS, listTable } from '../server/endpoint.ts'
import { invalid } from '../server/errors.ts'
import type { Subscription } from '../server/objects.ts'
import { change, emit, find, insert, newId, type Store, seconds } from '../server/store.ts'
import { changeItems } from './plan-change.ts'
import { PRORATIONS } from './prorations.ts'
import type { PhaseItem, SchedulePhase, SubscriptionSchedule } from './schedule-objects.ts'
import { blankPhase, phasesOf } from './schedule-params.ts'
import { closeSchedule, phaseAt, phaseItems, releaseSchedule, unsetBy } from './schedule-phases.ts'
import { endSubscription, isEnded } from './subscription-life.ts'
import { endTrial } from './subscription-update.ts'

function create({ store, params }: Call): SubscriptionSchedule {
  const named = params.text('from_subscription')
  if (!named) {
    const message = 'The sandbox covers schedules with `from_subscription` only.'
    throw invalid(message, 'from_subscription', 'parameter_missing')
  }
  const subscription = find(store, 'subscriptions', named, 'from_subscription')
  if (isEnded(subscription)) {
    throw invalid(
      'You cannot make a schedule from a subscription that has ended.',
      'from_subscription',
    )
  }
  if (subscription.schedule !== null) {
    const message = `The subscription ${named} is already managed by the schedule ${subscription.schedule}.`
    throw invalid(message, 'from_subscription')
  }
  const { current_period_start: start_date, current_period_end: end_date } = subscription
  const ends = subscription.cancel_at_period_end || subscription.cancel_at !== null
  const schedule = insert(store, 'schedules', {
    id: newId('schedules'),
    object: 'subscription_schedule',
    created: seconds(store),
    livemode: false,
    application: null,
    billing_mode: { ...subscription.billing_mode },
    canceled_at: null,
    completed_at: null,
    current_phase: { start_date, end_date },
    customer: subscription.customer,
    default_settings: {
      application_fee_percent: null,
      billing_cycle_anchor: 'automatic',
      billing_thresholds: null,
      collection_method: 'charge_automatically',
      default_payment_method: null,
      description: null,
      invoice_settings: { account_tax_ids: null, days_until_due: null, issuer: { type: 'self' } },
      on_behalf_of: null,
      transfer_data: null,
    },
    end_behavior: ends ? 'cancel' : 'release',
    metadata: params.metadata(),
    phases: [
      {
        ...blankPhase(subscription),
        default_tax_rates: copy(subscription.default_tax_rates),
        ...(subscription.automatic_tax.enabled ? { automatic_tax: automaticTax(true) } : {}),
        default_payment_method: subscription.default_payment_method,
        description: subscription.description,
        discounts: subscription.discounts.map((discount) => ({
          coupon: null,
          discount,
          promotion_code: null,
        })),
        items: phaseItems(subscription),
        start_date,
        end_date,
        trial_end: subscription.status === 'trialing' ? subscription.trial_end : null,
      },
    ],
    released_at: null,
    released_subscription: null,
    status: 'active',
    subscription: subscription.id,
    test_clock: null,
  })
  emit(store, 'subscription_schedule.created', schedule)
  change(store, 'customer.subscription.updated', subscription, (current) => {
    current.schedule = schedule.id
    Object.assign(current, endOf(store, schedule, current))
  })
  return schedule
}

/** The members that show when the schedule ends its subscription. */
function endOf(
  store: Store,
  schedule: SubscriptionSchedule,
  subscription: Subscription,
): Partial<Subscription> {
  const isCanceling = schedule.end_behavior === 'cancel'
  return {
    cancel_at: isCanceling ? (schedule.phases.at(-1)?.end_date ?? null) : null,
    cancel_at_period_end: false,
    canceled_at: isCanceling ? (subscription.canceled_at ?? seconds(store)) : null,
  }
}

/** A schedule that can still be changed, with its subscription. */
function findActive({ store, id }: Call) {
  const schedule = find(store, 'schedules', id)
  if (schedule.status !== 'active' || schedule.subscription === null) {
    throw invalid(`You cannot change a subscription schedule that is ${schedule.status}.`)
  }
  return { schedule, subscription: find(store, 'subscriptions', schedule.subscription) }
}

function update(call: Call): SubscriptionSchedule {
  const { store, params } = call
  const { schedule, subscription } = findActive(call)
  const metadata = params.metadata(schedule.metadata)
  const end = params.choice('end_behavior', ['cancel', 'release'] as const)
  const proration = params.choice('proration_behavior', PRORATIONS) ?? 'create_prorations'
  const phases = params.has('phases')
    ? phasesOf(store, params, schedule, subscription)
    : schedule.phases
  const now = seconds(store)
  change(store, 'subscription_schedule.updated', schedule, (current) => {
    current.metadata = metadata
    current.end_behavior = end ?? current.end_behavior
    current.phases = phases
    const phase = phaseAt(current, now)
    if (phase) current.current_phase = { start_date: phase.start_date, end_date: phase.end_date }
  })
  change(store, 'customer.subscription.updated', subscription, (current) =>
    Object.assign(current, endOf(store, schedule, current)),
  )
  const phase = phaseAt(schedule, now)
  if (phase === undefined) return schedule
  // The subscription loses at once the settings that the current phase does not name.
  change(store, 'customer.subscription.updated', subscription, (current) =>
    unsetBy(store, current, phase),
  )
  if (subscription.status === 'trialing' && phase.trial_end === null) endTrial(store, subscription)
  else applyNow(store, subscription, phase, proration)
  return schedule
}

/** Changes the subscription to the items of the current phase. */
function applyNow(
  store: Store,
  subscription: Subscription,
  phase: SchedulePhase,
  proration: (typeof PRORATIONS)[number],
): void {
  const signature = (items: readonly PhaseItem[]): string =>
    items.map(({ price, quantity }) => `${price} ${quantity}`).join()
  if (signature(phase.items) === signature(phaseItems(subscription))) return
  const own = subscription.items.data
  const changes = phase.items.map((item, index) => ({
    id: own[index]?.id ?? null,
    isDeleted: false,
    price: find(store, 'prices', item.price),
    quantity: item.quantity,
    metadata: item.metadata,
    taxRates: item.tax_rates,
  }))
  const gone = own.slice(phase.items.length).map((item) => ({
    id: item.id,
    isDeleted: true,
    price: null,
    quantity: null,
    metadata: {},
  }))
  const terms = { proration, at: seconds(store), anchor: null, isDeferred: false }
  changeItems(store, subscription, [...changes, ...gone], terms)
}

function cancel(call: Call): SubscriptionSchedule {
  const { schedule, subscription } = findActive(call)
  closeSchedule(call.store, schedule, subscription, 'canceled')
  endSubscription(call.store, subscription, 'cancellation_requested')
  return schedule
}

const IGNORED = ['default_settings']

export const scheduleEndpoints: Endpoint[] = [
  {
    method: 'POST',
    path: '/v1/subscription_schedules',
    params: ['from_subscription', 'metadata'],
    ignored: ['billing_mode'],
    run: create,
  },
  {
    method: 'GET',
    path: '/v1/subscription_schedules',
    params: [...LIST_PARAMS, 'customer'],
    run(call) {
      const customer = call.params.text('customer')
      return listTable(call, 'schedules', '/v1/subscription_schedules', undefined, { customer })
    },
  },
  {
    method: 'GET',
    path: '/v1/subscription_schedules/:id',
    run: ({ store, id }) => find(store, 'schedules', id),
  },
  {
    method: 'POST',
    path: '/v1/subscription_schedules/:id',
    params: ['end_behavior', 'metadata', 'phases', 'proration_behavior'],
    ignored: IGNORED,
    run: update,
  },
  {
    method: 'POST',
    path: '/v1/subscription_schedules/:id/release',
    params: ['preserve_cancel_date'],
    run: (call) =>
      releaseSchedule(
        call.store,
        findActive(call).schedule,
        call.params.flag('preserve_cancel_date') ?? false,
      ),
  },
  {
    method: 'POST',
    path: '/v1/subscription_schedules/:id/cancel',
    refused: ['invoice_now', 'prorate'],
    run: cancel,
  },
]
