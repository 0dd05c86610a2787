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

test('of years whose month is granted, a page asks once for all and not for each', async () => {
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

describe('paid by the month', () => {
  test('they come with each paid invoice, once however often that is told', async () => {
    const owner = await subscribed('NONE')
    await Promise.all(Array.from({ length: 10 }, () => h.billing.syncCustomer(owner.ownerId)))
    await h.deliverAll()
    expect(await rows(owner.ownerId)).toEqual(['grant 100'])
    const [invoice] = await h.billing.listInvoices(owner.ownerId)
    const { transactions } = await h.billing.listTransactions(owner.ownerId)
    expect(transactions[0]?.idempotencyKey).toBe(`invoice:${invoice?.stripeInvoiceId}:credits`)
  })

  test('none: the rest lapses when the next come, and not in the hour before', async () => {
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

  test('max: so many are carried over, month after month', async () => {
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

  test('unlimited: they stay, also when the plan has ended', async () => {
    const owner = await subscribed('ALL')
    await nextMonth(owner)
    await nextMonth(owner)
    h.sandbox.stripe.endSubscription(owner.subscriptionId)
    await h.billing.syncCustomer(owner.ownerId)
    clock.advance(400 * DAY)
    expect(await balance(owner.ownerId)).toBe(300)
  })

  test('what was bought stays beside them, and is spent after them', async () => {
    const owner = await subscribed('NONE')
    const bought = { type: 'purchase', idempotencyKey: 'order:1' } as const
    await h.billing.grantCredits(owner.ownerId, 500, bought)
    await spend(owner.ownerId, 50)
    await nextMonth(owner)
    expect(await balance(owner.ownerId)).toBe(600)
  })

  test('a plan that says nothing of credits gives none', async () => {
    const { ownerId } = await subscribed('BARE')
    expect(await rows(ownerId)).toEqual([])
  })

  test('a trial has those of its plan', async () => {
    const owner = await subscribed('TRIED')
    expect((await h.billing.getSubscription(owner.ownerId)).status).toBe('trialing')
    expect(await balance(owner.ownerId)).toBe(100)
    await nextMonth(owner)
    expect(await rows(owner.ownerId)).toEqual(['grant 100', 'expiry -100', 'grant 100'])
  })

  test('months that are over when they become known give nothing', async () => {
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

  test('promise 1: credits that cannot be granted undo the effect, and it is tried again', async () => {
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

describe('paid by the year', () => {
  test('they come month by month on the day it began, whoever looks and how often', async () => {
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

  test('a rest lapses by the rule of the plan', async () => {
    const { ownerId } = await subscribed('SOME', 'year')
    const start = clock.now()
    clock.set(monthsAfter(start, 1))
    await h.billing.grantMonthlyCredits()
    expect(await rows(ownerId)).toEqual(['grant 100', 'expiry -70', 'grant 100'])
  })

  test('terms that change do not disturb what was granted', async () => {
    const { ownerId } = await subscribed('NONE', 'year')
    const changed = { ...plans.NONE, credits: { amount: 70, rollover: 'none' as const } }
    const billing = createBilling({ ...h.settings, plans: { ...plans, NONE: changed } })
    await billing.grantMonthlyCredits()
    expect(await rows(ownerId)).toEqual(['grant 100'])
  })

  test('nothing comes for one that has ended', async () => {
    const { ownerId, subscriptionId } = await subscribed('ALL', 'year')
    h.sandbox.stripe.endSubscription(subscriptionId)
    await h.billing.syncCustomer(ownerId)
    clock.advance(40 * DAY)
    await h.billing.grantMonthlyCredits()
    expect(await balance(ownerId)).toBe(100)
  })

  test('a subscription that fails leaves the others to be granted', async () => {
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

test('a month after the last of a long month is the last of the next', () => {
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
