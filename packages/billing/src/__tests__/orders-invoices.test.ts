/** Plans bought at a checkout of Stripe's: each payment of theirs is an order, told by whomever. */

import type Stripe from 'stripe'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { plans } from '../index.ts'
import { API_VERSIONS, createHarness, type Harness } from './harness.ts'

const PRO = plans.PRO.prices.month.amount
const ENTERPRISE = plans.ENTERPRISE.prices.month.amount

/** What the provider took and gave back of our customers, by day and currency, asked past the product. */
async function takenAt(h: Harness) {
  const days = new Map<string, { payments: number; paid: number; refunded: number }>()
  const expand = ['data.latest_charge']
  for await (const intent of h.stripe.paymentIntents.list({ limit: 100, expand })) {
    if (intent.status !== 'succeeded') continue
    const charge = intent.latest_charge as Stripe.Charge
    const day = new Date(charge.created * 1000).toISOString().slice(0, 10)
    const key = `${day} ${intent.currency}`
    const total = days.get(key) ?? { payments: 0, paid: 0, refunded: 0 }
    total.payments += 1
    total.paid += intent.amount
    total.refunded += charge.amount_refunded
    days.set(key, total)
  }
  return Object.fromEntries(days)
}

async function reconciled(h: Harness) {
  const report = await h.billing.reconcileOrders({ since: new Date(0) })
  const ours = report.days.map(({ day, currency, ours }) => [`${day} ${currency}`, ours])
  return { report, ours: Object.fromEntries(ours) }
}

describe.each(API_VERSIONS)('at Stripe %s', (apiVersion) => {
  let h: Harness
  beforeAll(async () => {
    h = await createHarness(inject('postgres'), { apiVersion })
  })
  afterAll(async () => {
    // Whatever a test has let happen: the days agree with what the provider says, asked past us.
    await h.deliverAll()
    const { report, ours } = await reconciled(h)
    expect(ours).toEqual(await takenAt(h))
    for (const day of report.days) expect(day.ours).toEqual(day.theirs)
    expect(report).toMatchObject({
      withoutOrder: 0,
      differing: [],
      mended: [],
      paidWithoutTransaction: [],
      transactionsWithoutOrder: [],
    })
    await h.close()
  })

  test('the first payment is an order that names the product, the invoice and the payment', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    const [invoice] = await h.billing.listInvoices(ownerId)
    const orders = await h.orders(ownerId)
    expect(orders).toHaveLength(1)
    expect(orders[0]).toMatchObject({
      status: 'completed',
      needsAttention: null,
      sku: 'PRO_MONTHLY',
      plan: 'PRO',
      interval: 'month',
      provider: 'stripe',
      amount: PRO,
      amountPaid: PRO,
      amountRefunded: 0,
      currency: 'usd',
      credits: 0,
      checkoutId: null,
      subscriptionId,
      invoiceId: invoice?.stripeInvoiceId,
      paymentId: invoice?.stripePaymentIntentId,
      disputeId: null,
      paidAt: expect.any(Date),
      nextCheckAt: null,
    })
    expect(orders[0]?.completedAt).toEqual(orders[0]?.paidAt)
    expect(await h.db.creditTransaction.count({ where: { ownerId } })).toBe(0)
  })

  test('webhooks, returns, syncs and reconciliation at once make one order', async () => {
    const ownerId = await h.owner()
    const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    await h.pay(id)
    const both = () => [
      h.deliverAll(),
      h.billing.confirmCheckout(ownerId, id),
      h.billing.syncCustomer(ownerId),
      h.billing.reconcileOrders(),
    ]
    await Promise.all([...both(), ...both()])
    await h.skipDelays()
    await h.work()
    expect(await h.orders(ownerId)).toMatchObject([{ status: 'completed', amountPaid: PRO }])
  })

  test('a renewal is an order of its own, with events delivered twice and the newest first', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    await h.deliverAll()
    h.sandbox.stripe.renew(subscriptionId)
    h.sandbox.stripe.renew(subscriptionId)
    const events = [...(await h.events('invoice.paid')), ...(await h.events('charge.succeeded'))]
    for (const event of [...events, ...events].reverse()) await h.deliver(event)
    await h.work()
    await h.deliverAll()
    const orders = await h.orders(ownerId)
    expect(orders.map(({ amountPaid }) => amountPaid)).toEqual([PRO, PRO, PRO])
    expect(new Set(orders.map(({ paymentId }) => paymentId)).size).toBe(3)
  })

  test('a failed invoice makes no order before it is paid', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    const open = h.sandbox.stripe.failPayment(subscriptionId) as { id: string }
    await h.deliverAll()
    expect(await h.orders(ownerId)).toHaveLength(1)
    await h.stripe.invoices.pay(open.id, { payment_method: await goodCard(ownerId) })
    await h.deliverAll()
    const orders = await h.orders(ownerId)
    expect(orders).toHaveLength(2)
    expect(orders[1]).toMatchObject({ invoiceId: open.id, amountPaid: PRO })
  })

  async function goodCard(ownerId: string): Promise<string> {
    const { stripeCustomerId } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
    const customer = stripeCustomerId as string
    return (await h.stripe.paymentMethods.attach('pm_card_visa', { customer })).id
  }

  test('a slow debit makes no order before the money arrives, and none if it never does', async () => {
    for (const outcome of ['succeeded', 'failed'] as const) {
      const ownerId = await h.owner()
      const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
      h.sandbox.stripe.completeCheckout(id, { delayed: true })
      await h.deliverAll()
      expect(await h.orders(ownerId)).toEqual([])
      h.sandbox.stripe.settleCheckout(id, outcome)
      await h.deliverAll()
      expect(await h.orders(ownerId)).toHaveLength(outcome === 'succeeded' ? 1 : 0)
    }
  })

  test('a renewal’s refund is recorded on its order alone, whether Stripe or billing made it', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    h.sandbox.stripe.renew(subscriptionId)
    await h.deliverAll()
    await h.stripe.refunds.create({ payment_intent: await h.newestPayment(ownerId), amount: 700 })
    await h.deliverAll()
    const refunded = async () =>
      (await h.orders(ownerId)).map(({ amountRefunded }) => amountRefunded)
    expect(await refunded()).toEqual([0, 700])
    const [first] = await h.orders(ownerId)
    await h.billing.refundOrder(first?.id as string, { operator: 'grace' })
    expect(await refunded()).toEqual([PRO, 700])
    await h.deliverAll()
    expect(await refunded()).toEqual([PRO, 700])
  })

  test('a refund whose event comes before the payment’s is recorded', async () => {
    const ownerId = await h.owner()
    const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    await h.pay(id)
    const [intent] = (await h.stripe.paymentIntents.list({ limit: 1 })).data
    await h.stripe.refunds.create({ payment_intent: intent?.id as string, amount: 500 })
    const [refund] = (await h.events('charge.refunded')).slice(-1)
    await h.deliver(refund)
    await h.work()
    expect(await h.orders(ownerId)).toMatchObject([{ amountRefunded: 500 }])
    await h.deliverAll()
    expect(await h.orders(ownerId)).toMatchObject([{ amountRefunded: 500 }])
  })

  test('a dispute is recorded on the order, from its beginning to its end', async () => {
    const { ownerId } = await h.subscriber()
    const { id } = h.sandbox.stripe.dispute(await h.newestPayment(ownerId)) as { id: string }
    await h.deliverAll()
    expect(await h.orders(ownerId)).toMatchObject([
      { disputeId: id, disputeStatus: 'needs_response', creditsDisputed: 0, status: 'completed' },
    ])
    h.sandbox.stripe.closeDispute(id, 'won')
    await h.deliverAll()
    expect(await h.orders(ownerId)).toMatchObject([{ disputeId: id, disputeStatus: 'won' }])
  })

  test('a change of plan in mid-period is an order of the new plan with the paid amount', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    const quote = await h.billing.previewPlanChange(ownerId, { plan: 'ENTERPRISE' })
    await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE', quote })
    h.sandbox.stripe.renew(subscriptionId)
    await h.deliverAll()
    expect(await h.orders(ownerId)).toMatchObject([
      { sku: 'PRO_MONTHLY', plan: 'PRO', amountPaid: PRO },
      { sku: 'ENTERPRISE_MONTHLY', plan: 'ENTERPRISE', amountPaid: quote.amountDue },
      { sku: 'ENTERPRISE_MONTHLY', plan: 'ENTERPRISE', amountPaid: ENTERPRISE },
    ])
  })

  test('an amount that a credit at the provider covers is not a payment: the order has the rest', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    const { customer } = await h.stripe.subscriptions.retrieve(subscriptionId)
    for (const balance of [-1000, -PRO]) {
      await h.stripe.customers.update(customer as string, { balance })
      h.sandbox.stripe.renew(subscriptionId)
      await h.deliverAll()
    }
    const orders = await h.orders(ownerId)
    expect(orders.map(({ amount, amountPaid }) => [amount, amountPaid])).toEqual([
      [PRO, PRO],
      [PRO - 1000, PRO - 1000],
    ])
    expect(await h.billing.listInvoices(ownerId)).toHaveLength(3)
  })

  test('an unpaid checkout leaves no order', async () => {
    const ownerId = await h.owner()
    const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    await h.stripe.checkout.sessions.expire(id)
    await h.deliverAll()
    await h.billing.confirmCheckout(ownerId, id)
    expect(await h.orders(ownerId)).toEqual([])
  })
})
