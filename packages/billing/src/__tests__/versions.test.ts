/** The same life in both shapes of Stripe's API, and the normaliser's edges. */

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { periodOf, subscriptionShape } from '../shapes.ts'
import { invoiceSubscription } from '../shapes-money.ts'
import { stripeWebhookRequest } from '../testing.ts'
import { createHarness, type Harness, WEBHOOK_SECRET } from './harness.ts'

describe.each(['2024-04-10', '2025-03-31.basil'])('with API version %s', (apiVersion) => {
  let h: Harness
  beforeAll(async () => {
    h = await createHarness(inject('postgres'), { apiVersion })
  })
  afterAll(() => h.close())

  test('a subscription is bought, fails to renew, is paid, and ends', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    const bought = await h.billing.getSubscription(ownerId)
    expect(bought).toMatchObject({ plan: 'PRO', status: 'active' })
    expect(bought.currentPeriodEnd?.getTime()).toBeGreaterThan(Date.now() + 25 * 86_400_000)

    await h.sandbox.stripe.failPayment(subscriptionId)
    const failed = (await h.events('invoice.payment_failed')).at(-1)
    await h.billing.handleStripeWebhook(stripeWebhookRequest(failed, { secret: WEBHOOK_SECRET }))
    await h.work()
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ status: 'past_due' })
    expect(h.outbox.sent.filter((mail) => mail.template === 'PaymentFailedEmail')).toHaveLength(1)

    await h.stripe.subscriptions.cancel(subscriptionId)
    await h.billing.syncCustomer(ownerId)
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'FREE' })
  })
})

const PRICE = { id: 'price_1', product: 'prod_1', currency: 'usd', unit_amount: 1, active: true }

test('the period is on the subscription or on its items', () => {
  const old = { current_period_start: 1, current_period_end: 2 }
  const items = {
    data: [
      { current_period_start: 5, current_period_end: 9 },
      { current_period_start: 4, current_period_end: 8 },
    ],
  }
  expect(periodOf(old)).toEqual({ start: new Date(1000), end: new Date(2000) })
  expect(periodOf({ items })).toEqual({ start: new Date(4000), end: new Date(9000) })
  for (const nothing of [{}, null, 'sub_1', { items: null }, { current_period_end: Number.NaN }]) {
    expect(periodOf(nothing)).toBeNull()
  }
})

test('an invoice names its subscription in either place, as an id or expanded', () => {
  const nested = (subscription: unknown) => ({ parent: { subscription_details: { subscription } } })
  expect(invoiceSubscription({ subscription: 'sub_1' })).toBe('sub_1')
  expect(invoiceSubscription({ subscription: { id: 'sub_1' } })).toBe('sub_1')
  expect(invoiceSubscription(nested('sub_2'))).toBe('sub_2')
  expect(invoiceSubscription(nested({ id: 'sub_2' }))).toBe('sub_2')
  expect(invoiceSubscription({ parent: null })).toBeNull()
})

test.each([
  ['unknown_status', { id: 'sub_1', status: 'dormant' }],
  ['missing_price', { id: 'sub_1', status: 'active', items: { data: [] } }],
  ['missing_period', { id: 'sub_1', status: 'active', items: { data: [{ price: PRICE }] } }],
])('%s is said and not guessed around', (reason, raw) => {
  expect(subscriptionShape(raw)).toEqual({ unreadable: reason })
})
