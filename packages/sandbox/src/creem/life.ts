/**
 * The events at Creem: a checkout is paid, a subscription renews or ends, money is refunded. Each function
 * also makes the webhook events.
 *
 * @see https://docs.creem.io/code/webhooks
 * @module
 */

import { SandboxError } from '../errors.ts'
import { periodEnd } from '../stripe/subscriptions/periods.ts'
import {
  CreemApiError,
  type CreemCheckout,
  type CreemCustomer,
  type CreemOrder,
  type CreemProduct,
  type CreemStore,
  type CreemSubscription,
  type CreemTransaction,
  dated,
  find,
  newId,
} from './objects.ts'
import { shownCheckout, shownSubscription, shownSurroundings } from './shapes.ts'

function emit(store: CreemStore, eventType: string, object: object): void {
  const created_at = store.clock.now().getTime()
  const event = { id: newId('evt'), eventType, created_at, object: structuredClone({ ...object }) }
  store.tables.events.push(event)
  store.onEvent(event)
}

const emitSubscription = (store: CreemStore, word: string, subscription: CreemSubscription): void =>
  emit(store, `subscription.${word}`, shownSubscription(store, subscription))

/** The price of a checkout. */
export const amountOf = (store: CreemStore, checkout: CreemCheckout): number =>
  (checkout.custom_price ?? find(store, 'products', checkout.product).price) * checkout.units

function customerOf(store: CreemStore, checkout: CreemCheckout, email: string): CreemCustomer {
  if (checkout.buyer.id !== undefined) return find(store, 'customers', checkout.buyer.id)
  const known = store.tables.customers.find((each) => each.email === email)
  if (known) return known
  const customer: CreemCustomer = {
    id: newId('cust'),
    object: 'customer',
    ...dated(store),
    email,
    name: null,
    country: 'NL',
  }
  store.tables.customers.push(customer)
  return customer
}

/** Makes one payment of an order. */
function charge(
  store: CreemStore,
  order: CreemOrder,
  subscription: string | null,
  period?: { start: Date; end: Date },
): CreemTransaction {
  const transaction: CreemTransaction = {
    id: newId('tran'),
    object: 'transaction',
    mode: 'test',
    amount: order.amount,
    amount_paid: order.amount,
    currency: order.currency,
    type: subscription === null ? 'payment' : 'invoice',
    tax_amount: 0,
    status: 'paid',
    refunded_amount: 0,
    order: order.id,
    subscription,
    customer: order.customer,
    description: subscription === null ? 'One-time payment' : 'Subscription payment',
    ...(period ? { period_start: period.start.getTime(), period_end: period.end.getTime() } : {}),
    created_at: store.clock.now().getTime(),
  }
  store.tables.transactions.push(transaction)
  return transaction
}

/**
 * The end of a period: the day of the month on which the subscription started, or the last day of a shorter
 * month.
 */
const endOf = (start: Date, began: Date, product: CreemProduct): Date => {
  const [from, anchor] = [start, began].map((date) => Math.floor(date.getTime() / 1000))
  const interval = product.billing_period === 'every-year' ? 'year' : 'month'
  return new Date(periodEnd(from ?? 0, anchor ?? 0, { interval, interval_count: 1 }) * 1000)
}

/**
 * Pays a checkout, like its buyer.
 *
 * @throws `invalid_state` for a checkout that is not open, and `CreemApiError` without an address.
 */
export function payCheckout(store: CreemStore, id: string, email?: string): CreemCheckout {
  const checkout = find(store, 'checkouts', id)
  if (checkout.status !== 'pending') {
    throw new SandboxError('invalid_state', 409, `The checkout is ${checkout.status}.`)
  }
  const address = checkout.buyer.email ?? email
  if (checkout.buyer.id === undefined && !/^[^\s@]+@[^\s@]+$/.test(address ?? '')) {
    throw new CreemApiError(400, 'customer email must be an email')
  }
  const product = find(store, 'products', checkout.product)
  const customer = customerOf(store, checkout, address ?? '')
  const amount = amountOf(store, checkout)
  const order: CreemOrder = {
    id: newId('ord'),
    object: 'order',
    ...dated(store),
    customer: customer.id,
    product: product.id,
    amount,
    amount_paid: amount,
    currency: product.currency,
    status: 'paid',
    type: product.billing_type,
  }
  store.tables.orders.push(order)
  const isRecurring = product.billing_type === 'recurring'
  const subscription = isRecurring ? begin(store, checkout, product, order) : null
  if (!isRecurring) charge(store, order, null)
  Object.assign(checkout, {
    status: 'completed',
    order: order.id,
    customer: customer.id,
    subscription: subscription?.id ?? null,
  })
  emit(store, 'checkout.completed', shownCheckout(store, checkout))
  if (subscription) {
    emitSubscription(store, 'active', subscription)
    emitSubscription(store, 'paid', subscription)
  }
  return checkout
}

function begin(
  store: CreemStore,
  checkout: CreemCheckout,
  product: CreemProduct,
  order: CreemOrder,
): CreemSubscription {
  const id = newId('sub')
  const start = store.clock.now()
  const end = endOf(start, start, product)
  const transaction = charge(store, order, id, { start, end })
  const subscription: CreemSubscription = {
    id,
    object: 'subscription',
    ...dated(store),
    product: product.id,
    customer: order.customer,
    order: order.id,
    collection_method: 'charge_automatically',
    status: 'active',
    last_transaction_id: transaction.id,
    last_transaction_date: start.toISOString(),
    next_transaction_date: end.toISOString(),
    current_period_start_date: start.toISOString(),
    current_period_end_date: end.toISOString(),
    canceled_at: null,
    metadata: { ...checkout.metadata },
  }
  store.tables.subscriptions.push(subscription)
  return subscription
}

/** Expires an open checkout, as Creem does after a while. No event is sent. */
export function expireCheckout(store: CreemStore, id: string): CreemCheckout {
  const checkout = find(store, 'checkouts', id)
  if (checkout.status === 'pending') checkout.status = 'expired'
  return checkout
}

/** Ends the current period: the next period begins and is charged, or a scheduled end takes effect. */
export function renew(store: CreemStore, id: string): CreemSubscription {
  const subscription = find(store, 'subscriptions', id)
  if (subscription.status === 'canceled') {
    throw new SandboxError('invalid_state', 409, 'The subscription is canceled.')
  }
  if (subscription.status === 'scheduled_cancel') return end(store, subscription)
  const start = new Date(subscription.current_period_end_date)
  const began = new Date(subscription.created_at)
  const product = find(store, 'products', subscription.product)
  const period = { start, end: endOf(start, began, product) }
  const order = find(store, 'orders', subscription.order)
  const transaction = charge(store, order, id, period)
  const ends = period.end.toISOString()
  Object.assign(subscription, {
    status: 'active',
    last_transaction_id: transaction.id,
    last_transaction_date: store.clock.now().toISOString(),
    next_transaction_date: ends,
    current_period_start_date: start.toISOString(),
    current_period_end_date: ends,
    updated_at: store.clock.now().toISOString(),
  })
  emitSubscription(store, 'paid', subscription)
  return subscription
}

/** Declines the card when the next period is charged; `renew` then plays the successful retry. */
export function failRenewal(store: CreemStore, id: string): CreemSubscription {
  const subscription = find(store, 'subscriptions', id)
  if (subscription.status !== 'active' && subscription.status !== 'past_due') {
    throw new SandboxError('invalid_state', 409, `The subscription is ${subscription.status}.`)
  }
  subscription.status = 'past_due'
  subscription.updated_at = store.clock.now().toISOString()
  emitSubscription(store, 'past_due', subscription)
  return subscription
}

function end(store: CreemStore, subscription: CreemSubscription): CreemSubscription {
  const now = store.clock.now().toISOString()
  const ended = { status: 'canceled', canceled_at: now, updated_at: now }
  Object.assign(subscription, { ...ended, next_transaction_date: null })
  emitSubscription(store, 'canceled', subscription)
  return subscription
}

/** @throws `CreemApiError` 400 for a subscription that has ended. */
export function cancel(
  store: CreemStore,
  id: string,
  mode: 'immediate' | 'scheduled',
): CreemSubscription {
  const subscription = find(store, 'subscriptions', id)
  if (subscription.status === 'canceled') {
    throw new CreemApiError(400, 'Subscription is already canceled')
  }
  if (mode === 'immediate') return end(store, subscription)
  if (subscription.status === 'active') {
    subscription.status = 'scheduled_cancel'
    subscription.next_transaction_date = null
    subscription.updated_at = store.clock.now().toISOString()
    emitSubscription(store, 'scheduled_cancel', subscription)
  }
  return subscription
}

/** Refunds `amount`, by default the whole remaining amount. @throws `CreemApiError` 400 for more. */
export function refund(store: CreemStore, id: string, amount?: number): CreemTransaction {
  const transaction = find(store, 'transactions', id)
  const left = transaction.amount_paid - transaction.refunded_amount
  const back = amount ?? left
  if (transaction.status === 'chargedBack' || back < 1 || back > left) {
    throw new CreemApiError(400, 'Transaction cannot be refunded')
  }
  transaction.refunded_amount += back
  const isWhole = transaction.refunded_amount === transaction.amount_paid
  transaction.status = isWhole ? 'refunded' : 'partialRefund'
  emit(store, 'refund.created', {
    id: newId('ref'),
    object: 'refund',
    mode: 'test',
    status: 'succeeded',
    refund_amount: back,
    refund_currency: transaction.currency,
    reason: 'requested_by_customer',
    ...shownSurroundings(store, transaction),
    created_at: store.clock.now().getTime(),
  })
  return transaction
}

/** Plays a chargeback. @throws `invalid_state` for a payment that was charged back before. */
export function dispute(store: CreemStore, id: string): CreemTransaction {
  const transaction = find(store, 'transactions', id)
  if (transaction.status === 'chargedBack') {
    throw new SandboxError('invalid_state', 409, 'The transaction is disputed.')
  }
  transaction.status = 'chargedBack'
  transaction.refunded_amount = transaction.amount_paid
  emit(store, 'dispute.created', {
    id: newId('disp'),
    object: 'dispute',
    mode: 'test',
    amount: transaction.amount_paid,
    currency: transaction.currency,
    ...shownSurroundings(store, transaction),
    created_at: store.clock.now().getTime(),
  })
  return transaction
}
