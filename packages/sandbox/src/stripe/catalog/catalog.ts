/**
 * Products and prices. A lookup key names at most one active price; `transfer_lookup_key` moves it away from
 * its previous price.
 *
 * @module
 */

import { maxAmount } from '@repo/core'
import { currencyOf } from '../payments/payments.ts'
import type { Price, Recurring } from '../server/base-objects.ts'
import { type Call, type Endpoint, LIST_PARAMS, listTable } from '../server/endpoint.ts'
import { invalid, missing, StripeApiError } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type { Product } from '../server/objects.ts'
import { change, emit, find, insert, newId, type Store, seconds } from '../server/store.ts'

function createProduct({ store, params }: Call): Product {
  const id = params.text('id') ?? newId('products')
  if (store.tables.products.has(id)) {
    throw new StripeApiError('resource_already_exists', 400, 'Product already exists.', {
      param: 'id',
    })
  }
  const priceData = params.object('default_price_data')
  const product = addProduct(store, id, params)
  if (priceData) product.default_price = addPrice(store, priceData, product.id).id
  return product
}

function addProduct(store: Store, id: string, params: Params): Product {
  const product: Product = {
    id,
    object: 'product',
    created: seconds(store),
    livemode: false,
    active: params.flag('active') ?? true,
    default_price: null,
    description: params.text('description') ?? null,
    images: params.strings('images'),
    marketing_features: params
      .objects('marketing_features')
      .map((feature) => ({ name: feature.required('name') })),
    metadata: params.metadata(),
    name: params.required('name'),
    package_dimensions: null,
    shippable: null,
    statement_descriptor: params.text('statement_descriptor') ?? null,
    tax_code: null,
    type: 'service',
    unit_label: params.text('unit_label') ?? null,
    updated: seconds(store),
    url: params.url('url') ?? null,
  }
  insert(store, 'products', product)
  emit(store, 'product.created', product)
  return product
}

function updateProduct({ store, params, id }: Call): Product {
  const product = find(store, 'products', id)
  const metadata = params.metadata(product.metadata)
  const name = params.has('name') ? params.required('name') : product.name
  const price = params.text('default_price')
  if (price) find(store, 'prices', price, 'default_price')
  const url = params.url('url')
  return change(store, 'product.updated', product, (current) => {
    current.active = params.flag('active') ?? current.active
    current.metadata = metadata
    current.name = name
    if (price !== undefined) current.default_price = price
    if (params.has('description')) current.description = params.text('description') ?? null
    if (params.has('images')) current.images = params.strings('images')
    if (params.has('unit_label')) current.unit_label = params.text('unit_label') ?? null
    if (url !== undefined) current.url = url
    current.updated = seconds(store)
  })
}

const INTERVALS = ['day', 'week', 'month', 'year'] as const

function recurringOf(params: Params | undefined): Recurring | null {
  if (params === undefined) return null
  const interval = params.choice('interval', INTERVALS)
  if (interval === undefined) throw missing(params.name('interval'))
  if (
    params.choice('usage_type', ['licensed'] as const) === undefined &&
    params.has('usage_type')
  ) {
    throw invalid('The sandbox bills licensed usage only.', params.name('usage_type'))
  }
  const count = params.integer('interval_count') ?? 1
  if (count < 1)
    throw invalid('This value must be greater than or equal to 1.', params.name('interval_count'))
  return {
    interval,
    interval_count: count,
    meter: null,
    trial_period_days: params.integer('trial_period_days') ?? null,
    usage_type: 'licensed',
  }
}

/** Creates a price from `params`, which are those of a request or of its `price_data`. */
export function addPrice(store: Store, params: Params, product: string): Price {
  const currency = currencyOf(params)
  const amount = unitAmount(params)
  const recurring = recurringOf(params.object('recurring'))
  const lookupKey = params.text('lookup_key', 200) ?? null
  const id = newId('prices')
  const holder = lookupKey === null ? undefined : lookupKeyHolder(store, lookupKey, id, params)
  const price: Price = {
    id,
    object: 'price',
    created: seconds(store),
    livemode: false,
    active: params.flag('active') ?? true,
    billing_scheme: 'per_unit',
    currency,
    custom_unit_amount: null,
    lookup_key: lookupKey,
    metadata: params.metadata(),
    nickname: params.text('nickname') ?? null,
    product,
    recurring,
    tax_behavior:
      params.choice('tax_behavior', ['exclusive', 'inclusive', 'unspecified'] as const) ??
      'unspecified',
    tiers_mode: null,
    transform_quantity: null,
    type: recurring === null ? 'one_time' : 'recurring',
    unit_amount: amount,
    unit_amount_decimal: String(amount),
  }
  if (holder) releaseKey(store, holder)
  insert(store, 'prices', price)
  emit(store, 'price.created', price)
  return price
}

function unitAmount(params: Params): number {
  const decimal = params.text('unit_amount_decimal')
  if (decimal && !/^\d+$/.test(decimal)) {
    throw invalid('The sandbox keeps whole minor units only.', params.name('unit_amount_decimal'))
  }
  const amount = params.integer('unit_amount') ?? (decimal ? Number(decimal) : undefined)
  if (amount === undefined) throw missing(params.name('unit_amount'))
  const most = maxAmount(currencyOf(params))
  if (amount > most) {
    const message = `Amount must be no more than ${most}.`
    throw invalid(message, params.name('unit_amount'), 'amount_too_large')
  }
  if (amount >= 0) return amount
  throw invalid(
    'This value must be greater than or equal to 0.',
    params.name('unit_amount'),
    'parameter_invalid_integer',
  )
}

/** The active price with this key. @throws `lookup_key_in_use` unless the request takes the key over */
function lookupKeyHolder(store: Store, key: string, id: string, params: Params): Price | undefined {
  const holder = [...store.tables.prices.values()].find(
    (price) => price.lookup_key === key && price.id !== id,
  )
  if (holder === undefined || params.flag('transfer_lookup_key')) return holder
  throw new StripeApiError(
    'lookup_key_in_use',
    400,
    `A price (\`${holder.id}\`) already uses that lookup key.`,
    { param: params.name('lookup_key') },
  )
}

const releaseKey = (store: Store, price: Price): Price =>
  change(store, 'price.updated', price, (current) => {
    current.lookup_key = null
  })

function createPrice({ store, params }: Call): Price {
  const product = params.text('product')
  const data = params.object('product_data')
  if (product) return addPrice(store, params, find(store, 'products', product, 'product').id)
  if (data === undefined) throw missing('product')
  return addPrice(store, params, addProduct(store, newId('products'), data).id)
}

function updatePrice({ store, params, id }: Call): Price {
  const price = find(store, 'prices', id)
  const key = params.text('lookup_key', 200)
  const metadata = params.metadata(price.metadata)
  const holder = key ? lookupKeyHolder(store, key, id, params) : undefined
  if (holder) releaseKey(store, holder)
  return change(store, 'price.updated', price, (current) => {
    current.active = params.flag('active') ?? current.active
    current.metadata = metadata
    if (key !== undefined) current.lookup_key = key
    if (params.has('nickname')) current.nickname = params.text('nickname') ?? null
  })
}

/** Creates a one-off price and product from a line's `price_data`. */
export function inlinePrice(store: Store, data: Params): Price {
  data.only([
    'currency',
    'product',
    'product_data',
    'recurring',
    'tax_behavior',
    'unit_amount',
    'unit_amount_decimal',
  ])
  const named = data.text('product')
  if (named) return addPrice(store, data, find(store, 'products', named, data.name('product')).id)
  const productData = data.object('product_data')
  if (productData === undefined) throw missing(data.name('product_data'))
  return addPrice(store, data, addProduct(store, newId('products'), productData).id)
}

const PRODUCT_PARAMS = ['active', 'description', 'images', 'metadata', 'name', 'unit_label', 'url']
const PRICE_PARAMS = [
  'active',
  'lookup_key',
  'metadata',
  'nickname',
  'tax_behavior',
  'transfer_lookup_key',
]

/** A filter for records whose id is among the `ids[]` of the request, if it has any. */
const idFilter = (params: Params, key: string): ((id: string) => boolean) => {
  const ids = params.strings(key)
  return (id) => ids.length === 0 || ids.includes(id)
}

export const catalogEndpoints: Endpoint[] = [
  {
    method: 'POST',
    path: '/v1/products',
    params: [
      ...PRODUCT_PARAMS,
      'default_price_data',
      'id',
      'marketing_features',
      'statement_descriptor',
    ],
    ignored: ['shippable', 'tax_code', 'type'],
    run: createProduct,
  },
  {
    method: 'GET',
    path: '/v1/products',
    params: [...LIST_PARAMS, 'active', 'ids'],
    run(call) {
      const active = call.params.flag('active')
      const isWanted = idFilter(call.params, 'ids')
      return listTable(
        call,
        'products',
        '/v1/products',
        (product) => product.active === (active ?? product.active) && isWanted(product.id),
      )
    },
  },
  { method: 'GET', path: '/v1/products/:id', run: ({ store, id }) => find(store, 'products', id) },
  {
    method: 'POST',
    path: '/v1/products/:id',
    params: [...PRODUCT_PARAMS, 'default_price'],
    ignored: ['shippable', 'tax_code', 'statement_descriptor', 'marketing_features'],
    run: updateProduct,
  },
  {
    method: 'POST',
    path: '/v1/prices',
    params: [
      ...PRICE_PARAMS,
      'currency',
      'product',
      'product_data',
      'recurring',
      'unit_amount',
      'unit_amount_decimal',
    ],
    ignored: ['billing_scheme'],
    run: createPrice,
  },
  {
    method: 'GET',
    path: '/v1/prices',
    params: [...LIST_PARAMS, 'active', 'currency', 'lookup_keys', 'product', 'recurring', 'type'],
    run(call) {
      const active = call.params.flag('active')
      const product = call.params.text('product')
      const type = call.params.text('type')
      const currency = call.params.text('currency')
      const interval = call.params.object('recurring')?.text('interval')
      const keys = call.params.strings('lookup_keys')
      return listTable(
        call,
        'prices',
        '/v1/prices',
        (price) =>
          price.active === (active ?? price.active) &&
          (!product || price.product === product) &&
          (!type || price.type === type) &&
          (!currency || price.currency === currency) &&
          (!interval || price.recurring?.interval === interval) &&
          (keys.length === 0 || keys.includes(price.lookup_key ?? '')),
      )
    },
  },
  { method: 'GET', path: '/v1/prices/:id', run: ({ store, id }) => find(store, 'prices', id) },
  {
    method: 'POST',
    path: '/v1/prices/:id',
    params: PRICE_PARAMS,
    run: updatePrice,
  },
]
