/** Orders that nobody told of: the job, the pull, and reconciliation with the ledger and the provider. */

import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { createShop, type Shop } from './orders-harness.ts'

let shop: Shop
beforeAll(async () => {
  shop = await createShop(inject('postgres'))
})
afterAll(() => shop.close())
beforeEach(async () => {
  shop.controls.isDown = false
  shop.alerts.length = 0
  await shop.db.$executeRaw`UPDATE "Order" SET "nextCheckAt" = NULL`
})

/** Makes an order as old as that, and due. */
async function age(id: string, hours: number) {
  const createdAt = new Date(Date.now() - hours * 60 * 60_000)
  await shop.db.order.update({ where: { id }, data: { createdAt, nextCheckAt: new Date(0) } })
}

const minutesAhead = (date: Date | null) =>
  date && Math.round((date.getTime() - Date.now()) / 60_000)

describe('an order without an event', () => {
  test('is first checked after a quarter of an hour, then with growing delays', async () => {
    const { orderId } = await shop.order()
    expect(minutesAhead((await shop.row(orderId)).nextCheckAt)).toBe(15)
    expect(await shop.billing.checkOrders()).toMatchObject({ checked: 0 })
    const waits: (number | null)[] = []
    for (let n = 0; n < 8; n += 1) {
      await age(orderId, 1)
      expect(await shop.billing.checkOrders()).toMatchObject({ checked: 1, failed: 0 })
      waits.push(minutesAhead((await shop.row(orderId)).nextCheckAt))
    }
    expect(waits).toEqual([30, 60, 180, 480, 1440, 1440, 2880, 1440])
    expect(await shop.row(orderId)).toMatchObject({ status: 'pending' })
  })

  test('promise 4: is completed if it was paid, and not checked again', async () => {
    const { orderId, checkoutId, ownerId } = await shop.order()
    await shop.controls.completeCheckout(checkoutId)
    await age(orderId, 0.25)
    const passes = await Promise.all([1, 2, 3, 4].map(() => shop.billing.checkOrders()))
    expect(passes.reduce((sum, { completed }) => sum + completed, 0)).toBe(1)
    expect(await shop.row(orderId)).toMatchObject({ status: 'completed', nextCheckAt: null })
    expect(await shop.ledger(ownerId)).toEqual(['purchase 100'])
  })

  test('is cancelled after a day, its checkout closed first', async () => {
    const { orderId, checkoutId } = await shop.order()
    await age(orderId, 25)
    expect(await shop.billing.checkOrders()).toMatchObject({ cancelled: 1 })
    expect(await shop.row(orderId)).toMatchObject({ status: 'cancelled', nextCheckAt: null })
    expect((await shop.provider.retrieveCheckout(checkoutId)).status).toBe('expired')
  })

  test('is cancelled if it has no checkout, because nobody got a page', async () => {
    const { orderId } = await shop.order()
    await shop.db.order.update({ where: { id: orderId }, data: { checkoutId: null } })
    await age(orderId, 25)
    expect(await shop.billing.checkOrders()).toMatchObject({ cancelled: 1 })
  })

  test('waits while the provider is unreachable; after a week one alert is raised', async () => {
    const { orderId } = await shop.order()
    shop.controls.isDown = true
    await age(orderId, 48)
    expect(await shop.billing.checkOrders()).toMatchObject({ checked: 1, failed: 1 })
    expect(await shop.row(orderId)).toMatchObject({ status: 'pending', needsAttention: null })
    for (const hours of [200, 300]) {
      await age(orderId, hours)
      await shop.billing.checkOrders()
    }
    expect(shop.alerts).toEqual([{ code: 'order_needs_attention', id: orderId, reason: 'stuck' }])
    expect(await shop.row(orderId)).toMatchObject({ status: 'pending', needsAttention: 'stuck' })
    shop.controls.isDown = false
    expect(await shop.billing.settleOrder(orderId)).toMatchObject({ status: 'pending' })
  })

  test('is cancelled after a week at a provider that cannot close a checkout', async () => {
    const odd = await createShop(inject('postgres'), {
      through: (provider) => ({ ...provider, expireCheckout: provider.retrieveCheckout }),
    })
    try {
      const { orderId, checkoutId, ownerId } = await odd.order()
      const old = (hours: number) =>
        odd.db.order.update({
          where: { id: orderId },
          data: { createdAt: new Date(Date.now() - hours * 3_600_000), nextCheckAt: new Date(0) },
        })
      // Whoever says cancel is not believed while it can still be paid.
      expect(await odd.billing.cancelOrder(orderId)).toMatchObject({ status: 'pending' })
      await old(25)
      expect(await odd.billing.checkOrders()).toMatchObject({ checked: 1, cancelled: 0 })
      await old(24 * 8)
      expect(await odd.billing.checkOrders()).toMatchObject({ checked: 1, cancelled: 1 })
      await odd.controls.completeCheckout(checkoutId)
      await odd.billing.settleOrder(orderId)
      expect(await odd.ledger(ownerId)).toEqual(['purchase 100'])
    } finally {
      await odd.close()
    }
  })
})

test('promise 1: undelivered events are pulled once and take effect', async () => {
  const { orderId, checkoutId, ownerId } = await shop.order()
  await shop.controls.completeCheckout(checkoutId)
  const first = await shop.billing.pullOrders()
  expect(first.pulled.length).toBeGreaterThan(0)
  expect((await shop.billing.pullOrders()).pulled).toEqual([])
  await shop.billing.processEvents()
  expect(await shop.row(orderId)).toMatchObject({ status: 'completed' })
  expect(await shop.ledger(ownerId)).toEqual(['purchase 100'])
})

describe('reconciliation', () => {
  test('finds no difference where all is well, and returns the totals of the day', async () => {
    const odd = await createShop(inject('postgres'))
    try {
      const { orderId } = await odd.paid()
      await odd.paid('CREDITS_LARGE')
      await odd.billing.refundOrder(orderId, { amount: 250 })
      const report = await odd.billing.reconcileOrders()
      const totals = { payments: 2, paid: 9000, refunded: 250 }
      expect(report).toMatchObject({
        payments: 2,
        paidWithoutTransaction: [],
        transactionsWithoutOrder: [],
        differing: [],
        mended: [],
        withoutOrder: 0,
        fulfilmentRate: 1,
        refundRate: 0.5,
        days: [
          {
            day: new Date().toISOString().slice(0, 10),
            provider: 'local',
            currency: 'usd',
            ours: totals,
            theirs: totals,
          },
        ],
      })
      expect(odd.alerts).toEqual([])
    } finally {
      await odd.close()
    }
  })

  test('corrects a paid order and one whose credits are missing, and records the operator', async () => {
    const unheard = await shop.order()
    await shop.controls.completeCheckout(unheard.checkoutId)
    // As if the ledger had been restored from an older copy.
    const lost = await shop.order()
    const { paymentId } = await shop.controls.completeCheckout(lost.checkoutId)
    await shop.db.order.update({
      where: { id: lost.orderId },
      data: { status: 'completed', completedAt: new Date(), paymentId, amountPaid: 1000 },
    })
    const back = await shop.paid()
    await shop.controls.refundPayment(back.paymentId, 500)
    const disputed = await shop.paid()
    await shop.controls.dispute(disputed.paymentId)
    const report = await shop.billing.reconcileOrders({ operator: 'grace' })
    expect(report.mended.sort()).toEqual(
      [unheard.orderId, lost.orderId, back.orderId, disputed.orderId].sort(),
    )
    expect(await shop.ledger(back.ownerId)).toEqual(['purchase 100', 'adjustment -50'])
    expect(await shop.ledger(disputed.ownerId)).toEqual(['purchase 100', 'adjustment -100'])
    expect(report).toMatchObject({ paidWithoutTransaction: [], differing: [] })
    for (const { ownerId } of [unheard, lost]) {
      expect(await shop.db.creditTransaction.findMany({ where: { ownerId } })).toMatchObject([
        { type: 'purchase', amount: 100n, actor: 'grace', description: 'manual reconciliation' },
      ])
    }
    expect((await shop.billing.reconcileOrders()).mended).toEqual([])
  })

  test('reports a transaction without an order, and an order that cannot be corrected', async () => {
    const odd = await createShop(inject('postgres'), {
      through: (provider) => ({
        ...provider,
        retrievePayment: async (id) => ({ ...(await provider.retrievePayment(id)), amount: 1 }),
      }),
    })
    try {
      const { orderId, checkoutId } = await odd.order()
      await odd.controls.completeCheckout(checkoutId)
      const { transactionId } = await odd.billing.grantCredits('somebody', 100, {
        type: 'purchase',
        idempotencyKey: 'order:00000000-0000-7000-8000-000000000000:fulfil',
      })
      const report = await odd.billing.reconcileOrders()
      expect(report).toMatchObject({
        transactionsWithoutOrder: [transactionId],
        differing: [orderId],
        mended: [],
        fulfilmentRate: 0,
      })
      expect(odd.alerts).toContainEqual({
        code: 'order_needs_attention',
        id: orderId,
        reason: 'differs',
      })
    } finally {
      await odd.close()
    }
  })

  test('too few fulfilled and too many refunded orders raise an alert, once an hour', async () => {
    const odd = await createShop(inject('postgres'))
    try {
      const orders = await Promise.all(Array.from({ length: 20 }, () => odd.paid()))
      await odd.billing.watchOrders()
      expect(odd.alerts).toEqual([])
      for (const { orderId } of orders.slice(0, 3)) await odd.billing.refundOrder(orderId)
      await odd.db.order.updateMany({
        where: { id: { in: orders.slice(3, 6).map(({ orderId }) => orderId) } },
        data: { needsAttention: 'effect_failed' },
      })
      for (const _ of [1, 2]) await odd.billing.watchOrders()
      expect(odd.alerts).toEqual([
        { code: 'fulfilment_rate_low', rate: 0.85, threshold: 0.9 },
        { code: 'refund_rate_high', rate: 0.15, threshold: 0.1 },
      ])
    } finally {
      await odd.close()
    }
  })
})
