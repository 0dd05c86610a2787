/** The Creem stand-in over HTTP: what it answers, refuses, sends, and shows a person. */

import { createHmac } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestClock, createTestLogger } from '@repo/core/testing'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { type Running, start, startReceiver } from './harness.ts'

const KEY = 'creem_test_sandbox'
const SECRET = 'whsec_creem'
const SUCCESS = 'http://localhost:3000/ok?from=creem'

let running: Running
let product: string
let plan: string
beforeEach(async () => {
  running = await start()
  const { creem } = running.sandbox
  product = creem.createProduct({ name: '<b>Pack</b>', price: 1000, currency: 'USD' }).id
  plan = creem.createProduct({ name: 'Pro', price: 2900, currency: 'USD', interval: 'month' }).id
})

/** What the tests read of an answer, whichever it is. */
interface Told {
  id: string
  status: string
  checkout_url: string
  order: { id: string }
  items: { id: string }[]
  current_period_start_date: string
  current_period_end_date: string
  last_transaction_id: string
  customer_portal_link: string
}

async function call(path: string, body?: unknown, key = KEY) {
  const response = await fetch(`${running.creemUrl}/v1${path}`, {
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    ...(body === undefined
      ? {}
      : { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  return {
    status: response.status,
    headers: response.headers,
    json: (await response.json()) as Told,
  }
}

/** A checkout of the product, or of another. */
const open = async (more: object = {}) => {
  const body = { product_id: product, customer: { email: 'ada@example.com' }, ...more }
  return (await call('/checkouts', body)).json
}

test('what the official SDK reads and sends is there', async () => {
  const made = await call('/products', {
    name: 'Seats',
    description: 'Seats',
    price: 1000,
    currency: 'USD',
    billing_type: 'onetime',
    abandoned_cart_recovery_enabled: false,
  })
  expect(made.status).toBe(200)
  const refused = await call('/products', {
    name: 'Seats',
    description: 'Seats',
    price: 1000,
    currency: 'USD',
    billing_type: 'onetime',
    abandoned_cart_recovery_enabled: true,
  })
  expect(refused.status).toBe(400)
  expect((await call('/products/search?page_size=1')).json.items[0]?.id).toBe(made.json.id)

  const checkout = await open({ product_id: plan })
  const done = running.sandbox.creem.completeCheckout(checkout.id)
  const id = String(done.subscription)
  const found = await call(`/subscriptions?subscription_id=${id}`)
  expect(found.json).toMatchObject({
    items: [{ mode: 'test', product_id: plan }],
    next_transaction_date: expect.any(String),
  })
  const ended = await call(`/subscriptions/${id}/cancel`, { mode: 'scheduled' })
  expect(ended.status).toBe(200)
  expect(ended.json).not.toHaveProperty('next_transaction_date')
})

test('a checkout is made, paid and told', async () => {
  const metadata = { orderId: 'o_1' }
  const made = await open({ request_id: 'o_1', metadata, custom_price: 1500 })
  expect(made).toMatchObject({ object: 'checkout', status: 'pending', request_id: 'o_1', metadata })
  expect(made.checkout_url).toBe(`${running.url}/creem/checkout/${made.id}`)

  running.sandbox.creem.completeCheckout(made.id)
  const { json } = await call(`/checkouts?checkout_id=${made.id}`)
  expect(json).toMatchObject({
    status: 'completed',
    order: { amount: 1500, status: 'paid' },
    customer: { email: 'ada@example.com' },
  })
  expect(json).not.toHaveProperty('checkout_url')
  expect(json.order).not.toHaveProperty('transaction')
  const found = await call(`/transactions/search?order_id=${json.order.id}`)
  expect(found.json.items).toMatchObject([{ amount: 1500, status: 'paid', type: 'payment' }])
  const id = found.json.items[0]?.id
  expect((await call(`/transactions?transaction_id=${id}`)).json).toEqual(found.json.items[0])
})

test('a subscription begins, renews and ends', async () => {
  const { creem } = running.sandbox
  const made = await open({ product_id: plan, metadata: { orderId: 'o_2' } })
  const { subscription } = creem.completeCheckout(made.id)
  const path = `/subscriptions?subscription_id=${subscription}`
  const first = (await call(path)).json
  expect(first).toMatchObject({
    status: 'active',
    metadata: { orderId: 'o_2' },
    product: { id: plan },
  })
  creem.renew(String(subscription))
  const second = (await call(path)).json
  expect(second.current_period_start_date).toBe(first.current_period_end_date)
  expect(second.last_transaction_id).not.toBe(first.last_transaction_id)
  const cancel = `/subscriptions/${subscription}/cancel`
  expect((await call(cancel, { mode: 'scheduled' })).json.status).toBe('scheduled_cancel')
  creem.renew(String(subscription))
  expect((await call(path)).json.status).toBe('canceled')
  expect((await call(cancel, { mode: 'immediate' })).status).toBe(400)
  expect(creem.events.map(({ eventType }) => eventType)).toEqual([
    'checkout.completed',
    'subscription.active',
    'subscription.paid',
    'subscription.paid',
    'subscription.scheduled_cancel',
    'subscription.canceled',
  ])
})

test('a plan that began on the 31st ends its periods on the last day, and on the 31st again', async () => {
  const clock = createTestClock('2027-01-31T09:00:00Z')
  running = await start({ clock })
  const { creem } = running.sandbox
  plan = creem.createProduct({ name: 'Pro', price: 2900, currency: 'USD', interval: 'month' }).id
  const made = await open({ product_id: plan })
  const { subscription } = creem.completeCheckout(made.id)
  const ends: string[] = []
  for (let month = 0; month < 3; month += 1) {
    const { json } = await call(`/subscriptions?subscription_id=${subscription}`)
    ends.push(json.current_period_end_date.slice(0, 10))
    creem.renew(String(subscription))
  }
  expect(ends).toEqual(['2027-02-28', '2027-03-31', '2027-04-30'])
})

test('a renewal that is declined is past due, with the period that was paid, until it is paid', async () => {
  const { creem } = running.sandbox
  const { id } = await open({ product_id: plan })
  const subscription = String(creem.completeCheckout(id).subscription)
  const path = `/subscriptions?subscription_id=${subscription}`
  const paid = (await call(path)).json
  creem.failRenewal(subscription)
  const { status, current_period_end_date, last_transaction_id } = (await call(path)).json
  expect(status).toBe('past_due')
  expect(current_period_end_date).toBe(paid.current_period_end_date)
  expect(last_transaction_id).toBe(paid.last_transaction_id)
  expect(creem.events.at(-1)?.eventType).toBe('subscription.past_due')
  creem.renew(subscription)
  expect((await call(path)).json).toMatchObject({
    status: 'active',
    current_period_start_date: paid.current_period_end_date,
  })
  await call(`/subscriptions/${subscription}/cancel`, { mode: 'scheduled' })
  expect(() => creem.failRenewal(subscription)).toThrow('scheduled_cancel')
})

test('all that is left goes back by the API, a part from the dashboard, and nothing twice', async () => {
  const { creem } = running.sandbox
  creem.completeCheckout((await open()).id)
  const { id } = creem.snapshot().tables.transactions[0] ?? { id: '' }
  creem.refund(id, 400)
  expect(creem.events.at(-1)).toMatchObject({
    eventType: 'refund.created',
    object: { refund_amount: 400, transaction: { id, status: 'partialRefund' } },
  })
  expect((await call('/refunds', { transaction_id: id })).json).toEqual({ status: 'succeeded' })
  expect((await call(`/transactions?transaction_id=${id}`)).json).toMatchObject({
    status: 'refunded',
    refunded_amount: 1000,
  })
  expect((await call('/refunds', { transaction_id: id })).status).toBe(400)
  expect((await call('/refunds', { transaction_id: id, amount: 1 })).status).toBe(400)
})

describe('refused is', () => {
  test.each<[string, string, unknown, number]>([
    ['another key', '/checkouts', {}, 403],
    ['no product', '/checkouts', {}, 400],
    ['a product that is not there', '/checkouts', { product_id: 'prod_none' }, 404],
    ['what is not documented', '/checkouts', { product_id: 'PACK', amount: 100 }, 400],
    ['a price below one unit', '/checkouts', { product_id: 'PACK', custom_price: 99 }, 400],
    ['half a cent', '/checkouts', { product_id: 'PACK', custom_price: 100.5 }, 400],
    ['a price for a plan', '/checkouts', { product_id: 'PLAN', custom_price: 500 }, 400],
    [
      'two customers',
      '/checkouts',
      { product_id: 'PACK', customer: { id: 'c', email: 'a@b.c' } },
      400,
    ],
    ['no address', '/checkouts', { product_id: 'PACK', customer: { email: 'nobody' } }, 400],
    ['a relative return', '/checkouts', { product_id: 'PACK', success_url: '/ok' }, 400],
    ['no JSON', '/checkouts', '{"product_id":', 400],
    ['a list', '/checkouts', [], 400],
    ['an unknown way to end', '/subscriptions/sub_none/cancel', { mode: 'later' }, 400],
    ['a transaction that is not there', '/refunds', { transaction_id: 'tran_none' }, 404],
    ['a customer that is not there', '/customers/billing', { customer_id: 'cust_none' }, 404],
    [
      'a price of 50',
      '/products',
      { name: 'a', description: 'a', price: 50, currency: 'USD', billing_type: 'onetime' },
      400,
    ],
    [
      'a currency Creem has not',
      '/products',
      { name: 'a', description: 'a', price: 500, currency: 'GBP', billing_type: 'onetime' },
      400,
    ],
    ['an unknown path', '/nothing', {}, 404],
  ])('%s', async (name, path, body, status) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const sent = text.replace('PACK', product).replace('PLAN', plan)
    const answer = await call(path, sent, name === 'another key' ? 'creem_test_other' : KEY)
    expect(answer.status).toBe(status)
    expect(answer.json).toMatchObject({ status, trace_id: expect.any(String) })
    expect(running.sandbox.creem.events).toEqual([])
  })

  test('a page that is none', async () => {
    expect((await call('/transactions/search?page_number=0')).status).toBe(400)
    expect((await call('/transactions/search?since=2026')).status).toBe(400)
  })
})

test('webhooks are signed over the raw body, tried again, and sent again from the front page', async () => {
  const receiver = await startReceiver()
  receiver.answer(500)
  running.sandbox.creem.addWebhook({ url: receiver.url, secret: SECRET })
  const again = await start({
    creem: {
      webhooks: [{ url: receiver.url, secret: SECRET }],
      delivery: { retryDelaysMs: [5, 5, 5, 5] },
    },
  })
  running = again
  const { creem } = again.sandbox
  product = creem.createProduct({ name: 'Pack', price: 1000, currency: 'EUR' }).id
  creem.completeCheckout((await open()).id)
  await creem.settled()
  expect(creem.deliveries).toMatchObject([{ state: 'failed', attempts: { length: 5 } }])
  for (const { headers, body } of receiver.received) {
    const expected = createHmac('sha256', SECRET).update(body).digest('hex')
    expect(headers['creem-signature']).toBe(expected)
  }
  receiver.answer(200)
  const [event] = creem.events
  expect(await (await fetch(again.url)).text()).toContain('checkout.completed')
  const path = `/creem/events/${event?.id}/redeliver`
  expect((await again.post(path, {}, 'http://evil.example')).status).toBe(403)
  expect((await again.post(path, {})).status).toBe(303)
  expect(creem.deliveries).toMatchObject([{ state: 'delivered' }])
})

test('by default it is tried again four times in about an hour, as Creem does', async () => {
  const receiver = await startReceiver()
  receiver.answer(500)
  const logger = createTestLogger()
  running = await start({ logger })
  const { creem } = running.sandbox
  product = creem.createProduct({ name: 'Pack', price: 1000, currency: 'EUR' }).id
  creem.addWebhook({ url: receiver.url, secret: SECRET })
  creem.completeCheckout((await open()).id)
  const id = creem.events[0]?.id ?? ''
  await expect.poll(() => creem.deliveries[0]?.attempts.length).toBe(1)
  for (let tries = 2; tries <= 4; tries += 1) {
    expect(creem.deliveries).toMatchObject([{ state: 'pending', attempts: { length: tries - 1 } }])
    await creem.redeliver(id)
  }
  expect(creem.deliveries).toMatchObject([{ state: 'pending' }])
  await creem.redeliver(id)
  expect(creem.deliveries).toMatchObject([{ state: 'failed', attempts: { length: 5 } }])
  const delays = logger.entries.flatMap(({ fields }) => ('delay' in fields ? [fields.delay] : []))
  expect(delays).toEqual([30_000, 60_000, 300_000, 3_600_000])
})

test('a person pays on the page and comes back, signed', async () => {
  const { id } = await open({ success_url: SUCCESS, customer: {} })
  const page = await (await fetch(`${running.url}/creem/checkout/${id}`)).text()
  expect(page).toContain('&lt;b&gt;Pack&lt;/b&gt;')
  const pay = (fields: Record<string, string>, origin?: string) =>
    running.post(`/creem/checkout/${id}`, fields, origin)
  const card = { number: '4242 4242 4242 4242', email: 'ada@example.com' }
  expect((await pay(card, 'http://evil.example')).status).toBe(403)
  expect((await pay({ ...card, number: '4000000000000002' })).status).toBe(402)
  expect((await pay({ number: card.number })).status).toBe(402)
  expect(running.sandbox.creem.events).toEqual([])
  const paid = await pay(card)
  const back = new URL(paid.headers.get('location') ?? '')
  expect(back.href.startsWith(SUCCESS)).toBe(true)
  expect(back.searchParams.get('checkout_id')).toBe(id)
  expect(back.searchParams.get('signature')).toMatch(/^[0-9a-f]{64}$/)
  expect((await pay(card)).status).toBe(200)
  expect(running.sandbox.creem.snapshot().tables.transactions).toHaveLength(1)
})

test('a person cancels in the portal, and only what is theirs', async () => {
  const { creem } = running.sandbox
  const made = creem.completeCheckout((await open({ product_id: plan })).id)
  const { json } = await call('/customers/billing', { customer_id: made.customer })
  const portal = new URL(json.customer_portal_link)
  expect(await (await fetch(portal)).text()).toContain('active')
  const cancel = (subscription: string) =>
    running.post(`${portal.pathname}/cancel`, { subscription })
  expect((await cancel('sub_other')).status).toBe(404)
  expect((await cancel(String(made.subscription))).status).toBe(303)
  expect(creem.snapshot().tables.subscriptions[0]?.status).toBe('scheduled_cancel')
})

test('faults: before anything, after everything, and too many requests', async () => {
  const { creem } = running.sandbox
  creem.failNext({ status: 429 })
  const busy = await call('/checkouts', { product_id: product })
  expect([busy.status, busy.headers.get('retry-after')]).toEqual([429, '1'])
  creem.setFaults({ rate: 1, kinds: ['500'] })
  expect((await call('/checkouts', { product_id: product })).status).toBe(500)
  expect(creem.snapshot().tables.checkouts).toHaveLength(0)
  creem.setFaults({ rate: 1, kinds: ['applied'] })
  expect((await call('/checkouts', { product_id: product })).status).toBe(500)
  expect(creem.snapshot().tables.checkouts).toHaveLength(1)
  creem.setFaults({ rate: 1, kinds: ['reset'] })
  await expect(call('/checkouts', { product_id: product })).rejects.toThrow('fetch failed')
  creem.setFaults(null)
  expect((await call('/checkouts', { product_id: product })).status).toBe(200)
})

test('a restart forgets nothing', async () => {
  const root = await mkdtemp(join(tmpdir(), 'sandbox-creem-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  const stateFile = join(root, 'state.json')
  running = await start({ stateFile })
  const before = running.sandbox.creem
  product = before.createProduct({ name: 'Pack', price: 1000, currency: 'EUR' }).id
  const { id } = before.completeCheckout((await open()).id)
  await running.sandbox.stop()
  running = await start({ stateFile })
  expect((await call(`/checkouts?checkout_id=${id}`)).json).toMatchObject({ status: 'completed' })
  expect(running.sandbox.creem.events).toEqual(before.events)
})

test('its time is the clock it is given', async () => {
  const now = new Date('2027-01-31T12:00:00Z')
  running = await start({ clock: { now: () => now } })
  const { creem } = running.sandbox
  const { id } = creem.createProduct({
    name: 'Pro',
    price: 2900,
    currency: 'USD',
    interval: 'month',
  })
  creem.completeCheckout((await open({ product_id: id })).id)
  expect(creem.snapshot().tables.subscriptions[0]).toMatchObject({
    current_period_start_date: '2027-01-31T12:00:00.000Z',
    current_period_end_date: '2027-02-28T12:00:00.000Z',
  })
})
