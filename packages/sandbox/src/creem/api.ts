/**
 * The covered part of Creem's REST API: products, checkouts, subscriptions, transactions, refunds, customers
 * and portal links.
 *
 * @see https://docs.creem.io/api-reference/introduction
 * @module
 */

import { randomUUID } from 'node:crypto'
import type { Logger } from '@repo/core'
import { isSameSecret } from '@repo/core/http'
import { Hono, type Context as HonoContext } from 'hono'
import { delay, type FaultKind, hang, tearDown } from '../stripe/server/faults.ts'
import { cancel, refund } from './life.ts'
import {
  type BillingPeriod,
  CreemApiError,
  type CreemCheckout,
  type CreemProduct,
  type CreemStore,
  dated,
  find,
  newId,
} from './objects.ts'
import { checkMembers, paged, readBody, readQuery } from './params.ts'
import { shownCheckout, shownSubscription } from './shapes.ts'

export interface CreemApiOptions {
  store: CreemStore
  apiKey: string
  logger: Logger
  /** The status of the next failure that `failNext` requested; null if none is left. */
  takeFailure(): number | null
  takeFault(): FaultKind | null
  onChange(): void
}

const BASE = '/creem/v1'

/** The app that answers `/creem/v1/*`. */
export function createCreemApi(options: CreemApiOptions): Hono {
  const { store } = options
  const app = new Hono()
  app.onError((error, c) => refusal(c, error, options.logger))
  app.use(`${BASE}/*`, async (c, next) => {
    authenticate(c.req.header('x-api-key'), options.apiKey)
    const failure = options.takeFailure()
    if (failure !== null) return broken(c, failure)
    const fault = options.takeFault()
    if (fault === 'hang') await hang(c.req.raw.signal)
    if (fault === 'reset') tearDown(c.env)
    if (fault !== null && fault !== 'applied' && fault !== 'late') {
      return broken(c, fault === '429' ? 429 : 500)
    }
    await next()
    if (c.req.method !== 'GET') options.onChange()
    if (fault === 'late') await delay(c.req.raw.signal)
    if (fault === 'applied') c.res = broken(c, 500)
    return undefined
  })

  app.post(`${BASE}/products`, async (c) =>
    c.json(createProduct(store, await readBody(c, PRODUCT))),
  )
  app.get(`${BASE}/products/search`, (c) => {
    const query = readQuery(c, ['page_number', 'page_size', 'status'])
    const rows = store.tables.products.filter(
      ({ status }) => query.status === undefined || status === query.status,
    )
    return c.json(paged(rows.toReversed(), query))
  })
  app.get(`${BASE}/products/:id`, (c) => c.json(find(store, 'products', c.req.param('id'))))
  app.post(`${BASE}/checkouts`, async (c) => {
    const checkout = createCheckout(store, await readBody(c, CHECKOUT))
    return c.json(shownCheckout(store, checkout))
  })
  app.get(`${BASE}/checkouts`, (c) => {
    const { checkout_id } = readQuery(c, ['checkout_id'])
    return c.json(shownCheckout(store, find(store, 'checkouts', checkout_id)))
  })
  app.get(`${BASE}/subscriptions`, (c) => {
    const { subscription_id } = readQuery(c, ['subscription_id'])
    return c.json(shownSubscription(store, find(store, 'subscriptions', subscription_id)))
  })
  app.post(`${BASE}/subscriptions/:id/cancel`, async (c) => {
    const { mode, onExecute = 'cancel' } = await readBody(c, { mode: 'text', onExecute: 'text' })
    if ((mode !== 'immediate' && mode !== 'scheduled') || onExecute !== 'cancel') {
      throw new CreemApiError(400, 'mode must be one of the following values: immediate, scheduled')
    }
    return c.json(shownSubscription(store, cancel(store, c.req.param('id'), mode)))
  })
  app.get(`${BASE}/transactions`, (c) => {
    const { transaction_id } = readQuery(c, ['transaction_id'])
    return c.json(find(store, 'transactions', transaction_id))
  })
  app.get(`${BASE}/transactions/search`, (c) => {
    const filters = ['customer_id', 'order_id', 'product_id', 'page_number', 'page_size']
    const query = readQuery(c, filters)
    const rows = store.tables.transactions.filter(
      ({ customer, order }) =>
        [customer, undefined].includes(query.customer_id) &&
        [order, undefined].includes(query.order_id) &&
        [find(store, 'orders', order).product, undefined].includes(query.product_id),
    )
    return c.json(paged(rows.toReversed(), query))
  })
  app.post(`${BASE}/refunds`, async (c) => {
    const { transaction_id } = await readBody(c, { transaction_id: 'text!' })
    refund(store, String(transaction_id))
    return c.json({ status: 'succeeded' })
  })
  app.get(`${BASE}/customers`, (c) => {
    const { customer_id, email } = readQuery(c, ['customer_id', 'email'])
    const known = store.tables.customers.find((each) => each.email === email)
    return c.json(find(store, 'customers', customer_id ?? known?.id))
  })
  app.post(`${BASE}/customers/billing`, async (c) => {
    const { customer_id } = await readBody(c, { customer_id: 'text!' })
    const { id: customer } = find(store, 'customers', customer_id)
    const token = newId('portal')
    store.tables.portals.push({ token, customer })
    return c.json({ customer_portal_link: `${store.origin}/creem/portal/${token}` })
  })
  app.all(`${BASE}/*`, (c) => {
    throw new CreemApiError(404, `Cannot ${c.req.method} ${c.req.path}`)
  })
  return app
}

/** Refuses every key except the store's. @throws `CreemApiError` 403. */
function authenticate(given: string | undefined, apiKey: string): void {
  if (isSameSecret(given ?? '', apiKey)) return
  throw new CreemApiError(403, 'Forbidden')
}

const PRODUCT = {
  name: 'text!',
  description: 'text!',
  price: 'whole!',
  currency: 'text!',
  billing_type: 'text!',
  billing_period: 'text',
  tax_mode: 'text',
  tax_category: 'text',
  default_success_url: 'url',
  // The official SDK always sends this member.
  abandoned_cart_recovery_enabled: 'flag',
} as const

const PERIODS: readonly unknown[] = ['every-month', 'every-year']

/** Creates a product, as the API or the dashboard does. @throws `CreemApiError` 400. */
export function createProduct(store: CreemStore, body: Record<string, unknown>): CreemProduct {
  const { name, description, price, currency, billing_type, billing_period } = body
  if (body.abandoned_cart_recovery_enabled === true) {
    const message = 'abandoned_cart_recovery_enabled is not covered by the sandbox'
    throw new CreemApiError(400, message)
  }
  if (Number(price) !== 0 && !isPrice(price))
    throw new CreemApiError(400, 'price must be at least 100')
  if (currency !== 'EUR' && currency !== 'USD')
    throw new CreemApiError(400, 'currency must be EUR or USD')
  if (billing_type !== 'onetime' && billing_type !== 'recurring') {
    throw new CreemApiError(400, 'billing_type must be onetime or recurring')
  }
  if (billing_type === 'recurring' && !PERIODS.includes(billing_period)) {
    throw new CreemApiError(400, 'billing_period must be every-month or every-year')
  }
  const product: CreemProduct = {
    id: newId('prod'),
    object: 'product',
    ...dated(store),
    name: String(name),
    description: String(description),
    price: Number(price),
    currency,
    billing_type,
    billing_period: billing_type === 'onetime' ? 'once' : (billing_period as BillingPeriod),
    status: 'active',
    tax_mode: 'exclusive',
    tax_category: 'saas',
    default_success_url: (body.default_success_url as string | undefined) ?? null,
  }
  store.tables.products.push(product)
  return product
}

const isPrice = (value: unknown): boolean =>
  typeof value === 'number' && value >= 100 && value <= 99_999_999

const CHECKOUT = {
  product_id: 'text!',
  request_id: 'text',
  units: 'whole',
  custom_price: 'whole',
  customer: 'object',
  success_url: 'url',
  metadata: 'object',
} as const

/** Creem documents `Idempotency-Key` for products only, so a repeated request makes another checkout. */
function createCheckout(store: CreemStore, body: Record<string, unknown>): CreemCheckout {
  const product = find(store, 'products', body.product_id)
  if (product.status !== 'active') throw new CreemApiError(400, 'Product is not active')
  const customer = (body.customer ?? {}) as { id?: string; email?: string }
  checkMembers(customer, { id: 'text', email: 'text', name: 'text' }, 'customer.')
  if (customer.id !== undefined && customer.email !== undefined) {
    throw new CreemApiError(400, 'Only one of customer.id and customer.email may be specified')
  }
  if (customer.id !== undefined) find(store, 'customers', customer.id)
  if (customer.email !== undefined && !/^[^\s@]+@[^\s@]+$/.test(customer.email)) {
    throw new CreemApiError(400, 'customer.email must be an email')
  }
  const { custom_price, units = 1 } = body
  if (custom_price !== undefined && product.billing_type === 'recurring') {
    throw new CreemApiError(400, 'custom_price is only supported for one-time payment products')
  }
  if (custom_price !== undefined && !isPrice(custom_price)) {
    throw new CreemApiError(400, 'custom_price must be between 100 and 99999999')
  }
  if (Number(units) < 1) throw new CreemApiError(400, 'units must be a positive number')
  const checkout: CreemCheckout = {
    id: newId('ch'),
    object: 'checkout',
    mode: 'test',
    status: 'pending',
    request_id: (body.request_id as string | undefined) ?? null,
    product: product.id,
    units: Number(units),
    custom_price: (custom_price as number | undefined) ?? null,
    buyer: {
      ...(customer.id === undefined ? {} : { id: customer.id }),
      ...(customer.email === undefined ? {} : { email: customer.email }),
    },
    success_url: (body.success_url as string | undefined) ?? product.default_success_url,
    metadata: (body.metadata ?? {}) as Record<string, unknown>,
    order: null,
    customer: null,
    subscription: null,
    created: store.clock.now().getTime(),
  }
  store.tables.checkouts.push(checkout)
  return checkout
}

const TITLES: Record<number, string> = { 400: 'Bad Request', 403: 'Forbidden', 404: 'Bad Request' }

/** @see https://docs.creem.io/api-reference/error-codes */
function refusal(c: HonoContext, error: unknown, logger: Logger): Response {
  if (!(error instanceof CreemApiError)) {
    logger.error({ error, path: c.req.path }, 'The Creem stand-in failed')
    return broken(c, 500)
  }
  const { status, message } = error
  const body = { trace_id: randomUUID(), status, error: TITLES[status], timestamp: Date.now() }
  return c.json(status === 403 ? body : { ...body, message: [message] }, status)
}

/** @see https://docs.creem.io/api-reference/rate-limits */
function broken(c: HonoContext, status: number): Response {
  if (status === 429) {
    const error = { code: 'rate_limit_exceeded', message: 'Rate limit exceeded.', retry_after: 1 }
    return c.json({ error }, 429, { 'retry-after': '1' })
  }
  const body = { trace_id: randomUUID(), status, error: 'Internal Server Error' }
  return c.json({ ...body, timestamp: Date.now() }, status as 500)
}
