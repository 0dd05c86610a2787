/** Plans bought by an order at a provider other than Stripe. */

import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { defineProducts, onGracePeriod, plans } from '../index.ts'
import { createShop, type Shop } from './orders-harness.ts'

const { month, year } = plans.PRO.prices
const products = defineProducts({
  CREDITS_SMALL: { name: '100 credits', amount: 1000, currency: 'usd', credits: 100 },
  PRO_MONTHLY: {
    name: 'Pro, monthly',
    ...{ amount: month.amount, currency: month.currency, plan: 'PRO', interval: 'month' },
    credits: 50,
  },
  PRO_YEARLY: {
    name: 'Pro, yearly',
    ...{ amount: year.amount, currency: year.currency, plan: 'PRO', interval: 'year' },
  },
})

let shop: Shop
beforeAll(async () => {
  shop = await createShop(inject('postgres'), { settings: { products } })
})
afterAll(() => shop.close())

/** Delivers and works through all that has happened. */
async function deliver() {
  for (const { eventId } of shop.controls.events) {
    const req = shop.controls.webhook(eventId) as Request
    expect((await shop.billing.handlePaymentCallback(req)).status).toBe(200)
  }
  await shop.billing.processEvents()
}

test('a plan that was bought there is the owner’s plan, with its period', async () => {
  const { ownerId, subscriptionId, orderId } = await shop.paid('PRO_MONTHLY')
  const there = await shop.provider.retrieveSubscription(subscriptionId)
  expect(await shop.billing.getSubscription(ownerId)).toEqual({
    plan: 'PRO',
    status: 'active',
    stripeSubscriptionId: null,
    interval: 'month',
    amount: month.amount,
    currency: 'usd',
    quantity: 1,
    currentPeriodEnd: there.currentPeriodEnd,
    endsAt: null,
    graceEndsAt: null,
    isGraceOver: false,
    trialEnd: null,
    scheduledChange: null,
    pendingChange: null,
    pauseCollection: null,
  })
  expect(await shop.row(orderId)).toMatchObject({ status: 'completed', subscriptionId })
  expect(await shop.ledger(ownerId)).toEqual(['purchase 50'])
})

test('promise 2: an owner with a plan cannot order another', async () => {
  const { ownerId } = await shop.paid('PRO_MONTHLY')
  await expect(
    shop.billing.createOrder({ ownerId, productId: 'PRO_YEARLY' }),
  ).rejects.toMatchObject({ code: 'already_subscribed', status: 409 })
  await shop.billing.createOrder({ ownerId, productId: 'CREDITS_SMALL' })
})

test('promise 2: two plans bought at once are both stored, one counts, and an alert is raised', async () => {
  const owners = await Promise.all(Array.from({ length: 12 }, () => shop.owner()))
  const orders: string[] = []
  for (const ownerId of owners) {
    const first = await shop.billing.createOrder({ ownerId, productId: 'PRO_MONTHLY' })
    for (const each of [first, await shop.second(ownerId, 'PRO_YEARLY')]) {
      await shop.controls.completeCheckout(each.checkoutId)
      orders.push(each.orderId)
    }
  }
  shop.alerts.length = 0
  await Promise.all(orders.map((orderId) => shop.billing.settleOrder(orderId)))
  for (const ownerId of owners) {
    const rows = await shop.db.subscription.findMany({ where: { customer: { ownerId } } })
    const flags = rows.map(({ needsAttention }) => needsAttention).sort()
    expect(flags).toEqual([null, 'second_current_subscription'])
    expect(shop.alerts).toContainEqual(
      expect.objectContaining({ code: 'second_current_subscription', ownerId }),
    )
    expect(await shop.billing.listFlagged(ownerId)).toHaveLength(1)
  }
  expect(shop.alerts).toHaveLength(owners.length)
})

test('a renewal is an order of its own: its credits come once, and its refund takes them', async () => {
  const { ownerId, subscriptionId, orderId } = await shop.paid('PRO_MONTHLY')
  const renewed = await shop.controls.endPeriod(subscriptionId)
  await deliver()
  await Promise.all([1, 2, 3].map(() => shop.billing.settleOrder(orderId)))
  const { currentPeriodEnd } = await shop.billing.getSubscription(ownerId)
  expect(currentPeriodEnd).toEqual(renewed.currentPeriodEnd)
  expect(await shop.ledger(ownerId)).toEqual(['purchase 50', 'purchase 50'])
  const orders = await shop.db.order.findMany({ where: { ownerId }, orderBy: { createdAt: 'asc' } })
  expect(orders).toMatchObject([
    { id: orderId, status: 'completed' },
    { status: 'completed', paymentId: renewed.latestPaymentId, checkoutId: null, credits: 50 },
  ])
  await shop.controls.refundPayment(renewed.latestPaymentId ?? '')
  await deliver()
  expect(await shop.ledger(ownerId)).toEqual(['purchase 50', 'purchase 50', 'adjustment -50'])
  expect(await shop.row(orderId)).toMatchObject({ amountRefunded: 0 })
})

test('a renewal whose event was overtaken by the next renewal’s is still found by its event', async () => {
  const { ownerId, subscriptionId } = await shop.paid('PRO_MONTHLY')
  await shop.controls.endPeriod(subscriptionId)
  await shop.controls.endPeriod(subscriptionId)
  await deliver()
  expect(await shop.ledger(ownerId)).toEqual(['purchase 50', 'purchase 50', 'purchase 50'])
})

test('a plan is cancelled there, runs to the end of its period, and then stays ended', async () => {
  const { ownerId, subscriptionId, orderId } = await shop.paid('PRO_MONTHLY')
  await deliver()
  const cancelled = await shop.billing.cancelSubscription(ownerId)
  expect(onGracePeriod(cancelled)).toBe(true)
  expect(await shop.provider.retrieveSubscription(subscriptionId)).toMatchObject({
    status: 'active',
    cancelAtPeriodEnd: true,
  })
  await shop.controls.endPeriod(subscriptionId)
  await deliver()
  expect(await shop.billing.getSubscription(ownerId)).toMatchObject({ plan: 'FREE', status: null })
  await shop.billing.settleOrder(orderId)
  expect(await shop.db.subscription.findFirst({ where: { customer: { ownerId } } })).toMatchObject({
    provider: 'local',
    providerSubscriptionId: subscriptionId,
    status: 'canceled',
  })
})

test('a function that only Stripe supports is refused, and the error names the provider', async () => {
  const { ownerId } = await shop.paid('PRO_MONTHLY')
  for (const asked of [
    () => shop.billing.previewPlanChange(ownerId, { plan: 'ENTERPRISE' }),
    () => shop.billing.changePlan(ownerId, { plan: 'ENTERPRISE' }),
    () => shop.billing.createBillingPortalSession({ ownerId }),
  ]) {
    const message = expect.stringContaining('local')
    await expect(asked()).rejects.toMatchObject({ code: 'not_supported', status: 422, message })
  }
})

test('a cancellation can be undone, and made again', async () => {
  const { ownerId, subscriptionId } = await shop.paid('PRO_MONTHLY')
  expect(await shop.billing.resumeSubscription(ownerId)).toMatchObject({ endsAt: null })
  for (let times = 0; times < 2; times += 1) {
    expect((await shop.billing.cancelSubscription(ownerId)).endsAt).toBeInstanceOf(Date)
    expect((await shop.billing.resumeSubscription(ownerId)).endsAt).toBeNull()
    const there = await shop.provider.retrieveSubscription(subscriptionId)
    expect(there).toMatchObject({ cancelAtPeriodEnd: false, canceledAt: null })
  }
})

test('without a key of Stripe, an owner is a customer and can be synced', async () => {
  const { ownerId, orderId, checkoutId } = await shop.order('PRO_MONTHLY')
  const none = await shop.owner()
  expect(await shop.billing.ensureCustomer(none)).toMatchObject({
    ownerId: none,
    stripeCustomerId: null,
  })
  await expect(shop.billing.ensureCustomer('nobody')).rejects.toMatchObject({
    code: 'owner_not_found',
  })
  await shop.billing.updateCustomer(none)
  await shop.controls.completeCheckout(checkoutId)
  expect(await shop.billing.syncCustomer(ownerId)).toMatchObject({
    problems: [],
    failedEffects: [],
  })
  expect(await shop.row(orderId)).toMatchObject({ status: 'completed' })
  const { subscriptionId } = await shop.row(orderId)
  const renewed = await shop.controls.endPeriod(subscriptionId ?? '')
  await shop.billing.syncCustomer(ownerId)
  const { currentPeriodEnd } = await shop.billing.getSubscription(ownerId)
  expect(currentPeriodEnd).toEqual(renewed.currentPeriodEnd)
})

test('forgetting an owner ends the plan there and cancels open orders', async () => {
  const { ownerId, subscriptionId, orderId } = await shop.paid('PRO_MONTHLY')
  const open = await shop.billing.createOrder({ ownerId, productId: 'CREDITS_SMALL' })
  expect(await shop.billing.exportOwner(ownerId)).toMatchObject({
    customer: { orders: expect.arrayContaining([expect.objectContaining({ id: orderId })]) },
  })
  await shop.billing.forgetOwner(ownerId)
  expect(await shop.row(open.orderId)).toMatchObject({ status: 'cancelled', successUrl: null })
  await expect(shop.controls.completeCheckout(open.checkoutId)).rejects.toThrow('expired')
  expect(await shop.provider.retrieveSubscription(subscriptionId)).toMatchObject({
    status: 'canceled',
  })
  expect(await shop.row(orderId)).toMatchObject({ ownerId, status: 'completed' })
})

test('the database has one row for a subscription, with the provider of its ids', async () => {
  const { subscriptionId } = await shop.paid('PRO_MONTHLY')
  const { id } = await shop.db.subscription.findFirstOrThrow({
    where: { providerSubscriptionId: subscriptionId },
  })
  for (const data of [
    { provider: 'stripe' },
    { stripeSubscriptionId: 'sub_1' },
    { providerSubscriptionId: null },
    { provider: 'elsewhere' },
  ]) {
    const change = shop.db.subscription.update({ where: { id }, data })
    await expect(change).rejects.toThrow('Subscription_provider_check')
  }
})
