/**
 * A change of a subscription's items in mid-period: what is left of the old price is given back,
 * what is left at the new one is charged, to the second.
 *
 * @see https://docs.stripe.com/billing/subscriptions/prorations
 * @module
 */

import { copy } from './copy.ts'
import { invalid } from './errors.ts'
import { createInvoice, defaultCard, payInvoice } from './invoices.ts'
import type { Metadata, PendingLine, Price, Subscription, SubscriptionItem } from './objects.ts'
import { periodEnd } from './periods.ts'
import { change, find, type Store, seconds } from './store.ts'
import { itemLines, newItem, rhythm, setPeriod } from './subscription-life.ts'

/** What to do with one item; `id` is null for a new one, null members stay as they are. */
export interface ItemChange {
  id: string | null
  isDeleted: boolean
  price: Price | null
  quantity: number | null
  metadata: Metadata
}

export type Proration = 'create_prorations' | 'always_invoice' | 'none'

/**
 * Applies `changes`. Another interval begins a new period now and is invoiced at once; the same
 * interval keeps its period, and the difference waits for the next invoice or, with
 * `always_invoice`, makes one.
 */
export function changeItems(
  store: Store,
  subscription: Subscription,
  changes: ItemChange[],
  proration: Proration,
): void {
  const old = copy(subscription.items.data)
  const oldRhythm = rhythm(subscription)
  const next = nextItems(store, subscription, changes)
  checkItems(next, subscription.currency)
  const isTrial = subscription.status === 'trialing'
  const newRhythm = next[0]?.price.recurring ?? oldRhythm
  const isReset =
    !isTrial &&
    (newRhythm.interval !== oldRhythm.interval ||
      newRhythm.interval_count !== oldRhythm.interval_count)

  const credits = isTrial || proration === 'none' ? [] : remaining(store, subscription, old, -1)
  change(store, 'customer.subscription.updated', subscription, (current) => {
    current.items.data = next
    current.items.total_count = next.length
    if (isReset) {
      const now = seconds(store)
      current.billing_cycle_anchor = now
      setPeriod(current, now, periodEnd(now, now, newRhythm))
    }
    const debits =
      isTrial || isReset || proration === 'none' ? [] : remaining(store, current, next, 1)
    current.pending_lines = [...current.pending_lines, ...unequal(credits, debits)]
  })
  if (isReset || (proration === 'always_invoice' && subscription.pending_lines.length > 0)) {
    invoiceNow(store, subscription, isReset)
  }
}

/** Refuses a set of items that Stripe cannot bill together. */
function checkItems(items: SubscriptionItem[], currency: string): void {
  if (items.length === 0)
    throw invalid('A subscription must have at least one active plan.', 'items')
  if (items.some((item) => item.price.currency !== currency)) {
    throw invalid(`The subscription is billed in ${currency}; its prices must be, too.`, 'items')
  }
  const rhythms = items.map(
    ({ price }) => `${price.recurring?.interval_count} ${price.recurring?.interval}`,
  )
  if (new Set(rhythms).size > 1) {
    throw invalid('All prices of a subscription must have the same billing interval.', 'items')
  }
  if (new Set(items.map((item) => item.price.id)).size < items.length) {
    throw invalid('A subscription cannot have two items with the same price.', 'items')
  }
}

function nextItems(
  store: Store,
  subscription: Subscription,
  changes: ItemChange[],
): SubscriptionItem[] {
  const { current_period_start: start, current_period_end: end } = subscription
  const kept = subscription.items.data
    .filter((item) => !changes.some((entry) => entry.id === item.id && entry.isDeleted))
    .map((item) => {
      const entry = changes.find((candidate) => candidate.id === item.id)
      if (entry === undefined) return item
      return {
        ...item,
        price: copy(entry.price ?? item.price),
        quantity: entry.quantity ?? item.quantity,
        metadata: entry.metadata,
      }
    })
  const added = changes.flatMap(({ id, price, quantity, metadata }) =>
    id === null && price !== null
      ? [
          newItem(
            store,
            subscription.id,
            { price, quantity: quantity ?? 1, metadata },
            { start, end },
          ),
        ]
      : [],
  )
  return [...kept, ...added]
}

/** The rest of the period at these items' prices: given back with sign −1, charged with 1. */
function remaining(
  store: Store,
  subscription: Subscription,
  items: SubscriptionItem[],
  sign: 1 | -1,
): PendingLine[] {
  const { current_period_start: start, current_period_end: end } = subscription
  const now = Math.min(Math.max(seconds(store), start), end)
  return items.map((item) => ({
    amount:
      sign * Math.round((item.price.unit_amount * item.quantity * (end - now)) / (end - start)),
    description: sign < 0 ? 'Unused time' : 'Remaining time',
    price: item.price,
    quantity: item.quantity,
    period: { start: now, end },
  }))
}

/** The lines without those pairs that give back and charge the same. */
function unequal(credits: PendingLine[], debits: PendingLine[]): PendingLine[] {
  const isSame = (one: PendingLine, other: PendingLine): boolean =>
    one.price.id === other.price.id && one.amount === -other.amount
  return [
    ...credits.filter((credit) => !debits.some((debit) => isSame(credit, debit))),
    ...debits.filter((debit) => !credits.some((credit) => isSame(credit, debit))),
  ]
}

function invoiceNow(store: Store, subscription: Subscription, isReset: boolean): void {
  const pending = subscription.pending_lines
  subscription.pending_lines = []
  const customer = find(store, 'customers', subscription.customer)
  const item = subscription.items.data[0]?.id ?? null
  const invoice = createInvoice(store, customer, {
    subscription,
    reason: 'subscription_update',
    lines: [
      ...pending.map((line) => ({ ...line, proration: true, item })),
      ...(isReset ? itemLines(subscription) : []),
    ],
    period: { start: subscription.current_period_start, end: subscription.current_period_end },
  })
  subscription.latest_invoice = invoice.id
  payInvoice(store, invoice, defaultCard(store, customer.id, subscription))
}
