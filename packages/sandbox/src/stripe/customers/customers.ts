/**
 * Customers. A deleted customer keeps its id and is marked as deleted; its subscriptions end with it.
 *
 * @module
 */

import type { Address } from '../server/base-objects.ts'
import { type Call, type Endpoint, LIST_PARAMS, listTable, page } from '../server/endpoint.ts'
import { invalid, missing, noSuch } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type { Customer } from '../server/objects.ts'
import { customerFilter, searchable } from '../server/search.ts'
import {
  change,
  emit,
  find,
  insert,
  newId,
  randomText,
  referring,
  type Store,
  seconds,
} from '../server/store.ts'
import { endSubscription, isEnded } from '../subscriptions/subscription-life.ts'
import { attachCard, resolveCard, verified } from './payment-methods.ts'

/** Creates a customer, with its event. */
export function createCustomer(store: Store, fields: Partial<Customer>): Customer {
  const customer: Customer = {
    id: newId('customers'),
    object: 'customer',
    created: seconds(store),
    livemode: false,
    address: null,
    balance: 0,
    currency: null,
    default_source: null,
    delinquent: false,
    description: null,
    discount: null,
    email: null,
    invoice_prefix: randomText(8).toUpperCase(),
    invoice_settings: {
      custom_fields: null,
      default_payment_method: null,
      footer: null,
      rendering_options: null,
    },
    metadata: {},
    name: null,
    next_invoice_sequence: 1,
    phone: null,
    preferred_locales: [],
    shipping: null,
    tax_exempt: 'none',
    test_clock: null,
    ...fields,
  }
  insert(store, 'customers', customer)
  emit(store, 'customer.created', customer)
  return customer
}

/** Makes `card` the default card for invoices. */
export function setDefaultCard(store: Store, customer: Customer, card: string): void {
  change(store, 'customer.updated', customer, (current) => {
    current.invoice_settings = { ...current.invoice_settings, default_payment_method: card }
  })
}

/** The changes of a request, all checked before any is made. */
function changes(
  store: Store,
  params: Params,
  current?: Customer,
  /** The card that the same request attaches. */
  coming?: { named: string; id: string },
): Partial<Customer> {
  const fields: Partial<Customer> = { metadata: params.metadata(current?.metadata) }
  for (const key of ['description', 'email', 'name', 'phone'] as const) {
    const value = params.text(key, key === 'email' ? 512 : 5000)
    if (value !== undefined) fields[key] = value
  }
  if (fields.email && !/^[^\s@]+@[^\s@]+$/.test(fields.email)) {
    throw invalid('Invalid email address.', 'email', 'email_invalid')
  }
  const balance = params.integer('balance')
  if (balance !== undefined) fields.balance = balance
  if (params.has('address')) fields.address = addressOf(params.object('address'))
  if (params.has('shipping')) fields.shipping = shippingOf(params.object('shipping'))
  if (params.has('preferred_locales'))
    fields.preferred_locales = params.strings('preferred_locales')
  const settings = params.object('invoice_settings')
  const card = settings?.text('default_payment_method')
  if (settings && card !== undefined) {
    const name = settings.name('default_payment_method')
    fields.invoice_settings = {
      custom_fields: null,
      default_payment_method:
        card === null
          ? null
          : card === coming?.named || card === coming?.id
            ? (coming?.id ?? null)
            : attached(store, card, name, current),
      footer: null,
      rendering_options: null,
    }
  }
  return fields
}

/** The id of a card that is already attached to the customer. */
function attached(store: Store, id: string, param: string, customer?: Customer): string {
  const card = find(store, 'paymentMethods', id, param)
  if (customer !== undefined && card.customer === customer.id) return card.id
  throw invalid('The customer does not have the payment method with that ID attached.', param)
}

function addressOf(params: Params | undefined): Address | null {
  if (params === undefined) return null
  const part = (key: string): string | null => params.text(key) ?? null
  return {
    city: part('city'),
    country: part('country'),
    line1: part('line1'),
    line2: part('line2'),
    postal_code: part('postal_code'),
    state: part('state'),
  }
}

function shippingOf(params: Params | undefined): Customer['shipping'] {
  if (params === undefined) return null
  params.only(['address', 'name', 'phone'])
  const address = addressOf(params.object('address'))
  if (address === null) throw missing(params.name('address'))
  return { address, name: params.required('name'), phone: params.text('phone') ?? null }
}

function create({ store, params }: Call): Customer {
  const named = params.text('payment_method')
  const card = named ? verified(resolveCard(store, named, 'payment_method')) : undefined
  if (card && card.customer !== null) {
    throw invalid('This PaymentMethod is attached to another customer.', 'payment_method')
  }
  const fields = changes(store, params, undefined, card && { named: String(named), id: card.id })
  const customer = createCustomer(store, fields)
  if (card) attachCard(store, card, customer.id)
  return customer
}

/** A customer that may be changed. @throws `resource_missing` if it is deleted */
function findLive(store: Store, id: string): Customer {
  const customer = find(store, 'customers', id)
  if (customer.deleted) throw noSuch('customer', id)
  return customer
}

const PARAMS = [
  'address',
  'balance',
  'description',
  'email',
  'invoice_settings',
  'metadata',
  'name',
  'phone',
  'preferred_locales',
  'shipping',
]
const IGNORED = ['tax', 'invoice_prefix']

/** Parameters that are refused by name, because each would change the amount or time of a charge. */
const REFUSED = ['tax_exempt', 'tax_id_data', 'test_clock']

export const customerEndpoints: Endpoint[] = [
  {
    method: 'POST',
    path: '/v1/customers',
    params: [...PARAMS, 'payment_method'],
    ignored: IGNORED,
    refused: REFUSED,
    run: create,
  },
  {
    method: 'GET',
    path: '/v1/customers',
    params: [...LIST_PARAMS, 'email'],
    run(call) {
      const email = call.params.text('email')
      return listTable(
        call,
        'customers',
        '/v1/customers',
        (customer) => !customer.deleted && (!email || customer.email === email),
      )
    },
  },
  {
    method: 'GET',
    path: '/v1/customers/search',
    params: ['query', 'limit', 'page'],
    run(call) {
      const { searchMatchesCase } = call.store.settings
      const matches = customerFilter(call.params.required('query'), searchMatchesCase)
      const found = searchable(call.store).filter(
        (customer) => !customer.deleted && matches(customer),
      )
      const after = call.params.text('page')
      const from = after ? found.findIndex((customer) => customer.id === after) + 1 : 0
      const { data, has_more, url } = page(call, found.slice(from), '/v1/customers/search')
      const last = data.at(-1) as Customer | undefined
      return { object: 'search_result', data, has_more, next_page: has_more ? last?.id : null, url }
    },
  },
  {
    method: 'GET',
    path: '/v1/customers/:id',
    run: ({ store, id }) => find(store, 'customers', id),
  },
  {
    method: 'POST',
    path: '/v1/customers/:id',
    params: [...PARAMS],
    ignored: IGNORED,
    refused: REFUSED,
    run({ store, params, id }) {
      const customer = findLive(store, id)
      const fields = changes(store, params, customer)
      return change(store, 'customer.updated', customer, (current) =>
        Object.assign(current, fields),
      )
    },
  },
  {
    method: 'DELETE',
    path: '/v1/customers/:id',
    run({ store, id }) {
      const customer = findLive(store, id)
      const own = referring(store, 'subscriptions', 'customer', id).filter(
        (subscription) => !isEnded(subscription),
      )
      for (const subscription of own) endSubscription(store, subscription, 'cancellation_requested')
      emit(store, 'customer.deleted', customer)
      customer.deleted = true
      return customer
    },
  },
  {
    method: 'GET',
    path: '/v1/customers/:id/payment_methods',
    params: [...LIST_PARAMS, 'type'],
    run(call) {
      find(call.store, 'customers', call.id)
      const url = `/v1/customers/${call.id}/payment_methods`
      return listTable(call, 'paymentMethods', url, undefined, { customer: call.id })
    },
  },
]
