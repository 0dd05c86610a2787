/** What a subscription has beside its plan survives every change of ours: add-ons, discounts, cards, trials. */

import { createTestClock } from '@repo/core/testing'
import type Stripe from 'stripe'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { API_VERSIONS, createHarness, type Harness } from './harness.ts'

describe.each(API_VERSIONS)('with API version %s', (apiVersion) => {
  let h: Harness
  let addOn: Stripe.Price
  const clock = createTestClock(new Date())
  beforeAll(async () => {
    h = await createHarness(inject('postgres'), { apiVersion, clock })
    const product = await h.stripe.products.create({ name: 'Priority support' })
    addOn = await h.stripe.prices.create({
      product: product.id,
      currency: 'usd',
      unit_amount: 50_000,
      recurring: { interval: 'month' },
    })
  })
  afterAll(() => h.close())

  const priceNamed = async (key: string) =>
    (await h.stripe.prices.list({ lookup_keys: [key] })).data[0]?.id as string

  /** A subscription made at the provider, with the add-on before the plan or after it. */
  async function withAddOn(order: 'first' | 'last', key = 'pro_monthly', more = {}) {
    const ownerId = await h.owner()
    const { stripeCustomerId } = await h.billing.ensureCustomer(ownerId)
    const customer = stripeCustomerId as string
    const { id: card } = await h.stripe.paymentMethods.attach('pm_card_visa', { customer })
    const items = [{ price: addOn.id }, { price: await priceNamed(key) }]
    const { id } = await h.stripe.subscriptions.create({
      customer,
      default_payment_method: card,
      items: order === 'first' ? items : items.reverse(),
      metadata: { from: 'the dashboard' },
      description: 'Kept',
      ...more,
    })
    await h.billing.syncCustomer(ownerId)
    return { ownerId, id, customer, card }
  }

  const live = (id: string) => h.stripe.subscriptions.retrieve(id)
  const pricesOf = ({ items }: Stripe.Subscription) =>
    items.data.map(({ price, quantity }) => `${price.lookup_key ?? 'add-on'} ${quantity}`).sort()
  const renewed = async (ownerId: string, id: string) => {
    const { currentPeriodEnd } = await h.billing.getSubscription(ownerId)
    clock.set(new Date((currentPeriodEnd as Date).getTime() + 1000))
    h.sandbox.stripe.renew(id)
    await h.billing.syncCustomer(ownerId)
  }

  test.each(['first', 'last'] as const)(
    'the plan is recognized by its price with an add-on %s',
    async (order) => {
      const { ownerId, id } = await withAddOn(order)
      expect(await h.billing.getSubscription(ownerId)).toMatchObject({
        plan: 'PRO',
        status: 'active',
        amount: 2900,
        quantity: 1,
      })
      expect(await h.billing.listFlagged(ownerId)).toEqual([])

      const quote = await h.billing.previewPlanChange(ownerId, { plan: 'ENTERPRISE' })
      expect(quote.amountDue).toBe(19_900 - 2900)
      expect(quote.nextInvoice.amount).toBe(19_900 + 50_000)
      await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE', quote })
      expect(pricesOf(await live(id))).toEqual(['add-on 1', 'enterprise_monthly 1'])

      const seats = await h.billing.changePlan(ownerId, { quantity: 3 })
      expect(seats).toMatchObject({ plan: 'ENTERPRISE', quantity: 3, amount: 3 * 19_900 })
      expect(pricesOf(await live(id))).toEqual(['add-on 1', 'enterprise_monthly 3'])

      const down = await h.billing.changePlan(ownerId, { plan: 'PRO' })
      expect(down.scheduledChange).toMatchObject({ plan: 'PRO', quantity: 3 })
      await renewed(ownerId, id)
      expect(pricesOf(await live(id))).toEqual(['add-on 1', 'pro_monthly 3'])
      expect(await h.billing.getSubscription(ownerId)).toMatchObject({
        plan: 'PRO',
        quantity: 3,
        status: 'active',
      })
      expect((await h.billing.listInvoices(ownerId))[0]?.amountPaid).toBe(3 * 2900 + 50_000)
    },
  )

  test('a scheduled change keeps card, metadata, description and the remaining discount', async () => {
    const coupon = await h.stripe.coupons.create({
      percent_off: 50,
      duration: 'repeating',
      duration_in_months: 3,
    })
    const { ownerId, id, card } = await withAddOn('last', 'enterprise_monthly', {
      discounts: [{ coupon: coupon.id }],
    })
    const before = await live(id)
    await h.billing.changePlan(ownerId, { plan: 'PRO' })
    const same = {
      default_payment_method: card,
      metadata: { from: 'the dashboard' },
      description: 'Kept',
      discounts: before.discounts,
    }
    expect(before.discounts).toHaveLength(1)
    expect(await live(id)).toMatchObject(same)
    await renewed(ownerId, id)
    expect(await live(id)).toMatchObject(same)
    expect((await h.billing.listInvoices(ownerId))[0]?.amountPaid).toBe((2900 + 50_000) / 2)

    // Nor does a cancellation, which goes through a schedule where one is there, nor taking it back.
    await h.billing.changePlan(ownerId, { quantity: 2 })
    await h.billing.changePlan(ownerId, { quantity: 1 })
    await h.billing.cancelSubscription(ownerId)
    expect(await live(id)).toMatchObject(same)
    await h.billing.resumeSubscription(ownerId)
    expect(await live(id)).toMatchObject({ ...same, cancel_at: null, schedule: null })
  })

  test('an upgrade keeps card, metadata, description and discount', async () => {
    const coupon = await h.stripe.coupons.create({ percent_off: 50, duration: 'forever' })
    const discounts = [{ coupon: coupon.id }]
    const { ownerId, id, card } = await withAddOn('first', 'pro_monthly', { discounts })
    const before = await live(id)
    const quote = await h.billing.previewPlanChange(ownerId, { plan: 'ENTERPRISE' })
    await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE', quote })
    expect(await live(id)).toMatchObject({
      default_payment_method: card,
      metadata: { from: 'the dashboard' },
      description: 'Kept',
      discounts: before.discounts,
    })
    expect((await h.billing.listInvoices(ownerId))[0]?.amountPaid).toBe(quote.amountDue)
  })

  test('a change during a trial, now or later, keeps the trial', async () => {
    const { ownerId, id } = await withAddOn('first', 'enterprise_monthly', { trial_period_days: 7 })
    const { trialEnd } = await h.billing.getSubscription(ownerId)
    const later = await h.billing.changePlan(ownerId, { plan: 'PRO', at: 'period_end' })
    expect(later).toMatchObject({
      plan: 'ENTERPRISE',
      status: 'trialing',
      trialEnd,
      scheduledChange: { plan: 'PRO' },
    })
    const now = await h.billing.changePlan(ownerId, { plan: 'PRO' })
    expect(now).toMatchObject({ plan: 'PRO', status: 'trialing', trialEnd, scheduledChange: null })
    expect((await live(id)).metadata).toEqual({ from: 'the dashboard' })
    expect(
      (await h.billing.listInvoices(ownerId)).every(({ amountPaid }) => amountPaid === 0),
    ).toBe(true)
  })
})
