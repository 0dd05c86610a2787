/**
 * The phases of a subscription schedule as requests send them.
 *
 * @module
 */

import { redemptionsOf } from '../catalog/discounts.ts'
import { automaticTax, automaticTaxOf, ratesAsked } from '../catalog/taxes.ts'
import type { Recurring } from '../server/base-objects.ts'
import { invalid, missing } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type { Subscription } from '../server/objects.ts'
import { find, type Store, seconds } from '../server/store.ts'
import { periodEnd } from './periods.ts'
import { PRORATIONS } from './prorations.ts'
import type {
  PhaseDiscount,
  PhaseItem,
  SchedulePhase,
  SubscriptionSchedule,
} from './schedule-objects.ts'
import { quantityOf, recurringPrice } from './subscription-params.ts'

const ANCHORS = ['automatic', 'phase_start'] as const
const INTERVALS = ['day', 'week', 'month', 'year'] as const

/** A phase that changes nothing except the items it is given later. */
export function blankPhase(
  subscription: Subscription,
): Omit<SchedulePhase, 'end_date' | 'items' | 'start_date'> {
  return {
    add_invoice_items: [],
    application_fee_percent: null,
    billing_cycle_anchor: null,
    billing_thresholds: null,
    collection_method: null,
    currency: subscription.currency,
    default_payment_method: null,
    default_tax_rates: [],
    description: null,
    discounts: [],
    invoice_settings: null,
    metadata: {},
    on_behalf_of: null,
    proration_behavior: 'create_prorations',
    transfer_data: null,
    trial_end: null,
  }
}

const PHASE = [
  'automatic_tax',
  'billing_cycle_anchor',
  'collection_method',
  'currency',
  'default_payment_method',
  'default_tax_rates',
  'description',
  'discounts',
  'duration',
  'end_date',
  'items',
  'iterations',
  'metadata',
  'proration_behavior',
  'start_date',
  'trial_end',
]

/** The phases of a request; each begins at the end of the one before it. */
export function phasesOf(
  store: Store,
  params: Params,
  schedule: SubscriptionSchedule,
  subscription: Subscription,
): SchedulePhase[] {
  const phases: SchedulePhase[] = []
  for (const sent of params.objects('phases')) {
    sent.only(PHASE)
    const previous = phases.at(-1)
    // The current phase keeps its start.
    const begins = previous?.end_date ?? schedule.current_phase?.start_date ?? seconds(store)
    const start = momentOf(store, sent, 'start_date') ?? begins
    if (start !== begins) {
      const message = previous
        ? 'A phase must begin where the one before it ends.'
        : 'You can not modify the start date of the current phase.'
      throw invalid(message, sent.name('start_date'))
    }
    const items = itemsOf(store, sent, subscription.currency)
    const end = endDateOf(store, sent, start, items)
    if (end <= start) {
      throw invalid('A phase must end after it begins.', sent.name('end_date'))
    }
    phases.push({
      ...blankPhase(subscription),
      items,
      billing_cycle_anchor: sent.choice('billing_cycle_anchor', ANCHORS) ?? null,
      metadata: sent.metadata(),
      description: sent.text('description') ?? null,
      discounts: phaseDiscounts(store, sent, subscription),
      default_payment_method: sent.text('default_payment_method') ?? null,
      default_tax_rates: ratesAsked(store, sent, 'default_tax_rates') ?? [],
      ...(automaticTaxOf(sent) ? { automatic_tax: automaticTax(true) } : {}),
      trial_end: momentOf(store, sent, 'trial_end') ?? null,
      proration_behavior: sent.choice('proration_behavior', PRORATIONS) ?? 'create_prorations',
      start_date: start,
      end_date: end,
    })
  }
  if (phases.length === 0) throw missing('phases')
  if ((phases.at(-1)?.end_date ?? 0) <= seconds(store)) {
    throw invalid('The last phase must end in the future.', 'phases')
  }
  return phases
}

/** The discounts that a phase names. They are checked now and redeemed when the phase begins. */
function phaseDiscounts(
  store: Store,
  sent: Params,
  { currency, customer }: Subscription,
): PhaseDiscount[] {
  const named = redemptionsOf(store, sent, currency, customer) ?? []
  return named.map(({ coupon, code, kept }) => ({
    coupon: kept || code ? null : coupon.id,
    discount: kept?.id ?? null,
    promotion_code: code?.id ?? null,
  }))
}

/** A time in Unix seconds or `now`; undefined if absent. */
function momentOf(store: Store, params: Params, key: string): number | undefined {
  if (params.text(key) === 'now') return seconds(store)
  return params.integer(key)
}

function itemsOf(store: Store, phase: Params, currency: string): PhaseItem[] {
  const items = phase.objects('items').map((item): PhaseItem => {
    item.only(['metadata', 'price', 'quantity', 'tax_rates'])
    const price = recurringPrice(store, item.required('price'), item.name('price'))
    if (price.currency !== currency) {
      throw invalid(`The subscription is billed in ${currency}.`, item.name('price'))
    }
    return {
      billing_thresholds: null,
      discounts: [],
      metadata: item.metadata(),
      plan: price.id,
      price: price.id,
      quantity: quantityOf(item),
      tax_rates: ratesAsked(store, item, 'tax_rates') ?? [],
    }
  })
  if (items.length === 0) throw missing(phase.name('items'))
  return items
}

/** The end of a phase: given, or after a duration or a number of periods; default: after one period. */
function endDateOf(store: Store, phase: Params, start: number, items: PhaseItem[]): number {
  const named = momentOf(store, phase, 'end_date')
  const duration = phase.object('duration')
  if (named !== undefined) {
    if (duration === undefined && !phase.has('iterations')) return named
    throw invalid(
      'You may only specify one of end_date, duration, iterations.',
      phase.name('end_date'),
    )
  }
  const price = find(store, 'prices', items[0]?.price ?? '')
  let every = price.recurring as Recurring
  let count = phase.integer('iterations') ?? 1
  if (duration !== undefined) {
    duration.only(['interval', 'interval_count'])
    const interval = duration.choice('interval', INTERVALS)
    if (interval === undefined) throw missing(duration.name('interval'))
    every = { ...every, interval, interval_count: duration.integer('interval_count') ?? 1 }
    count = 1
  }
  let end = start
  for (let period = 0; period < count; period += 1) end = periodEnd(end, start, every)
  return end
}
