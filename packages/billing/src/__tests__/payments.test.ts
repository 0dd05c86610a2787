/** One-time payments: through Elements, and on the provider's page. */

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

test('a payment intent returns a clientSecret for the browser and names the owner', async () => {
  const ownerId = await h.owner()
  const intent = await h.billing.createPaymentIntent(4900, 'USD', { ownerId, sku: 'call' })
  expect(intent.clientSecret).toMatch(/^pi_\w+_secret_\w+$/)
  expect(await h.stripe.paymentIntents.retrieve(intent.id)).toMatchObject({
    amount: 4900,
    currency: 'usd',
    metadata: { ownerId, sku: 'call' },
  })
})

test('confirming asks the provider, and records the payment once', async () => {
  const ownerId = await h.owner()
  const { id } = await h.billing.createPaymentIntent(4900, 'usd', { ownerId })
  expect(await h.billing.confirmPayment(id)).toMatchObject({ paid: false })
  await h.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' })
  const paid = await h.billing.confirmPayment(id)
  expect(paid).toMatchObject({ paid: true, status: 'succeeded', amount: 4900, currency: 'usd' })
  expect(await h.billing.confirmPayment(id)).toEqual(paid)
  const rows = await h.billing.listPayments(ownerId)
  expect(rows).toHaveLength(1)
  expect(rows[0]).toMatchObject({ id: paid.id, status: 'succeeded', paidAt: expect.any(Date) })
})

test('a declined card is an error and nothing is paid', async () => {
  const ownerId = await h.owner()
  const { id } = await h.billing.createPaymentIntent(4900, 'usd', { ownerId })
  await h.stripe.paymentIntents
    .confirm(id, { payment_method: 'pm_card_visa_chargeDeclined' })
    .catch(() => {})
  expect(await h.billing.confirmPayment(id)).toMatchObject({ paid: false })
})

test('the same idempotency key returns the same payment', async () => {
  const ownerId = await h.owner()
  const pay = () =>
    h.patient.createPaymentIntent(4900, 'usd', { ownerId }, { idempotencyKey: 'order-1' })
  const [first, second] = await Promise.all([pay(), pay()])
  expect(first.id).toBe(second.id)
})

test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 100_000_000, '4900'])(
  'the amount %s is refused before the provider is asked',
  async (amount) => {
    const ownerId = await h.owner()
    const refused = { code: 'invalid_amount', status: 400 }
    const intent = h.billing.createPaymentIntent(amount as number, 'usd', { ownerId })
    await expect(intent).rejects.toMatchObject(refused)
    const checkout = h.billing.createCheckoutSession({
      ownerId,
      item: { name: 'Call', amount: amount as number, currency: 'usd' },
    })
    await expect(checkout).rejects.toMatchObject(refused)
    expect(await h.db.customer.count({ where: { ownerId } })).toBe(0)
  },
)

test('an unknown currency, and a payment without an owner, are refused', async () => {
  const ownerId = await h.owner()
  const attempts = [
    [() => h.billing.createPaymentIntent(1, 'dollars', { ownerId }), 'invalid_currency'],
    [() => h.billing.createPaymentIntent(1, '', { ownerId }), 'invalid_currency'],
    [() => h.billing.createPaymentIntent(1, 'usd', { ownerId: '' }), 'owner_required'],
    [() => h.billing.createPaymentIntent(1, 'usd', { ownerId: 'nobody' }), 'owner_not_found'],
  ] as const
  for (const [attempt, code] of attempts) await expect(attempt()).rejects.toMatchObject({ code })
})

test('an unknown intent, or one of another owner, is not found', async () => {
  const foreign = await h.stripe.paymentIntents.create({ amount: 100, currency: 'usd' })
  for (const id of ['pi_missing', 'cs_x', '', '../v1/customers', foreign.id]) {
    await expect(h.billing.confirmPayment(id)).rejects.toMatchObject({
      code: 'payment_not_found',
      status: 404,
    })
  }
})

test('an item bought on the page is a payment, and a subscription is not', async () => {
  const { ownerId } = await h.subscriber()
  expect(await h.billing.listPayments(ownerId)).toEqual([])
  const { id } = await h.billing.createCheckoutSession({
    ownerId,
    item: { name: 'Call', amount: 4900, currency: 'usd' },
    metadata: { sku: 'call', ownerId: 'someone-else' },
  })
  await h.pay(id)
  const { paid, paymentId } = await h.billing.confirmCheckout(ownerId, id)
  expect(paid).toBe(true)
  expect(await h.billing.listPayments(ownerId)).toEqual([
    expect.objectContaining({
      id: paymentId,
      amount: 4900,
      metadata: expect.objectContaining({ sku: 'call', ownerId }),
    }),
  ])
})

describe('every payment has an order', () => {
  const ordersOf = (ownerId: string) => h.orders(ownerId)

  test('an intent has an order from the start, which is completed when the payment is confirmed', async () => {
    const ownerId = await h.owner()
    const { id } = await h.billing.createPaymentIntent(4900, 'usd', { ownerId, orderId: 'mine' })
    const [order] = await ordersOf(ownerId)
    expect(order).toMatchObject({
      sku: null,
      provider: 'stripe',
      amount: 4900,
      credits: 0,
      status: 'pending',
      paymentId: id,
    })
    const { metadata } = await h.stripe.paymentIntents.retrieve(id)
    expect(metadata.orderId).toBe(order?.id)
    await h.billing.confirmPayment(id)
    expect(await ordersOf(ownerId)).toMatchObject([{ status: 'pending' }])
    await h.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' })
    await h.billing.confirmPayment(id)
    expect(await ordersOf(ownerId)).toMatchObject([{ status: 'completed', amountPaid: 4900 }])
    await h.billing.refundOrder(order?.id ?? '', { amount: 900 })
    expect(await ordersOf(ownerId)).toMatchObject([{ amountRefunded: 900 }])
  })

  test('calls with one key have one order, and the webhook completes it', async () => {
    const ownerId = await h.owner()
    const pay = () =>
      h.patient.createPaymentIntent(4900, 'usd', { ownerId }, { idempotencyKey: 'call-7' })
    const [{ id }] = await Promise.all([pay(), pay(), pay()])
    expect(await ordersOf(ownerId)).toHaveLength(1)
    await h.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' })
    await h.deliverAll()
    expect(await ordersOf(ownerId)).toMatchObject([{ status: 'completed', paymentId: id }])
  })

  test('an order whose creation was interrupted is completed by the webhook of its intent', async () => {
    const ownerId = await h.owner()
    const { id } = await h.billing.createPaymentIntent(4900, 'usd', { ownerId })
    await h.db.order.updateMany({ where: { ownerId }, data: { paymentId: null } })
    const [order] = await ordersOf(ownerId)
    const foreign = await h.stripe.paymentIntents.create({
      amount: 4900,
      currency: 'usd',
      payment_method: 'pm_card_visa',
      confirm: true,
      return_url: 'http://localhost:3000/done',
    })
    await h.billing.settleOrder(order?.id ?? '', { payments: [foreign.id] })
    expect(await ordersOf(ownerId)).toMatchObject([{ status: 'pending', paymentId: null }])
    await h.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' })
    await h.deliverAll()
    expect(await ordersOf(ownerId)).toMatchObject([{ status: 'completed', paymentId: id }])
  })

  test('an item checkout has an order, which is cancelled if Stripe refuses the checkout', async () => {
    const ownerId = await h.owner()
    const item = { name: 'Call', amount: 4900, currency: 'usd' }
    const { id } = await h.billing.createCheckoutSession({ ownerId, item })
    await h.pay(id)
    await h.billing.confirmCheckout(ownerId, id)
    expect(await ordersOf(ownerId)).toMatchObject([{ status: 'completed', checkoutId: id }])
    h.sandbox.stripe.failNext({ status: 400, times: 1 })
    await expect(
      h.billing.createPaymentIntent(100, 'usd', { ownerId }, { idempotencyKey: 'refused' }),
    ).rejects.toMatchObject({ code: 'provider_rejected' })
    expect(await ordersOf(ownerId)).toMatchObject([{}, { status: 'cancelled', amount: 100 }])
    // The name is free again.
    await h.billing.createPaymentIntent(100, 'usd', { ownerId }, { idempotencyKey: 'refused' })
    expect(await ordersOf(ownerId)).toHaveLength(3)
  })
})
