/** Orders of plans' invoices, apart: trials, plans past us, plans ordered, what overtakes what. */

import Stripe from 'stripe'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createBilling, createStripe, defineProducts, plans, STRIPE_API_VERSION } from '../index.ts'
import { API_VERSIONS, createHarness, type Harness, SECRET_KEY } from './harness.ts'
import { heldBack } from './held-back.ts'

const PRO = plans.PRO.prices.month.amount
const ENTERPRISE = plans.ENTERPRISE.prices.month.amount

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

test('without a payment there is no order: a trial’s first order comes with its first payment', async () => {
  const trial = { ...plans, PRO: { ...plans.PRO, trialDays: 7 } }
  const billing = createBilling({ ...h.settings, plans: trial })
  const ownerId = await h.owner()
  const { id } = await billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  await h.pay(id)
  await billing.confirmCheckout(ownerId, id)
  const { status, stripeSubscriptionId } = await billing.getSubscription(ownerId)
  expect(status).toBe('trialing')
  expect(await billing.listInvoices(ownerId)).toMatchObject([{ status: 'paid', amountPaid: 0 }])
  expect(await h.orders(ownerId)).toEqual([])
  h.sandbox.stripe.renew(stripeSubscriptionId as string)
  await billing.syncCustomer(ownerId)
  expect(await h.orders(ownerId)).toMatchObject([{ amountPaid: PRO }])
})

test('the order of a plan without a product names plan and interval, and that of an unknown plan neither', async () => {
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
  expect(await h.orders(ownerId)).toMatchObject([{ sku: null, plan: 'PRO', interval: 'year' }])
  expect(await h.orders(stranger)).toMatchObject([
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
  const [order] = await h.orders(ownerId)
  await billing.settleOrder(order?.id as string)
  await billing.refundOrder(order?.id as string)
  expect(order).toMatchObject({ sku: 'PRO', credits: 0 })
  const rows = await h.db.creditTransaction.findMany({ where: { ownerId }, orderBy: { id: 'asc' } })
  // And go once, with the money.
  expect(rows.map(({ type, amount }) => [type, amount])).toEqual(
    granted.flatMap((amount) => [
      ['grant', amount],
      ['adjustment', -amount],
    ]),
  )
})

test('it announces the invoice’s facts and no `order.…`, also when it is settled', async () => {
  const { ownerId } = await h.subscriber()
  const [order] = await h.orders(ownerId)
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
  expect(await h.orders(ownerId)).toMatchObject([{ id: orderId, status: 'pending' }])
  await h.billing.settleOrder(orderId)
  const { stripeSubscriptionId } = await h.billing.getSubscription(ownerId)
  h.sandbox.stripe.renew(stripeSubscriptionId as string)
  await h.billing.syncCustomer(ownerId)
  await h.deliverAll()
  expect(await h.orders(ownerId)).toMatchObject([
    { id: orderId, status: 'completed', invoiceId: null },
    { status: 'completed', invoiceId: null, amountPaid: PRO },
  ])
})

test.each(API_VERSIONS)(
  'a change of an ordered plan brings no credits, and its next period the new plan’s, at %s',
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
    expect(await h.orders(ownerId)).toMatchObject([
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
  'an ordered plan has an order for each renewal, also if the next renewal came first, at %s',
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
    expect(await h.orders(told)).toHaveLength(3)
    const { mended } = await billing.reconcileOrders({ since: new Date(0) })
    expect(mended).toHaveLength(2)
    for (const ownerId of [told, untold]) {
      const orders = await h.orders(ownerId)
      expect(orders.map(({ amountPaid, invoiceId }) => [amountPaid, invoiceId])).toEqual(
        Array(3).fill([PRO, null]),
      )
    }
  },
)

test('the newer of two answers stands, whether a sync or a settlement got it', async () => {
  const { ownerId } = await h.subscriber()
  const [order] = await h.orders(ownerId)
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
  expect(await h.orders(ownerId)).toMatchObject([{ amountRefunded: 100 }])

  const settlement = heldBack(h, '/v1/payment_intents')
  const settling = settlement.billing.settleOrder(orderId)
  await settlement.arrived
  await refund(200)
  await h.billing.syncCustomer(ownerId)
  settlement.release()
  expect(await settling).toMatchObject({ amountRefunded: 300 })
  expect(await h.orders(ownerId)).toMatchObject([{ amountRefunded: 300 }])
})

test('reconciliation writes and reports a payment and a refund that no event announced', async () => {
  const { ownerId, subscriptionId } = await h.subscriber()
  h.sandbox.stripe.renew(subscriptionId)
  const { data } = await h.stripe.paymentIntents.list({ limit: 1 })
  const before = await h.orders(ownerId)
  const report = await reconciled()
  const after = await h.orders(ownerId)
  expect([before.length, after.length]).toEqual([1, 2])
  expect(report).toMatchObject({ mended: [after[1]?.id], withoutOrder: 0 })
  for (const day of report.days) expect(day.ours).toEqual(day.theirs)
  await h.stripe.refunds.create({ payment_intent: data[0]?.id as string, amount: 5 })
  expect(await reconciled()).toMatchObject({ mended: [after[1]?.id], differing: [] })
  expect(await h.orders(ownerId)).toMatchObject([{}, { amountRefunded: 5 }])
  expect(await reconciled()).toMatchObject({ mended: [] })
})

test('an invoice without a subscription is stored and makes no order', async () => {
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
  expect(await h.orders(ownerId)).toEqual([])
  await h.billing.syncCustomer(ownerId)
  expect(await h.orders(ownerId)).toHaveLength(1)
})

test('a payment of an unknown customer makes no order', async () => {
  const { id } = await h.stripe.customers.create({ email: 'grace@example.com' })
  const method = await h.stripe.paymentMethods.attach('pm_card_visa', { customer: id })
  const [price] = (await h.stripe.prices.list({ lookup_keys: ['pro_monthly'] })).data
  await h.stripe.subscriptions.create({
    customer: id,
    default_payment_method: method.id,
    items: [{ price: price?.id as string }],
  })
  expect(await reconciled()).toMatchObject({ withoutOrder: 1, differing: [] })
})

test('the database checks the columns of an invoice’s order', async () => {
  const { ownerId } = await h.subscriber()
  const [order] = await h.orders(ownerId)
  const where = { id: order?.id as string }
  for (const data of [{ checkoutId: 'cs_1' }, { subscriptionId: null }]) {
    await expect(h.db.order.update({ where, data })).rejects.toThrow('Order_invoice_check')
  }
})

test('paid invoices do not count in the rate of fulfilled orders', async () => {
  await h.subscriber()
  expect(await h.billing.watchOrders()).toMatchObject({ fulfilmentRate: expect.anything() })
  await h.db.order.updateMany({ where: { invoiceId: null }, data: { paidAt: null } })
  expect(await h.billing.watchOrders()).toMatchObject({ fulfilmentRate: null })
})
const reconciled = () => h.billing.reconcileOrders({ since: new Date(0) })
