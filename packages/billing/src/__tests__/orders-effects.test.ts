/** What hangs on a plan that another provider than Stripe bills: handlers, mails, the plan's own credits. */

import { monthsAfter } from '@repo/core'
import { createTestClock } from '@repo/core/testing'
import { createOutbox } from '@repo/email/testing'
import { runPending } from '@repo/jobs'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import { definePlans, defineProducts, type Effect, type EffectHandlers } from '../index.ts'
import type { LocalProvider } from '../providers/local/provider.ts'
import { ledgerViolations } from '../testing.ts'
import { createShop, type Shop } from './orders-harness.ts'

const DAY = 86_400_000
const clock = createTestClock('2030-01-31T09:00:00Z')

const price = { amount: 1000, currency: 'usd' }
const prices = (name: string) => ({
  month: { ...price, lookupKey: `${name}_monthly` },
  year: { ...price, amount: 10_000, lookupKey: `${name}_yearly` },
})
const credits = { amount: 100, rollover: 'none' as const }
const plans = definePlans({
  FREE: { name: 'Free' },
  GIVING: { name: 'Giving', prices: prices('giving'), credits },
})
const products = defineProducts({
  MONTHLY: { name: 'Giving', ...price, plan: 'GIVING', interval: 'month' },
  YEARLY: { name: 'Giving', ...price, amount: 10_000, plan: 'GIVING', interval: 'year' },
})

/** What the provider says in a trial, or before it knows the period; null: as it is. */
let word: 'trial' | 'no period' | null = null
let handle: ((effect: Effect) => void) | null = null
const told: Effect[] = []
const outbox = createOutbox()

/** The provider, whose plans may be on trial. */
function through(provider: LocalProvider): LocalProvider {
  return {
    ...provider,
    async retrieveCheckout(id) {
      const checkout = await provider.retrieveCheckout(id)
      return word === 'trial' ? { ...checkout, paymentId: null } : checkout
    },
    async retrieveSubscription(id) {
      const subscription = await provider.retrieveSubscription(id)
      const { currentPeriodEnd } = subscription
      if (word === 'no period') {
        return { ...subscription, currentPeriodStart: null, currentPeriodEnd: null }
      }
      return word === 'trial'
        ? { ...subscription, status: 'trialing', trialEnd: currentPeriodEnd, latestPaymentId: null }
        : subscription
    },
  }
}

const record = async (_: unknown, effect: Effect) => {
  told.push(effect)
  handle?.(effect)
}
const NAMES = [
  'subscription.activated',
  'subscription.ended',
  'subscription.trial_will_end',
  'invoice.paid',
  'invoice.payment_failed',
]

let shop: Shop
beforeAll(async () => {
  const effects = Object.fromEntries(NAMES.map((name) => [name, record])) as EffectHandlers
  const settings = { plans, products, clock, effects, sender: outbox.sender }
  shop = await createShop(inject('postgres'), { settings, clock, through })
})
afterEach(() => {
  word = null
  handle = null
  told.length = 0
})
afterAll(async () => {
  expect(await ledgerViolations(shop.db)).toEqual([])
  await shop.close()
})

const names = () => told.map(({ name }) => name)
const balance = async (ownerId: string) => (await shop.billing.getBalance(ownerId)).balance

async function deliver() {
  for (const { eventId } of shop.controls.events) {
    const req = shop.controls.webhook(eventId) as Request
    expect((await shop.billing.handlePaymentCallback(req)).status).toBe(200)
  }
  return shop.billing.processEvents()
}

/** An hour after the period's end the next one is paid. */
async function nextPeriod({
  ownerId,
  subscriptionId,
}: {
  ownerId: string
  subscriptionId: string
}) {
  const { currentPeriodEnd } = await shop.billing.getSubscription(ownerId)
  clock.set(new Date((currentPeriodEnd as Date).getTime() + 3_600_000))
  await shop.controls.endPeriod(subscriptionId)
}

describe('handlers', () => {
  test('promise 1: run once for twenty settlements at once', async () => {
    const { orderId, checkoutId } = await shop.order('MONTHLY')
    await shop.controls.completeCheckout(checkoutId)
    await Promise.all(Array.from({ length: 20 }, () => shop.billing.settleOrder(orderId)))
    expect(names()).toEqual(['subscription.activated', 'invoice.paid'])
    const [activated] = told
    const row = { id: (activated as Effect<'subscription.activated'>).payload.subscriptionId }
    expect(await shop.db.subscription.findUnique({ where: row })).toMatchObject({
      provider: 'local',
      status: 'active',
    })
  })

  test('that throw undo only their own writes, and are tried again', async () => {
    const { ownerId, orderId, checkoutId } = await shop.order('MONTHLY')
    await shop.controls.completeCheckout(checkoutId)
    handle = ({ name }) => {
      if (name === 'subscription.activated') throw new Error('the host is away')
    }
    await expect(shop.billing.settleOrder(orderId)).rejects.toMatchObject({ code: 'effect_failed' })
    expect(await shop.row(orderId)).toMatchObject({
      status: 'completed',
      needsAttention: 'effect_failed',
      nextCheckAt: expect.any(Date),
    })
    // What the others did stands.
    expect((await shop.billing.getSubscription(ownerId)).plan).toBe('GIVING')
    expect(await balance(ownerId)).toBe(100)
    handle = null
    told.length = 0
    await shop.db.order.update({ where: { id: orderId }, data: { nextCheckAt: new Date() } })
    await shop.billing.checkOrders()
    expect(names()).toEqual(['subscription.activated'])
    expect(await shop.row(orderId)).toMatchObject({ needsAttention: null, nextCheckAt: null })
  })

  test('that throw at a renewal are tried again, also after the next renewal', async () => {
    const owner = await shop.paid('MONTHLY')
    handle = ({ name }) => {
      if (name === 'invoice.paid') throw new Error('the host is away')
    }
    const renewed = await shop.controls.endPeriod(owner.subscriptionId)
    expect(await deliver()).toMatchObject({ waiting: expect.any(Number) })
    const where = { paymentId: renewed.latestPaymentId }
    const order = await shop.db.order.findFirstOrThrow({ where })
    expect(order).toMatchObject({ status: 'completed', needsAttention: 'effect_failed' })
    handle = null
    told.length = 0
    await shop.controls.endPeriod(owner.subscriptionId)
    await shop.billing.settleOrder(owner.orderId)
    expect(told).toMatchObject([{ name: 'invoice.paid' }])
    await shop.db.order.update({ where: { id: order.id }, data: { nextCheckAt: new Date() } })
    await shop.billing.checkOrders()
    expect(told).toMatchObject([
      { name: 'invoice.paid' },
      { name: 'invoice.paid', payload: { orderId: order.id, billingReason: 'subscription_cycle' } },
    ])
    expect(await shop.row(order.id)).toMatchObject({ needsAttention: null })
  })

  test('that throw at the end are tried again, although an ended subscription is final', async () => {
    const { ownerId, orderId } = await shop.paid('MONTHLY')
    handle = ({ name }) => {
      if (name === 'subscription.ended') throw new Error('the host is away')
    }
    const cancelled = shop.billing.cancelSubscription(ownerId, { at: 'now' })
    await expect(cancelled).rejects.toMatchObject({ code: 'effect_failed' })
    expect((await shop.billing.getSubscription(ownerId)).plan).toBe('FREE')
    handle = null
    told.length = 0
    await shop.billing.settleOrder(orderId)
    await shop.billing.settleOrder(orderId)
    expect(names()).toEqual(['subscription.ended'])
  })

  test('a flagged second subscription is announced as paid and not as activated', async () => {
    const { ownerId, checkoutId } = await shop.order('MONTHLY')
    await shop.controls.completeCheckout(checkoutId)
    const second = await shop.second(ownerId, 'YEARLY')
    await shop.controls.completeCheckout(second.checkoutId)
    const orders = await shop.db.order.findMany({ where: { ownerId } })
    for (const { id } of orders) await shop.billing.settleOrder(id)
    expect(names().sort()).toEqual(['invoice.paid', 'invoice.paid', 'subscription.activated'])
    expect(await balance(ownerId)).toBe(100)
  })

  test('a trial is activated, has an invoice over nothing, and its end is announced', async () => {
    word = 'trial'
    const { ownerId, orderId, checkoutId } = await shop.order('MONTHLY')
    await shop.controls.completeCheckout(checkoutId)
    await shop.billing.settleOrder(orderId)
    expect(told).toMatchObject([
      { name: 'subscription.activated' },
      { name: 'invoice.paid', payload: { amount: 0, billingReason: 'subscription_create' } },
    ])
    expect(await balance(ownerId)).toBe(100)
    const { trialEnd } = await shop.billing.getSubscription(ownerId)
    clock.set(new Date((trialEnd as Date).getTime() - 2 * DAY))
    for (let times = 0; times < 3; times += 1) await shop.billing.settleOrder(orderId)
    expect(told.slice(2)).toMatchObject([
      { name: 'subscription.trial_will_end', payload: { trialEnd: trialEnd?.toISOString() } },
    ])
  })

  test('while the period is unknown nothing is announced, and the provider is asked again', async () => {
    word = 'no period'
    const { ownerId, orderId, checkoutId } = await shop.order('MONTHLY')
    await shop.controls.completeCheckout(checkoutId)
    expect(await shop.billing.settleOrder(orderId)).toMatchObject({
      status: 'completed',
      needsAttention: null,
      nextCheckAt: expect.any(Date),
    })
    expect(names()).toEqual([])
    word = null
    await shop.db.order.update({ where: { id: orderId }, data: { nextCheckAt: new Date() } })
    await shop.billing.checkOrders()
    expect(names()).toEqual(['subscription.activated', 'invoice.paid'])
    expect(await balance(ownerId)).toBe(100)
    expect((await shop.row(orderId)).nextCheckAt).toBeNull()
  })
})

test('the mails are those of a plan at Stripe', async () => {
  const { ownerId, subscriptionId } = await shop.paid('MONTHLY')
  await shop.controls.failPeriod(subscriptionId)
  await deliver()
  await deliver()
  const { databaseUrl, logger } = shop
  await runPending({ databaseUrl, jobs: [shop.billing.jobs], logger })
  const mails = outbox.to(`${ownerId}@example.com`)
  expect(mails.map(({ template }) => template).sort()).toEqual([
    'PaymentFailedEmail',
    'SubscriptionConfirmedEmail',
  ])
  for (const { text } of mails) {
    expect(text).toContain('Giving')
    expect(text).toContain('$10.00')
  }
})

describe("the plan's credits", () => {
  test('come once with each paid month, and the rest lapses', async () => {
    const owner = await shop.paid('MONTHLY')
    await shop.billing.deductCredits(owner.ownerId, 60, '')
    await nextPeriod(owner)
    await deliver()
    await shop.billing.settleOrder(owner.orderId)
    expect(await shop.ledger(owner.ownerId)).toEqual([
      'grant 100',
      'deduction -60',
      'expiry -40',
      'grant 100',
    ])
    const { transactions } = await shop.billing.showOrder(owner.orderId)
    expect(transactions).toMatchObject([
      { type: 'grant', amount: 100, key: `order:${owner.orderId}:credits` },
    ])
  })

  test('come month by month for a paid year', async () => {
    const { ownerId } = await shop.paid('YEARLY')
    const begin = clock.now()
    for (let month = 1; month < 12; month += 1) {
      clock.set(new Date(monthsAfter(begin, month).getTime() - 1))
      await shop.billing.grantMonthlyCredits()
      expect(await shop.ledger(ownerId)).toHaveLength(2 * month - 1)
      clock.advance(1)
      await Promise.all([1, 2, 3].map(() => shop.billing.grantMonthlyCredits()))
      expect(await shop.ledger(ownerId)).toHaveLength(2 * month + 1)
      expect(await balance(ownerId)).toBe(100)
    }
  })
})
