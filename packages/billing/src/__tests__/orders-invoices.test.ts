/** Plans bought at a checkout of Stripe's: each payment of theirs is an order, told by whomever. */

import Stripe from 'stripe'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createBilling, createStripe, defineProducts, plans, STRIPE_API_VERSION } from '../index.ts'
import { API_VERSIONS, createHarness, type Harness, SECRET_KEY } from './harness.ts'
import { heldBack } from './held-back.ts'

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

const ordersOf = (h: Harness, ownerId: string) =>
  h.db.order.findMany({ where: { ownerId }, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] })

/** The payment of the newest invoice. */
async function newestPayment(h: Harness, ownerId: string): Promise<string> {
  const [invoice] = await h.billing.listInvoices(ownerId)
  return invoice?.stripePaymentIntentId as string
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
    const orders = await ordersOf(h, ownerId)
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
    expect(await ordersOf(h, ownerId)).toMatchObject([{ status: 'completed', amountPaid: PRO }])
  })

  test('a renewal is an order of its own, its event delivered twice and the newest first', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    await h.deliverAll()
    h.sandbox.stripe.renew(subscriptionId)
    h.sandbox.stripe.renew(subscriptionId)
    const events = [...(await h.events('invoice.paid')), ...(await h.events('charge.succeeded'))]
    for (const event of [...events, ...events].reverse()) await h.deliver(event)
    await h.work()
    await h.deliverAll()
    const orders = await ordersOf(h, ownerId)
    expect(orders.map(({ amountPaid }) => amountPaid)).toEqual([PRO, PRO, PRO])
    expect(new Set(orders.map(({ paymentId }) => paymentId)).size).toBe(3)
  })

  test('an invoice that failed is none, and is one when it is paid', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    const open = h.sandbox.stripe.failPayment(subscriptionId) as { id: string }
    await h.deliverAll()
    expect(await ordersOf(h, ownerId)).toHaveLength(1)
    await h.stripe.invoices.pay(open.id, { payment_method: await goodCard(ownerId) })
    await h.deliverAll()
    const orders = await ordersOf(h, ownerId)
    expect(orders).toHaveLength(2)
    expect(orders[1]).toMatchObject({ invoiceId: open.id, amountPaid: PRO })
  })

  async function goodCard(ownerId: string): Promise<string> {
    const { stripeCustomerId } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
    const customer = stripeCustomerId as string
    return (await h.stripe.paymentMethods.attach('pm_card_visa', { customer })).id
  }

  test('a slow debit is no order before the money comes, and none if it never does', async () => {
    for (const outcome of ['succeeded', 'failed'] as const) {
      const ownerId = await h.owner()
      const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
      h.sandbox.stripe.completeCheckout(id, { delayed: true })
      await h.deliverAll()
      expect(await ordersOf(h, ownerId)).toEqual([])
      h.sandbox.stripe.settleCheckout(id, outcome)
      await h.deliverAll()
      expect(await ordersOf(h, ownerId)).toHaveLength(outcome === 'succeeded' ? 1 : 0)
    }
  })

  test('the refund of a renewal is booked on its order and on no other, past us or by us', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    h.sandbox.stripe.renew(subscriptionId)
    await h.deliverAll()
    await h.stripe.refunds.create({ payment_intent: await newestPayment(h, ownerId), amount: 700 })
    await h.deliverAll()
    const refunded = async () =>
      (await ordersOf(h, ownerId)).map(({ amountRefunded }) => amountRefunded)
    expect(await refunded()).toEqual([0, 700])
    const [first] = await ordersOf(h, ownerId)
    await h.billing.refundOrder(first?.id as string, { operator: 'grace' })
    expect(await refunded()).toEqual([PRO, 700])
    await h.deliverAll()
    expect(await refunded()).toEqual([PRO, 700])
  })

  test('a refund that is told before the payment is booked all the same', async () => {
    const ownerId = await h.owner()
    const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    await h.pay(id)
    const [intent] = (await h.stripe.paymentIntents.list({ limit: 1 })).data
    await h.stripe.refunds.create({ payment_intent: intent?.id as string, amount: 500 })
    const [refund] = (await h.events('charge.refunded')).slice(-1)
    await h.deliver(refund)
    await h.work()
    expect(await ordersOf(h, ownerId)).toMatchObject([{ amountRefunded: 500 }])
    await h.deliverAll()
    expect(await ordersOf(h, ownerId)).toMatchObject([{ amountRefunded: 500 }])
  })

  test('a dispute stands on the order, from its beginning to its end', async () => {
    const { ownerId } = await h.subscriber()
    const { id } = h.sandbox.stripe.dispute(await newestPayment(h, ownerId)) as { id: string }
    await h.deliverAll()
    expect(await ordersOf(h, ownerId)).toMatchObject([
      { disputeId: id, disputeStatus: 'needs_response', creditsDisputed: 0, status: 'completed' },
    ])
    h.sandbox.stripe.closeDispute(id, 'won')
    await h.deliverAll()
    expect(await ordersOf(h, ownerId)).toMatchObject([{ disputeId: id, disputeStatus: 'won' }])
  })

  test('a change of plan in mid-period is an order of the new plan over what it cost', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    const quote = await h.billing.previewPlanChange(ownerId, { plan: 'ENTERPRISE' })
    await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE', quote })
    h.sandbox.stripe.renew(subscriptionId)
    await h.deliverAll()
    expect(await ordersOf(h, ownerId)).toMatchObject([
      { sku: 'PRO_MONTHLY', plan: 'PRO', amountPaid: PRO },
      { sku: 'ENTERPRISE_MONTHLY', plan: 'ENTERPRISE', amountPaid: quote.amountDue },
      { sku: 'ENTERPRISE_MONTHLY', plan: 'ENTERPRISE', amountPaid: ENTERPRISE },
    ])
  })

  test('what a credit at the provider covers is no payment: the order is over the rest', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    const { customer } = await h.stripe.subscriptions.retrieve(subscriptionId)
    for (const balance of [-1000, -PRO]) {
      await h.stripe.customers.update(customer as string, { balance })
      h.sandbox.stripe.renew(subscriptionId)
      await h.deliverAll()
    }
    const orders = await ordersOf(h, ownerId)
    expect(orders.map(({ amount, amountPaid }) => [amount, amountPaid])).toEqual([
      [PRO, PRO],
      [PRO - 1000, PRO - 1000],
    ])
    expect(await h.billing.listInvoices(ownerId)).toHaveLength(3)
  })

  test('a checkout that nobody pays leaves no order', async () => {
    const ownerId = await h.owner()
    const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    await h.stripe.checkout.sessions.expire(id)
    await h.deliverAll()
    await h.billing.confirmCheckout(ownerId, id)
    expect(await ordersOf(h, ownerId)).toEqual([])
  })
})

describe('what else becomes of them', () => {
  let h: Harness
  beforeAll(async () => {
    h = await createHarness(inject('postgres'))
  })
  afterAll(() => h.close())

  test('where nothing is due there is no order: a trial has its first one when it is paid for', async () => {
    const trial = { ...plans, PRO: { ...plans.PRO, trialDays: 7 } }
    const billing = createBilling({ ...h.settings, plans: trial })
    const ownerId = await h.owner()
    const { id } = await billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    await h.pay(id)
    await billing.confirmCheckout(ownerId, id)
    const { status, stripeSubscriptionId } = await billing.getSubscription(ownerId)
    expect(status).toBe('trialing')
    expect(await billing.listInvoices(ownerId)).toMatchObject([{ status: 'paid', amountPaid: 0 }])
    expect(await ordersOf(h, ownerId)).toEqual([])
    h.sandbox.stripe.renew(stripeSubscriptionId as string)
    await billing.syncCustomer(ownerId)
    expect(await ordersOf(h, ownerId)).toMatchObject([{ amountPaid: PRO }])
  })

  test('a plan without a product is named by plan and interval, one past us by neither', async () => {
    const products = defineProducts({ PACK: { name: 'A pack', amount: 100, currency: 'usd' } })
    const billing = createBilling({ ...h.settings, products })
    const ownerId = await h.owner()
    const { id } = await billing.createCheckoutSession({ ownerId, plan: 'PRO', interval: 'year' })
    await h.pay(id)
    await billing.confirmCheckout(ownerId, id)
    const price = await h.stripe.prices.create({
      currency: 'eur',
      unit_amount: 1234,
      recurring: { interval: 'week' },
      product_data: { name: 'Mystery' },
    })
    const stranger = await h.owner()
    const { stripeCustomerId } = await billing.ensureCustomer(stranger)
    if (stripeCustomerId === null) throw new Error('not at Stripe')
    const method = await h.stripe.paymentMethods.attach('pm_card_visa', {
      customer: stripeCustomerId,
    })
    await h.stripe.subscriptions.create({
      customer: stripeCustomerId,
      default_payment_method: method.id,
      items: [{ price: price.id }],
    })
    await billing.syncCustomer(stranger)
    expect(await ordersOf(h, ownerId)).toMatchObject([{ sku: null, plan: 'PRO', interval: 'year' }])
    expect(await ordersOf(h, stranger)).toMatchObject([
      { sku: null, plan: null, interval: null, amountPaid: 1234, currency: 'eur' },
    ])
  })

  test.each([
    ['from the plan', { credits: { amount: 40, rollover: 'none' } as const }, {}, [40n]],
    ['and never from the product', {}, { credits: 9 }, []],
  ])('credits come once, %s', async (_, ofPlan, ofProduct, granted) => {
    const billing = createBilling({
      ...h.settings,
      plans: { ...plans, PRO: { ...plans.PRO, ...ofPlan } },
      products: defineProducts({
        PRO: {
          name: 'Pro',
          amount: PRO,
          currency: 'usd',
          plan: 'PRO',
          interval: 'month',
          ...ofProduct,
        },
      }),
    })
    const ownerId = await h.owner()
    const { id } = await billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    await h.pay(id)
    await billing.confirmCheckout(ownerId, id)
    const [order] = await ordersOf(h, ownerId)
    await billing.settleOrder(order?.id as string)
    await billing.refundOrder(order?.id as string)
    expect(order).toMatchObject({ sku: 'PRO', credits: 0 })
    const rows = await h.db.creditTransaction.findMany({ where: { ownerId } })
    expect(rows.map(({ type, amount }) => [type, amount])).toEqual(
      granted.map((amount) => ['grant', amount]),
    )
  })

  test('its facts are those of the invoice: no order is told of, also when it is settled', async () => {
    const { ownerId } = await h.subscriber()
    const [order] = await ordersOf(h, ownerId)
    await h.billing.settleOrder(order?.id as string)
    await h.deliverAll()
    const { id: customerId } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
    const effects = await h.db.effect.findMany({ where: { customerId } })
    const names = effects.map(({ name }) => name).sort()
    expect(names).toEqual(['invoice.paid', 'subscription.activated'])
  })

  test('a plan that was ordered keeps its own orders', async () => {
    const ownerId = await h.owner()
    const { orderId, checkoutId } = await h.billing.createOrder({
      ownerId,
      productId: 'PRO_MONTHLY',
    })
    await h.pay(checkoutId)
    // The sync is first: it leaves the payment to the order that waits for it.
    await h.billing.syncCustomer(ownerId)
    expect(await ordersOf(h, ownerId)).toMatchObject([{ id: orderId, status: 'pending' }])
    await h.billing.settleOrder(orderId)
    const { stripeSubscriptionId } = await h.billing.getSubscription(ownerId)
    h.sandbox.stripe.renew(stripeSubscriptionId as string)
    await h.billing.syncCustomer(ownerId)
    await h.deliverAll()
    expect(await ordersOf(h, ownerId)).toMatchObject([
      { id: orderId, status: 'completed', invoiceId: null },
      { status: 'completed', invoiceId: null, amountPaid: PRO },
    ])
  })

  test.each(API_VERSIONS)(
    'what a change of an ordered plan costs brings no credits, and its next period the new ones, at %s',
    async (apiVersion) => {
      const month = { name: 'Some plan', currency: 'usd', interval: 'month' } as const
      const settings = {
        ...h.settings,
        stripe: createStripe(SECRET_KEY, { apiBase: h.url, apiVersion }),
        products: defineProducts({
          PRO: { ...month, amount: PRO, plan: 'PRO', credits: 9 },
          ENTERPRISE: { ...month, amount: ENTERPRISE, plan: 'ENTERPRISE', credits: 30 },
        }),
      }
      const billing = createBilling(settings)
      const ownerId = await h.owner()
      const { orderId, checkoutId } = await billing.createOrder({ ownerId, productId: 'PRO' })
      await h.pay(checkoutId)
      const { subscriptionId } = await billing.settleOrder(orderId)
      const quote = await billing.previewPlanChange(ownerId, { plan: 'ENTERPRISE' })
      await billing.changePlan(ownerId, { plan: 'ENTERPRISE', quote })
      await billing.settleOrder(orderId)
      h.sandbox.stripe.renew(subscriptionId as string)
      await billing.settleOrder(orderId)
      expect(await ordersOf(h, ownerId)).toMatchObject([
        { sku: 'PRO', plan: 'PRO', amountPaid: PRO, credits: 9 },
        { sku: 'ENTERPRISE', plan: 'ENTERPRISE', amountPaid: quote.amountDue, credits: 0 },
        { sku: 'ENTERPRISE', plan: 'ENTERPRISE', amountPaid: ENTERPRISE, credits: 30 },
      ])
      const rows = await h.db.creditTransaction.findMany({
        where: { ownerId },
        orderBy: { id: 'asc' },
      })
      expect(rows.map(({ type, amount }) => `${type} ${amount}`)).toEqual([
        'purchase 9',
        'purchase 30',
      ])
    },
  )

  test.each(API_VERSIONS)(
    'a plan that was ordered has an order for each renewal, also where the next overtook it, at %s',
    async (apiVersion) => {
      const settings = {
        ...h.settings,
        stripe: createStripe(SECRET_KEY, { apiBase: h.url, apiVersion }),
      }
      const billing = createBilling(settings)
      const productId = 'PRO_MONTHLY'
      const ordered = async () => {
        const ownerId = await h.owner()
        const { orderId, checkoutId } = await billing.createOrder({ ownerId, productId })
        await h.pay(checkoutId)
        const { subscriptionId } = await billing.settleOrder(orderId)
        for (const _ of [1, 2]) h.sandbox.stripe.renew(subscriptionId as string)
        return ownerId
      }
      const told = await ordered()
      for (const event of h.sandbox.stripe.events) await h.deliver(event)
      await billing.processEvents()
      const untold = await ordered()
      expect(await ordersOf(h, told)).toHaveLength(3)
      const { mended } = await billing.reconcileOrders({ since: new Date(0) })
      expect(mended).toHaveLength(2)
      for (const ownerId of [told, untold]) {
        const orders = await ordersOf(h, ownerId)
        expect(orders.map(({ amountPaid, invoiceId }) => [amountPaid, invoiceId])).toEqual(
          Array(3).fill([PRO, null]),
        )
      }
    },
  )

  test('of two answers the newer stands, whether a sync or a settlement had it', async () => {
    const { ownerId } = await h.subscriber()
    const [order] = await ordersOf(h, ownerId)
    const orderId = order?.id as string
    const refund = (amount: number) =>
      h.stripe.refunds.create({ payment_intent: order?.paymentId as string, amount })

    const sync = heldBack(h, '/v1/payment_intents')
    const syncing = sync.billing.syncCustomer(ownerId)
    await sync.arrived
    await refund(100)
    await h.billing.settleOrder(orderId, { isSynced: true })
    sync.release()
    expect(await syncing).toMatchObject({ written: true })
    expect(await ordersOf(h, ownerId)).toMatchObject([{ amountRefunded: 100 }])

    const settlement = heldBack(h, '/v1/payment_intents')
    const settling = settlement.billing.settleOrder(orderId)
    await settlement.arrived
    await refund(200)
    await h.billing.syncCustomer(ownerId)
    settlement.release()
    expect(await settling).toMatchObject({ amountRefunded: 300 })
    expect(await ordersOf(h, ownerId)).toMatchObject([{ amountRefunded: 300 }])
  })

  test('reconciliation writes what no event told of, and the refund too, and says so', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    h.sandbox.stripe.renew(subscriptionId)
    const { data } = await h.stripe.paymentIntents.list({ limit: 1 })
    const before = await ordersOf(h, ownerId)
    const { report } = await reconciled(h)
    const after = await ordersOf(h, ownerId)
    expect([before.length, after.length]).toEqual([1, 2])
    expect(report).toMatchObject({ mended: [after[1]?.id], withoutOrder: 0 })
    for (const day of report.days) expect(day.ours).toEqual(day.theirs)
    await h.stripe.refunds.create({ payment_intent: data[0]?.id as string, amount: 5 })
    expect((await reconciled(h)).report).toMatchObject({ mended: [after[1]?.id], differing: [] })
    expect(await ordersOf(h, ownerId)).toMatchObject([{}, { amountRefunded: 5 }])
    expect((await reconciled(h)).report).toMatchObject({ mended: [] })
  })

  test('an invoice of no subscription is stored and is no order', async () => {
    const { hostname: host, port } = new URL(h.url)
    const stripe = new Stripe(SECRET_KEY, {
      ...{ host, port, protocol: 'http' },
      apiVersion: STRIPE_API_VERSION as Stripe.LatestApiVersion,
      httpClient: Stripe.createFetchHttpClient(async (...args) => {
        const answer = await fetch(...args)
        if (!String(args[0]).includes('/v1/invoices')) return answer
        const text = await answer.text()
        return new Response(text.replaceAll(/"subscription": *"sub_\w+"/g, '"subscription":null'))
      }),
    })
    const billing = createBilling({ ...h.settings, stripe })
    const ownerId = await h.owner()
    const { id } = await billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    await h.pay(id)
    await billing.confirmCheckout(ownerId, id)
    expect(await billing.listInvoices(ownerId)).toMatchObject([{ subscriptionId: null }])
    expect(await ordersOf(h, ownerId)).toEqual([])
    await h.billing.syncCustomer(ownerId)
    expect(await ordersOf(h, ownerId)).toHaveLength(1)
  })

  test('a payment of a customer who is none of ours stays without an order', async () => {
    const { id } = await h.stripe.customers.create({ email: 'grace@example.com' })
    const method = await h.stripe.paymentMethods.attach('pm_card_visa', { customer: id })
    const [price] = (await h.stripe.prices.list({ lookup_keys: ['pro_monthly'] })).data
    await h.stripe.subscriptions.create({
      customer: id,
      default_payment_method: method.id,
      items: [{ price: price?.id as string }],
    })
    expect((await reconciled(h)).report).toMatchObject({ withoutOrder: 1, differing: [] })
  })

  test('the database holds an order of an invoice to what it is', async () => {
    const { ownerId } = await h.subscriber()
    const [order] = await ordersOf(h, ownerId)
    const where = { id: order?.id as string }
    for (const data of [{ checkoutId: 'cs_1' }, { subscriptionId: null }]) {
      await expect(h.db.order.update({ where, data })).rejects.toThrow('Order_invoice_check')
    }
  })

  test('paid invoices do not hide how few orders are fulfilled', async () => {
    await h.subscriber()
    expect(await h.billing.watchOrders()).toMatchObject({ fulfilmentRate: expect.anything() })
    await h.db.order.updateMany({ where: { invoiceId: null }, data: { paidAt: null } })
    expect(await h.billing.watchOrders()).toMatchObject({ fulfilmentRate: null })
  })
})
