/** Invoices that several payments paid, that were paid past Stripe, or that wait for an hour: rows, orders, credits. */

import { monthsAfter } from '@repo/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { API_VERSIONS } from './harness.ts'
import { createInvoiceHarness, HOUR, type InvoiceHarness } from './invoice-payments-harness.ts'

describe.each(API_VERSIONS)('at Stripe %s', (apiVersion) => {
  let h: InvoiceHarness
  beforeAll(async () => {
    h = await createInvoiceHarness(apiVersion)
  })
  afterAll(() => h.closeCompared())

  const balance = async (ownerId: string) => (await h.billing.getBalance(ownerId)).balance
  const paidSums = async (ownerId: string) =>
    (await h.orders(ownerId)).map(({ amountPaid, amountRefunded }) => [amountPaid, amountRefunded])
  const invoiceRow = (stripeInvoiceId: string) =>
    h.db.invoice.findUniqueOrThrow({ where: { stripeInvoiceId } })

  test('each payment is an order, and the credits come once, with the last payment', async () => {
    const owner = await h.subscribed()
    const invoice = await h.unpaid(owner)
    const first = await h.attachPaid(owner.ownerId, invoice, 1000)
    await h.deliverAll()
    expect(await balance(owner.ownerId)).toBe(100)
    expect(await paidSums(owner.ownerId)).toEqual([
      [3000, 0],
      [1000, 0],
    ])
    const second = await h.attachPaid(owner.ownerId, invoice, 2000)
    await h.deliverAll()
    await h.billing.syncCustomer(owner.ownerId)
    expect(await balance(owner.ownerId)).toBe(200)
    const orders = await h.orders(owner.ownerId)
    expect(orders.slice(1)).toMatchObject([
      { invoiceId: invoice, paymentId: first, amountPaid: 1000, credits: 0 },
      { invoiceId: invoice, paymentId: second, amountPaid: 2000, credits: 0 },
    ])
    expect(await invoiceRow(invoice)).toMatchObject({
      status: 'paid',
      amountPaid: 3000n,
      amountRefunded: 0n,
      stripePaymentIntentId: first,
    })
    expect((await h.billing.getSubscription(owner.ownerId)).status).toBe('active')
  })

  test('promise 3: a refund of either payment takes its share of the credits, and a failed refund returns it', async () => {
    const owner = await h.subscribed()
    const invoice = await h.unpaid(owner)
    const payments = [
      await h.attachPaid(owner.ownerId, invoice, 1000),
      await h.attachPaid(owner.ownerId, invoice, 2000),
    ]
    await h.deliverAll()
    await h.stripe.refunds.create({ payment_intent: payments[1] as string, amount: 500 })
    await h.deliverAll()
    // A sixth of 3,000 went back: 16 of 100 credits, rounded down.
    expect(await balance(owner.ownerId)).toBe(184)
    const rest = await h.stripe.refunds.create({ payment_intent: payments[0] as string })
    await h.deliverAll()
    expect(await balance(owner.ownerId)).toBe(150)
    expect(await paidSums(owner.ownerId)).toEqual([
      [3000, 0],
      [1000, 1000],
      [2000, 500],
    ])
    const row = await invoiceRow(invoice)
    expect(row.amountRefunded).toBe(1500n)
    expect(await h.db.refund.findMany({ where: { invoiceId: row.id } })).toHaveLength(2)
    h.sandbox.stripe.settleRefund(rest.id, 'failed')
    await h.deliverAll()
    expect(await balance(owner.ownerId)).toBe(184)
  })

  test('a dispute of one payment takes its share', async () => {
    const owner = await h.subscribed()
    const invoice = await h.unpaid(owner)
    await h.attachPaid(owner.ownerId, invoice, 1000)
    const { id } = h.sandbox.stripe.dispute(await h.attachPaid(owner.ownerId, invoice, 2000))
    await h.deliverAll()
    expect(await balance(owner.ownerId)).toBe(134)
    expect((await h.orders(owner.ownerId)).map(({ disputeStatus }) => disputeStatus)).toEqual([
      null,
      null,
      'needs_response',
    ])
    expect(await invoiceRow(invoice)).toMatchObject({ disputeStatus: 'needs_response' })
    h.sandbox.stripe.closeDispute(id as string, 'won')
    await h.deliverAll()
    expect(await balance(owner.ownerId)).toBe(200)
  })

  test('a payment outside Stripe brings the month’s credits, without an order or a refund at Stripe', async () => {
    const owner = await h.subscribed()
    const invoice = await h.unpaid(owner)
    await h.attachPaid(owner.ownerId, invoice, 1000)
    await h.stripe.invoices.pay(invoice, { paid_out_of_band: true })
    await h.deliverAll()
    expect(await balance(owner.ownerId)).toBe(200)
    expect(await paidSums(owner.ownerId)).toEqual([
      [3000, 0],
      [1000, 0],
    ])
    expect(await invoiceRow(invoice)).toMatchObject({ status: 'paid', amountPaid: 3000n })
    const wholly = await h.unpaid(owner)
    await h.stripe.invoices.pay(wholly, { paid_out_of_band: true })
    await h.deliverAll()
    expect(await balance(owner.ownerId)).toBe(300)
    expect(await h.orders(owner.ownerId)).toHaveLength(2)
    expect(await invoiceRow(wholly)).toMatchObject({
      status: 'paid',
      amountPaid: 3000n,
      stripePaymentIntentId: null,
    })
    expect((await h.billing.getSubscription(owner.ownerId)).status).toBe('active')
  })

  test('a credit note takes its share of the credits, whichever way the money goes back', async () => {
    const owner = await h.subscribed()
    const [{ stripeInvoiceId: invoice } = { stripeInvoiceId: '' }] = await h.billing.listInvoices(
      owner.ownerId,
    )
    const ways = [{ credit_amount: 300 }, { out_of_band_amount: 600 }, { refund_amount: 900 }]
    const left: number[] = []
    for (const way of ways) {
      const [amount = 0] = Object.values(way)
      await h.stripe.creditNotes.create({ invoice, amount, ...way })
      await h.deliverAll()
      await h.billing.syncCustomer(owner.ownerId)
      left.push(await balance(owner.ownerId))
    }
    expect(left).toEqual([90, 70, 40])
    expect(await invoiceRow(invoice)).toMatchObject({ amountPaid: 3000n, amountRefunded: 1800n })
    expect(await paidSums(owner.ownerId)).toEqual([[3000, 900]])
  })

  test('a credit note for an open invoice lowers its payment, and the month’s credits come', async () => {
    const owner = await h.subscribed()
    const invoice = await h.unpaid(owner)
    await h.stripe.creditNotes.create({ invoice, amount: 1000 })
    await h.attachPaid(owner.ownerId, invoice, 2000)
    await h.deliverAll()
    expect(await balance(owner.ownerId)).toBe(200)
    expect(await invoiceRow(invoice)).toMatchObject({
      status: 'paid',
      total: 3000n,
      amountDue: 2000n,
      amountPaid: 2000n,
      amountRefunded: 0n,
    })
    await h.stripe.refunds.create({ payment_intent: await h.newestPayment(owner.ownerId) })
    await h.deliverAll()
    expect(await balance(owner.ownerId)).toBe(100)
  })

  test('a year with two payments gives each further month the remaining share of its credits', async () => {
    const owner = await h.subscribed('year')
    const invoice = await h.unpaid(owner)
    const first = await h.attachPaid(owner.ownerId, invoice, 10_000)
    await h.attachPaid(owner.ownerId, invoice, 20_000)
    await h.deliverAll()
    const before = await balance(owner.ownerId)
    await h.stripe.refunds.create({ payment_intent: first })
    await h.deliverAll()
    expect(await balance(owner.ownerId)).toBe(before - 33)
    const { currentPeriodStart } = await h.db.subscription.findUniqueOrThrow({
      where: { stripeSubscriptionId: owner.subscriptionId },
    })
    h.clock.set(new Date(monthsAfter(currentPeriodStart, 1).getTime() + HOUR))
    await h.billing.grantMonthlyCredits()
    expect(await balance(owner.ownerId)).toBe(before - 33 + 67)
  })

  test('each payment of an ordered plan’s renewal brings its share of the credits', async () => {
    const ownerId = await h.owner()
    const { orderId, checkoutId } = await h.billing.createOrder({ ownerId, productId: 'PLAIN' })
    await h.pay(checkoutId)
    await h.deliverAll()
    const { subscriptionId } = await h.billing.settleOrder(orderId)
    const { currentPeriodEnd } = await h.billing.getSubscription(ownerId)
    h.clock.set(new Date((currentPeriodEnd as Date).getTime() + HOUR))
    const { id } = h.sandbox.stripe.failPayment(subscriptionId as string) as { id: string }
    const first = await h.attachPaid(ownerId, id, 1000)
    await h.deliverAll()
    expect(await balance(ownerId)).toBe(200)
    await h.attachPaid(ownerId, id, 2000)
    await h.deliverAll()
    await h.billing.settleOrder(orderId)
    expect((await h.orders(ownerId)).map((each) => [each.amountPaid, each.credits])).toEqual([
      [3000, 200],
      [1000, 66],
      [2000, 134],
    ])
    expect(await balance(ownerId)).toBe(400)
    await h.stripe.refunds.create({ payment_intent: first })
    await h.deliverAll()
    expect(await balance(ownerId)).toBe(334)
    const next = await h.billing.getSubscription(ownerId)
    h.clock.set(new Date((next.currentPeriodEnd as Date).getTime() + HOUR))
    const open = h.sandbox.stripe.failPayment(subscriptionId as string) as { id: string }
    await h.stripe.invoices.pay(open.id, { paid_out_of_band: true })
    await h.deliverAll()
    await h.billing.settleOrder(orderId)
    expect(await balance(ownerId)).toBe(534)
  })

  test('resolveSubscriptions refunds every payment of the invoice', async () => {
    const owner = await h.subscribed()
    const invoice = await h.unpaid(owner)
    await h.attachPaid(owner.ownerId, invoice, 1000)
    await h.attachPaid(owner.ownerId, invoice, 2000)
    await h.deliverAll()
    const first = await h.stripe.subscriptions.retrieve(owner.subscriptionId)
    const [other] = (await h.stripe.prices.list({ lookup_keys: ['plain_monthly'] })).data
    const second = await h.stripe.subscriptions.create({
      customer: first.customer as string,
      default_payment_method: first.default_payment_method as string,
      items: [{ price: other?.id as string }],
    })
    await h.deliverAll()
    const done = await h.billing.resolveSubscriptions(owner.ownerId, {
      keep: second.id,
      confirmed: true,
    })
    expect(done).toMatchObject([{ refund: { amount: 3000 } }])
    await h.deliverAll()
    expect((await paidSums(owner.ownerId)).slice(1, 3)).toEqual([
      [1000, 1000],
      [2000, 2000],
    ])
  })

  test('promise 1: a renewal whose invoice event comes before its subscription’s grants its credits', async () => {
    const owner = await h.subscribed()
    await h.deliverAll()
    const { currentPeriodEnd } = await h.billing.getSubscription(owner.ownerId)
    h.clock.set(new Date((currentPeriodEnd as Date).getTime() + HOUR))
    h.sandbox.stripe.renew(owner.subscriptionId)
    const [paid] = (await h.events('invoice.paid')).slice(-1)
    await h.deliver(paid)
    await h.work()
    expect(await balance(owner.ownerId)).toBe(200)
    await h.deliverAll()
    expect(await balance(owner.ownerId)).toBe(200)
  })

  test('promise 1: a renewal that is a draft for an hour grants its credits with the payment, and is announced once', async () => {
    h.sandbox.stripe.configure({ renewals: 'draft' })
    const owner = await h.subscribed()
    const { currentPeriodEnd } = await h.billing.getSubscription(owner.ownerId)
    h.clock.set(new Date((currentPeriodEnd as Date).getTime() + 1000))
    h.sandbox.stripe.renew(owner.subscriptionId)
    await h.deliverAll()
    await h.billing.syncCustomer(owner.ownerId)
    expect(await balance(owner.ownerId)).toBe(100)
    expect(await h.orders(owner.ownerId)).toHaveLength(1)
    expect(await h.billing.listInvoices(owner.ownerId)).toHaveLength(1)
    expect(await h.billing.getSubscription(owner.ownerId)).toMatchObject({ status: 'active' })
    h.clock.set(new Date((currentPeriodEnd as Date).getTime() + HOUR + 2000))
    expect(h.sandbox.stripe.finalizeDue()).toHaveLength(1)
    await Promise.all([h.deliverAll(), h.billing.syncCustomer(owner.ownerId)])
    await h.deliverAll()
    expect(await balance(owner.ownerId)).toBe(200)
    expect(await h.orders(owner.ownerId)).toHaveLength(2)
    const { id: customerId } = await h.db.customer.findUniqueOrThrow({
      where: { ownerId: owner.ownerId },
    })
    expect(await h.db.effect.count({ where: { customerId, name: 'invoice.paid' } })).toBe(2)
    const failing = await h.unpaid(owner)
    await h.deliverAll()
    expect(await balance(owner.ownerId)).toBe(200)
    expect(await h.billing.getSubscription(owner.ownerId)).toMatchObject({ status: 'past_due' })
    await h.stripe.invoices.voidInvoice(failing)
    h.sandbox.stripe.configure({ renewals: 'at_once' })
  })
})
