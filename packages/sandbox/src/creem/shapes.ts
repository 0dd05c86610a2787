/**
 * Records in the form that Creem sends: an id becomes a whole object wherever Creem expands it.
 *
 * @module
 */

import {
  type CreemCheckout,
  type CreemStore,
  type CreemSubscription,
  type CreemTransaction,
  find,
} from './objects.ts'

/** A subscription as in the API and in its own events. */
export function shownSubscription(store: CreemStore, subscription: CreemSubscription) {
  const { order: _, next_transaction_date: next, ...shown } = subscription
  return {
    ...shown,
    // Left out if there is none: Creem's SDK accepts null for no type.
    ...(next === null ? {} : { next_transaction_date: next }),
    product: find(store, 'products', subscription.product),
    customer: find(store, 'customers', subscription.customer),
    last_transaction: find(store, 'transactions', subscription.last_transaction_id),
    items: [
      {
        id: `sitem_${subscription.id.slice(4)}`,
        object: 'subscription_item',
        mode: 'test',
        product_id: subscription.product,
        units: 1,
      },
    ],
  }
}

/**
 * A checkout with its order. The order does not name its transaction, because Creem's own samples leave it
 * out and a client has to work without it.
 *
 * @see https://docs.creem.io/code/webhooks
 */
export function shownCheckout(store: CreemStore, checkout: CreemCheckout) {
  const { buyer: _, created: __, order, customer, subscription, custom_price, ...shown } = checkout
  return {
    ...shown,
    product: find(store, 'products', checkout.product),
    ...(custom_price === null ? {} : { custom_price }),
    ...(order === null ? {} : { order: find(store, 'orders', order) }),
    ...(customer === null ? {} : { customer: find(store, 'customers', customer) }),
    ...(subscription === null ? {} : { subscription: nested(store, subscription) }),
    ...(checkout.status === 'pending'
      ? { checkout_url: `${store.origin}/creem/checkout/${checkout.id}` }
      : {}),
  }
}

/** A subscription inside another object: it names related objects by id. */
function nested(store: CreemStore, id: string) {
  const { order: _, ...shown } = find(store, 'subscriptions', id)
  return shown
}

/** The related objects that the events of refunds and disputes include. */
export function shownSurroundings(store: CreemStore, transaction: CreemTransaction) {
  const checkout = store.tables.checkouts.find(({ order }) => order === transaction.order)
  return {
    transaction: { ...transaction },
    order: find(store, 'orders', transaction.order),
    customer: find(store, 'customers', transaction.customer),
    ...(transaction.subscription === null
      ? {}
      : { subscription: nested(store, transaction.subscription) }),
    ...(checkout ? { checkout: shownCheckout(store, checkout) } : {}),
  }
}
