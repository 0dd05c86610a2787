/** The credits of a plan come once a month, and roll over by its rule. */

import { monthsAfter } from '@repo/core'
import { createTestClock } from '@repo/core/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createBilling, definePlans } from '../index.ts'
import { ledgerViolations } from '../testing.ts'
import { createHarness, type Harness } from './harness.ts'
import { poison } from './poison.ts'
import { statementsOf } from './statements.ts'

const DAY = 24 * 60 * 60 * 1000
const clock = createTestClock('2030-01-31T09:00:00Z')

const priced = (name: string) => ({
  name,
  prices: {
    month: { lookupKey: `${name}_monthly`, amount: 1000, currency: 'usd' },
    year: { lookupKey: `${name}_yearly`, amount: 10_000, currency: 'usd' },
  },
})

const plans = definePlans({
  FREE: { name: 'free' },
  NONE: { ...priced('none'), credits: { amount: 100, rollover: 'none' } },
  SOME: { ...priced('some'), credits: { amount: 100, rollover: { max: 30 } } },
  ALL: { ...priced('all'), credits: { amount: 100, rollover: 'unlimited', priority: 60 } },
  TRIED: { ...priced('tried'), trialDays: 14, credits: { amount: 100, rollover: 'none' } },
  BARE: priced('bare'),
})

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'), { clock, settings: { plans } })
})
afterAll(async () => {
  expect(await ledgerViolations(h.db)).toEqual([])
  await h.close()
})

async function subscribed(plan: keyof typeof plans, interval: 'month' | 'year' = 'month') {
  const ownerId = await h.owner()
  const { id } = await h.billing.createCheckoutSession({ ownerId, plan, interval })
  await h.pay(id)
  await h.billing.confirmCheckout(ownerId, id)
  const { stripeSubscriptionId } = await h.billing.getSubscription(ownerId)
  return { ownerId, subscriptionId: stripeSubscriptionId as string }
}

const balance = async (ownerId: string) => (await h.billing.getBalance(ownerId)).balance
const rows = async (ownerId: string) => {
  const { transactions } = await h.billing.listTransactions(ownerId)
  return transactions.map(({ type, amount }) => `${type} ${amount}`).reverse()
}
const spend = (ownerId: string, amount: number) => h.billing.deductCredits(ownerId, amount, '')

/** An hour after the period's end the next one is paid, as it is at the provider. */
async function nextMonth({ ownerId, subscriptionId }: { ownerId: string; subscriptionId: string }) {
  const { currentPeriodEnd } = await h.billing.getSubscription(ownerId)
  clock.set(new Date((currentPeriodEnd as Date).getTime() + 60 * 60 * 1000))
  h.sandbox.stripe.renew(subscriptionId)
  await h.billing.syncCustomer(ownerId)
}

test('yearly plans whose month is granted are found by one statement a page', async () => {
  const grant = () => h.billing.grantMonthlyCredits()
  await subscribed('ALL', 'year')
  await grant()
  const one = await statementsOf(grant)
  for (let n = 0; n < 4; n += 1) await subscribed('ALL', 'year')
  await grant()
  expect((await statementsOf(grant)).length).toBe(one.length)
  const bare = createBilling({
    ...h.settings,
    plans: definePlans({ FREE: { name: 'free' }, BARE: priced('bare') }),
  })
  expect(await statementsOf(() => bare.grantMonthlyCredits())).toEqual([])
})

describe('credits of a plan that is paid by the month', () => {
  test('come with each paid invoice, once however often it is reported', async () => {
    const owner = await subscribed('NONE')
    await Promise.all(Array.from({ length: 10 }, () => h.billing.syncCustomer(owner.ownerId)))
    await h.deliverAll()
    expect(await rows(owner.ownerId)).toEqual(['grant 100'])
    const [invoice] = await h.billing.listInvoices(owner.ownerId)
    const { transactions } = await h.billing.listTransactions(owner.ownerId)
    expect(transactions[0]?.idempotencyKey).toBe(`invoice:${invoice?.stripeInvoiceId}:credits`)
  })

  test('with rollover none lapse when the next credits come, and not in the hour before', async () => {
    const owner = await subscribed('NONE')
    await spend(owner.ownerId, 60)
    const { currentPeriodEnd } = await h.billing.getSubscription(owner.ownerId)
    clock.set(new Date((currentPeriodEnd as Date).getTime() + 1))
    expect(await balance(owner.ownerId)).toBe(40)
    await nextMonth(owner)
    expect(await rows(owner.ownerId)).toEqual([
      'grant 100',
      'deduction -60',
      'expiry -40',
      'grant 100',
    ])
  })

  test('with rollover max are carried over up to the maximum, month after month', async () => {
    const owner = await subscribed('SOME')
    await spend(owner.ownerId, 80)
    await nextMonth(owner)
    expect(await balance(owner.ownerId)).toBe(120)
    await nextMonth(owner)
    expect(await balance(owner.ownerId)).toBe(130)
    expect(await rows(owner.ownerId)).toEqual([
      'grant 100',
      'deduction -80',
      'grant 100',
      'expiry -70',
      'expiry -20',
      'grant 100',
    ])
    // What was carried lapses with the month that carried it.
    const { currentPeriodEnd } = await h.billing.getSubscription(owner.ownerId)
    clock.set(new Date((currentPeriodEnd as Date).getTime() + 3 * DAY - 1))
    expect(await balance(owner.ownerId)).toBe(130)
    clock.advance(1)
    expect(await balance(owner.ownerId)).toBe(0)
  })

  test('with rollover unlimited stay, also when the plan has ended', async () => {
    const owner = await subscribed('ALL')
    await nextMonth(owner)
    await nextMonth(owner)
    h.sandbox.stripe.endSubscription(owner.subscriptionId)
    await h.billing.syncCustomer(owner.ownerId)
    clock.advance(400 * DAY)
    expect(await balance(owner.ownerId)).toBe(300)
  })

  test('are spent before bought credits, which stay', async () => {
    const owner = await subscribed('NONE')
    const bought = { type: 'purchase', idempotencyKey: 'order:1' } as const
    await h.billing.grantCredits(owner.ownerId, 500, bought)
    await spend(owner.ownerId, 50)
    await nextMonth(owner)
    expect(await balance(owner.ownerId)).toBe(600)
  })

  test('are none for a plan without credits', async () => {
    const { ownerId } = await subscribed('BARE')
    expect(await rows(ownerId)).toEqual([])
  })

  test('come with a trial of the plan', async () => {
    const owner = await subscribed('TRIED')
    expect((await h.billing.getSubscription(owner.ownerId)).status).toBe('trialing')
    expect(await balance(owner.ownerId)).toBe(100)
    await nextMonth(owner)
    expect(await rows(owner.ownerId)).toEqual(['grant 100', 'expiry -100', 'grant 100'])
  })

  test('do not come for months that are over when they become known', async () => {
    const ownerId = await h.owner()
    const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'ALL' })
    const paid = await h.pay(id)
    for (let month = 0; month < 4; month += 1) {
      clock.advance(31 * DAY)
      h.sandbox.stripe.renew(paid.subscription as string)
    }
    await h.billing.syncCustomer(ownerId)
    expect(await h.billing.listInvoices(ownerId)).toHaveLength(5)
    expect(await rows(ownerId)).toEqual(['grant 100'])
  })

  test('promise 1: that cannot be granted undo the effect, which is tried again', async () => {
    const ownerId = await h.owner()
    const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'NONE' })
    await h.pay(id)
    await h.db.$executeRaw`ALTER FUNCTION "Credit_post" RENAME TO "Credit_away"`
    const { failedEffects } = await h.billing.syncCustomer(ownerId)
    await h.db.$executeRaw`ALTER FUNCTION "Credit_away" RENAME TO "Credit_post"`
    expect(failedEffects).toMatchObject([expect.stringMatching(/^invoice:.*:paid$/)])
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('NONE')
    await h.billing.syncCustomer(ownerId)
    expect(await rows(ownerId)).toEqual(['grant 100'])
  })
})

describe('credits of a plan that is paid by the year', () => {
  test('come month by month on the day of the month on which the plan began, once', async () => {
    const { ownerId, subscriptionId } = await subscribed('ALL', 'year')
    const begin = (
      await h.db.subscription.findUniqueOrThrow({
        where: { stripeSubscriptionId: subscriptionId },
      })
    ).currentPeriodStart
    expect(await balance(ownerId)).toBe(100)
    for (let month = 1; month < 12; month += 1) {
      clock.set(new Date(monthsAfter(begin, month).getTime() - 1))
      await h.billing.grantMonthlyCredits()
      expect(await balance(ownerId)).toBe(100 * month)
      clock.advance(1)
      await Promise.all(Array.from({ length: 4 }, () => h.billing.grantMonthlyCredits()))
      expect(await balance(ownerId)).toBe(100 * (month + 1))
    }
    clock.advance(32 * DAY)
    await h.billing.grantMonthlyCredits()
    expect(await balance(ownerId)).toBe(1200)
  })

  test('lapse by the plan’s rollover rule', async () => {
    const { ownerId } = await subscribed('SOME', 'year')
    const start = clock.now()
    clock.set(monthsAfter(start, 1))
    await h.billing.grantMonthlyCredits()
    expect(await rows(ownerId)).toEqual(['grant 100', 'expiry -70', 'grant 100'])
  })

  test('that were granted stay when the plan’s terms change', async () => {
    const { ownerId } = await subscribed('NONE', 'year')
    const changed = { ...plans.NONE, credits: { amount: 70, rollover: 'none' as const } }
    const billing = createBilling({ ...h.settings, plans: { ...plans, NONE: changed } })
    await billing.grantMonthlyCredits()
    expect(await rows(ownerId)).toEqual(['grant 100'])
  })

  test('do not come for an ended plan', async () => {
    const { ownerId, subscriptionId } = await subscribed('ALL', 'year')
    h.sandbox.stripe.endSubscription(subscriptionId)
    await h.billing.syncCustomer(ownerId)
    clock.advance(40 * DAY)
    await h.billing.grantMonthlyCredits()
    expect(await balance(ownerId)).toBe(100)
  })

  test('are granted to others when one subscription fails', async () => {
    const both = [await subscribed('ALL', 'year'), await subscribed('ALL', 'year')]
    const rows = await h.db.subscription.findMany({
      where: { stripeSubscriptionId: { in: both.map(({ subscriptionId }) => subscriptionId) } },
      include: { customer: true },
      orderBy: { id: 'asc' },
    })
    const [bad, good] = rows.map(({ customer }) => customer.ownerId) as [string, string]
    const cure = await poison(h.db, 'CreditTransaction', 'ownerId', bad)
    clock.advance(40 * DAY)
    await h.billing.grantMonthlyCredits()
    expect(await balance(good)).toBe(200)
    expect(await balance(bad)).toBe(100)
    expect(h.logger.text).toContain('could not grant the months of a plan')
    await cure()
  })
})

test('months are counted from the first day, or end on the last day of a shorter month', () => {
  const at = (months: number) => monthsAfter(new Date('2028-01-31T10:00:00Z'), months).toISOString()
  expect([at(0), at(1), at(2), at(3), at(13)]).toEqual([
    '2028-01-31T10:00:00.000Z',
    '2028-02-29T10:00:00.000Z',
    '2028-03-31T10:00:00.000Z',
    '2028-04-30T10:00:00.000Z',
    '2029-02-28T10:00:00.000Z',
  ])
})

test.each([
  { amount: 0, rollover: 'none' },
  { amount: 1.5, rollover: 'none' },
  { amount: 5, rollover: 'sometimes' },
  { amount: 5, rollover: { max: 0 } },
  { amount: 5, rollover: 'none', priority: 101 },
  { amount: 5, rollover: 'none', creditType: 'No' },
])('a plan with the credits %j is refused', (credits) => {
  const bad = { ...priced('bad'), credits: credits as { amount: number; rollover: 'none' } }
  expect(() => definePlans({ FREE: { name: 'free' }, BAD: bad })).toThrow(
    /^The credits of BAD are invalid: /,
  )
})
