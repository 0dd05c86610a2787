/** Amounts are 64 bit, with the bounds that Stripe has for their currency. */

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createBilling, definePlans, defineProducts } from '../index.ts'
import { createHarness, type Harness } from './harness.ts'

const YEAR = 2_500_000_000
const plans = definePlans({
  FREE: { name: 'Free' },
  TEAM: {
    name: 'Team',
    prices: { year: { lookupKey: 'team_idr', amount: YEAR, currency: 'idr' } },
  },
})

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'), { settings: { plans } })
})
afterAll(() => h.close())

test('a year at 25,000,000 rupiah is bought, billed and refunded', async () => {
  const ownerId = await h.owner()
  const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'TEAM', interval: 'year' })
  await h.pay(id)
  expect(await h.billing.confirmCheckout(ownerId, id)).toMatchObject({ paid: true })
  expect(await h.billing.getSubscription(ownerId)).toMatchObject({
    plan: 'TEAM',
    amount: YEAR,
    currency: 'idr',
  })
  expect(await h.billing.listInvoices(ownerId)).toMatchObject([
    { total: YEAR, amountDue: YEAR, amountPaid: YEAR, amountRefunded: 0 },
  ])
  const [order] = await h.billing.listOrders({ ownerId })
  expect(order).toMatchObject({ amount: YEAR, amountPaid: YEAR })
  await h.billing.refundOrder(order?.id as string)
  expect(await h.billing.showOrder(order?.id as string)).toMatchObject({ amountRefunded: YEAR })
  const exported = JSON.parse(JSON.stringify(await h.billing.exportOwner(ownerId)))
  expect(exported.customer.invoices).toMatchObject([{ total: YEAR, amountRefunded: YEAR }])
  expect(exported.customer.refunds).toMatchObject([{ amount: YEAR }])
  expect(exported.customer.subscriptions).toMatchObject([{ price: { amount: YEAR } }])
})

test('the largest amount of rupiah is charged as a payment', async () => {
  const ownerId = await h.owner()
  const { id } = await h.billing.createPaymentIntent(999_999_999_999, 'IDR', { ownerId })
  await h.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' })
  expect(await h.billing.confirmPayment(id)).toMatchObject({ paid: true, amount: 999_999_999_999 })
  expect(await h.billing.listPayments(ownerId)).toMatchObject([{ amount: 999_999_999_999 }])
})

describe('an amount that its currency does not have is refused before Stripe is asked', () => {
  test.each([
    ['usd', 100_000_000],
    ['idr', 1_000_000_000_000],
    ['kwd', 5124],
    ['isk', 550],
    ['usd', 0],
  ])('%s %i', async (currency, amount) => {
    const ownerId = await h.owner()
    const item = { name: 'Call', amount, currency }
    for (const refused of [
      () => h.billing.createPaymentIntent(amount, currency, { ownerId }),
      () => h.billing.createCheckoutSession({ ownerId, item }),
    ]) {
      await expect(refused()).rejects.toMatchObject({ code: 'invalid_amount', status: 400 })
    }
    expect(() => defineProducts({ CALL: item })).toThrow(/CALL/)
    expect(() =>
      definePlans({
        FREE: { name: 'Free' },
        PRO: { name: 'Pro', prices: { month: { lookupKey: 'a', amount, currency } } },
      }),
    ).toThrow(/PRO/)
    expect(await h.orders(ownerId)).toEqual([])
  })
})

test("a host's own products are limited by their currency, too", async () => {
  const products = defineProducts({ CALL: { name: 'Call', amount: 150_000_000, currency: 'idr' } })
  const billing = createBilling({ ...h.settings, products })
  const ownerId = await h.owner()
  const { orderId } = await billing.createOrder({ ownerId, productId: 'CALL' })
  expect(await billing.showOrder(orderId)).toMatchObject({ amount: 150_000_000, amountPaid: 0 })
})
