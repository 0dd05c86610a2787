/** The same orders at every provider: switching changes the configuration and nothing else. */

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { inNumbers } from '../rows.ts'
import { MARKETS } from './markets.ts'
import type { Market } from './orders-markets.ts'

describe.each(Object.entries(MARKETS))('%s', (_, open) => {
  let market: Market
  beforeAll(async () => {
    market = await open(inject('postgres'))
  })
  afterAll(() => market.close())

  const row = async (id: string) =>
    inNumbers(await market.db.order.findUniqueOrThrow({ where: { id } }))
  const balance = async (ownerId: string) => (await market.billing.getBalance(ownerId)).balance
  const order = async (productId = 'CREDITS_SMALL') => {
    const ownerId = await market.owner()
    return { ownerId, ...(await market.billing.createOrder({ ownerId, productId })) }
  }

  test('promises 1 and 4: with webhooks alone, twice and in the wrong order, an order is completed once', async () => {
    const { orderId, checkoutId, ownerId } = await order()
    await market.deliver()
    expect(await row(orderId)).toMatchObject({ status: 'pending' })
    await market.pay(checkoutId)
    await market.deliver()
    expect(await row(orderId)).toMatchObject({
      status: 'completed',
      needsAttention: null,
      paymentId: expect.any(String),
      providerCustomerId: expect.any(String),
      amountRefunded: 0,
      paidAt: expect.any(Date),
    })
    expect(await balance(ownerId)).toBe(100)
  })

  test('promise 4: with the browser’s return alone, the result is the same', async () => {
    const { orderId, checkoutId, ownerId } = await order()
    await market.pay(checkoutId)
    expect(await market.billing.settleOrder(orderId)).toMatchObject({ status: 'completed' })
    await market.deliver()
    expect(await balance(ownerId)).toBe(100)
  })

  test('promise 1: with no delivery at all, an order is completed by pulling events', async () => {
    const { orderId, checkoutId, ownerId } = await order()
    await market.pay(checkoutId)
    const { billing } = market
    const pull = () =>
      billing.provider.name === 'stripe' ? billing.pullEvents() : billing.pullOrders()
    expect((await pull()).pulled.length).toBeGreaterThan(0)
    expect((await pull()).pulled).toEqual([])
    // Stripe's are read in one way only.
    if (billing.provider.name === 'stripe') expect((await billing.pullOrders()).seen).toBe(0)
    await billing.processEvents()
    expect(await row(orderId)).toMatchObject({ status: 'completed' })
    expect(await balance(ownerId)).toBe(100)
    await market.deliver()
    expect(await balance(ownerId)).toBe(100)
  })

  test('promise 3: a refund that the provider made takes the credits back, once', async () => {
    const { orderId, checkoutId, ownerId } = await order()
    await market.pay(checkoutId)
    const { paymentId, amountPaid: paid } = await market.billing.settleOrder(orderId)
    await market.refund(paymentId ?? '', paid)
    await market.deliver()
    await market.billing.settleOrder(orderId)
    const { amountPaid, amountRefunded } = await row(orderId)
    expect(amountRefunded).toBe(amountPaid)
    expect(await balance(ownerId)).toBe(0)
  })

  test('a refund by billing does the same', async () => {
    const { orderId, checkoutId, ownerId } = await order()
    await market.pay(checkoutId)
    await market.billing.settleOrder(orderId)
    const refunded = await market.billing.refundOrder(orderId, { operator: 'grace' })
    expect(refunded.amountRefunded).toBe(refunded.amountPaid)
    await market.deliver()
    expect(await balance(ownerId)).toBe(0)
  })

  test('promise 3: a dispute takes the credits back under its own key', async () => {
    const { orderId, checkoutId, ownerId } = await order()
    await market.pay(checkoutId)
    const { paymentId } = await market.billing.settleOrder(orderId)
    await market.dispute(paymentId ?? '')
    await market.deliver()
    const { disputeId, creditsDisputed } = await row(orderId)
    expect(creditsDisputed).toBe(100)
    expect(await balance(ownerId)).toBe(0)
    const key = { ownerId, idempotencyKey: `dispute:${disputeId}` }
    expect(await market.db.creditTransaction.count({ where: key })).toBe(1)
  })

  test('an abandoned order is offered again, with the same checkout', async () => {
    const { orderId, checkoutId, ownerId } = await order()
    const again = await market.billing.createOrder({ ownerId, productId: 'CREDITS_SMALL' })
    expect(again).toMatchObject({ orderId, checkoutId, isNew: false })
  })

  test('promise 4: an order is cancelled only if the provider says that nobody can pay it', async () => {
    const { orderId, checkoutId, ownerId } = await order()
    const { status } = await market.billing.cancelOrder(orderId)
    const provider = market.billing.provider
    expect(status).toBe(provider.capabilities.expiresCheckouts ? 'cancelled' : 'pending')
    if (provider.capabilities.expiresCheckouts) return
    await market.pay(checkoutId)
    await market.deliver()
    expect(await balance(ownerId)).toBe(100)
  })

  test('a plan is bought, renews and is cancelled, and an owner cannot buy two', async () => {
    const { orderId, checkoutId, ownerId } = await order('PRO_MONTHLY')
    await market.pay(checkoutId)
    await market.deliver()
    const bought = await market.billing.getSubscription(ownerId)
    expect(bought).toMatchObject({ plan: 'PRO', status: 'active', interval: 'month', quantity: 1 })
    const { subscriptionId } = await row(orderId)
    await expect(
      market.billing.createOrder({ ownerId, productId: 'PRO_MONTHLY' }),
    ).rejects.toMatchObject({ code: 'already_subscribed' })

    await market.endPeriod(subscriptionId ?? '')
    await market.deliver()
    const renewed = await market.billing.getSubscription(ownerId)
    expect(renewed.currentPeriodEnd?.getTime()).toBeGreaterThan(
      bought.currentPeriodEnd?.getTime() ?? Number.NaN,
    )
    const orders = await market.db.order.findMany({ where: { ownerId } })
    expect(orders.map(({ status }) => status)).toEqual(['completed', 'completed'])

    expect(await market.billing.cancelSubscription(ownerId, { at: 'now' })).toMatchObject({
      plan: 'FREE',
      status: null,
    })
  })

  test('the provider’s portal opens if there is one, and a cancellation can be undone', async () => {
    const { billing } = market
    const { provider } = billing
    const nobody = await market.owner() // #creem
    const open = (ownerId: string) => billing.createBillingPortalSession({ ownerId })
    const { checkoutId, ownerId } = await order('PRO_MONTHLY')
    await market.pay(checkoutId)
    await market.deliver()
    if (provider.createPortal) expect((await open(ownerId)).url).toMatch(/^http/)
    else await expect(open(ownerId)).rejects.toMatchObject({ code: 'not_supported', status: 422 })
    // #region creem
    if (provider.name === 'creem') {
      await expect(open(nobody)).rejects.toMatchObject({ code: 'customer_not_found', status: 404 })
    }
    // #endregion
    await billing.cancelSubscription(ownerId)
    const resumed = billing.resumeSubscription(ownerId)
    if (provider.resumeSubscription) expect(await resumed).toMatchObject({ endsAt: null })
    else await expect(resumed).rejects.toMatchObject({ code: 'not_supported', status: 422 })
  })

  test('reconciliation finds no difference after all of that', async () => {
    const report = await market.billing.reconcileOrders()
    expect(report).toMatchObject({
      paidWithoutTransaction: [],
      transactionsWithoutOrder: [],
      differing: [],
      mended: [],
    })
    expect(report.payments).toBeGreaterThan(5)
    for (const { ours, theirs } of report.days) expect(ours).toEqual(theirs)
  })
})
