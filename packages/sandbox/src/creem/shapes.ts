/**
 * Records as Creem writes them out: what a record names by id is shown whole where Creem does so.
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

/** As from the API and in its own events. */
export function shownSubscription(store: CreemStore, subscription: CreemSubscription) {
  const { order: _, next_transaction_date: next, ...shown } = subscription
  return {
    ...shown,
    // Left out where there is none: a null is of no type that Creem's SDK reads.
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
 * A checkout with its order, which does not name its transaction: Creem's own samples leave it out,
 * and a client has to manage without.
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

/** A subscription inside another object names what it belongs to by id. */
function nested(store: CreemStore, id: string) {
  const { order: _, ...shown } = find(store, 'subscriptions', id)
  return shown
}

/** What a refund and a dispute tell beside themselves. */
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
