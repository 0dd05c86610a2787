/** Orders from the first click to the last refund; what HTTP does with them is in `orders-http.test.ts`. */

import { until } from '@repo/core/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { BillingError, createBilling } from '../index.ts'
import type { LocalProvider } from '../providers/local/provider.ts'
import type { PaymentProvider } from '../providers/provider.ts'
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

test('an order is written before its checkout, and the checkout belongs to it alone', async () => {
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

test('promise 4: fifty settlements of one payment at once grant its credits once', async () => {
  const { orderId, checkoutId, ownerId } = await shop.order()
  await shop.controls.completeCheckout(checkoutId)
  const settled = await Promise.all(
    Array.from({ length: 50 }, () => shop.billing.settleOrder(orderId)),
  )
  expect(new Set(settled.map(({ status }) => status))).toEqual(new Set(['completed']))
  expect(await shop.ledger(ownerId)).toEqual(['purchase 100'])
  expect(await shop.billing.getBalance(ownerId)).toMatchObject({ balance: 100 })
})

test('promise 4: nothing is granted before the provider says that the order is paid', async () => {
  const { orderId, checkoutId, ownerId } = await shop.order()
  expect(await shop.billing.settleOrder(orderId)).toMatchObject({ status: 'pending' })
  await shop.controls.failCheckout(checkoutId)
  expect(await shop.billing.settleOrder(orderId)).toMatchObject({ status: 'pending' })
  expect(await shop.ledger(ownerId)).toEqual([])
})

test('promise 4: a payment after the order was cancelled wins', async () => {
  const { orderId, checkoutId, ownerId } = await shop.order()
  // As at a provider that cannot close a checkout.
  const cancelled = await shop.billing.settleOrder(orderId, { givesUp: true })
  expect(cancelled).toMatchObject({ status: 'cancelled', nextCheckAt: null })
  await shop.controls.completeCheckout(checkoutId)
  expect(await shop.billing.settleOrder(orderId)).toMatchObject({ status: 'completed' })
  expect(await shop.ledger(ownerId)).toEqual(['purchase 100'])
})

test('promise 4: if the order is cancelled and paid at once, one wins, and the order agrees with it', async () => {
  const orders = await Promise.all(Array.from({ length: 20 }, () => shop.order()))
  await Promise.all(
    orders.flatMap(({ orderId, checkoutId }) => [
      shop.billing.cancelOrder(orderId),
      shop.controls.completeCheckout(checkoutId).catch(() => null),
      shop.billing.settleOrder(orderId),
    ]),
  )
  for (const { orderId, checkoutId, ownerId } of orders) {
    const { status } = await shop.billing.settleOrder(orderId)
    const checkout = await shop.provider.retrieveCheckout(checkoutId)
    const isPaid = checkout.status === 'complete'
    expect(status).toBe(isPaid ? 'completed' : 'cancelled')
    expect(await shop.ledger(ownerId)).toEqual(isPaid ? ['purchase 100'] : [])
  }
})

test('after an order has ended, the next purchase makes a new one', async () => {
  const first = await shop.order()
  await shop.controls.completeCheckout(first.checkoutId)
  const { ownerId } = first
  const second = await shop.billing.createOrder({ ownerId, productId: 'CREDITS_SMALL' })
  expect(second).toMatchObject({ isNew: true })
  expect(await shop.row(first.orderId)).toMatchObject({ status: 'completed' })
  await shop.provider.expireCheckout(second.checkoutId)
  const third = await shop.billing.createOrder({ ownerId, productId: 'CREDITS_SMALL' })
  expect(third).toMatchObject({ isNew: true })
  expect(await shop.row(second.orderId)).toMatchObject({ status: 'cancelled' })
  expect(await shop.ledger(ownerId)).toEqual(['purchase 100'])
})

test('an open order keeps its terms; with other terms a new order replaces it', async () => {
  const { ownerId, orderId, checkoutId } = await shop.order()
  const dearer = createBilling({
    ...shop.settings,
    products: { CREDITS_SMALL: { name: '100', amount: 1200, currency: 'usd', credits: 100 } },
  })
  const other = await dearer.createOrder({ ownerId, productId: 'CREDITS_SMALL' })
  expect(other).toMatchObject({ isNew: true })
  expect(await shop.row(other.orderId)).toMatchObject({ amount: 1200, status: 'pending' })
  expect(await shop.row(orderId)).toMatchObject({ amount: 1000, status: 'cancelled' })
  expect(await shop.provider.retrieveCheckout(checkoutId)).toMatchObject({ status: 'expired' })
})

test.each([
  ['an owner nobody knows', { ownerId: 'nobody', productId: 'CREDITS_SMALL' }, 'owner_not_found'],
  ['no owner', { ownerId: ' ', productId: 'CREDITS_SMALL' }, 'owner_required'],
  ['a product there is not', { ownerId: 'nobody', productId: '__proto__' }, 'product_not_found'],
])('refuses %s', async (_, input, code) => {
  await expect(shop.billing.createOrder(input)).rejects.toMatchObject({ code })
  expect(await shop.db.order.count({ where: { ownerId: input.ownerId } })).toBe(0)
})

test('promise 3: the newer of two answers stands, in whatever order they are written', async () => {
  let isHeld = false
  const waiting: (() => void)[] = []
  const odd = await createShop(inject('postgres'), {
    through: (provider) => ({
      ...provider,
      async retrievePayment(id) {
        const payment = await provider.retrievePayment(id)
        if (isHeld) await new Promise<void>((done) => waiting.push(done))
        return payment
      },
    }),
  })
  try {
    const { orderId, ownerId, paymentId } = await odd.paid()
    isHeld = true
    const older = odd.billing.settleOrder(orderId)
    await until(() => waiting.length > 0)
    isHeld = false
    await odd.controls.refundPayment(paymentId, 500)
    await odd.billing.settleOrder(orderId)
    for (const done of waiting) done()
    expect(await older).toMatchObject({ amountRefunded: 500 })
    expect(await odd.ledger(ownerId)).toEqual(['purchase 100', 'adjustment -50'])
  } finally {
    await odd.close()
  }
})

test('after a provider was unreachable, the next call continues with the same order', async () => {
  const { orderId } = await shop.order()
  shop.controls.isDown = true
  await expect(shop.billing.settleOrder(orderId)).rejects.toMatchObject({
    code: 'provider_unavailable',
  })
  await expect(shop.billing.cancelOrder(orderId)).rejects.toMatchObject({
    code: 'provider_unavailable',
  })
  expect(await shop.row(orderId)).toMatchObject({ status: 'pending' })
})

describe('a payment that does not match the order', () => {
  test.each([
    ['amount_mismatch', { amount: 999 }],
    ['amount_mismatch', { amount: 1001 }],
    ['currency_mismatch', { currency: 'jpy' }],
    ['order_mismatch', { orderId: '00000000-0000-7000-8000-000000000000' }],
  ])('promise 4: %s is flagged, raises an alert, and grants nothing', async (reason, wrong) => {
    const odd = await createShop(inject('postgres'), {
      through: (provider) => ({
        ...provider,
        retrievePayment: async (id) => ({ ...(await provider.retrievePayment(id)), ...wrong }),
      }),
    })
    try {
      const { orderId, checkoutId, ownerId } = await odd.order()
      await odd.controls.completeCheckout(checkoutId)
      for (const _ of [1, 2]) {
        expect(await odd.billing.settleOrder(orderId)).toMatchObject({
          status: 'pending',
          needsAttention: reason,
        })
      }
      expect(odd.alerts).toEqual([{ code: 'order_needs_attention', id: orderId, reason }])
      expect(await odd.ledger(ownerId)).toEqual([])
      // It does not keep the owner from buying.
      const again = await odd.billing.createOrder({ ownerId, productId: 'CREDITS_SMALL' })
      expect(again.orderId).not.toBe(orderId)
      if (reason === 'order_mismatch') return
      // Given back by a person, it is over.
      expect(await odd.billing.refundOrder(orderId, { operator: 'ada' })).toMatchObject({
        status: 'cancelled',
        needsAttention: null,
      })
      expect(await odd.ledger(ownerId)).toEqual([])
    } finally {
      await odd.close()
    }
  })
})

describe('a crash', () => {
  /** A provider that does what it is asked and loses the answer, once. */
  const losing = (provider: LocalProvider): PaymentProvider => {
    let isLost = false
    return {
      ...provider,
      async createCheckout(input) {
        const made = await provider.createCheckout(input)
        if (isLost) return made
        isLost = true
        throw new Error('the process ended here')
      },
    }
  }

  test('between checkout and order: the next call returns the same order and checkout', async () => {
    const odd = await createShop(inject('postgres'), { through: losing })
    try {
      const ownerId = await odd.owner()
      const input = { ownerId, productId: 'CREDITS_SMALL' }
      await expect(odd.billing.createOrder(input)).rejects.toThrow('ended here')
      const [left] = await odd.db.order.findMany({ where: { ownerId } })
      expect(left).toMatchObject({ status: 'pending', checkoutId: null })
      const created = await odd.billing.createOrder(input)
      expect(created).toMatchObject({ orderId: left?.id, isNew: false })
      expect(odd.controls.checkouts.map(({ checkout }) => checkout.id)).toEqual([
        created.checkoutId,
      ])
      await odd.controls.completeCheckout(created.checkoutId)
      await odd.billing.settleOrder(created.orderId)
      expect(await odd.db.order.count({ where: { ownerId } })).toBe(1)
      expect(await odd.ledger(ownerId)).toEqual(['purchase 100'])
    } finally {
      await odd.close()
    }
  })

  test('within the settlement undoes all of it, and the next settlement does all of it', async () => {
    const { orderId, checkoutId, ownerId } = await shop.order()
    await shop.controls.completeCheckout(checkoutId)
    // The ledger is the last to write in the transaction.
    await shop.db
      .$executeRaw`ALTER TABLE "CreditTransaction" ADD CONSTRAINT "broken" CHECK ("amount" < 0) NOT VALID`
    await expect(shop.billing.settleOrder(orderId)).rejects.toThrow('broken')
    await shop.db.$executeRaw`ALTER TABLE "CreditTransaction" DROP CONSTRAINT "broken"`
    expect(await shop.row(orderId)).toMatchObject({ status: 'pending', paymentId: null })
    expect(await shop.db.effect.count({ where: { key: `order:${orderId}:fulfil` } })).toBe(0)
    await shop.billing.settleOrder(orderId)
    expect(await shop.ledger(ownerId)).toEqual(['purchase 100'])
  })
})

test('a provider’s refusal cancels the order, and leaves nothing half done', async () => {
  const odd = await createShop(inject('postgres'), {
    through: (provider) => ({
      ...provider,
      createCheckout: async () => {
        throw new BillingError('price_not_found', 'no such product there')
      },
    }),
  })
  try {
    const ownerId = await odd.owner()
    const asked = odd.billing.createOrder({ ownerId, productId: 'CREDITS_SMALL' })
    await expect(asked).rejects.toMatchObject({ code: 'price_not_found' })
    expect(await odd.db.order.findMany({ where: { ownerId } })).toMatchObject([
      { status: 'cancelled', checkoutId: null, nextCheckAt: null },
    ])
  } finally {
    await odd.close()
  }
})

describe('the host is told', () => {
  test('once, in the transaction; if its handler throws, all else is done and the handler is tried again', async () => {
    let isBroken = true
    const told: string[] = []
    const odd = await createShop(inject('postgres'), {
      settings: {
        effects: {
          'order.completed': async (_, { payload }) => {
            if (isBroken) throw new Error('out of stock')
            told.push(payload.orderId)
          },
        },
      },
    })
    try {
      const { orderId, checkoutId, ownerId } = await odd.order()
      await odd.controls.completeCheckout(checkoutId)
      await expect(odd.billing.settleOrder(orderId)).rejects.toMatchObject({
        code: 'effect_failed',
      })
      expect(await odd.row(orderId)).toMatchObject({
        status: 'completed',
        needsAttention: 'effect_failed',
        nextCheckAt: expect.any(Date),
      })
      expect(await odd.ledger(ownerId)).toEqual(['purchase 100'])
      isBroken = false
      for (const _ of [1, 2]) await odd.billing.settleOrder(orderId)
      expect(told).toEqual([orderId])
      expect(await odd.row(orderId)).toMatchObject({ needsAttention: null, nextCheckAt: null })
      expect(await odd.ledger(ownerId)).toEqual(['purchase 100'])
    } finally {
      await odd.close()
    }
  })
})

describe('the database', () => {
  test.each([
    ['completed', 'pending'],
    ['completed', 'cancelled'],
    ['cancelled', 'pending'],
  ])('promise 4: does not let an order that is %s become %s', async (from, to) => {
    const { orderId } = from === 'completed' ? await shop.paid() : await shop.order()
    if (from === 'cancelled') await shop.billing.cancelOrder(orderId)
    const change = shop.db.order.update({
      where: { id: orderId },
      data: { status: to, completedAt: null },
    })
    await expect(change).rejects.toThrow(`is ${from} and cannot become ${to}`)
  })

  test.each([
    ['its price', { amount: 1 }],
    ['its credits', { credits: 1_000_000 }],
    ['its owner', { ownerId: 'somebody' }],
    ['its payment', { paymentId: 'pay_other' }],
  ])('keeps %s', async (_, data) => {
    const { orderId } = await shop.paid()
    const change = shop.db.order.update({ where: { id: orderId }, data })
    await expect(change).rejects.toThrow('do not change')
  })

  test('does not let more credits be taken back than were granted', async () => {
    const { orderId } = await shop.paid()
    const change = shop.db.order.update({
      where: { id: orderId },
      data: { creditsRefunded: [60, 30], creditsDisputed: 11 },
    })
    await expect(change).rejects.toThrow('cannot take back more')
  })

  test('has one open order for an owner and product, and one order for a payment or a checkout', async () => {
    const { orderId } = await shop.order()
    const { id, ...order } = await shop.row(orderId)
    const again = (data: object) =>
      shop.db.order.create({ data: { ...order, checkoutId: null, ...data } })
    await expect(again({})).rejects.toThrow('Unique')
    await expect(again({ sku: 'OTHER', checkoutId: order.checkoutId })).rejects.toThrow('Unique')
    await expect(again({ sku: 'OTHER', amount: 0 })).rejects.toThrow('Order_amount_check')
    await expect(again({ sku: 'OTHER', status: 'completed' })).rejects.toThrow(
      'Order_completed_check',
    )
    const paid = await shop.paid()
    const theirs = await shop.row(paid.orderId)
    await expect(again({ sku: 'OTHER', paymentId: theirs.paymentId })).rejects.toThrow('Unique')
  })
})
