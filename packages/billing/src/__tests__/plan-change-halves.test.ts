/** Changes that take two requests at the provider: what a refusal or a crash between them leaves. */

import { createTestClock } from '@repo/core/testing'
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { type CuttingProxy, cuttingProxy } from './cutting-proxy.ts'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
let way: CuttingProxy
const clock = createTestClock(new Date())
beforeAll(async () => {
  h = await createHarness(inject('postgres'), { clock })
  way = await cuttingProxy(h)
})
beforeEach(() => {
  way.decide = alive
  way.asked.length = 0
})
afterAll(async () => {
  await way.close()
  await h.close()
})

const RELEASE = /^\/v1\/subscription_schedules\/\w+\/release/
const SCHEDULE = /^\/v1\/subscription_schedules\/\w+$/
const SUBSCRIPTION = /^\/v1\/subscriptions\/\w+$/

const alive = () => 'pass' as const

/** The first POST to such a path meets its fate. Where it is not a refusal, nothing comes through after that. */
function first(path: RegExp, fate: 'lost' | 'refused' | 'unanswered') {
  way.decide = (method, url) => {
    if (method !== 'POST' || !path.test(url)) return 'pass'
    way.decide = fate === 'refused' ? alive : () => 'lost'
    return fate
  }
}

/** ENTERPRISE for one, and PRO from the next period on. */
async function leaving() {
  const subscriber = await h.subscriber()
  await h.billing.changePlan(subscriber.ownerId, { plan: 'ENTERPRISE', quantity: 2 })
  const { scheduledChange } = await h.billing.changePlan(subscriber.ownerId, { plan: 'PRO' })
  expect(scheduledChange).toMatchObject({ plan: 'PRO', quantity: 2 })
  return subscriber
}

const invoicesOf = async (ownerId: string) => (await h.billing.listInvoices(ownerId)).length
const openIntents = (subscriptionId: string) =>
  h.db.subscription.count({
    where: { stripeSubscriptionId: subscriptionId, changeScheduleId: { not: null } },
  })

const fates = ['lost', 'refused', 'unanswered'] as const

test.each(fates)(
  'an upgrade is made and the release of the schedule is %s: the next sync releases it',
  async (fate) => {
    const { ownerId, subscriptionId } = await leaving()
    const invoices = await invoicesOf(ownerId)
    first(RELEASE, fate)
    const change = way.billing.changePlan(ownerId, {
      plan: 'ENTERPRISE',
      quantity: 2,
      interval: 'year',
    })
    await expect(change).rejects.toMatchObject({ name: 'BillingError' })
    await h.deliverAll()
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({
      plan: 'ENTERPRISE',
      interval: 'year',
      scheduledChange: null,
    })
    expect((await h.stripe.subscriptions.retrieve(subscriptionId)).schedule).toBeNull()
    expect(await invoicesOf(ownerId)).toBe(invoices + 1)
    expect(await openIntents(subscriptionId)).toBe(0)
  },
)

test.each(fates)(
  'an upgrade is made and the release is %s: the repeated call finishes it and charges nothing more',
  async (fate) => {
    const { ownerId, subscriptionId } = await leaving()
    const change = { plan: 'ENTERPRISE', interval: 'year' } as const
    first(RELEASE, fate)
    await expect(way.billing.changePlan(ownerId, change)).rejects.toThrow()
    way.decide = alive
    const after = await way.billing.changePlan(ownerId, change)
    expect(after).toMatchObject({ plan: 'ENTERPRISE', interval: 'year', scheduledChange: null })
    const { data } = await h.stripe.invoices.list({ subscription: subscriptionId })
    expect(data.filter(({ amount_paid }) => amount_paid > 100_000)).toHaveLength(1)
  },
)

test('after an upgrade whose answer is lost the next sync drops the downgrade', async () => {
  const { ownerId } = await leaving()
  first(SUBSCRIPTION, 'unanswered')
  const change = way.billing.changePlan(ownerId, { plan: 'ENTERPRISE', interval: 'year' })
  await expect(change).rejects.toMatchObject({ code: 'provider_unavailable' })
  const after = await h.billing.syncCustomer(ownerId).then(() => h.billing.getSubscription(ownerId))
  expect(after).toMatchObject({ plan: 'ENTERPRISE', interval: 'year', scheduledChange: null })
})

test.each(['lost', 'refused'] as const)(
  'an upgrade that is %s changes nothing: the downgrade still comes',
  async (fate) => {
    const { ownerId, subscriptionId } = await leaving()
    const before = await h.billing.getSubscription(ownerId)
    first(SUBSCRIPTION, fate)
    const change = way.billing.changePlan(ownerId, { plan: 'ENTERPRISE', interval: 'year' })
    await expect(change).rejects.toMatchObject({ name: 'BillingError' })
    await h.billing.syncCustomer(ownerId)
    expect(await h.billing.getSubscription(ownerId)).toEqual(before)
    clock.set(new Date((before.currentPeriodEnd as Date).getTime() + 1000))
    h.sandbox.stripe.renew(subscriptionId)
    await h.billing.syncCustomer(ownerId)
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'PRO', quantity: 2 })
  },
)

test.each(fates)(
  'a seat is added while a downgrade waits, and the schedule is %s: the next sync adds the seat to the schedule',
  async (fate) => {
    const { ownerId, subscriptionId } = await leaving()
    first(SCHEDULE, fate)
    await expect(way.billing.changePlan(ownerId, { quantity: 5 })).rejects.toThrow()
    await h.billing.syncCustomer(ownerId)
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({
      plan: 'ENTERPRISE',
      quantity: 5,
      scheduledChange: { plan: 'PRO', quantity: 5 },
    })
    expect(await openIntents(subscriptionId)).toBe(0)
  },
)

test('a downgrade that is refused leaves no schedule behind', async () => {
  const { ownerId, subscriptionId } = await h.subscriber()
  await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE' })
  first(SCHEDULE, 'refused')
  const change = way.billing.changePlan(ownerId, { plan: 'PRO' })
  await expect(change).rejects.toMatchObject({ code: 'provider_rejected' })
  expect((await h.stripe.subscriptions.retrieve(subscriptionId)).schedule).toBeNull()
})

test.each(['lost', 'unanswered'] as const)(
  'a downgrade that is interrupted between its two requests (%s) is finished by the repeated call',
  async (fate) => {
    const { ownerId } = await h.subscriber()
    await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE' })
    first(SCHEDULE, fate)
    await expect(way.billing.changePlan(ownerId, { plan: 'PRO' })).rejects.toThrow()
    way.decide = alive
    const after = await way.billing.changePlan(ownerId, { plan: 'PRO' })
    expect(after.scheduledChange).toMatchObject({ plan: 'PRO', quantity: 1 })
  },
)

test('a cancellation that is interrupted before its first request keeps the downgrade', async () => {
  const { ownerId } = await leaving()
  first(SCHEDULE, 'lost')
  await expect(way.billing.cancelSubscription(ownerId)).rejects.toThrow()
  await h.billing.syncCustomer(ownerId)
  expect(await h.billing.getSubscription(ownerId)).toMatchObject({
    endsAt: null,
    scheduledChange: { plan: 'PRO' },
  })
})

test.each(fates)(
  'a cancellation whose second request is %s ends the plan all the same',
  async (fate) => {
    const { ownerId, subscriptionId } = await leaving()
    first(RELEASE, fate)
    await expect(way.billing.cancelSubscription(ownerId, { reason: 'unused' })).rejects.toThrow()
    await h.billing.syncCustomer(ownerId)
    const { currentPeriodEnd } = await h.billing.getSubscription(ownerId)
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({
      endsAt: currentPeriodEnd,
      scheduledChange: null,
    })
    // The repeated call brings what is left: the reason.
    way.decide = alive
    await way.billing.cancelSubscription(ownerId, { reason: 'unused' })
    const live = await h.stripe.subscriptions.retrieve(subscriptionId)
    expect(live).toMatchObject({ schedule: null, cancellation_details: { feedback: 'unused' } })
    const resumed = await h.billing.resumeSubscription(ownerId)
    expect(resumed).toMatchObject({ endsAt: null, plan: 'ENTERPRISE', scheduledChange: null })
  },
)
