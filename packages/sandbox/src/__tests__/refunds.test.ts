/** Refunds: how they begin, and how they come out. */

import { expect, test } from 'vitest'
import { at, NEW, OLD, SUCCESS, start, subscribe, typesOf } from './harness.ts'
import { paid } from './paid.ts'

test('a refund by charge or by intent says so in events, and never more than was paid', async () => {
  const { running, stripe, intent, charge } = await paid()
  const before = typesOf(running).length
  const part = await stripe.refunds.create({ charge, amount: 300, reason: 'duplicate' })
  expect(part).toMatchObject({ payment_intent: intent.id, charge, status: 'succeeded' })
  expect(typesOf(running).slice(before)).toEqual([
    'refund.created',
    'refund.updated',
    'charge.refunded',
  ])
  expect(await stripe.charges.retrieve(charge)).toMatchObject({
    amount_refunded: 300,
    refunded: false,
  })
  await expect(stripe.refunds.create({ charge, amount: 701 })).rejects.toMatchObject({
    param: 'amount',
  })
  await stripe.refunds.create({ payment_intent: intent.id })
  expect(await stripe.charges.retrieve(charge)).toMatchObject({
    amount_refunded: 1000,
    refunded: true,
  })
  await expect(stripe.refunds.create({ charge })).rejects.toMatchObject({
    code: 'charge_already_refunded',
  })
  await expect(stripe.refunds.create({ charge, payment_intent: intent.id })).rejects.toMatchObject({
    statusCode: 400,
  })
  const noted = await stripe.refunds.update(part.id, { metadata: { ticket: '7' } })
  expect(noted.metadata).toEqual({ ticket: '7' })
  expect(typesOf(running).at(-1)).toBe('refund.updated')
})

test('what was never paid cannot be refunded', async () => {
  const { stripe } = await paid()
  const open = await stripe.paymentIntents.create({ amount: 500, currency: 'usd' })
  await expect(stripe.refunds.create({ payment_intent: open.id })).rejects.toMatchObject({
    param: 'payment_intent',
  })
  await expect(
    stripe.paymentIntents.confirm(open.id, {
      return_url: SUCCESS,
      payment_method: 'pm_card_chargeDeclined',
    }),
  ).rejects.toThrow()
  const [failed] = (await stripe.charges.list({ payment_intent: open.id })).data
  await expect(stripe.refunds.create({ charge: String(failed?.id) })).rejects.toMatchObject({
    param: 'charge',
  })
})

test.each([OLD, NEW])('in %s refunds and the dispute come by expansion only', async (version) => {
  const { running, stripe, customer, intent, charge } = await paid(version)
  await stripe.refunds.create({ charge, amount: 100 })
  await stripe.refunds.create({ charge, amount: 200 })
  const dispute = running.sandbox.stripe.dispute(intent.id)
  const plain = (await stripe.charges.list({ customer: customer.id })).data
  expect(plain.map(({ id }) => id)).toEqual([charge])
  expect(plain[0]).not.toHaveProperty('refunds')
  expect(plain[0]).toMatchObject({ disputed: true })
  expect(plain[0]).not.toHaveProperty('dispute')
  expect('invoice' in (plain[0] ?? {})).toBe(version === OLD)

  const list = await stripe.paymentIntents.list({
    customer: customer.id,
    expand: ['data.latest_charge.refunds', 'data.latest_charge.dispute'],
  })
  expect(at(list, 'data.0.latest_charge.refunds.data')).toMatchObject([
    { amount: 200 },
    { amount: 100 },
  ])
  expect(at(list, 'data.0.latest_charge.dispute')).toMatchObject({
    id: dispute.id,
    status: 'needs_response',
  })
  running.sandbox.stripe.configure({ chargeDispute: 'gone' })
  await expect(stripe.charges.retrieve(charge, { expand: ['dispute'] })).rejects.toMatchObject({
    param: 'expand',
  })
  expect((await stripe.disputes.list({ charge })).data.map(({ id }) => id)).toEqual([dispute.id])
  await expect(stripe.charges.list({ customer: 'cus_none' })).rejects.toMatchObject({
    statusCode: 400,
    code: 'resource_missing',
    param: 'customer',
  })
})

test('an intent without a charge is no obstacle to expansion, and payments come with a list', async () => {
  const { stripe, customer } = await paid(NEW)
  await stripe.paymentIntents.create({ amount: 500, currency: 'usd', customer: customer.id })
  const list = await stripe.paymentIntents.list({
    customer: customer.id,
    expand: ['data.latest_charge.refunds'],
  })
  expect(at(list, 'data.0.latest_charge')).toBeNull()
  expect(at(list, 'data.1.latest_charge.refunds.data')).toEqual([])

  const made = await subscribe(stripe)
  const invoices = await stripe.invoices.list({
    customer: made.customer.id,
    expand: ['data.payments'],
  })
  expect(at(invoices, 'data.0.payments.data.0')).toMatchObject({
    status: 'paid',
    payment: { type: 'payment_intent' },
  })
})

test.each([
  ['pm_card_pendingRefund', 'pending'],
  ['pm_card_refundFail', 'succeeded'],
])('a refund to %s begins %s and fails; its amount can be refunded again', async (card, status) => {
  const { running, stripe, charge } = await paid(OLD, card)
  const { settleRefund } = running.sandbox.stripe
  const made = await stripe.refunds.create({ charge, amount: 400 })
  expect(made.status).toBe(status)
  const before = typesOf(running).length
  const failed = settleRefund(made.id, 'failed', 'lost_or_stolen_card')
  expect(failed).toMatchObject({ status: 'failed', failure_reason: 'lost_or_stolen_card' })
  expect(typesOf(running).slice(before)).toEqual([
    'refund.updated',
    'charge.refund.updated',
    'refund.failed',
  ])
  expect(await stripe.charges.retrieve(charge)).toMatchObject({ amount_refunded: 0 })
  expect(() => settleRefund(made.id, 'succeeded')).toThrow('is failed')
  expect((await stripe.refunds.create({ charge })).amount).toBe(1000)
})

test('a pending refund succeeds later, and one of a debit is pending by itself', async () => {
  const running = await start()
  const stripe = running.client()
  const line_items = [
    {
      price_data: { currency: 'eur', unit_amount: 900, product_data: { name: 'Credits' } },
      quantity: 1,
    },
  ]
  const session = await stripe.checkout.sessions.create({
    mode: 'payment',
    customer_email: 'ada@example.com',
    line_items,
    success_url: SUCCESS,
  })
  const { payment_intent } = running.sandbox.stripe.completeCheckout(session.id, { delayed: true })
  running.sandbox.stripe.settleCheckout(session.id, 'succeeded')
  const made = await stripe.refunds.create({ payment_intent: String(payment_intent) })
  expect(made).toMatchObject({ status: 'pending' })
  running.sandbox.stripe.settleRefund(made.id, 'succeeded')
  expect(await stripe.refunds.retrieve(made.id)).toMatchObject({ status: 'succeeded' })
  expect(typesOf(running)).not.toContain('refund.failed')
})

test('a refund that needs its buyer can be canceled, and a low balance refuses one', async () => {
  const { running, stripe, charge } = await paid()
  const { configure, settleRefund } = running.sandbox.stripe
  configure({ refunds: 'requires_action' })
  const made = await stripe.refunds.create({ charge })
  expect(made).toMatchObject({
    status: 'requires_action',
    next_action: { type: 'display_details' },
  })
  expect(await stripe.refunds.cancel(made.id)).toMatchObject({ status: 'canceled' })
  await expect(stripe.refunds.cancel(made.id)).rejects.toMatchObject({ statusCode: 400 })
  expect(() => settleRefund(made.id, 'failed')).toThrow('is canceled')
  configure({ refunds: 'refused' })
  const again = () => stripe.refunds.create({ charge }, { idempotencyKey: 'r1' })
  await expect(again()).rejects.toMatchObject({ code: 'balance_insufficient' })
  configure({ refunds: 'by_method' })
  await expect(again()).rejects.toMatchObject({ code: 'balance_insufficient' })
  expect((await stripe.refunds.create({ charge })).status).toBe('succeeded')
})
