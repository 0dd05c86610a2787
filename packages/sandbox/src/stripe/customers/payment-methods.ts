/**
 * Saved cards: retrieve, list, attach, detach.
 *
 * @module
 */

import { type Endpoint, LIST_PARAMS, listTable } from '../server/endpoint.ts'
import { invalid, StripeApiError } from '../server/errors.ts'
import type { PaymentMethod } from '../server/objects.ts'
import { emit, find, insert, refer, type Store } from '../server/store.ts'
import { bankDecline, createCard, createDebit, numberOf } from './cards.ts'
import { requireCustomer } from './known-customer.ts'

/** Names that stand for a bank debit, which is settled days later. */
const DEBITS = new Set(['pm_sepaDebit', 'pm_usBankAccount'])

/** A card by id, or a new card for a name such as `pm_card_visa`. */
export function resolveCard(store: Store, id: string, param: string): PaymentMethod {
  if (DEBITS.has(id)) return insert(store, 'paymentMethods', createDebit(store))
  const number = numberOf(id)
  if (number !== undefined) return insert(store, 'paymentMethods', createCard(store, { number }))
  return find(store, 'paymentMethods', id, param)
}

/**
 * Returns a card that its bank allows to be saved. Attaching a card asks the bank, which may decline at once.
 *
 * @throws `card_declined` and the other card errors, 402, with `param` `payment_method`
 */
export function verified(card: PaymentMethod): PaymentMethod {
  const isLater = card.behaviour === 'fails_later' || card.behaviour === 'authentication_required'
  const refused = isLater ? null : bankDecline(card, false)
  if (refused === null) return card
  throw new StripeApiError(refused.code, 402, refused.message, {
    type: 'card_error',
    param: 'payment_method',
    decline_code: refused.declineCode,
    advice_code: 'try_again_later',
  })
}

/** Attaches a card to a customer. A card belongs to one customer permanently. */
export function attachCard(store: Store, card: PaymentMethod, customer: string): PaymentMethod {
  if (card.customer === customer) return card
  if (card.customer !== null) {
    throw invalid('This PaymentMethod is attached to another customer.', 'payment_method')
  }
  refer(store, 'paymentMethods', card, 'customer', customer)
  emit(store, 'payment_method.attached', card)
  return card
}

/** Detaches a card; it can never be attached again. */
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
      return attachCard(store, verified(resolveCard(store, id, 'payment_method')), customer.id)
    },
  },
  {
    method: 'POST',
    path: '/v1/payment_methods/:id/detach',
    run: ({ store, id }) => detachCard(store, find(store, 'paymentMethods', id)),
  },
]
