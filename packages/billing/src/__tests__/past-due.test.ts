/** A plan's features outlive a payment that failed by some days, and not for ever. */

import { createTestClock } from '@repo/core/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createBilling, isActive, isPastDue } from '../index.ts'
import { createHarness, type Harness } from './harness.ts'
import { createShop } from './orders-harness.ts'

const DAY = 86_400_000

describe('at Stripe', () => {
  const clock = createTestClock('2030-03-01T09:00:00Z')
  let h: Harness
  beforeAll(async () => {
    h = await createHarness(inject('postgres'), { clock })
  })
  afterAll(() => h.close())

  async function pastDue() {
    const { ownerId, subscriptionId } = await h.subscriber()
    const invoice = h.sandbox.stripe.failPayment(subscriptionId).id as string
    await h.billing.syncCustomer(ownerId)
    return { ownerId, subscriptionId, invoice, since: clock.now() }
  }

  test('the plan ends fourteen days after it became past due, however often it is synced', async () => {
    const { ownerId, invoice, since } = await pastDue()
    const graceEndsAt = new Date(since.getTime() + 14 * DAY)
    for (let day = 0; day < 14; day += 1) {
      await h.billing.syncCustomer(ownerId)
      const subscription = await h.billing.getSubscription(ownerId)
      expect(subscription).toMatchObject({ plan: 'PRO', status: 'past_due', graceEndsAt })
      expect(isActive(subscription)).toBe(true)
      clock.advance(DAY)
    }
    const over = await h.billing.getSubscription(ownerId)
    expect(over).toMatchObject({ plan: 'FREE', status: 'past_due', isGraceOver: true })
    expect([isActive(over), isPastDue(over)]).toEqual([false, true])
    // It still has its owner's place, and comes back with the money.
    const again = h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    await expect(again).rejects.toMatchObject({ code: 'already_subscribed' })
    await h.stripe.invoices.pay(invoice)
    await h.billing.syncCustomer(ownerId)
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({
      ...{ plan: 'PRO', status: 'active', graceEndsAt: null, isGraceOver: false },
    })
  })

  test('the next failure has fourteen days again', async () => {
    const { ownerId, subscriptionId, invoice } = await pastDue()
    clock.advance(10 * DAY)
    await h.stripe.invoices.pay(invoice)
    await h.billing.syncCustomer(ownerId)
    clock.advance(20 * DAY)
    h.sandbox.stripe.failPayment(subscriptionId)
    await h.billing.syncCustomer(ownerId)
    clock.advance(13 * DAY)
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
  })

  test.each([
    [0, 'FREE'],
    [3, 'PRO'],
  ])('with %d days of grace', async (pastDueGraceDays, plan) => {
    const billing = createBilling({ ...h.settings, pastDueGraceDays })
    const { ownerId } = await pastDue()
    expect((await billing.getSubscription(ownerId)).plan).toBe(plan)
    clock.advance(3 * DAY)
    expect((await billing.getSubscription(ownerId)).plan).toBe('FREE')
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
  })
})

test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('%d days are refused', (pastDueGraceDays) => {
  expect(() => createBilling({ pastDueGraceDays })).toThrow(/pastDueGraceDays/)
})

test('at another provider the plan ends in the same way', async () => {
  const clock = createTestClock('2030-03-01T09:00:00Z')
  const shop = await createShop(inject('postgres'), { clock, settings: { clock } })
  const { ownerId, orderId, subscriptionId } = await shop.paid('PRO_MONTHLY')
  await shop.controls.failPeriod(subscriptionId)
  await shop.billing.settleOrder(orderId)
  expect(await shop.billing.getSubscription(ownerId)).toMatchObject({
    ...{ plan: 'PRO', status: 'past_due' },
  })
  clock.advance(14 * DAY)
  await shop.billing.settleOrder(orderId)
  expect((await shop.billing.getSubscription(ownerId)).plan).toBe('FREE')
  await shop.close()
})
