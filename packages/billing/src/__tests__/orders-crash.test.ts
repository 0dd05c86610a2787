/** Cut off before or after any statement or any question to the provider: the next call makes it whole. */

import type { Database } from '@repo/db'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Billing, createBilling } from '../index.ts'
import type { PaymentProvider } from '../providers/provider.ts'
import { createShop, type Shop } from './orders-harness.ts'

let shop: Shop
beforeAll(async () => {
  shop = await createShop(inject('postgres'))
})
afterAll(() => shop.close())

/** Ends the work at its `at`th step, before the step is done or right after. */
function cutter(at: number, when: 'before' | 'after') {
  let steps = 0
  return {
    /** Whether it came so far. */
    isCut: () => steps >= at,
    async step<T>(act: () => Promise<T>): Promise<T> {
      steps += 1
      const isHere = steps === at
      if (isHere && when === 'before') throw new Error('cut')
      if (steps > at) throw new Error('nothing happens after the end')
      const result = await act()
      if (isHere) throw new Error('cut')
      return result
    },
  }
}

type Cutter = ReturnType<typeof cutter>

/** Billing whose every statement and question is a step. */
function cutBilling({ step }: Cutter): Billing {
  const db = shop.db.$extends({
    query: { $allOperations: ({ args, query }) => step(() => query(args)) },
  }) as unknown as Database
  const asked = shop.settings.provider as PaymentProvider
  const through = <Args extends unknown[], R>(ask: (...args: Args) => Promise<R>) => {
    return (...args: Args) => step(() => ask(...args))
  }
  const provider: PaymentProvider = {
    ...asked,
    createCheckout: through(asked.createCheckout),
    retrieveCheckout: through(asked.retrieveCheckout),
    retrievePayment: through(asked.retrievePayment),
    retrieveSubscription: through(asked.retrieveSubscription),
    expireCheckout: through(asked.expireCheckout),
    refund: through(asked.refund),
  }
  return createBilling({ ...shop.settings, db, provider })
}

/** Runs `work`, cut at its first step, its second, … until it comes to its end uncut. */
async function atEveryStep(
  when: 'before' | 'after',
  round: (cut: (work: (billing: Billing) => Promise<unknown>) => Promise<void>) => Promise<void>,
): Promise<number> {
  for (let at = 1; ; at += 1) {
    const knife = cutter(at, when)
    await round(async (work) => {
      await work(cutBilling(knife)).catch((error: Error) => {
        if (!/cut|nothing happens/.test(error.message)) throw error
      })
    })
    if (!knife.isCut()) return at - 1
  }
}

describe.each(['before', 'after'] as const)('promise 1: interrupted %s', (when) => {
  test('any step of ordering: one order, one checkout, and the purchase succeeds', async () => {
    const steps = await atEveryStep(when, async (cut) => {
      const ownerId = await shop.owner()
      const input = { ownerId, productId: 'CREDITS_SMALL' }
      await cut((billing) => billing.createOrder(input))
      const { orderId, checkoutId } = await shop.billing.createOrder(input)
      expect(await shop.db.order.findMany({ where: { ownerId } })).toMatchObject([
        { id: orderId, checkoutId, status: 'pending' },
      ])
      const made = shop.controls.checkouts.filter(({ checkout }) => checkout.orderId === orderId)
      expect(made).toHaveLength(1)
    })
    expect(steps).toBeGreaterThan(6)
  })

  test('any step of settling a paid order: its credits come once', async () => {
    const steps = await atEveryStep(when, async (cut) => {
      const { orderId, checkoutId, ownerId } = await shop.order()
      await shop.controls.completeCheckout(checkoutId)
      await cut((billing) => billing.settleOrder(orderId))
      const { status } = await shop.row(orderId)
      expect(await shop.ledger(ownerId)).toEqual(status === 'completed' ? ['purchase 100'] : [])
      expect(await shop.billing.settleOrder(orderId)).toMatchObject({ status: 'completed' })
      expect(await shop.ledger(ownerId)).toEqual(['purchase 100'])
      const effects = { key: { startsWith: `order:${orderId}` } }
      expect(await shop.db.effect.count({ where: effects })).toBe(1)
    })
    expect(steps).toBeGreaterThan(8)
  })

  test('any step of a plan and its renewal: one subscription, and each payment is one order', async () => {
    const steps = await atEveryStep(when, async (cut) => {
      const { orderId, checkoutId, ownerId } = await shop.order('PRO_MONTHLY')
      const { subscriptionId } = await shop.controls.completeCheckout(checkoutId)
      await shop.controls.endPeriod(subscriptionId ?? '')
      await cut((billing) => billing.settleOrder(orderId))
      await shop.billing.settleOrder(orderId)
      expect(await shop.db.subscription.count({ where: { customer: { ownerId } } })).toBe(1)
      const orders = await shop.db.order.findMany({ where: { ownerId } })
      expect(orders.map(({ status }) => status)).toEqual(['completed', 'completed'])
    })
    expect(steps).toBeGreaterThan(12)
  })

  test('any step of a refund: the money goes back once, and the credits are taken once', async () => {
    const steps = await atEveryStep(when, async (cut) => {
      const { orderId, ownerId } = await shop.paid()
      const refund = { amount: 400, idempotencyKey: 'ticket' }
      await cut((billing) => billing.refundOrder(orderId, refund))
      await shop.billing.refundOrder(orderId, refund)
      expect(await shop.row(orderId)).toMatchObject({ amountRefunded: 400 })
      expect(await shop.ledger(ownerId)).toEqual(['purchase 100', 'adjustment -40'])
    })
    expect(steps).toBeGreaterThan(8)
  })

  test('any step of cancelling: the order agrees with the provider', async () => {
    await atEveryStep(when, async (cut) => {
      const { orderId, checkoutId } = await shop.order()
      await cut((billing) => billing.cancelOrder(orderId))
      expect(await shop.billing.cancelOrder(orderId)).toMatchObject({ status: 'cancelled' })
      expect(await shop.provider.retrieveCheckout(checkoutId)).toMatchObject({ status: 'expired' })
    })
  })
})
