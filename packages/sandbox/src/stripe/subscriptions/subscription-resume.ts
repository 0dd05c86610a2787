/**
 * Resumes a subscription that was paused because its trial ended without a card.
 *
 * @see https://docs.stripe.com/billing/subscriptions/pause#resume-subscriptions
 * @module
 */

import type { LineDraft } from '../invoices/invoice-draft.ts'
import { activate, createInvoice, defaultCard, payInvoice } from '../invoices/invoices.ts'
import type { Call } from '../server/endpoint.ts'
import { invalid } from '../server/errors.ts'
import type { Subscription } from '../server/objects.ts'
import { change, find, type Store, seconds } from '../server/store.ts'
import { periodEnd } from './periods.ts'
import { remaining } from './plan-change.ts'
import { PRORATIONS } from './prorations.ts'
import { itemLines, rhythm, setPeriod } from './rhythm.ts'
import { anchorOf } from './subscription-params.ts'

/**
 * Starts a new period, or continues with the period that contains now, and charges for it. The subscription
 * becomes active once that is paid; until then it stays paused and the invoice open.
 */
export function resumeSubscription({ store, params, id, version }: Call): Subscription {
  const subscription = find(store, 'subscriptions', id)
  if (subscription.status !== 'paused') {
    throw invalid(
      `Only a subscription with a status of paused can be resumed; this one is ${subscription.status}.`,
    )
  }
  const isNew = anchorOf(params, version) !== 'unchanged'
  const proration = params.choice('proration_behavior', PRORATIONS) ?? 'create_prorations'
  const at = params.integer('proration_date') ?? seconds(store)
  change(store, 'customer.subscription.updated', subscription, (current) => {
    moveOn(store, current, isNew)
  })
  const lines = isNew
    ? itemLines(subscription)
    : proration === 'none'
      ? []
      : remainingLines(store, subscription, at)
  if (lines.length === 0) {
    activate(store, subscription)
    return subscription
  }
  const customer = find(store, 'customers', subscription.customer)
  const { current_period_start: start, current_period_end: end } = subscription
  const fields = { subscription, lines, period: { start, end } }
  const invoice = createInvoice(store, customer, { ...fields, reason: 'subscription_update' })
  subscription.latest_invoice = invoice.id
  payInvoice(store, invoice, defaultCard(store, customer.id, subscription))
  // An invoice of zero was paid before the subscription referred to it.
  if (invoice.paid) activate(store, subscription)
  return subscription
}

function moveOn(store: Store, subscription: Subscription, isNew: boolean): void {
  const now = seconds(store)
  const every = rhythm(subscription)
  if (isNew) subscription.billing_cycle_anchor = now
  const anchor = subscription.billing_cycle_anchor
  let start = anchor
  let end = periodEnd(start, anchor, every)
  while (end <= now) {
    start = end
    end = periodEnd(start, anchor, every)
  }
  setPeriod(subscription, start, end)
}

function remainingLines(store: Store, subscription: Subscription, at: number): LineDraft[] {
  const item = subscription.items.data[0]?.id ?? null
  return remaining(store, subscription, subscription.items.data, 1, at).map((line) => ({
    ...line,
    proration: true,
    item,
  }))
}
