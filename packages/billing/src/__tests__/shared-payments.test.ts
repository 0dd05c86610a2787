/** One payment of two invoices of different amounts: a refund counts for the invoice that it is known to be of. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { API_VERSIONS } from './harness.ts'
import { createInvoiceHarness, HOUR, type InvoiceHarness } from './invoice-payments-harness.ts'

describe.each(API_VERSIONS)('at Stripe %s', (apiVersion) => {
  let h: InvoiceHarness
  beforeAll(async () => {
    h = await createInvoiceHarness(apiVersion)
  })
  afterAll(() => h.closeCompared())

  /** A payment of 5000: 3000 for the renewal of A, 2000 for the renewal of B, which is a second subscription. */
  async function shared() {
    const { ownerId, subscriptionId: a } = await h.subscribed()
    const first = await h.stripe.subscriptions.retrieve(a)
    const product = await h.stripe.products.create({ name: 'Extra' })
    const price = await h.stripe.prices.create({
      ...{ product: product.id, currency: 'usd', unit_amount: 2000 },
      recurring: { interval: 'month' },
    })
    const { id: b } = await h.stripe.subscriptions.create({
      customer: first.customer as string,
      default_payment_method: first.default_payment_method as string,
      items: [{ price: price.id }],
    })
    await h.deliverAll()
    const { currentPeriodEnd } = await h.billing.getSubscription(ownerId)
    h.clock.set(new Date((currentPeriodEnd as Date).getTime() + HOUR))
    const failed = (id: string) => (h.sandbox.stripe.failPayment(id) as { id: string }).id
    const invoices = [failed(a), failed(b)] as const
    const payment = await h.payInvoices(ownerId, 5000, ...invoices)
    await h.deliverAll()
    return { ownerId, a, b, invoices, payment }
  }

  /** What was refunded and disputed of A's and of B's invoice, as our rows say it. */
  async function told({ ownerId, invoices }: Awaited<ReturnType<typeof shared>>) {
    await h.deliverAll()
    await Promise.all([h.billing.syncCustomer(ownerId), h.billing.syncCustomer(ownerId)])
    const rows = await h.db.invoice.findMany({ where: { stripeInvoiceId: { in: [...invoices] } } })
    return invoices.map((id) => {
      const row = rows.find(({ stripeInvoiceId }) => stripeInvoiceId === id)
      return [Number(row?.amountRefunded), Number(row?.amountDisputed)]
    })
  }
  const refund = (payment_intent: string, amount: number, metadata = {}) =>
    h.stripe.refunds.create({ payment_intent, amount, metadata })
  const resolved = (one: { ownerId: string }, keep: string) =>
    h.billing.resolveSubscriptions(one.ownerId, { keep, confirmed: true })
  const usd = (amount: number) => ({ amount, currency: 'usd' })

  test('resolveSubscriptions gives back all of B after a credit note gave back A', async () => {
    const one = await shared()
    await h.stripe.creditNotes.create({
      ...{ invoice: one.invoices[0], amount: 3000, refund_amount: 3000 },
    })
    expect(await told(one)).toEqual([
      [3000, 0],
      [0, 0],
    ])
    expect(await resolved(one, one.a)).toEqual([{ stripeSubscriptionId: one.b, refund: usd(2000) }])
    expect(await told(one)).toEqual([
      [3000, 0],
      [2000, 0],
    ])
  })

  test('and after our own refund of A, by its name', async () => {
    const one = await shared()
    expect(await resolved(one, one.b)).toEqual([{ stripeSubscriptionId: one.a, refund: usd(3000) }])
    expect(await told(one)).toEqual([
      [3000, 0],
      [0, 0],
    ])
    const { data } = await h.stripe.refunds.list({ payment_intent: one.payment })
    expect(data.map(({ amount }) => amount)).toEqual([3000])
    // B is kept, and its money is all that a dispute can take.
    h.sandbox.stripe.dispute(one.payment, { amount: 2000 })
    expect(await told(one)).toEqual([
      [3000, 0],
      [0, 2000],
    ])
  })

  test('a command that was cut off between the refund and the end refunds nothing more', async () => {
    const one = await shared()
    const tollgate_refund = `resolve:${one.invoices[1]}:${one.payment}`
    await refund(one.payment, 2000, { tollgate_refund })
    expect(await resolved(one, one.a)).toEqual([{ stripeSubscriptionId: one.b, refund: null }])
    const { data } = await h.stripe.refunds.list({ payment_intent: one.payment })
    expect(data.map(({ amount }) => amount)).toEqual([2000])
  })

  test('a refund of unknown purpose is shared by what each invoice has left', async () => {
    const one = await shared()
    await h.stripe.creditNotes.create({
      ...{ invoice: one.invoices[0], amount: 1000, refund_amount: 1000 },
    })
    await refund(one.payment, 1000)
    // 2000 of each invoice were left.
    expect(await told(one)).toEqual([
      [1500, 0],
      [500, 0],
    ])
    expect(await resolved(one, one.a)).toEqual([{ stripeSubscriptionId: one.b, refund: usd(1500) }])
    await refund(one.payment, 1500)
    expect(await told(one)).toEqual([
      [3000, 0],
      [2000, 0],
    ])
  })

  test('a refund that was there before its credit note moves to the invoice of the note', async () => {
    const one = await shared()
    const { id } = await refund(one.payment, 2000)
    expect(await told(one)).toEqual([
      [1200, 0],
      [800, 0],
    ])
    const before = await h.billing.getBalance(one.ownerId)
    await h.stripe.creditNotes.create({
      ...{ invoice: one.invoices[1], amount: 2000, refunds: [{ refund: id }] },
    })
    await h.deliverAll()
    const rows = await h.db.invoice.findMany({
      where: { stripeInvoiceId: { in: [...one.invoices] } },
      orderBy: { total: 'desc' },
    })
    // The note's events alone say so, without a sync that a person asks for.
    expect(rows.map(({ amountRefunded }) => amountRefunded)).toEqual([0n, 2000n])
    expect((await h.billing.getBalance(one.ownerId)).balance).toBe(before.balance + 40)
  })

  test('the order and its refunds name all invoices of the payment, and a refund that is known its own', async () => {
    const one = await shared()
    const all = [...one.invoices].sort()
    const order = (await h.orders(one.ownerId)).find(({ paymentId }) => paymentId === one.payment)
    const shown = await h.billing.showOrder(order?.id as string)
    expect(shown.invoiceIds).toEqual(all)
    expect(all).toContain(shown.invoiceId)
    expect(shown.transactions).toMatchObject([{ amount: 100 }])
    const [first, ...others] = await h.billing.listOrders({ ownerId: one.ownerId })
    expect(first?.invoiceIds).toEqual(all)
    for (const { invoiceId, invoiceIds } of others) expect(invoiceIds).toEqual([invoiceId])
    await h.stripe.creditNotes.create({
      ...{ invoice: one.invoices[1], amount: 500, refund_amount: 500 },
    })
    await refund(one.payment, 1000)
    await told(one)
    const refunds = await h.db.refund.findMany({
      where: { stripePaymentIntentId: one.payment },
      include: { invoice: true },
      orderBy: { amount: 'asc' },
    })
    expect(refunds.map(({ invoiceIds }) => invoiceIds)).toEqual([[], all])
    expect(refunds[0]?.invoice?.stripeInvoiceId).toBe(one.invoices[1])
  })

  test('a named refund that fails is with its invoice again', async () => {
    const one = await shared()
    await h.stripe.creditNotes.create({
      ...{ invoice: one.invoices[0], amount: 3000, refund_amount: 3000 },
    })
    await told(one)
    const [named] = (await h.stripe.refunds.list({ payment_intent: one.payment })).data
    h.sandbox.stripe.settleRefund(named?.id as string, 'failed')
    await refund(one.payment, 500)
    expect(await told(one)).toEqual([
      [300, 0],
      [200, 0],
    ])
  })

  test('a credit note to the balance is not refunded a second time', async () => {
    const one = await shared()
    const { invoices } = one
    await h.stripe.creditNotes.create({ invoice: invoices[1], amount: 500, credit_amount: 500 })
    expect(await resolved(one, one.a)).toEqual([{ stripeSubscriptionId: one.b, refund: usd(1500) }])
    const { data } = await h.stripe.refunds.list({ payment_intent: one.payment })
    expect(data.map(({ amount }) => amount)).toEqual([1500])
  })
})
