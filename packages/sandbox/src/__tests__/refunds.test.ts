/** Refunds, charges and disputes. */

import type Stripe from 'stripe'
import { expect, test } from 'vitest'
import { at, NEW, OLD, start, subscribe, typesOf } from './harness.ts'

async function paid(version = OLD) {
  const running = await start({ stripe: { apiVersion: version } })
  const stripe = running.client(version)
  const customer = await stripe.customers.create({})
  const intent = await stripe.paymentIntents.create({
    amount: 1000,
    currency: 'usd',
    customer: customer.id,
    payment_method: 'pm_card_visa',
    confirm: true,
  })
  return { running, stripe, customer, intent, charge: String(intent.latest_charge) }
}

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
    stripe.paymentIntents.confirm(open.id, { payment_method: 'pm_card_chargeDeclined' }),
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
  expect(plain[0]).toMatchObject({ dispute: dispute.id, disputed: true })
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
  expect((await stripe.charges.list({ customer: 'cus_none' })).data).toEqual([])
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
  ['won', ['charge.dispute.closed', 'charge.dispute.funds_reinstated']],
  ['lost', ['charge.dispute.closed']],
] as const)('a dispute takes the money at once, and is %s', async (status, types) => {
  const { running, stripe, intent, charge } = await paid()
  const before = typesOf(running).length
  const opened = running.sandbox.stripe.dispute(charge, { amount: 400, reason: 'duplicate' })
  expect(opened).toMatchObject({
    object: 'dispute',
    amount: 400,
    reason: 'duplicate',
    charge,
    payment_intent: intent.id,
    status: 'needs_response',
  })
  expect(typesOf(running).slice(before)).toEqual([
    'charge.dispute.created',
    'charge.dispute.funds_withdrawn',
  ])
  expect(() => running.sandbox.stripe.dispute(intent.id)).toThrow('disputed already')
  await expect(stripe.refunds.create({ charge })).rejects.toMatchObject({
    code: 'charge_disputed',
  })

  const id = String(opened.id)
  expect(running.sandbox.stripe.closeDispute(id, status)).toMatchObject({ status })
  expect(typesOf(running).slice(before + 2)).toEqual(types)
  expect(() => running.sandbox.stripe.closeDispute(id, 'won')).toThrow(status)
  expect(await stripe.disputes.retrieve(id)).toMatchObject({ status })
  const listed = await stripe.disputes.list({ payment_intent: intent.id })
  expect(listed.data.map((one) => one.id)).toEqual([id])
  expect((await stripe.disputes.list({ charge: 'ch_none' })).data).toEqual([])
  const refund = () => stripe.refunds.create({ charge })
  if (status === 'won') expect((await refund()).amount).toBe(1000)
  else await expect(refund()).rejects.toThrow('charged back')
})

test('what was not paid, or less of it, cannot be disputed', async () => {
  const { running, stripe, charge } = await paid()
  const { dispute } = running.sandbox.stripe
  expect(() => dispute(charge, { amount: 1001 })).toThrow('cannot be disputed')
  expect(() => dispute('ch_none')).toThrow('No such charge')
  const open = await stripe.paymentIntents.create({ amount: 500, currency: 'usd' })
  expect(() => dispute(open.id)).toThrow('No such charge')
  const noted = await stripe.charges.update(charge, { description: 'seat' })
  expect((noted as Stripe.Charge).description).toBe('seat')
  expect(typesOf(running).slice(-2)).toEqual(['payment_intent.created', 'charge.updated'])
})
