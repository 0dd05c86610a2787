/**
 * Saved cards: retrieve, list, attach, detach.
 *
 * @module
 */

import { createCard, numberOf } from './cards.ts'
import { requireCustomer } from './customers.ts'
import { type Endpoint, LIST_PARAMS, listTable } from './endpoint.ts'
import { invalid } from './errors.ts'
import type { PaymentMethod } from './objects.ts'
import { emit, find, insert, refer, type Store } from './store.ts'

/** A card by id, or by a name such as `pm_card_visa`, which makes a new one. */
export function resolveCard(store: Store, id: string, param: string): PaymentMethod {
  const number = numberOf(id)
  if (number !== undefined) return insert(store, 'paymentMethods', createCard(store, { number }))
  return find(store, 'paymentMethods', id, param)
}

/** Ties a card to a customer. A card belongs to one customer for good. */
export function attachCard(store: Store, card: PaymentMethod, customer: string): PaymentMethod {
  if (card.customer === customer) return card
  if (card.customer !== null) {
    throw invalid('This PaymentMethod is attached to another customer.', 'payment_method')
  }
  refer(store, 'paymentMethods', card, 'customer', customer)
  emit(store, 'payment_method.attached', card)
  return card
}

/** Unties a card; it can never be attached again. */
function detachCard(store: Store, card: PaymentMethod): PaymentMethod {
  if (card.customer === null) {
    throw invalid(
      'The payment method you provided is not attached to a customer.',
      'payment_method',
    )
  }
  const owner = store.tables.customers.get(card.customer)
  if (owner?.invoice_settings.default_payment_method === card.id) {
    owner.invoice_settings.default_payment_method = null
  }
  refer(store, 'paymentMethods', card, 'customer', null)
  emit(store, 'payment_method.detached', card)
  return card
}

export const paymentMethodEndpoints: Endpoint[] = [
  {
    method: 'GET',
    path: '/v1/payment_methods',
    params: [...LIST_PARAMS, 'customer', 'type'],
    run(call) {
      const customer = call.params.text('customer')
      return listTable(call, 'paymentMethods', '/v1/payment_methods', undefined, { customer })
    },
  },
  {
    method: 'GET',
    path: '/v1/payment_methods/:id',
    run: ({ store, id }) => resolveCard(store, id, 'id'),
  },
  {
    method: 'POST',
    path: '/v1/payment_methods/:id/attach',
    params: ['customer'],
    run({ store, params, id }) {
      const customer = requireCustomer(store, params.required('customer'))
      return attachCard(store, resolveCard(store, id, 'id'), customer.id)
    },
  },
  {
    method: 'POST',
    path: '/v1/payment_methods/:id/detach',
    run: ({ store, id }) => detachCard(store, find(store, 'paymentMethods', id)),
  },
]
