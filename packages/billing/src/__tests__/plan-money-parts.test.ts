/**
 * The credits of a month that several payments paid, or a part of one: what goes back of the money takes its share
 * along, whichever payment it is of and in whichever order it is told.
 */

import { monthsAfter } from '@repo/core'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clawbackOf } from '../credits/clawback.ts'
import { API_VERSIONS } from './harness.ts'
import { createInvoiceHarness, HOUR, type InvoiceHarness } from './invoice-payments-harness.ts'

describe.each(API_VERSIONS)('promise 3: at Stripe %s', (apiVersion) => {
  let h: InvoiceHarness
  beforeAll(async () => {
    h = await createInvoiceHarness(apiVersion)
  })
  afterAll(() => h.closeCompared())

  /** The balance once all is told, and told again by two syncs at once. */
  async function told(ownerId: string): Promise<number> {
    await h.deliverAll()
    await Promise.all([h.billing.syncCustomer(ownerId), h.billing.syncCustomer(ownerId)])
    await h.billing.grantMonthlyCredits()
    const { balance, debt } = await h.billing.getBalance(ownerId)
    return balance - debt
  }
  const dispute = (payment: string, amount?: number) =>
    h.sandbox.stripe.dispute(payment, amount === undefined ? {} : { amount }).id as string
  const refund = async (payment: string, amount?: number) =>
    (await h.stripe.refunds.create({ payment_intent: payment, ...(amount ? { amount } : {}) })).id

  test('a second disputed payment takes further credits, and each won dispute returns its own', async () => {
    const owner = await h.subscribed()
    const invoice = await h.unpaid(owner)
    const first = await h.payInvoices(owner.ownerId, 1000, invoice)
    const second = await h.payInvoices(owner.ownerId, 2000, invoice)
    expect(await told(owner.ownerId)).toBe(200)
    const a = dispute(first)
    expect(await told(owner.ownerId)).toBe(167)
    const b = dispute(second)
    expect(await told(owner.ownerId)).toBe(100)
    h.sandbox.stripe.closeDispute(a, 'won')
    // Two thirds of the money are still away: 66 of 100 credits, rounded down.
    expect(await told(owner.ownerId)).toBe(134)
    h.sandbox.stripe.closeDispute(b, 'won')
    expect(await told(owner.ownerId)).toBe(200)
  })

  test('a lost dispute keeps its share while the other is won', async () => {
    const owner = await h.subscribed()
    const invoice = await h.unpaid(owner)
    const payments = [
      await h.payInvoices(owner.ownerId, 2000, invoice),
      await h.payInvoices(owner.ownerId, 1000, invoice),
    ]
    const [a, b] = payments.map((payment) => dispute(payment)) as [string, string]
    expect(await told(owner.ownerId)).toBe(100)
    h.sandbox.stripe.closeDispute(b, 'lost')
    expect(await told(owner.ownerId)).toBe(100)
    h.sandbox.stripe.closeDispute(a, 'won')
    expect(await told(owner.ownerId)).toBe(167)
  })

  test('one payment is disputed and the other refunded, in parts', async () => {
    const owner = await h.subscribed()
    const invoice = await h.unpaid(owner)
    const first = await h.payInvoices(owner.ownerId, 1000, invoice)
    const second = await h.payInvoices(owner.ownerId, 2000, invoice)
    const a = dispute(first)
    expect(await told(owner.ownerId)).toBe(167)
    await refund(second, 500)
    // 33 by the dispute, and a sixth by the refund.
    expect(await told(owner.ownerId)).toBe(151)
    await refund(second)
    expect(await told(owner.ownerId)).toBe(100)
    h.sandbox.stripe.closeDispute(a, 'won')
    expect(await told(owner.ownerId)).toBe(134)
  })

  test('spent credits become debt, with each payment’s share', async () => {
    const owner = await h.subscribed()
    const invoice = await h.unpaid(owner)
    const first = await h.payInvoices(owner.ownerId, 1500, invoice)
    const second = await h.payInvoices(owner.ownerId, 1500, invoice)
    expect(await told(owner.ownerId)).toBe(200)
    await h.billing.deductCredits(owner.ownerId, 200, 'pictures')
    const a = dispute(first)
    expect(await told(owner.ownerId)).toBe(-50)
    dispute(second)
    expect(await told(owner.ownerId)).toBe(-100)
    h.sandbox.stripe.closeDispute(a, 'won')
    expect(await told(owner.ownerId)).toBe(-50)
  })

  test('credits of an amount paid out of band stay, and a dispute of the rest takes the rest’s share', async () => {
    const owner = await h.subscribed()
    const invoice = await h.unpaid(owner)
    const card = await h.payInvoices(owner.ownerId, 1000, invoice)
    await h.stripe.invoices.pay(invoice, { paid_out_of_band: true })
    expect(await told(owner.ownerId)).toBe(200)
    const a = dispute(card)
    expect(await told(owner.ownerId)).toBe(167)
    h.sandbox.stripe.closeDispute(a, 'won')
    expect(await told(owner.ownerId)).toBe(200)
    await refund(card, 500)
    expect(await told(owner.ownerId)).toBe(184)
  })

  test('a dispute of a part of a payment takes the share of that part, and a second dispute its own', async () => {
    const owner = await h.subscribed()
    const payment = await h.newestPayment(owner.ownerId)
    const a = dispute(payment, 900)
    expect(await told(owner.ownerId)).toBe(70)
    const b = dispute(payment, 2100)
    expect(await told(owner.ownerId)).toBe(0)
    h.sandbox.stripe.closeDispute(b, 'won')
    expect(await told(owner.ownerId)).toBe(70)
    h.sandbox.stripe.closeDispute(a, 'lost')
    expect(await told(owner.ownerId)).toBe(70)
  })

  test('an inquiry beside a lost dispute gives nothing back', async () => {
    const owner = await h.subscribed()
    const payment = await h.newestPayment(owner.ownerId)
    h.sandbox.stripe.closeDispute(dispute(payment, 1500), 'lost')
    expect(await told(owner.ownerId)).toBe(50)
    h.sandbox.stripe.dispute(payment, { amount: 1500, status: 'warning_needs_response' })
    expect(await told(owner.ownerId)).toBe(50)
  })

  test('the months of a year lose the same shares, granted before or after', async () => {
    const owner = await h.subscribed('year')
    const invoice = await h.unpaid(owner)
    const first = await h.payInvoices(owner.ownerId, 10_000, invoice)
    const second = await h.payInvoices(owner.ownerId, 20_000, invoice)
    const before = await told(owner.ownerId)
    dispute(first, 5000)
    expect(await told(owner.ownerId)).toBe(before - 16)
    const b = dispute(second)
    expect(await told(owner.ownerId)).toBe(before - 83)
    const { currentPeriodStart } = await h.db.subscription.findUniqueOrThrow({
      where: { stripeSubscriptionId: owner.subscriptionId },
    })
    h.clock.set(new Date(monthsAfter(currentPeriodStart, 1).getTime() + HOUR))
    await h.billing.grantMonthlyCredits()
    expect(await told(owner.ownerId)).toBe(before - 83 + 17)
    h.sandbox.stripe.closeDispute(b, 'won')
    expect(await told(owner.ownerId)).toBe(before - 16 + 84)
  })

  /** Two open invoices of one subscription, of two months whose card was declined. */
  async function twoUnpaid(owner: { ownerId: string; subscriptionId: string }) {
    await h.stripe.subscriptions.update(owner.subscriptionId, {
      default_payment_method: 'pm_card_chargeCustomerFail',
    })
    const renewed = async () => {
      const { currentPeriodEnd } = await h.billing.getSubscription(owner.ownerId)
      h.clock.set(new Date((currentPeriodEnd as Date).getTime() + HOUR))
      h.sandbox.stripe.renew(owner.subscriptionId)
      await h.deliverAll()
      const { latest_invoice } = await h.stripe.subscriptions.retrieve(owner.subscriptionId)
      return latest_invoice as string
    }
    const invoices = [await renewed(), await renewed()] as const
    expect(invoices[0]).not.toBe(invoices[1])
    return invoices
  }

  test('refunding a payment of two invoices takes each invoice’s share', async () => {
    const owner = await h.subscribed()
    const invoices = await twoUnpaid(owner)
    const before = await told(owner.ownerId)
    const payment = await h.payInvoices(owner.ownerId, 6000, ...invoices)
    // The first of the two months is over, so only the present one is granted.
    const paid = await told(owner.ownerId)
    expect(paid).toBeGreaterThan(before)
    await refund(payment, 3000)
    const rows = async () => {
      await told(owner.ownerId)
      const found = await h.db.invoice.findMany({
        where: { stripeInvoiceId: { in: [...invoices] } },
      })
      return found.map(({ amountRefunded, amountDisputed }) => [amountRefunded, amountDisputed])
    }
    // Half of each, and not the whole of both.
    expect(await rows()).toEqual([
      [1500n, 0n],
      [1500n, 0n],
    ])
    expect(await told(owner.ownerId)).toBe(before + (paid - before) / 2)
    const a = dispute(payment, 1500)
    expect(await rows()).toEqual([
      [1500n, 750n],
      [1500n, 750n],
    ])
    expect(await told(owner.ownerId)).toBe(before + (paid - before) / 4)
    h.sandbox.stripe.closeDispute(a, 'won')
    expect(await told(owner.ownerId)).toBe(before + (paid - before) / 2)
    await refund(payment)
    expect(await told(owner.ownerId)).toBe(before)
  })

  test('a payment of two months of an ordered plan brings the credits of both, and a refund its share', async () => {
    const ownerId = await h.owner()
    const { orderId, checkoutId } = await h.billing.createOrder({ ownerId, productId: 'PLAIN' })
    await h.pay(checkoutId)
    await h.deliverAll()
    const { subscriptionId } = await h.billing.settleOrder(orderId)
    const invoices = await twoUnpaid({ ownerId, subscriptionId: subscriptionId as string })
    expect(await told(ownerId)).toBe(200)
    const payment = await h.payInvoices(ownerId, 6000, ...invoices)
    expect(await told(ownerId)).toBe(600)
    await h.billing.settleOrder(orderId)
    const [, renewal] = await h.orders(ownerId)
    expect(renewal).toMatchObject({ paymentId: payment, amountPaid: 6000, credits: 400 })
    expect(await h.orders(ownerId)).toHaveLength(2)
    await refund(payment, 3000)
    expect(await told(ownerId)).toBe(400)
    await refund(payment)
    expect(await told(ownerId)).toBe(200)
  })

  test('a payment of one month and a part of the next waits for the rest, and each payment brings its share', async () => {
    const ownerId = await h.owner()
    const { orderId, checkoutId } = await h.billing.createOrder({ ownerId, productId: 'PLAIN' })
    await h.pay(checkoutId)
    await h.deliverAll()
    const { subscriptionId } = await h.billing.settleOrder(orderId)
    const invoices = await twoUnpaid({ ownerId, subscriptionId: subscriptionId as string })
    await h.payInvoices(ownerId, 4000, ...invoices)
    await told(ownerId)
    await h.payInvoices(ownerId, 2000, invoices[1])
    expect(await told(ownerId)).toBe(600)
    const orders = await h.orders(ownerId)
    expect(orders.map(({ amountPaid, credits }) => [amountPaid, credits])).toEqual([
      [3000, 200],
      [4000, 266],
      [2000, 134],
    ])
  })

  test('resolveSubscriptions refunds the part that paid the cancelled subscription, once', async () => {
    const owner = await h.subscribed()
    const first = await h.stripe.subscriptions.retrieve(owner.subscriptionId)
    const [price] = (await h.stripe.prices.list({ lookup_keys: ['plain_monthly'] })).data
    const second = await h.stripe.subscriptions.create({
      customer: first.customer as string,
      default_payment_method: first.default_payment_method as string,
      items: [{ price: price?.id as string }],
    })
    await h.deliverAll()
    const { currentPeriodEnd } = await h.billing.getSubscription(owner.ownerId)
    h.clock.set(new Date((currentPeriodEnd as Date).getTime() + HOUR))
    const invoices = [owner.subscriptionId, second.id].map(
      (id) => (h.sandbox.stripe.failPayment(id) as { id: string }).id,
    )
    const payment = await h.payInvoices(owner.ownerId, 6000, ...invoices)
    await h.deliverAll()
    const keep = { keep: owner.subscriptionId, confirmed: true }
    const plan = [{ stripeSubscriptionId: second.id, refund: { amount: 3000, currency: 'usd' } }]
    expect(await h.billing.resolveSubscriptions(owner.ownerId, keep)).toEqual(plan)
    await told(owner.ownerId)
    await h.billing.resolveSubscriptions(owner.ownerId, keep)
    await told(owner.ownerId)
    const back = await h.stripe.refunds.list({ payment_intent: payment })
    expect(back.data.map(({ amount }) => amount)).toEqual([3000])
    expect((await h.billing.getSubscription(owner.ownerId)).stripeSubscriptionId).toBe(
      owner.subscriptionId,
    )
  })
})

test('whatever events of several payments arrive, credits are taken for the share of the lost money, and never more', () => {
  const word = fc.constantFrom('none', 'needs_response', 'won', 'lost')
  const part = fc.record({ refunded: fc.double({ min: 0, max: 1, noNaN: true }), word })
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.array(fc.integer({ min: 1, max: 99_999 }), { minLength: 1, maxLength: 4 }),
      fc.array(fc.array(part, { minLength: 4, maxLength: 4 }), { maxLength: 8 }),
      (credits, amounts, news) => {
        const amountPaid = amounts.reduce((a, b) => a + b, 0)
        const refunds: number[] = []
        const disputes: number[] = []
        for (const states of news) {
          let amountRefunded = 0
          let amountDisputed = 0
          for (const [at, amount] of amounts.entries()) {
            const { refunded, word } = states[at] as { refunded: number; word: string }
            const back = Math.round(amount * refunded)
            amountRefunded += back
            if (word === 'needs_response' || word === 'lost') amountDisputed += amount - back
          }
          const isHeld = amountDisputed > 0
          const { steps } = clawbackOf(
            {
              ...{ credits, creditsRefunded: refunds, disputeSteps: disputes },
              ...{ creditsDisputed: 0, disputes: 0, disputeId: 'd' },
            },
            {
              ...{ amountPaid, amountRefunded, amountDisputed, disputeId: 'd' },
              disputeStatus: isHeld ? 'lost' : null,
            },
          )
          for (const step of steps) {
            const [list, number] =
              'number' in step ? [refunds, step.number] : [disputes, step.disputeNumber]
            if (step.kind === 'refund' || step.kind === 'dispute') {
              expect(number).toBe(list.length + 1)
              list.push(step.credits)
            } else {
              expect(list[number - 1]).toBe(step.credits)
              list[number - 1] = 0
            }
          }
          const taken = [...refunds, ...disputes].reduce((a, b) => a + b, 0)
          const due =
            (BigInt(credits) * BigInt(amountRefunded + amountDisputed)) / BigInt(amountPaid)
          // Two shares that are rounded down apart are one less than their sum rounded down.
          expect(taken).toBeLessThanOrEqual(Number(due))
          expect(taken).toBeGreaterThanOrEqual(Number(due) - 1)
          if (amountRefunded + amountDisputed === amountPaid) expect(taken).toBe(credits)
        }
      },
    ),
    { numRuns: 500 },
  )
})
