/**
 * Changes a subscription's items within a period: the rest of the old price is credited and the rest of the
 * new price charged, to the second.
 *
 * @see https://docs.stripe.com/billing/subscriptions/prorations
 * @module
 */

import { shareLeft } from '../catalog/discounts.ts'
import { createInvoice, defaultCard, payInvoice } from '../invoices/invoices.ts'
import type { Metadata, Price } from '../server/base-objects.ts'
import { copy } from '../server/copy.ts'
import { invalid, type StripeApiError } from '../server/errors.ts'
import type { PendingLine, Subscription, SubscriptionItem, TaxRate } from '../server/objects.ts'
import { change, find, type Store, seconds } from '../server/store.ts'
import { holdUpdate } from './pending-update.ts'
import { periodAround, periodEnd } from './periods.ts'
import { isSameRhythm, itemLines, rhythm, setPeriod } from './rhythm.ts'
import { newItem } from './subscription-draft.ts'

/** A change of one item. `id` is null for a new item; null members stay unchanged. */
export interface ItemChange {
  id: string | null
  isDeleted: boolean
  price: Price | null
  quantity: number | null
  metadata: Metadata
  /** Default: unchanged. */
  taxRates?: TaxRate[] | null
}

/** Stripe's values of `proration_behavior`. */
export type Proration = 'create_prorations' | 'always_invoice' | 'none'

/** The terms of a change. */
export interface ChangeTerms {
  proration: Proration
  /** The second from which prorations count: now, or the proration date of a preview. */
  at: number
  /** Whether the period starts again now; null leaves that to the prices. */
  anchor: 'now' | 'unchanged' | null
  /** Leaves the invoice of the change open for the buyer to pay. */
  isDeferred: boolean
}

/** A change that was checked and not yet made. */
export interface PlannedChange {
  /** Writes the change into the subscription, beside the request's other changes. */
  apply(current: Subscription): void
  /** Invoices the amount due now. @returns the reason if the payment was refused, else null */
  settle(): StripeApiError | null
  /** Invoices the change and tries the payment; the change is only made once it is paid. */
  hold(): void
}

/**
 * Plans `changes`. Another interval, the first price above zero, or the anchor `now` starts a new period now
 * and is invoiced at once. In flexible billing mode another interval keeps the anchor: the new period is the
 * one around now, counted from the anchor, and its rest is prorated. In all other cases the period is kept,
 * and the difference waits for the next invoice or, with `always_invoice`, makes one. During a trial nothing
 * is due yet.
 *
 * @throws `invalid_request` for items that cannot be billed together.
 */
export function planItems(
  store: Store,
  subscription: Subscription,
  changes: ItemChange[],
  { proration, at, anchor, isDeferred }: ChangeTerms,
  isTrial = subscription.status === 'trialing',
): PlannedChange {
  const old = copy(subscription.items.data)
  const next = nextItems(store, subscription, changes)
  checkItems(next, subscription.currency)
  const newRhythm = next[0]?.price.recurring ?? rhythm(subscription)
  const isOtherRhythm = !isSameRhythm(newRhythm, rhythm(subscription))
  // In flexible billing mode only the request moves the anchor; in classic mode another interval also does.
  const isFlexible = subscription.billing_mode.type === 'flexible'
  const keepsAnchor = isOtherRhythm && isFlexible && anchor !== 'now' && !isTrial
  if (isOtherRhythm && anchor === 'unchanged' && !isTrial && !isFlexible) {
    throw invalid(
      'The sandbox does not cover `billing_cycle_anchor: unchanged` with another billing interval.',
      'billing_cycle_anchor',
    )
  }
  const isFirstPaid = anchor !== 'unchanged' && costOf(old) === 0 && costOf(next) > 0
  const isReset = !isTrial && !keepsAnchor && (isOtherRhythm || isFirstPaid || anchor === 'now')
  const isProrated = !isTrial && proration !== 'none'
  const credits = isProrated ? remaining(store, subscription, old, -1, at) : []
  return {
    apply(current) {
      current.items.data = next
      current.items.total_count = next.length
      if (isReset) {
        const now = seconds(store)
        current.billing_cycle_anchor = now
        setPeriod(current, now, periodEnd(now, now, newRhythm))
      } else if (keepsAnchor) {
        const { start, end } = periodAround(current.billing_cycle_anchor, seconds(store), newRhythm)
        setPeriod(current, start, end)
      } else {
        // A trial set by the same request may have moved the period since the items were planned.
        setPeriod(current, current.current_period_start, current.current_period_end)
      }
      const debits = isProrated && !isReset ? remaining(store, current, next, 1, at) : []
      current.pending_lines = [...current.pending_lines, ...unequal(credits, debits)]
    },
    settle() {
      const isInvoiced = proration === 'always_invoice' && subscription.pending_lines.length > 0
      return isReset || isInvoiced ? invoiceNow(store, subscription, isReset, isDeferred) : null
    },
    hold() {
      const draft = copy(subscription)
      this.apply(draft)
      invoiceHeld(store, subscription, draft, isReset)
    },
  }
}

/** The price of a period with these items. */
const costOf = (items: readonly SubscriptionItem[]): number =>
  items.reduce((sum, { price, quantity }) => sum + price.unit_amount * quantity, 0)

/** Plans and makes a change. */
export function changeItems(
  store: Store,
  subscription: Subscription,
  changes: ItemChange[],
  terms: ChangeTerms,
): StripeApiError | null {
  const planned = planItems(store, subscription, changes, terms)
  change(store, 'customer.subscription.updated', subscription, planned.apply)
  return planned.settle()
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
        tax_rates: entry.taxRates ?? item.tax_rates,
      }
    })
  const added = changes.flatMap(({ id, price, quantity, metadata, taxRates }) =>
    id === null && price !== null
      ? [
          newItem(
            store,
            subscription.id,
            { price, quantity: quantity ?? 1, metadata, taxRates: taxRates ?? [] },
            { start, end },
          ),
        ]
      : [],
  )
  return [...kept, ...added]
}

/** The price of the rest of the period: credited with sign −1, charged with 1. */
export function remaining(
  store: Store,
  subscription: Subscription,
  items: SubscriptionItem[],
  sign: 1 | -1,
  at: number,
): PendingLine[] {
  const { current_period_start: start, current_period_end: end } = subscription
  const now = Math.min(Math.max(at, start), end)
  // Stripe prorates the discounted price, so the share of coupons is also deducted here.
  const share = (shareLeft(store, subscription, now) * (end - now)) / (end - start)
  return items.map((item) => ({
    amount: sign * Math.round(item.price.unit_amount * item.quantity * share),
    description: `${sign < 0 ? 'Unused' : 'Remaining'} time on ${productName(store, item)}`,
    price: item.price,
    quantity: item.quantity,
    period: { start: now, end },
  }))
}

const productName = (store: Store, { price }: SubscriptionItem): string =>
  store.tables.products.get(price.product)?.name ?? price.id

/** Removes pairs of lines that credit and charge the same amount. */
function unequal(credits: PendingLine[], debits: PendingLine[]): PendingLine[] {
  const isSame = (one: PendingLine, other: PendingLine): boolean =>
    one.price.id === other.price.id && one.amount === -other.amount
  return [
    ...credits.filter((credit) => !debits.some((debit) => isSame(credit, debit))),
    ...debits.filter((debit) => !credits.some((credit) => isSame(credit, debit))),
  ]
}

function invoiceNow(
  store: Store,
  subscription: Subscription,
  isReset: boolean,
  isDeferred: boolean,
): StripeApiError | null {
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
  if (!isDeferred) return payInvoice(store, invoice, defaultCard(store, customer.id, subscription))
  // A change that waits for the buyer's payment is owed until then.
  if (invoice.status === 'open' && subscription.status === 'active') {
    change(store, 'customer.subscription.updated', subscription, (current) => {
      current.status = 'past_due'
    })
  }
  return null
}

/** The invoice of a change that is made once it is paid. While it is open, the subscription is not past due. */
function invoiceHeld(
  store: Store,
  subscription: Subscription,
  draft: Subscription,
  isReset: boolean,
): void {
  const customer = find(store, 'customers', subscription.customer)
  const item = draft.items.data[0]?.id ?? null
  holdUpdate(store, subscription, draft, isReset)
  subscription.pending_lines = []
  const invoice = createInvoice(store, customer, {
    subscription,
    reason: 'subscription_update',
    lines: [
      ...draft.pending_lines.map((line) => ({ ...line, proration: true, item })),
      ...(isReset ? itemLines(draft) : []),
    ],
    period: { start: draft.current_period_start, end: draft.current_period_end },
  })
  subscription.latest_invoice = invoice.id
  subscription.pending_invoice = invoice.id
  payInvoice(store, invoice, defaultCard(store, customer.id, subscription))
}
