/** Changing plan, interval and seats: what costs more now, what costs less later, as quoted. */

import { createTestClock } from '@repo/core/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { PlanChange } from '../index.ts'
import { API_VERSIONS, createHarness, type Harness } from './harness.ts'

const DAY = 86_400_000

describe.each(API_VERSIONS)('with API version %s', (apiVersion) => {
  let h: Harness
  const clock = createTestClock(new Date())
  beforeAll(async () => {
    h = await createHarness(inject('postgres'), { apiVersion, clock })
  })
  afterAll(() => h.close())

  /** What the provider took from the customer since `invoices` were all. */
  const charged = async (ownerId: string, before: number) => {
    const invoices = await h.billing.listInvoices(ownerId)
    return invoices
      .slice(0, invoices.length - before)
      .reduce((sum, each) => sum + each.amountPaid, 0)
  }

  const upgrades: [string, PlanChange, number][] = [
    ['a higher plan, ten days in', { plan: 'ENTERPRISE' }, 10.3],
    ['more seats, in the last hours', { plan: 'PRO', quantity: 5 }, 27.9],
    ['a year instead of months, at once', { plan: 'PRO', interval: 'year' }, 0],
    ['a higher plan for a year, half-way', { plan: 'ENTERPRISE', interval: 'year' }, 15],
  ]
  test.each(upgrades)(
    '%s: begins now, and the charge equals the quote',
    async (_, change, days) => {
      const { ownerId } = await h.subscriber()
      clock.advance(days * DAY)
      const quote = await h.billing.previewPlanChange(ownerId, change)
      expect(quote).toMatchObject({ at: 'now', currency: 'usd', prorationDate: expect.any(Date) })
      expect(quote.amountDue).toBeGreaterThan(0)
      expect(quote.credit).toBeGreaterThan(0)
      expect(quote.credit).toBeLessThanOrEqual(2900)
      // Time passes while the owner reads; the quote still holds.
      clock.advance(20 * 60 * 1000)
      const after = await h.billing.changePlan(ownerId, { ...change, quote })
      expect(after).toMatchObject({
        plan: change.plan,
        interval: change.interval ?? 'month',
        quantity: change.quantity ?? 1,
        status: 'active',
        scheduledChange: null,
      })
      expect(await charged(ownerId, 1)).toBe(quote.amountDue)
      const [newest] = await h.billing.listInvoices(ownerId)
      expect(newest).toMatchObject({ billingReason: 'subscription_update', status: 'paid' })
      expect(after.amount).toBe(quote.nextInvoice.amount)
      // A change of interval begins a new period when it is made, and that was twenty minutes later.
      const shift = change.interval ? 20 * 60 * 1000 : 0
      const { at } = quote.nextInvoice
      expect(after.currentPeriodEnd).toEqual(new Date(at.getTime() + shift))
    },
  )

  const downgrades: [string, PlanChange, PlanChange][] = [
    ['a lower plan', { plan: 'ENTERPRISE' }, { plan: 'PRO' }],
    ['fewer seats', { plan: 'PRO', quantity: 5 }, { plan: 'PRO', quantity: 2 }],
    [
      'months instead of a year',
      { plan: 'PRO', interval: 'year' },
      { plan: 'PRO', interval: 'month' },
    ],
  ]
  test.each(downgrades)(
    '%s: begins with the next period and costs nothing now',
    async (_, from, to) => {
      const { ownerId, subscriptionId } = await h.subscriber()
      const had = await h.billing.changePlan(ownerId, from)
      clock.advance(3 * DAY)
      const invoices = (await h.billing.listInvoices(ownerId)).length
      const quote = await h.billing.previewPlanChange(ownerId, to)
      expect(quote).toMatchObject({
        at: 'period_end',
        amountDue: 0,
        credit: 0,
        prorationDate: null,
      })
      expect(quote.nextInvoice.at).toEqual(had.currentPeriodEnd)

      const after = await h.billing.changePlan(ownerId, { ...to, quote: JSON.stringify(quote) })
      expect(after).toMatchObject({
        plan: had.plan,
        interval: had.interval,
        quantity: had.quantity,
      })
      expect(after.scheduledChange).toEqual({
        plan: to.plan,
        interval: to.interval ?? had.interval,
        quantity: to.quantity ?? had.quantity,
        at: had.currentPeriodEnd,
      })
      expect(await charged(ownerId, invoices)).toBe(0)

      clock.set(new Date((had.currentPeriodEnd as Date).getTime() + 1000))
      h.sandbox.stripe.renew(subscriptionId)
      await h.deliverAll()
      const later = await h.billing.getSubscription(ownerId)
      expect(later).toMatchObject({
        plan: to.plan,
        interval: to.interval ?? had.interval,
        quantity: to.quantity ?? had.quantity,
      })
      expect((await h.billing.listInvoices(ownerId))[0]?.amountPaid).toBe(quote.nextInvoice.amount)
    },
  )

  test('a scheduled change is undone by resuming, or by a change to the present plan', async () => {
    const { ownerId } = await h.subscriber()
    await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE' })
    const undo = [
      () => h.billing.resumeSubscription(ownerId),
      () => h.billing.changePlan(ownerId, { plan: 'ENTERPRISE' }),
    ]
    for (const takeBack of undo) {
      const scheduled = await h.billing.changePlan(ownerId, { plan: 'PRO' })
      expect(scheduled.scheduledChange).toMatchObject({ plan: 'PRO' })
      expect((await takeBack()).scheduledChange).toBeNull()
    }
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'ENTERPRISE' })
  })

  test('an upgrade can be undone at once, and its unused time is credited', async () => {
    const { ownerId } = await h.subscriber()
    await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE' })
    clock.advance(DAY)
    const back: PlanChange = { plan: 'PRO', at: 'now' }
    const quote = await h.billing.previewPlanChange(ownerId, back)
    expect(quote.amountDue).toBe(0)
    expect(quote.credit).toBeGreaterThan(10_000)
    expect(quote.nextInvoice.amount).toBe(0)
    expect(await h.billing.changePlan(ownerId, { ...back, quote })).toMatchObject({ plan: 'PRO' })
  })

  test('an upgrade replaces a scheduled downgrade', async () => {
    const { ownerId } = await h.subscriber()
    await h.billing.changePlan(ownerId, { plan: 'PRO', quantity: 3 })
    await h.billing.changePlan(ownerId, { plan: 'PRO', quantity: 1 })
    const after = await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE' })
    expect(after).toMatchObject({ plan: 'ENTERPRISE', quantity: 3, scheduledChange: null })
  })

  test('cancelling drops a scheduled change', async () => {
    const { ownerId } = await h.subscriber()
    await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE' })
    await h.billing.changePlan(ownerId, { plan: 'PRO' })
    const cancelled = await h.billing.cancelSubscription(ownerId, {
      reason: 'unused',
      comment: 'summer',
    })
    expect(cancelled).toMatchObject({ endsAt: expect.any(Date), scheduledChange: null })
    const refused = h.billing.changePlan(ownerId, { plan: 'PRO' })
    await expect(refused).rejects.toMatchObject({ code: 'subscription_ending', status: 409 })
  })

  test('a declined card changes nothing', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    const { customer } = await h.stripe.subscriptions.retrieve(subscriptionId)
    const bad = await h.stripe.paymentMethods.attach('pm_card_chargeCustomerFail', {
      customer: customer as string,
    })
    await h.stripe.subscriptions.update(subscriptionId, { default_payment_method: bad.id })
    const change = h.billing.changePlan(ownerId, { plan: 'ENTERPRISE' })
    await expect(change).rejects.toMatchObject({ code: 'card_declined', status: 402 })
    await h.deliverAll()
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({
      plan: 'PRO',
      status: 'active',
    })
    expect(await charged(ownerId, 1)).toBe(0)
  })

  test('an old quote, and a quote for another price, charge nothing', async () => {
    const { ownerId } = await h.subscriber()
    const change: PlanChange = { plan: 'ENTERPRISE' }
    const quote = await h.billing.previewPlanChange(ownerId, change)
    const attempts = [
      [{ ...quote, amountDue: quote.amountDue - 1 }, 'quote_changed'],
      [{ ...quote, at: 'period_end' as const }, 'quote_changed'],
      [
        { ...quote, prorationDate: new Date(clock.now().getTime() - 2 * 3_600_000) },
        'quote_expired',
      ],
      [{ ...quote, prorationDate: new Date(clock.now().getTime() + 120_000) }, 'quote_expired'],
      [{ ...quote, prorationDate: new Date(Number.NaN) }, 'invalid_quote'],
      [{ ...quote, amountDue: -1 }, 'invalid_quote'],
      ['{"at":"now"', 'invalid_quote'],
      ['null', 'invalid_quote'],
    ] as const
    for (const [wrong, code] of attempts) {
      const attempt = h.billing.changePlan(ownerId, { ...change, quote: wrong })
      await expect(attempt).rejects.toMatchObject({
        code,
        status: code === 'invalid_quote' ? 400 : 409,
      })
    }
    const { amountDue, currency } = quote
    const cheaper = { ...change, quote: { ...quote, amountDue: 1 } }
    await expect(h.billing.changePlan(ownerId, cheaper)).rejects.toMatchObject({
      data: { amountQuoted: 1, amountDue, currency, at: 'now' },
    })
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'PRO' })
    expect(await charged(ownerId, 1)).toBe(0)
  })

  test('a quote from before a renewal is expired, for changes that begin now or later', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    await h.billing.changePlan(ownerId, { plan: 'PRO', quantity: 2 })
    const { currentPeriodEnd } = await h.billing.getSubscription(ownerId)
    clock.set(new Date((currentPeriodEnd as Date).getTime() - 5 * 60_000))
    const changes: PlanChange[] = [{ plan: 'ENTERPRISE' }, { quantity: 3 }, { quantity: 1 }]
    const quotes = []
    for (const change of changes) quotes.push(await h.billing.previewPlanChange(ownerId, change))
    clock.set(new Date((currentPeriodEnd as Date).getTime() + 60_000))
    h.sandbox.stripe.renew(subscriptionId)
    await h.billing.syncCustomer(ownerId)
    const before = await h.billing.getSubscription(ownerId)
    for (const [at, change] of changes.entries()) {
      const quote = JSON.stringify(quotes[at])
      const attempt = h.billing.changePlan(ownerId, { ...change, quote })
      await expect(attempt).rejects.toMatchObject({ code: 'quote_expired', status: 409 })
    }
    expect(await h.billing.getSubscription(ownerId)).toEqual(before)
    const quote = await h.billing.previewPlanChange(ownerId, { plan: 'ENTERPRISE' })
    expect(await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE', quote })).toMatchObject({
      plan: 'ENTERPRISE',
    })
  })

  test('a declined card keeps a scheduled downgrade', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE' })
    await h.billing.changePlan(ownerId, { plan: 'PRO' })
    const { customer } = await h.stripe.subscriptions.retrieve(subscriptionId)
    const bad = await h.stripe.paymentMethods.attach('pm_card_chargeCustomerFail', {
      customer: customer as string,
    })
    await h.stripe.subscriptions.update(subscriptionId, { default_payment_method: bad.id })
    const before = await h.billing.getSubscription(ownerId)
    expect(before.scheduledChange).toMatchObject({ plan: 'PRO' })
    for (const change of [{ interval: 'year' }, { quantity: 3 }] as const) {
      const attempt = h.billing.changePlan(ownerId, { plan: 'ENTERPRISE', ...change })
      await expect(attempt).rejects.toMatchObject({ code: 'card_declined', status: 402 })
    }
    await h.deliverAll()
    expect(await h.billing.getSubscription(ownerId)).toEqual(before)
  })

  test('impossible changes are refused', async () => {
    const { ownerId } = await h.subscriber()
    const attempts: [PlanChange, string][] = [
      [{ plan: 'GOLD' }, 'plan_not_found'],
      [{ plan: 'FREE' }, 'price_not_found'],
      [{ plan: 'PRO', quantity: 0 }, 'invalid_amount'],
      [{ plan: 'PRO', quantity: 1.5 }, 'invalid_amount'],
    ]
    for (const [change, code] of attempts) {
      await expect(h.billing.previewPlanChange(ownerId, change)).rejects.toMatchObject({ code })
      await expect(h.billing.changePlan(ownerId, change)).rejects.toMatchObject({ code })
    }
    const nobody = h.billing.changePlan(await h.owner(), { plan: 'PRO' })
    await expect(nobody).rejects.toMatchObject({ code: 'subscription_not_found', status: 404 })
  })
})
