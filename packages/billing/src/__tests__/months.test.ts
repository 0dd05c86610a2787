/** A period ends on the day on which its subscription began, at every provider: 31 January, 28 February, 31 March. */

import { createTestClock } from '@repo/core/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { definePlans } from '../index.ts'
import { createLocalProvider } from '../providers/local/provider.ts'
import { createHarness, type Harness } from './harness.ts'

const MONTHS = ['2027-02-28', '2027-03-31', '2027-04-30', '2027-05-31']
const day = (date: Date | string | null) => new Date(date ?? 0).toISOString().slice(0, 10)

const product = {
  sku: 'PRO_MONTHLY',
  name: 'Pro',
  amount: 2900,
  currency: 'usd',
  plan: 'PRO',
  interval: 'month',
} as const

test('at the local provider, also over a leap day by the year', async () => {
  const clock = createTestClock('2027-01-31T09:00:00Z')
  const { controls, ...provider } = createLocalProvider({
    clock,
    checkoutUrl: 'http://localhost/c',
  })
  const begin = async (interval: 'month' | 'year') => {
    const { id } = await provider.createCheckout({
      orderId: `order-${interval}`,
      product: { ...product, interval },
      successUrl: 'http://localhost/s',
      cancelUrl: 'http://localhost/c',
      ownerId: 'owner',
      customer: { id: null, email: 'ada@example.com' },
      idempotencyKey: interval,
    })
    return (await controls.completeCheckout(id)).subscriptionId as string
  }
  const periods = async (id: string, count: number) => {
    const ends: string[] = []
    for (let period = 0; period < count; period += 1) {
      const { currentPeriodEnd } = await provider.retrieveSubscription(id)
      ends.push(day(currentPeriodEnd))
      await controls.endPeriod(id)
    }
    return ends
  }
  expect(await periods(await begin('month'), 4)).toEqual(MONTHS)
  clock.set(new Date('2028-02-29T09:00:00Z'))
  expect(await periods(await begin('year'), 4)).toEqual([
    '2029-02-28',
    '2030-02-28',
    '2031-02-28',
    '2032-02-29',
  ])
})

describe('at Stripe', () => {
  const clock = createTestClock('2027-01-31T09:00:00Z')
  const plans = definePlans({
    FREE: { name: 'Free' },
    PRO: { name: 'Pro', prices: { month: { lookupKey: 'pro_m', amount: 2900, currency: 'usd' } } },
    TEAM: {
      name: 'Team',
      prices: { month: { lookupKey: 'team_m', amount: 900, currency: 'usd' } },
    },
  })
  let h: Harness
  beforeAll(async () => {
    h = await createHarness(inject('postgres'), { clock, settings: { plans } })
  })
  afterAll(() => h.close())

  test('a downgrade that was scheduled in February ends its first period on 31 March', async () => {
    const ownerId = await h.owner()
    const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    await h.pay(id)
    await h.billing.confirmCheckout(ownerId, id)
    const { stripeSubscriptionId } = await h.billing.getSubscription(ownerId)
    await h.billing.changePlan(ownerId, { plan: 'TEAM' })
    const [schedule] = (await h.stripe.subscriptionSchedules.list({ limit: 1 })).data
    const ends = schedule?.phases.map(({ end_date }) => day(new Date(end_date * 1000)))
    expect(ends).toEqual(MONTHS.slice(0, 2))
    expect(schedule?.subscription).toBe(stripeSubscriptionId)
  })
})
