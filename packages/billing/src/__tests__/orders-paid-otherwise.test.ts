/** Orders whose invoice was not paid by one payment of the whole price: by a balance, a coupon, in parts, past Stripe. */

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createBilling, defineProducts } from '../index.ts'
import { verdictOf } from '../orders/verdict.ts'
import { checkoutOfStripe, paymentOfStripe } from '../providers/stripe/provider-shapes.ts'
import { API_VERSIONS, createHarness, type Harness } from './harness.ts'

const products = defineProducts({
  PRO_MONTHLY: {
    name: 'Pro',
    amount: 2900,
    currency: 'usd',
    plan: 'PRO',
    interval: 'month',
    credits: 200,
  },
})

describe.each(API_VERSIONS)('with API version %s', (apiVersion) => {
  let h: Harness
  beforeAll(async () => {
    h = await createHarness(inject('postgres'), { apiVersion })
  })
  afterAll(() => h.close())

  test.each([
    ['a part', -1000, 1900],
    ['all', -5000, 0],
  ])('an order is completed if a balance covers %s of it', async (_, balance, paid) => {
    const billing = createBilling({ ...h.settings, products })
    const ownerId = await h.owner()
    const { stripeCustomerId } = await billing.ensureCustomer(ownerId)
    await h.stripe.customers.update(stripeCustomerId as string, { balance })
    const { orderId, checkoutId } = await billing.createOrder({ ownerId, productId: 'PRO_MONTHLY' })
    await h.pay(checkoutId)
    await h.deliverAll()
    const order = await billing.settleOrder(orderId)
    expect(order).toMatchObject({
      status: 'completed',
      needsAttention: null,
      amount: 2900,
      amountPaid: paid,
    })
    expect((await billing.getBalance(ownerId)).balance).toBe(200)
    expect((await h.orders(ownerId)).map(({ id }) => id)).toEqual([orderId])
  })

  test('with a tax on top, the order still has the price', async () => {
    h.sandbox.stripe.configure({ taxRegistration: { country: 'DE', percentage: 19 } })
    const billing = createBilling({ ...h.settings, products, checkout: { automaticTax: true } })
    const ownerId = await h.owner()
    const { orderId, checkoutId } = await billing.createOrder({ ownerId, productId: 'PRO_MONTHLY' })
    await h.pay(checkoutId)
    await h.deliverAll()
    const order = await billing.settleOrder(orderId)
    expect(order).toMatchObject({
      status: 'completed',
      needsAttention: null,
      amount: 2900,
      amountPaid: 3451,
    })
    const { stripeSubscriptionId } = await billing.getSubscription(ownerId)
    h.sandbox.stripe.renew(stripeSubscriptionId as string)
    await h.deliverAll()
    await billing.settleOrder(orderId)
    expect((await h.orders(ownerId)).map(({ amountPaid }) => amountPaid)).toEqual([3451, 3451])
    await billing.refundOrder(orderId)
    expect((await billing.getBalance(ownerId)).balance).toBe(200)
  })
})

const intent = (status: string, amount: number) => ({
  id: 'pi_1',
  object: 'payment_intent',
  amount,
  currency: 'usd',
  customer: 'cus_1',
  created: 1_700_000_000,
  metadata: {},
  status,
})
const invoice = (status: string, more: object = {}) => ({
  object: 'invoice',
  id: 'in_1',
  status,
  total: 1450,
  lines: { object: 'list', data: [{ amount: 2900 }] },
  status_transitions: { paid_at: 1_700_000_060 },
  ...more,
})
const order = {
  id: 'order',
  status: 'pending',
  plan: 'PRO',
  amount: 2900,
  currency: 'usd',
  needsAttention: null,
}
const verdict = (payment: ReturnType<typeof paymentOfStripe>) =>
  verdictOf(order, { checkout: null, payment, subscription: null, renewals: [] }, false)

test.each<[what: string, payment: object, invoice: object, status: string, paid: number]>([
  ['a coupon took half', intent('succeeded', 1450), invoice('paid'), 'completed', 1450],
  ['a tax came on top', intent('succeeded', 3451), invoice('paid'), 'completed', 3451],
  ['two payments paid it', intent('succeeded', 1000), invoice('paid'), 'completed', 1000],
  ['one of two has come', intent('succeeded', 1000), invoice('open'), 'pending', 1000],
  ['it was paid past Stripe', intent('canceled', 2900), invoice('paid'), 'completed', 0],
  ['nobody has paid', intent('requires_payment_method', 2900), invoice('open'), 'pending', 0],
  ['it was voided', intent('canceled', 2900), invoice('void'), 'cancelled', 0],
])('%s: the invoice has the paid amount', (_, payment, billed, status, paid) => {
  const read = paymentOfStripe(payment, billed)
  expect(read).toMatchObject({ amountPaid: paid })
  expect(verdict(read)).toMatchObject({ status, needsAttention: null })
})

test('another price than the order’s is a mismatch', () => {
  const lines = { object: 'list', data: [{ amount: 900 }] }
  const read = paymentOfStripe(intent('succeeded', 900), invoice('paid', { lines }))
  expect(verdict(read)).toEqual({ status: 'pending', needsAttention: 'amount_mismatch' })
  expect(verdict(paymentOfStripe(intent('succeeded', 900), null)).needsAttention).toBe(
    'amount_mismatch',
  )
})

test('a discounted purchase matches if the page sold it at the order’s price', () => {
  const told = (subtotal: number) =>
    checkoutOfStripe({
      object: 'checkout.session',
      id: 'cs_1',
      status: 'complete',
      amount_subtotal: subtotal,
      amount_total: 2000,
      metadata: { orderId: 'order' },
    })
  const payment = paymentOfStripe(intent('succeeded', 2000), null)
  const once = { ...order, plan: null }
  const of = (subtotal: number) =>
    verdictOf(once, { checkout: told(subtotal), payment, subscription: null, renewals: [] }, false)
  expect(of(2900)).toEqual({ status: 'completed', needsAttention: null })
  expect(of(2000).needsAttention).toBe('amount_mismatch')
})
