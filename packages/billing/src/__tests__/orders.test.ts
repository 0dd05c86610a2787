/** Orders from the first click to the last refund; what HTTP does with them is in `orders-http.test.ts`. */

import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { createShop, type Shop } from './orders-harness.ts'

let shop: Shop
beforeAll(async () => {
  shop = await createShop(inject('postgres'))
})
afterAll(() => shop.close())
beforeEach(() => {
  shop.alerts.length = 0
  shop.controls.isDown = false
})

test('an order is written down before its checkout, which is its own', async () => {
  const { orderId, checkoutId, url, ownerId, isNew } = await shop.order()
  expect(isNew).toBe(true)
  expect(url).toContain(checkoutId)
  expect(await shop.row(orderId)).toMatchObject({
    ownerId,
    sku: 'CREDITS_SMALL',
    provider: 'local',
    amount: 1000,
    currency: 'usd',
    credits: 100,
    status: 'pending',
    checkoutId,
    completedAt: null,
  })
  expect((await shop.provider.retrieveCheckout(checkoutId)).orderId).toBe(orderId)
})

test('an open order of the same product is offered again, however often and at once', async () => {
  const ownerId = await shop.owner()
  const asked = await Promise.all(
    Array.from({ length: 10 }, () =>
      shop.billing.createOrder({ ownerId, productId: 'CREDITS_SMALL' }),
    ),
  )
  expect(new Set(asked.map(({ orderId }) => orderId)).size).toBe(1)
  expect(new Set(asked.map(({ url }) => url)).size).toBe(1)
  expect(asked.filter(({ isNew }) => isNew)).toHaveLength(1)
  const other = await shop.billing.createOrder({ ownerId, productId: 'CREDITS_LARGE' })
  expect(other.isNew).toBe(true)
})

test('promise 4: fifty who hear of one payment at once give its credits once', async () => {
  const { orderId, checkoutId, ownerId } = await shop.order()
  await shop.controls.completeCheckout(checkoutId)
  const settled = await Promise.all(
    Array.from({ length: 50 }, () => shop.billing.settleOrder(orderId)),
  )
  expect(new Set(settled.map(({ status }) => status))).toEqual(new Set(['completed']))
  expect(await shop.ledger(ownerId)).toEqual(['purchase 100'])
  expect(await shop.billing.getBalance(ownerId)).toMatchObject({ balance: 100 })
})

test('promise 4: nothing is given before the provider says that it is paid', async () => {
  const { orderId, checkoutId, ownerId } = await shop.order()
  expect(await shop.billing.settleOrder(orderId)).toMatchObject({ status: 'pending' })
  await shop.controls.failCheckout(checkoutId)
  expect(await shop.billing.settleOrder(orderId)).toMatchObject({ status: 'pending' })
  expect(await shop.ledger(ownerId)).toEqual([])
})
