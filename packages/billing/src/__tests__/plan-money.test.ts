/** The credits of a plan follow the money of their payment, at every provider. */

import { monthsAfter } from '@repo/core'
import { createTestClock } from '@repo/core/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { definePlans, defineProducts } from '../index.ts'
import { ledgerViolations } from '../testing.ts'
import { createHarness, type Harness } from './harness.ts'
import { createShop, type Shop } from './orders-harness.ts'

const HOUR = 3_600_000
const price = { amount: 3000, currency: 'usd' }
const prices = (name: string) => ({
  month: { ...price, lookupKey: `${name}_monthly` },
  year: { ...price, amount: 30_000, lookupKey: `${name}_yearly` },
})
const plans = definePlans({
  FREE: { name: 'Free' },
  NONE: { name: 'None', prices: prices('none'), credits: { amount: 100, rollover: 'none' } },
  SOME: { name: 'Some', prices: prices('some'), credits: { amount: 100, rollover: { max: 30 } } },
  ALL: { name: 'All', prices: prices('all'), credits: { amount: 100, rollover: 'unlimited' } },
  MORE: {
    name: 'More',
    prices: { month: { ...price, amount: 9000, lookupKey: 'more_monthly' } },
    credits: { amount: 500, rollover: 'unlimited' },
  },
})
const products = defineProducts({
  NONE: { name: 'None', ...price, plan: 'NONE', interval: 'month' },
  YEAR: { name: 'All', ...price, amount: 30_000, plan: 'ALL', interval: 'year' },
})

describe('at Stripe', () => {
  const clock = createTestClock('2030-01-10T09:00:00Z')
  let h: Harness
  beforeAll(async () => {
    h = await createHarness(inject('postgres'), { clock, settings: { plans, products } })
  })
  afterAll(async () => {
    expect(await ledgerViolations(h.db)).toEqual([])
    await h.close()
  })

  async function subscribed(plan: string, interval: 'month' | 'year' = 'month') {
    const ownerId = await h.owner()
    const { id } = await h.billing.createCheckoutSession({ ownerId, plan, interval })
    await h.pay(id)
    await h.billing.confirmCheckout(ownerId, id)
    const { stripeSubscriptionId } = await h.billing.getSubscription(ownerId)
    const paymentId = await h.newestPayment(ownerId)
    return { ownerId, paymentId, subscriptionId: stripeSubscriptionId as string }
  }
  const has = async (ownerId: string) => {
    const { balance, debt } = await h.billing.getBalance(ownerId)
    return { balance, debt }
  }
  /** Past us, at the provider. */
  const refund = (payment_intent: string, amount?: number) =>
    h.stripe.refunds.create({ payment_intent, ...(amount === undefined ? {} : { amount }) })
  async function nextMonth({
    ownerId,
    subscriptionId,
  }: {
    ownerId: string
    subscriptionId: string
  }) {
    const { currentPeriodEnd } = await h.billing.getSubscription(ownerId)
    clock.set(new Date((currentPeriodEnd as Date).getTime() + HOUR))
    h.sandbox.stripe.renew(subscriptionId)
    await h.billing.syncCustomer(ownerId)
  }

  test('promise 3: a refund takes the plan’s credits once, however many events report it', async () => {
    const { ownerId, paymentId } = await subscribed('NONE')
    await refund(paymentId)
    await Promise.all(Array.from({ length: 10 }, () => h.billing.syncCustomer(ownerId)))
    await h.deliverAll()
    expect(await has(ownerId)).toEqual({ balance: 0, debt: 0 })
    expect(await h.billing.listTransactions(ownerId)).toMatchObject({
      transactions: [
        { type: 'refund', amount: -100 },
        { type: 'grant', amount: 100 },
      ],
    })
  })

  test('spent credits become debt', async () => {
    const { ownerId, paymentId } = await subscribed('NONE')
    await h.billing.deductCredits(ownerId, 70, '')
    await refund(paymentId)
    await h.billing.syncCustomer(ownerId)
    expect(await has(ownerId)).toEqual({ balance: 0, debt: 70 })
  })

  test('a partial refund takes its share, rounded down over all refunds together', async () => {
    const { ownerId, paymentId } = await subscribed('NONE')
    const balances: number[] = []
    for (const amount of [1000, 1000, 1000]) {
      await refund(paymentId, amount)
      await h.billing.syncCustomer(ownerId)
      balances.push((await has(ownerId)).balance)
    }
    expect(balances).toEqual([67, 34, 0])
  })

  test('a dispute takes the remaining credits, and returns them when it is won', async () => {
    const { ownerId, paymentId } = await subscribed('NONE')
    await refund(paymentId, 1500)
    const { id } = h.sandbox.stripe.dispute(paymentId)
    await h.billing.syncCustomer(ownerId)
    expect(await has(ownerId)).toEqual({ balance: 0, debt: 0 })
    h.sandbox.stripe.closeDispute(id as string, 'won')
    await h.billing.syncCustomer(ownerId)
    await h.billing.syncCustomer(ownerId)
    expect(await has(ownerId)).toEqual({ balance: 50, debt: 0 })
  })

  test('a lost dispute keeps the credits', async () => {
    const { ownerId, paymentId } = await subscribed('NONE')
    const { id } = h.sandbox.stripe.dispute(paymentId)
    await h.deliverAll()
    h.sandbox.stripe.closeDispute(id as string, 'lost')
    await h.deliverAll()
    expect(await has(ownerId)).toEqual({ balance: 0, debt: 0 })
  })

  test('the refund of a month takes that month’s credits and no others', async () => {
    const owner = await subscribed('ALL')
    await nextMonth(owner)
    await refund(await h.newestPayment(owner.ownerId))
    await h.billing.syncCustomer(owner.ownerId)
    expect(await has(owner.ownerId)).toEqual({ balance: 100, debt: 0 })
    await refund(owner.paymentId)
    await h.billing.syncCustomer(owner.ownerId)
    expect(await has(owner.ownerId)).toEqual({ balance: 0, debt: 0 })
  })

  test('lapsed credits are not taken again', async () => {
    const owner = await subscribed('NONE')
    await h.billing.deductCredits(owner.ownerId, 60, '')
    await nextMonth(owner)
    await refund(owner.paymentId)
    await h.billing.syncCustomer(owner.ownerId)
    await h.billing.syncCustomer(owner.ownerId)
    // Of the first month 60 were spent and 40 had lapsed.
    expect(await has(owner.ownerId)).toEqual({ balance: 40, debt: 0 })
  })

  test('credits that were rolled over are taken', async () => {
    const owner = await subscribed('SOME')
    await nextMonth(owner)
    expect(await has(owner.ownerId)).toEqual({ balance: 130, debt: 0 })
    await refund(owner.paymentId)
    await h.billing.syncCustomer(owner.ownerId)
    expect(await has(owner.ownerId)).toEqual({ balance: 100, debt: 0 })
  })

  test('the refund of a year takes the granted months, and each further month when it is granted', async () => {
    const { ownerId, paymentId } = await subscribed('ALL', 'year')
    const start = clock.now()
    await refund(paymentId, 15_000)
    await h.billing.syncCustomer(ownerId)
    expect(await has(ownerId)).toEqual({ balance: 50, debt: 0 })
    clock.set(new Date(monthsAfter(start, 1).getTime() + HOUR))
    await Promise.all(Array.from({ length: 3 }, () => h.billing.grantMonthlyCredits()))
    await h.billing.syncCustomer(ownerId)
    expect(await has(ownerId)).toEqual({ balance: 100, debt: 0 })
    await refund(paymentId)
    await h.billing.syncCustomer(ownerId)
    expect(await has(ownerId)).toEqual({ balance: 0, debt: 0 })
  })

  test('refundOrder for an ordered plan takes the plan’s credits', async () => {
    const ownerId = await h.owner()
    const { orderId, checkoutId } = await h.billing.createOrder({ ownerId, productId: 'NONE' })
    await h.pay(checkoutId)
    await h.billing.settleOrder(orderId)
    expect(await has(ownerId)).toEqual({ balance: 100, debt: 0 })
    await h.billing.refundOrder(orderId, { amount: 1000 })
    expect(await has(ownerId)).toEqual({ balance: 67, debt: 0 })
    await h.billing.refundOrder(orderId)
    expect(await has(ownerId)).toEqual({ balance: 0, debt: 0 })
    expect((await h.billing.showOrder(orderId)).transactions).toHaveLength(3)
  })

  test('a month that was paid while the plan was flagged brings its credits when the flag is removed', async () => {
    const { ownerId, subscriptionId } = await subscribed('ALL')
    const first = await h.stripe.subscriptions.retrieve(subscriptionId)
    const [more] = (await h.stripe.prices.list({ lookup_keys: ['more_monthly'] })).data
    const second = await h.stripe.subscriptions.create({
      customer: first.customer as string,
      default_payment_method: first.default_payment_method as string,
      items: [{ price: more?.id as string }],
    })
    await h.billing.syncCustomer(ownerId)
    expect(await has(ownerId)).toEqual({ balance: 100, debt: 0 })
    await h.billing.resolveSubscriptions(ownerId, { keep: second.id, confirmed: true })
    await h.deliverAll()
    expect(await has(ownerId)).toEqual({ balance: 500, debt: 0 })
  })

  test('a renewal brings the credits of the plan that was paid, although the plan has changed since', async () => {
    const owner = await subscribed('ALL')
    const { currentPeriodEnd } = await h.billing.getSubscription(owner.ownerId)
    clock.set(new Date((currentPeriodEnd as Date).getTime() + HOUR))
    h.sandbox.stripe.renew(owner.subscriptionId)
    // Changed at the provider before we hear of the renewal.
    const [more] = (await h.stripe.prices.list({ lookup_keys: ['more_monthly'] })).data
    const { items } = await h.stripe.subscriptions.retrieve(owner.subscriptionId)
    await h.stripe.subscriptions.update(owner.subscriptionId, {
      items: [{ id: items.data[0]?.id as string, price: more?.id as string }],
      proration_behavior: 'none',
    })
    await h.billing.syncCustomer(owner.ownerId)
    expect((await h.billing.getSubscription(owner.ownerId)).plan).toBe('MORE')
    expect(await has(owner.ownerId)).toEqual({ balance: 200, debt: 0 })
  })
})

describe('at another provider', () => {
  const clock = createTestClock('2030-01-10T09:00:00Z')
  let shop: Shop
  beforeAll(async () => {
    shop = await createShop(inject('postgres'), { clock, settings: { plans, products, clock } })
  })
  afterAll(async () => {
    expect(await ledgerViolations(shop.db)).toEqual([])
    await shop.close()
  })
  const balance = async (ownerId: string) => (await shop.billing.getBalance(ownerId)).balance

  test('a refund that is reported twice takes its share once', async () => {
    const { ownerId, orderId } = await shop.paid('NONE')
    await shop.billing.refundOrder(orderId, { amount: 1000 })
    await Promise.all(Array.from({ length: 5 }, () => shop.billing.settleOrder(orderId)))
    expect(await balance(ownerId)).toBe(67)
    await shop.billing.refundOrder(orderId)
    expect(await balance(ownerId)).toBe(0)
  })

  test('a dispute takes the plan’s credits and returns them when it is won', async () => {
    const { ownerId, orderId, paymentId } = await shop.paid('NONE')
    await shop.controls.dispute(paymentId, 'needs_response')
    await shop.billing.settleOrder(orderId)
    expect(await balance(ownerId)).toBe(0)
    await shop.controls.dispute(paymentId, 'won')
    await shop.billing.settleOrder(orderId)
    expect(await balance(ownerId)).toBe(100)
  })

  test('the refund of a renewal takes that month’s credits', async () => {
    const { ownerId, orderId, subscriptionId } = await shop.paid('NONE')
    const { currentPeriodEnd } = await shop.billing.getSubscription(ownerId)
    clock.set(new Date((currentPeriodEnd as Date).getTime() + HOUR))
    const { latestPaymentId } = await shop.controls.endPeriod(subscriptionId)
    await shop.billing.settleOrder(orderId)
    expect(await balance(ownerId)).toBe(100)
    const where = { paymentId: latestPaymentId }
    const renewal = await shop.db.order.findFirstOrThrow({ where })
    await shop.billing.refundOrder(renewal.id)
    expect(await balance(ownerId)).toBe(0)
  })

  test('the refund of a year takes each month’s credits when they are granted', async () => {
    const { ownerId, orderId } = await shop.paid('YEAR')
    await shop.billing.refundOrder(orderId, { amount: 15_000 })
    expect(await balance(ownerId)).toBe(50)
    clock.advance(40 * 24 * HOUR)
    await shop.billing.grantMonthlyCredits()
    expect(await balance(ownerId)).toBe(100)
  })
})
