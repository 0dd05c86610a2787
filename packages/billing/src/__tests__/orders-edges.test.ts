/** The callback without our signature, the limit of deliveries, what is logged where, and failed payments in the rates. */

import type { RateLimiter } from '@repo/core/rate-limit'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { createBilling } from '../index.ts'
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

const CALLBACK = 'http://localhost:3000/api/payment/callback'

const get = (query: Record<string, string>) =>
  shop.billing.handlePaymentCallback(new Request(`${CALLBACK}?${new URLSearchParams(query)}`))

/** Where a redirect leads, with which order and status. */
function leads(res: Response) {
  const url = new URL(res.headers.get('location') ?? 'http://nowhere')
  const { order_id, status } = Object.fromEntries(url.searchParams)
  return { code: res.status, path: url.pathname, orderId: order_id, status }
}

const logged = (message: string) =>
  shop.logger.entries.filter((entry) => entry.message === message).map(({ fields }) => fields)

describe('a return without our signature', () => {
  test.each(['order_id', 'checkout_id'])(
    'that names %s leads to a question to the provider',
    async (name) => {
      const { orderId, checkoutId, ownerId } = await shop.order()
      const named = { [name]: name === 'order_id' ? orderId : checkoutId, status: 'success' }
      expect(leads(await get(named))).toMatchObject({ code: 303, orderId, status: 'pending' })
      await shop.controls.completeCheckout(checkoutId)
      expect(leads(await get(named))).toMatchObject({
        code: 303,
        path: '/billing/success',
        orderId,
        status: 'completed',
      })
      expect(await shop.ledger(ownerId)).toEqual(['purchase 100'])
    },
  )

  test('promise 4: cancels no order, and the checkout stays open', async () => {
    const { orderId, checkoutId } = await shop.order()
    const before = await shop.row(orderId)
    const res = await get({ order_id: orderId, status: 'cancel' })
    expect(leads(res)).toMatchObject({ code: 303, path: '/billing/canceled', status: 'pending' })
    const { settledTicket: _, updatedAt: __, ...after } = await shop.row(orderId)
    expect(before).toMatchObject(after)
    await shop.controls.completeCheckout(checkoutId)
  })

  test('that names no order of ours, or two, is refused', async () => {
    const [one, two] = [await shop.order(), await shop.order()]
    for (const query of [
      {},
      { order_id: 'nobodys' },
      { order_id: one.orderId, checkout_id: two.checkoutId },
      { order_id: `${one.orderId}'` },
    ]) {
      const res = await get(query as Record<string, string>)
      const { code } = (await res.json()) as { code: string }
      expect([res.status, code]).toEqual([400, 'invalid_signature'])
    }
  })
})

test('a request may name the product as product_id, too', async () => {
  const ownerId = await shop.owner()
  const order = (body: object) =>
    shop.billing.handleCreateOrder(
      new Request('http://localhost:3000/api/orders', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
      { getOwner: () => ownerId },
    )
  expect((await order({ product_id: 'CREDITS_SMALL' })).status).toBe(201)
  expect((await order({ product_id: 5 })).status).toBe(400)
})

describe('deliveries to the callback', () => {
  const limited = () => {
    const counted: string[] = []
    const limiter: Pick<RateLimiter, 'consume'> = {
      async consume(policy, key) {
        counted.push(`${policy.name} ${policy.limit} ${key}`)
        const isAllowed = counted.length < 3
        return { isAllowed, remaining: 0, resetSeconds: 7 } as never
      },
    }
    const billing = createBilling({
      ...shop.settings,
      orders: { limiter: limiter as RateLimiter, addressOf: () => '192.0.2.1' },
    })
    return { billing, counted }
  }
  const delivery = async () => {
    await shop.order().then(({ checkoutId }) => shop.controls.completeCheckout(checkoutId))
    const { eventId } = shop.controls.events.at(-1) as { eventId: string }
    return shop.controls.webhook(eventId) as Request
  }

  test('are counted after their signature is checked, with a limit far above a provider’s bursts', async () => {
    const { billing, counted } = limited()
    const forged = new Request(CALLBACK, { method: 'POST', body: '{"id":"evt_12345678"}' })
    expect((await billing.handlePaymentCallback(forged)).status).toBe(400)
    expect(counted).toEqual([])
    for (const _ of [1, 2]) {
      expect((await billing.handlePaymentCallback(await delivery())).status).toBe(200)
    }
    expect(new Set(counted)).toEqual(new Set(['payment-deliveries 6000 192.0.2.1']))
    const stored = await shop.db.webhookEvent.count()
    const res = await billing.handlePaymentCallback(await delivery())
    expect([res.status, Number(res.headers.get('retry-after')) > 0]).toEqual([429, true])
    expect(await shop.db.webhookEvent.count()).toBe(stored)
  })
})

describe('log lines', () => {
  test('are written at the start of a return, with ids alone', async () => {
    const { orderId, checkoutId } = await shop.order()
    shop.logger.entries.length = 0
    await get({ order_id: orderId, checkout_id: checkoutId, email: 'ada@example.com' })
    expect(shop.logger.entries[0]).toMatchObject({
      message: 'payment callback',
      fields: { method: 'GET', orderId, checkoutId },
    })
    expect(shop.logger.text).not.toContain('ada@')
    // Also where nothing comes of it.
    await get({ order_id: 'someone', checkout_id: 'x' })
    expect(logged('payment callback').at(-1)).toMatchObject({ orderId: 'someone' })
  })

  test('are written at the start of a delivery, and again if it is refused', async () => {
    const body = JSON.stringify({ eventId: 'evt_forged', email: 'ada@example.com' })
    await shop.billing.handlePaymentCallback(new Request(CALLBACK, { method: 'POST', body }))
    const named = { provider: 'local', eventId: 'evt_forged' }
    expect(logged('webhook received')).toMatchObject([named])
    expect(logged('webhook refused')).toMatchObject([{ ...named, code: 'missing_signature' }])
    expect(shop.logger.text).not.toContain('ada@')
  })

  test('are written with the id for an order that cannot be settled', async () => {
    const { orderId, checkoutId } = await shop.order()
    await shop.controls.completeCheckout(checkoutId)
    const { eventId } = shop.controls.events.at(-1) as { eventId: string }
    await shop.billing.handlePaymentCallback(shop.controls.webhook(eventId) as Request)
    shop.controls.isDown = true
    await shop.billing.processEvents()
    expect(logged('could not settle the order')).toContainEqual(
      expect.objectContaining({ orderId, code: 'provider_unavailable' }),
    )
  })
})

test('failed payments lower the rate of payment success', async () => {
  const odd = await createShop(inject('postgres'))
  try {
    for (let count = 0; count < 30; count += 1) {
      const { checkoutId, orderId } = await odd.order()
      // A failed try that another one makes good is no failure.
      if (count >= 20) await odd.controls.failCheckout(checkoutId)
      await odd.billing.settleOrder(orderId)
      if (count < 25) await odd.controls.completeCheckout(checkoutId)
      await odd.billing.settleOrder(orderId)
    }
    expect(await odd.billing.watchOrders()).toMatchObject({ fulfilmentRate: 25 / 30 })
    expect(odd.alerts).toEqual([{ code: 'fulfilment_rate_low', rate: 25 / 30, threshold: 0.9 }])
  } finally {
    await odd.close()
  }
})

test('processing time is counted from the arrival of an event, with its wait', async () => {
  const { checkoutId } = await shop.order()
  await shop.controls.completeCheckout(checkoutId)
  const { eventId } = shop.controls.events.at(-1) as { eventId: string }
  await shop.billing.handlePaymentCallback(shop.controls.webhook(eventId) as Request)
  await shop.db.$executeRaw`
    UPDATE "WebhookEvent" SET "receivedAt" = now() - interval '11 seconds' WHERE "eventId" = ${eventId}`
  shop.alerts.length = 0
  await shop.billing.processEvents()
  expect(shop.alerts).toMatchObject([{ code: 'processing_slow' }])
  const [alert] = shop.alerts as { seconds: number }[]
  expect(alert?.seconds).toBeGreaterThan(11)
})
