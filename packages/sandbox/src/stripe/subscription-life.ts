/**
 * The life of a subscription: begun, renewed, failed, ended. Everything that time does to a
 * subscription is here, so that whatever moves the clock has one place to call.
 *
 * @module
 */

import { SandboxError } from '../errors.ts'
import { copy } from './copy.ts'
import type { StripeApiError } from './errors.ts'
import { createInvoice, defaultCard, type LineDraft, payInvoice } from './invoices.ts'
import type {
  Invoice,
  Metadata,
  PaymentMethod,
  Price,
  Recurring,
  Subscription,
  SubscriptionItem,
} from './objects.ts'
import { periodEnd } from './periods.ts'
import { change, emit, find, innerId, insert, newId, type Store, seconds } from './store.ts'

/** One thing to subscribe to. */
export interface ItemDraft {
  price: Price
  quantity: number
  metadata: Metadata
}

/** What a new subscription is made of. */
export interface SubscriptionDraft {
  customer: string
  items: ItemDraft[]
  metadata: Metadata
  description: string | null
  /** Unix seconds; null for no trial. */
  trialEnd: number | null
  cancelAtPeriodEnd: boolean
  cancelAt: number | null
  defaultPaymentMethod: string | null
  saveDefaultPaymentMethod: 'off' | 'on_subscription'
  billingMode: 'classic' | 'flexible'
}

/** How the first invoice is paid. */
export interface FirstPayment {
  /** Null for a customer who has none. */
  card: PaymentMethod | null
  /** Whether the buyer is on the page. */
  isPresent: boolean
  /** Leaves the invoice open for the buyer to pay. */
  isDeferred: boolean
}

export const isEnded = (subscription: Subscription): boolean =>
  subscription.status === 'canceled' || subscription.status === 'incomplete_expired'

/** The rhythm of a subscription: that of its first item. */
export function rhythm(subscription: Subscription): Recurring {
  const recurring = subscription.items.data[0]?.price.recurring
  if (recurring) return recurring
  throw new SandboxError('invalid_state', 409, `Subscription ${subscription.id} has no item.`)
}

/**
 * Begins a subscription and tries its first payment.
 *
 * @returns the subscription, and why the payment was refused, or null where it was not.
 */
export function beginSubscription(
  store: Store,
  draft: SubscriptionDraft,
  payment: FirstPayment,
): { subscription: Subscription; refused: StripeApiError | null } {
  const subscription = newSubscription(store, draft)
  const customer = find(store, 'customers', draft.customer)
  const { current_period_start: start, current_period_end: end } = subscription
  const invoice = createInvoice(store, customer, {
    subscription,
    reason: 'subscription_create',
    lines: itemLines(subscription),
    period: { start, end: start },
  })
  subscription.latest_invoice = invoice.id
  const refused = payment.isDeferred
    ? null
    : payInvoice(store, invoice, payment.card, payment.isPresent)
  if (subscription.trial_end === null) subscription.status = invoice.paid ? 'active' : 'incomplete'
  if (draft.cancelAtPeriodEnd) subscription.cancel_at = end
  insert(store, 'subscriptions', subscription)
  emit(store, 'customer.subscription.created', subscription)
  return { subscription, refused }
}

function newSubscription(store: Store, draft: SubscriptionDraft): Subscription {
  const id = newId('subscriptions')
  const now = seconds(store)
  const first = draft.items[0]
  if (!first?.price.recurring) {
    throw new SandboxError('invalid_state', 409, 'A subscription needs a recurring price.')
  }
  const anchor = draft.trialEnd ?? now
  const end = draft.trialEnd ?? periodEnd(now, now, first.price.recurring)
  return {
    id,
    object: 'subscription',
    created: now,
    livemode: false,
    application: null,
    application_fee_percent: null,
    automatic_tax: { enabled: false, liability: null },
    billing_cycle_anchor: anchor,
    billing_mode: { type: draft.billingMode },
    billing_thresholds: null,
    cancel_at: draft.cancelAt,
    cancel_at_period_end: draft.cancelAtPeriodEnd,
    canceled_at: draft.cancelAtPeriodEnd || draft.cancelAt !== null ? now : null,
    cancellation_details: { comment: null, feedback: null, reason: null },
    collection_method: 'charge_automatically',
    currency: first.price.currency,
    current_period_end: end,
    current_period_start: now,
    customer: draft.customer,
    days_until_due: null,
    default_payment_method: draft.defaultPaymentMethod,
    default_source: null,
    default_tax_rates: [],
    description: draft.description,
    discounts: [],
    ended_at: null,
    items: {
      object: 'list',
      data: draft.items.map((item) => newItem(store, id, item, { start: now, end })),
      has_more: false,
      total_count: draft.items.length,
      url: `/v1/subscription_items?subscription=${id}`,
    },
    latest_invoice: null,
    metadata: draft.metadata,
    next_pending_invoice_item_invoice: null,
    on_behalf_of: null,
    pause_collection: null,
    payment_settings: {
      payment_method_options: null,
      payment_method_types: null,
      save_default_payment_method: draft.saveDefaultPaymentMethod,
    },
    pending_invoice_item_interval: null,
    pending_lines: [],
    pending_setup_intent: null,
    pending_update: null,
    schedule: null,
    start_date: now,
    status: draft.trialEnd === null ? 'incomplete' : 'trialing',
    test_clock: null,
    transfer_data: null,
    trial_end: draft.trialEnd,
    trial_settings: { end_behavior: { missing_payment_method: 'create_invoice' } },
    trial_start: draft.trialEnd === null ? null : now,
  }
}

/** A subscription item for a period. */
export function newItem(
  store: Store,
  subscription: string,
  { price, quantity, metadata }: ItemDraft,
  period: { start: number; end: number },
): SubscriptionItem {
  return {
    id: innerId('si_'),
    object: 'subscription_item',
    created: seconds(store),
    billing_thresholds: null,
    current_period_end: period.end,
    current_period_start: period.start,
    discounts: [],
    metadata,
    price: copy(price),
    quantity,
    subscription,
    tax_rates: [],
  }
}

/** What the present period costs: nothing while on trial. */
export function itemLines(subscription: Subscription): LineDraft[] {
  const isTrial = subscription.status === 'trialing'
  return subscription.items.data.map((item) => ({
    amount: isTrial ? 0 : item.price.unit_amount * item.quantity,
    description: isTrial
      ? 'Trial period'
      : `${item.quantity} × ${item.price.nickname ?? item.price.lookup_key ?? item.price.id}`,
    item: item.id,
    period: { start: item.current_period_start, end: item.current_period_end },
    price: item.price,
    proration: false,
    quantity: item.quantity,
  }))
}

/** Moves every item, and the subscription with them, to the period from `start` to `end`. */
export function setPeriod(subscription: Subscription, start: number, end: number): void {
  subscription.current_period_start = start
  subscription.current_period_end = end
  for (const item of subscription.items.data) {
    item.current_period_start = start
    item.current_period_end = end
  }
}

/**
 * Ends the present period: a scheduled cancellation takes effect, else the next period begins, is
 * invoiced and charged. `card` overrides the one on file.
 *
 * @returns the new period's invoice; null where the subscription ended instead.
 * @throws `invalid_state` where the subscription has already ended or never began.
 */
export function renewSubscription(
  store: Store,
  subscription: Subscription,
  card = defaultCard(store, subscription.customer, subscription),
): Invoice | null {
  if (isEnded(subscription) || subscription.status === 'incomplete') {
    throw new SandboxError(
      'invalid_state',
      409,
      `Subscription ${subscription.id} is ${subscription.status} and does not renew.`,
    )
  }
  const start = subscription.current_period_end
  if (subscription.cancel_at_period_end || (subscription.cancel_at ?? Infinity) <= start) {
    endSubscription(store, subscription, 'cancellation_requested')
    return null
  }
  const previousStart = subscription.current_period_start
  const pending = subscription.pending_lines
  const customer = find(store, 'customers', subscription.customer)
  change(store, 'customer.subscription.updated', subscription, (current) => {
    setPeriod(current, start, periodEnd(start, current.billing_cycle_anchor, rhythm(current)))
    if (current.status === 'trialing') current.status = 'active'
    current.pending_lines = []
  })
  const invoice = createInvoice(store, customer, {
    subscription,
    reason: 'subscription_cycle',
    lines: [
      ...pending.map((line) => ({
        ...line,
        proration: true,
        item: subscription.items.data[0]?.id ?? null,
      })),
      ...itemLines(subscription),
    ],
    period: { start: previousStart, end: start },
  })
  subscription.latest_invoice = invoice.id
  payInvoice(store, invoice, card)
  return invoice
}

/**
 * Lets the next payment fail: the open invoice is tried again where there is one, else the
 * subscription renews and its charge is declined.
 *
 * @returns the invoice that stays open.
 */
export function failSubscription(store: Store, subscription: Subscription): Invoice {
  const own = defaultCard(store, subscription.customer, subscription)
  const card: PaymentMethod | null = own && { ...own, behaviour: 'generic_decline' }
  const latest = store.tables.invoices.get(subscription.latest_invoice ?? '')
  if (latest?.status === 'open' && !isEnded(subscription)) {
    payInvoice(store, latest, card)
    return latest
  }
  const invoice = renewSubscription(store, subscription, card)
  if (invoice === null || invoice.paid) {
    throw new SandboxError(
      'invalid_state',
      409,
      `Subscription ${subscription.id} had nothing to pay, so no payment could fail.`,
    )
  }
  return invoice
}

/** Ends a subscription now. An ended one stays as it is. */
export function endSubscription(
  store: Store,
  subscription: Subscription,
  reason: 'cancellation_requested' | 'payment_failed',
): Subscription {
  if (isEnded(subscription)) return subscription
  const now = seconds(store)
  subscription.status = 'canceled'
  subscription.ended_at = now
  subscription.canceled_at ??= now
  subscription.cancellation_details = { ...subscription.cancellation_details, reason }
  emit(store, 'customer.subscription.deleted', subscription)
  return subscription
}
