/** Seats and plan are two changes: a change of seats leaves the plan, its price and what is scheduled. */

import { createTestClock } from '@repo/core/testing'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createBilling, definePlans, plans } from '../index.ts'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
const clock = createTestClock(new Date())
beforeAll(async () => {
  h = await createHarness(inject('postgres'), { clock })
})
afterAll(() => h.close())

const invoicesOf = async (ownerId: string) => (await h.billing.listInvoices(ownerId)).length
const seats = (ownerId: string, quantity: number) => h.billing.changePlan(ownerId, { quantity })

async function renew(ownerId: string, subscriptionId: string) {
  const { currentPeriodEnd } = await h.billing.getSubscription(ownerId)
  clock.set(new Date((currentPeriodEnd as Date).getTime() + 1000))
  h.sandbox.stripe.renew(subscriptionId)
  await h.billing.syncCustomer(ownerId)
}

/** ENTERPRISE for three, PRO from the next period on. */
async function leaving() {
  const subscriber = await h.subscriber()
  await h.billing.changePlan(subscriber.ownerId, { plan: 'ENTERPRISE', quantity: 3 })
  await h.billing.changePlan(subscriber.ownerId, { plan: 'PRO' })
  return subscriber
}

test.each([
  ['more', 5, { quantity: 5, scheduledChange: { plan: 'PRO', quantity: 5 } }],
  ['as many', 3, { quantity: 3, scheduledChange: { plan: 'PRO', quantity: 3 } }],
  ['fewer', 1, { quantity: 3, scheduledChange: { plan: 'PRO', quantity: 1 } }],
] as const)('%s seats keep the scheduled downgrade', async (_, quantity, then) => {
  const { ownerId, subscriptionId } = await leaving()
  const quote = await h.billing.previewPlanChange(ownerId, { quantity })
  expect(quote.nextInvoice.amount).toBe(2900 * quantity)
  expect(await seats(ownerId, quantity)).toMatchObject({ plan: 'ENTERPRISE', ...then })
  const invoices = await invoicesOf(ownerId)
  expect(await seats(ownerId, quantity)).toMatchObject({ plan: 'ENTERPRISE', ...then })
  expect(await invoicesOf(ownerId)).toBe(invoices)
  await renew(ownerId, subscriptionId)
  expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'PRO', quantity })
  expect((await h.billing.listInvoices(ownerId))[0]?.amountPaid).toBe(2900 * quantity)
})

test('a scheduled reduction of seats is dropped by a change to as many or more seats', async () => {
  const { ownerId } = await h.subscriber()
  await seats(ownerId, 5)
  expect((await seats(ownerId, 2)).scheduledChange).toMatchObject({ plan: 'PRO', quantity: 2 })
  expect((await seats(ownerId, 4)).scheduledChange).toMatchObject({ plan: 'PRO', quantity: 4 })
  expect(await seats(ownerId, 5)).toMatchObject({ quantity: 5, scheduledChange: null })
  await seats(ownerId, 2)
  expect(await seats(ownerId, 6)).toMatchObject({ quantity: 6, scheduledChange: null })
})

test('a change to the present plan, without seats, undoes a scheduled downgrade', async () => {
  const { ownerId } = await leaving()
  expect(await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE' })).toMatchObject({
    quantity: 3,
    scheduledChange: null,
  })
})

test('with a scheduled end more seats are charged, fewer seats change nothing, and the end stays', async () => {
  const { ownerId } = await h.subscriber()
  await seats(ownerId, 3)
  const { endsAt } = await h.billing.cancelSubscription(ownerId)
  const invoices = await invoicesOf(ownerId)
  expect(await seats(ownerId, 2)).toMatchObject({ quantity: 3, endsAt, scheduledChange: null })
  expect(await invoicesOf(ownerId)).toBe(invoices)
  expect(await seats(ownerId, 4)).toMatchObject({ quantity: 4, endsAt, scheduledChange: null })
  expect(await invoicesOf(ownerId)).toBe(invoices + 1)
})

test('an end that was scheduled after a downgrade stays, too', async () => {
  const { ownerId } = await leaving()
  const { endsAt } = await h.billing.cancelSubscription(ownerId)
  expect(endsAt).toBeInstanceOf(Date)
  expect(await seats(ownerId, 4)).toMatchObject({ quantity: 4, endsAt, scheduledChange: null })
  expect((await h.billing.resumeSubscription(ownerId)).endsAt).toBeNull()
})

test('with an open payment more seats wait for the next invoice', async () => {
  const { ownerId, subscriptionId } = await h.subscriber()
  h.sandbox.stripe.failPayment(subscriptionId)
  await h.billing.syncCustomer(ownerId)
  const invoices = await invoicesOf(ownerId)
  expect(await seats(ownerId, 2)).toMatchObject({ status: 'past_due', quantity: 2 })
  expect(await invoicesOf(ownerId)).toBe(invoices)
  const plan = h.billing.changePlan(ownerId, { plan: 'ENTERPRISE' })
  await expect(plan).rejects.toMatchObject({ code: 'subscription_not_active' })
})

test('the seats of a paused plan change, although it grants nothing', async () => {
  const ownerId = await h.owner()
  const { stripeCustomerId: customer } = await h.billing.ensureCustomer(ownerId)
  const [price] = (await h.stripe.prices.list({ lookup_keys: ['pro_monthly'] })).data
  const { id } = await h.stripe.subscriptions.create({
    customer: customer as string,
    items: [{ price: price?.id as string }],
    trial_period_days: 7,
    trial_settings: { end_behavior: { missing_payment_method: 'pause' } },
  })
  h.sandbox.stripe.renew(id)
  await h.billing.syncCustomer(ownerId)
  const { plan, status } = await h.billing.getSubscription(ownerId)
  expect({ plan, status }).toEqual({ plan: 'FREE', status: 'paused' })
  // As a handler of members does it, which hands back the plan that it was told.
  const after = await h.billing.changePlan(ownerId, { plan, quantity: 4 })
  expect(after).toMatchObject({ status: 'paused', quantity: 4 })
})

const dearer = () =>
  createBilling({
    ...h.settings,
    plans: definePlans({
      ...plans,
      PRO: {
        name: 'Pro',
        prices: {
          month: { lookupKey: 'pro_monthly', amount: 3900, currency: 'usd' },
          year: { lookupKey: 'pro_yearly', amount: 39000, currency: 'usd' },
        },
      },
    }),
  })

test('an old price is kept with more seats, with fewer, unchanged, and in a schedule', async () => {
  await h.billing.pushPlans()
  const { ownerId, subscriptionId } = await h.subscriber()
  const leaver = await leaving()
  const billing = dearer()
  await billing.pushPlans()
  await billing.syncCustomer(ownerId)
  // Asked for at the old price, scheduled at the old price.
  await billing.changePlan(leaver.ownerId, { quantity: 4 })
  await billing.changePlan(leaver.ownerId, { plan: 'PRO', quantity: 2 })
  const { schedule } = await h.stripe.subscriptions.retrieve(leaver.subscriptionId)
  const { phases } = await h.stripe.subscriptionSchedules.retrieve(schedule as string)
  const price = await h.stripe.prices.retrieve(phases.at(-1)?.items[0]?.price as string)
  expect([price.unit_amount, phases.at(-1)?.items[0]?.quantity]).toEqual([2900, 2])
  const change = (quantity: number) => billing.changePlan(ownerId, { plan: 'PRO', quantity })
  expect(await change(1)).toMatchObject({ amount: 2900, scheduledChange: null })
  expect(await change(3)).toMatchObject({ amount: 8700, scheduledChange: null })
  expect((await change(2)).scheduledChange).toMatchObject({ plan: 'PRO', quantity: 2 })
  clock.advance(1000)
  await renew(ownerId, subscriptionId)
  expect(await billing.getSubscription(ownerId)).toMatchObject({ amount: 5800, quantity: 2 })
  expect(await billing.changePlan(ownerId, { plan: 'PRO' })).toMatchObject({
    amount: 5800,
    scheduledChange: null,
  })
  // Another interval is another purchase.
  const yearly = await billing.changePlan(ownerId, { plan: 'PRO', interval: 'year' })
  expect(yearly).toMatchObject({ amount: 2 * 39000, interval: 'year' })
  await h.billing.pushPlans()
})

test.each([
  ['ten seats of PRO to one of ENTERPRISE', 10, { plan: 'ENTERPRISE', quantity: 1 }, 'period_end'],
  ['one seat of PRO to one of ENTERPRISE', 1, { plan: 'ENTERPRISE' }, 'now'],
  ['ten seats of PRO to ten of ENTERPRISE', 10, { plan: 'ENTERPRISE' }, 'now'],
  ['months to a year of the same plan', 2, { interval: 'year' }, 'now'],
  ['months to a year of fewer seats', 3, { interval: 'year', quantity: 1 }, 'period_end'],
] as const)('cost decides whether a change begins now: %s', async (_, quantity, change, at) => {
  const { ownerId } = await h.subscriber()
  if (quantity > 1) await seats(ownerId, quantity)
  expect((await h.billing.previewPlanChange(ownerId, change)).at).toBe(at)
})

test('invalid numbers, intervals and times are refused, and change nothing', async () => {
  const { ownerId } = await h.subscriber()
  const before = await h.billing.getSubscription(ownerId)
  const attempts = [
    [{ quantity: 0 }, 'invalid_amount'],
    [{ quantity: 2.5 }, 'invalid_amount'],
    [{ quantity: 1e10 }, 'invalid_amount'],
    [{ interval: 'week' }, 'price_not_found'],
    [{ plan: 'ENTERPRISE', at: 'tomorrow' }, 'invalid_input'],
  ] as const
  for (const [change, code] of attempts) {
    const attempt = h.billing.changePlan(ownerId, change as never)
    await expect(attempt).rejects.toMatchObject({ name: 'BillingError', code })
  }
  expect(await h.billing.getSubscription(ownerId)).toEqual(before)
})
