/** Orders over HTTP: the route that makes them, the browser's return, and the provider's webhooks. */

import { randomUUID } from 'node:crypto'
import { TollgateError } from '@repo/core'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { createShop, type Shop } from './orders-harness.ts'

let shop: Shop
beforeAll(async () => {
  shop = await createShop(inject('postgres'))
})
afterAll(() => shop.close())
beforeEach(() => {
  shop.controls.isDown = false
  shop.logger.entries.length = 0
})

const ORDER = 'http://localhost:3000/api/orders'
const JSON_TYPE = { 'content-type': 'application/json' }

interface Ask {
  ownerId?: string | null
  body?: unknown
  headers?: Record<string, string>
  method?: string
}

async function ask({ ownerId = null, body, headers = JSON_TYPE, method = 'POST' }: Ask) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const init = method === 'GET' ? { method } : { method, headers, body: text ?? '' }
  const res = await shop.billing.handleCreateOrder(new Request(ORDER, init), {
    getOwner: () => ownerId,
  })
  const answer = res.status === 405 ? {} : ((await res.json()) as Record<string, unknown>)
  return { status: res.status, answer, headers: res.headers }
}

const get = (url: string | URL, headers: Record<string, string> = {}) =>
  shop.billing.handlePaymentCallback(new Request(url, { headers }))

/** Where a redirect leads: path, order and status. */
function leads(res: Response) {
  const url = new URL(res.headers.get('location') ?? '')
  const { order_id, status } = Object.fromEntries(url.searchParams)
  return { code: res.status, to: `${url.origin}${url.pathname}`, orderId: order_id, status }
}

/** Delivers an event of the provider as it would, and works through what is stored. */
async function deliver(eventId: string) {
  const res = await shop.billing.handlePaymentCallback(shop.controls.webhook(eventId) as Request)
  const { dead, waiting } = await shop.billing.processEvents()
  return { status: res.status, dead, waiting }
}

const newest = (type: string) =>
  shop.controls.events.filter((event) => event.type === type).at(-1)?.eventId ?? ''

describe('ordering', () => {
  test('answers with the address of the checkout, and with the same the second time', async () => {
    const ownerId = await shop.owner()
    const first = await ask({ ownerId, body: { productId: 'CREDITS_SMALL' } })
    expect(first).toMatchObject({ status: 201, answer: { isNew: true } })
    const second = await ask({ ownerId, body: { productId: 'CREDITS_SMALL' } })
    expect(second).toMatchObject({ status: 200, answer: { ...first.answer, isNew: false } })
  })

  test.each([
    [
      'nobody signed in',
      { ownerId: null, body: { productId: 'CREDITS_SMALL' } },
      401,
      'sign_in_required',
    ],
    ['an unknown product', { body: { productId: 'GOLD' } }, 404, 'product_not_found'],
    [
      'a product named like a method',
      { body: { productId: 'constructor' } },
      404,
      'product_not_found',
    ],
    ['no product', { body: {} }, 400, 'invalid_payload'],
    ['a number for a product', { body: { productId: 7 } }, 400, 'invalid_payload'],
    ['a list', { body: [] }, 400, 'invalid_payload'],
    ['null', { body: null }, 400, 'invalid_payload'],
    ['what is no JSON', { body: '{' }, 400, 'invalid_payload'],
    ['nothing', { body: '' }, 400, 'invalid_payload'],
    ['too much', { body: { productId: 'x'.repeat(20_000) } }, 413, 'payload_too_large'],
    [
      'a form',
      { body: 'productId=CREDITS_SMALL', headers: { 'content-type': 'text/plain' } },
      415,
      'unsupported_media_type',
    ],
    [
      'a way back to elsewhere',
      { body: { productId: 'CREDITS_SMALL', successUrl: 'https://evil.example/' } },
      400,
      'invalid_return_url',
    ],
  ] as [string, Ask, number, string][])('refuses %s', async (_, input, status, code) => {
    const ownerId = input.ownerId === undefined ? await shop.owner() : input.ownerId
    const before = await shop.db.order.count()
    expect(await ask({ ...input, ownerId })).toMatchObject({ status, answer: { code } })
    expect(await shop.db.order.count()).toBe(before)
  })

  test('refuses another method', async () => {
    const { status, headers } = await ask({ method: 'GET' })
    expect([status, headers.get('allow')]).toEqual([405, 'POST'])
  })

  test('is refused while the provider is unreachable, and goes on with the same order', async () => {
    const ownerId = await shop.owner()
    shop.controls.isDown = true
    const away = await ask({ ownerId, body: { productId: 'CREDITS_SMALL' } })
    expect(away).toMatchObject({ status: 503, answer: { code: 'provider_unavailable' } })
    shop.controls.isDown = false
    const { status, answer } = await ask({ ownerId, body: { productId: 'CREDITS_SMALL' } })
    expect(status).toBe(200)
    const orders = await shop.db.order.findMany({ where: { ownerId } })
    expect(orders).toMatchObject([{ id: answer.orderId, status: 'pending' }])
  })

  test("answers with the host's own refusal, and does not show the host's other errors", async () => {
    const throwing = async (error: Error) => {
      const req = new Request(ORDER, {
        method: 'POST',
        headers: JSON_TYPE,
        body: JSON.stringify({ productId: 'CREDITS_SMALL' }),
      })
      const getOwner = () => Promise.reject(error)
      const res = await shop.billing.handleCreateOrder(req, { getOwner })
      return [res.status, await res.text()] as const
    }
    const [refused, why] = await throwing(new TollgateError('session_expired', 401, 'Sign in.'))
    expect([refused, JSON.parse(why).code]).toEqual([401, 'session_expired'])
    const [broken, said] = await throwing(new Error('the password is hunter2'))
    expect(broken).toBe(500)
    expect(said).not.toContain('hunter2')
  })

  test('is limited to ten a minute for each owner', async () => {
    const ownerId = await shop.owner()
    const body = { productId: 'CREDITS_SMALL' }
    const codes: number[] = []
    for (let n = 0; n < 10; n += 1) codes.push((await ask({ ownerId, body })).status)
    expect(codes).toEqual([201, ...Array<number>(9).fill(200)])
    const { status, headers, answer } = await ask({ ownerId, body })
    expect([status, answer.code]).toEqual([429, 'too_many_requests'])
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await ask({ ownerId: await shop.owner(), body })).status).toBe(201)
  })
})

describe('the return of the browser', () => {
  test('promise 4: completes a paid order before the webhook, once', async () => {
    const { orderId, checkoutId, ownerId } = await shop.order()
    await shop.controls.completeCheckout(checkoutId)
    const back = shop.back(orderId, 'success')
    const [first, ...others] = await Promise.all(Array.from({ length: 10 }, () => get(back)))
    const there = { code: 303, to: 'http://localhost:3000/billing/success', status: 'completed' }
    expect(leads(first as Response)).toEqual({ ...there, orderId })
    for (const other of others) expect(leads(other)).toEqual({ ...there, orderId })
    expect(await deliver(newest('checkout.completed'))).toEqual({
      status: 200,
      dead: 0,
      waiting: 0,
    })
    expect(await shop.ledger(ownerId)).toEqual(['purchase 100'])
  })

  test('promise 4: does not believe a status in the address', async () => {
    const { orderId, ownerId } = await shop.order()
    const res = await get(shop.back(orderId, 'success'))
    expect(leads(res)).toMatchObject({ code: 303, status: 'pending' })
    expect(await shop.row(orderId)).toMatchObject({ status: 'pending', completedAt: null })
    expect(await shop.ledger(ownerId)).toEqual([])
  })

  test.each([
    ['with a made up one', (url: URL) => url.searchParams.set('return_signature', 'a'.repeat(64))],
    ['with one of another length', (url: URL) => url.searchParams.set('return_signature', 'aa')],
    ['of no order', (url: URL) => url.searchParams.delete('order_id')],
    ['of an order there is not', (url: URL) => url.searchParams.set('order_id', randomUUID())],
  ])('promise 4: changes nothing with an address %s', async (_, forge) => {
    const { orderId, checkoutId, ownerId } = await shop.order()
    await shop.controls.completeCheckout(checkoutId)
    const before = await shop.row(orderId)
    const url = new URL(shop.back(orderId, 'success'))
    forge(url)
    const res = await get(url)
    expect(res.status).toBe(400)
    expect(await res.json()).toMatchObject({ code: 'invalid_signature' })
    expect(await shop.row(orderId)).toEqual(before)
    expect(await shop.ledger(ownerId)).toEqual([])
  })

  test("promise 4: does not accept another order's signature", async () => {
    const mine = await shop.order()
    const theirs = await shop.order()
    const url = new URL(shop.back(mine.orderId, 'cancel'))
    url.searchParams.set('order_id', theirs.orderId)
    expect((await get(url)).status).toBe(400)
    expect(await shop.row(theirs.orderId)).toMatchObject({ status: 'pending' })
  })

  test("reads our parameters beside a provider's own", async () => {
    const { orderId, checkoutId } = await shop.order()
    await shop.controls.completeCheckout(checkoutId)
    const url = new URL(shop.back(orderId, 'success'))
    url.searchParams.set('order_id', 'ord_theirs')
    url.searchParams.set('request_id', orderId)
    url.searchParams.set('signature', 'theirs')
    expect(leads(await get(url))).toMatchObject({ orderId, status: 'completed' })
  })

  test('closes the checkout first when cancelling, so that nobody can pay it then', async () => {
    const { orderId, checkoutId } = await shop.order()
    const res = await get(shop.back(orderId, 'cancel'))
    expect(leads(res)).toMatchObject({
      to: 'http://localhost:3000/billing/canceled',
      status: 'cancelled',
    })
    await expect(shop.controls.completeCheckout(checkoutId)).rejects.toThrow('expired')
  })

  test('promise 4: completes a paid order although the buyer pressed cancel', async () => {
    const { orderId, checkoutId, ownerId } = await shop.order()
    await shop.controls.completeCheckout(checkoutId)
    expect(leads(await get(shop.back(orderId, 'cancel')))).toMatchObject({
      to: 'http://localhost:3000/billing/success',
      status: 'completed',
    })
    expect(await shop.ledger(ownerId)).toEqual(['purchase 100'])
  })

  test('cancels nothing while the provider is unreachable, and still redirects the browser', async () => {
    const { orderId } = await shop.order()
    shop.controls.isDown = true
    expect(leads(await get(shop.back(orderId, 'cancel')))).toMatchObject({
      code: 303,
      to: 'http://localhost:3000/billing/canceled',
      status: 'pending',
    })
    expect(leads(await get(shop.back(orderId, 'success')))).toMatchObject({
      to: 'http://localhost:3000/billing/success',
      status: 'pending',
    })
    const fields = { orderId, code: 'provider_unavailable' }
    expect(shop.logger.entries.filter(({ level }) => level === 'error')).toMatchObject([
      { fields },
      { fields },
    ])
  })

  test('redirects to the page that the order names, with its other parameters', async () => {
    const ownerId = await shop.owner()
    const { orderId } = await shop.billing.createOrder({
      ownerId,
      productId: 'CREDITS_SMALL',
      successUrl: '/shop/done?from=menu',
    })
    const res = await get(shop.back(orderId, 'success'))
    expect(res.headers.get('location')).toBe(
      `http://localhost:3000/shop/done?from=menu&order_id=${orderId}&status=pending`,
    )
  })

  test('is limited to a hundred a minute for each address; deliveries are not counted', async () => {
    const from = { 'x-forwarded-for': '203.0.113.7' }
    const url = 'http://localhost:3000/api/payment/callback?order_id=x'
    const codes: number[] = []
    for (let n = 0; n < 101; n += 1) codes.push((await get(url, from)).status)
    expect(codes.filter((code) => code === 400)).toHaveLength(100)
    expect(codes.at(-1)).toBe(429)
    expect((await get(url, from)).headers.get('retry-after')).toMatch(/^\d+$/)
    expect((await get(url, { 'x-forwarded-for': '203.0.113.8' })).status).toBe(400)
    const { checkoutId } = await shop.order()
    await shop.controls.completeCheckout(checkoutId)
    const delivery = shop.controls.webhook(newest('checkout.completed')) as Request
    delivery.headers.set('x-forwarded-for', '203.0.113.7')
    expect((await shop.billing.handlePaymentCallback(delivery)).status).toBe(200)
  })

  test('refuses another method', async () => {
    const req = new Request('http://localhost:3000/x', { method: 'PUT' })
    const res = await shop.billing.handlePaymentCallback(req)
    expect([res.status, res.headers.get('allow')]).toEqual([405, 'GET, POST'])
  })
})

describe("the provider's webhook", () => {
  test('promise 1: is stored before it is answered, and completes the order before the browser returns', async () => {
    const { orderId, checkoutId, ownerId } = await shop.order()
    await shop.controls.completeCheckout(checkoutId)
    const eventId = newest('checkout.completed')
    const req = shop.controls.webhook(eventId) as Request
    expect((await shop.billing.handlePaymentCallback(req)).status).toBe(200)
    expect(await shop.db.webhookEvent.findFirst({ where: { eventId } })).toMatchObject({
      provider: 'local',
      status: 'pending',
      type: 'checkout.completed',
    })
    expect(await shop.row(orderId)).toMatchObject({ status: 'pending' })
    await shop.billing.processEvents()
    expect(await shop.row(orderId)).toMatchObject({ status: 'completed' })
    expect(leads(await get(shop.back(orderId, 'success')))).toMatchObject({ status: 'completed' })
    expect(await shop.ledger(ownerId)).toEqual(['purchase 100'])
  })

  test('promise 1: with many event ids for one payment grants its credits once', async () => {
    const { checkoutId, ownerId } = await shop.order()
    await shop.controls.completeCheckout(checkoutId)
    const payload = JSON.stringify(shop.controls.events.at(-1))
    await shop.db.webhookEvent.createMany({
      data: Array.from({ length: 8 }, () => {
        return { provider: 'local', eventId: randomUUID(), type: 'checkout.completed', payload }
      }),
    })
    await Promise.all([1, 2, 3].map(() => shop.billing.processEvents()))
    expect(await shop.ledger(ownerId)).toEqual(['purchase 100'])
  })

  test('promise 1: waits while the provider is unreachable, and takes effect later', async () => {
    const { orderId, checkoutId } = await shop.order()
    await shop.controls.completeCheckout(checkoutId)
    shop.controls.isDown = true
    expect(await deliver(newest('checkout.completed'))).toEqual({
      status: 200,
      dead: 0,
      waiting: 1,
    })
    shop.controls.isDown = false
    await shop.db
      .$executeRaw`UPDATE "WebhookEvent" SET "nextAttemptAt" = now() WHERE "status" = 'pending'`
    await shop.billing.processEvents()
    expect(await shop.row(orderId)).toMatchObject({ status: 'completed' })
  })

  test('is refused unless it is signed', async () => {
    const before = await shop.db.webhookEvent.count()
    for (const headers of [{}, { 'tollgate-signature': `t=1,v1=${'0'.repeat(64)}` }]) {
      const req = new Request('http://localhost:3000/x', { method: 'POST', body: '{}', headers })
      expect((await shop.billing.handlePaymentCallback(req)).status).toBe(400)
    }
    expect(await shop.db.webhookEvent.count()).toBe(before)
  })

  test('about no order of ours is kept and does nothing', async () => {
    const { checkoutId } = await shop.provider
      .createCheckout({
        orderId: 'elsewhere',
        ownerId: 'elsewhere',
        product: { sku: 'X', name: 'X', amount: 100, currency: 'usd' },
        customer: { id: null, email: 'a@example.com' },
        successUrl: 'http://localhost/',
        cancelUrl: 'http://localhost/',
        idempotencyKey: 'elsewhere',
      })
      .then(({ id }) => ({ checkoutId: id }))
    await shop.controls.completeCheckout(checkoutId)
    const eventId = newest('checkout.completed')
    expect(await deliver(eventId)).toEqual({ status: 200, dead: 0, waiting: 0 })
    expect(await shop.db.webhookEvent.findFirst({ where: { eventId } })).toMatchObject({
      status: 'processed',
      reason: 'no_order',
    })
  })
})

test('promise 7: callbacks log ids and nothing else', async () => {
  const { orderId, checkoutId } = await shop.order()
  await shop.controls.completeCheckout(checkoutId)
  const back = shop.back(orderId, 'success')
  await get(back)
  await deliver(newest('checkout.completed'))
  const said = shop.logger.text
  expect(said).toContain(orderId)
  expect(said).not.toContain(new URL(back).searchParams.get('return_signature'))
  expect(said).not.toContain('@example.com')
  const started = shop.logger.entries.filter(({ message }) => message === 'payment callback')
  expect(started).toMatchObject([{ fields: { method: 'GET' } }, { fields: { method: 'POST' } }])
})
