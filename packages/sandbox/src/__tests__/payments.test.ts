/** PaymentIntents, refunds and saved cards. */

import { expect, test } from 'vitest'
import { SUCCESS, start, subscribe, typesOf } from './harness.ts'

test('an intent has a client secret, is confirmed with a card, and pays once', async () => {
  const running = await start()
  const stripe = running.client()
  const customer = await stripe.customers.create({})
  const intent = await stripe.paymentIntents.create({
    amount: 2500,
    currency: 'USD',
    customer: customer.id,
    metadata: { orderId: 'o_1' },
  })
  expect(intent).toMatchObject({
    status: 'requires_payment_method',
    currency: 'usd',
    client_secret: expect.stringMatching(new RegExp(`^${intent.id}_secret_`)),
  })
  await expect(stripe.paymentIntents.confirm(intent.id)).rejects.toMatchObject({
    param: 'payment_method',
  })
  const paid = await stripe.paymentIntents.confirm(intent.id, {
    return_url: SUCCESS,
    payment_method: 'pm_card_visa',
    expand: ['latest_charge'],
  })
  expect(paid).toMatchObject({
    status: 'succeeded',
    amount_received: 2500,
    latest_charge: { paid: true, amount: 2500, metadata: { orderId: 'o_1' } },
  })
  await expect(
    stripe.paymentIntents.confirm(intent.id, {
      return_url: SUCCESS,
      payment_method: 'pm_card_visa',
    }),
  ).rejects.toMatchObject({ code: 'payment_intent_unexpected_state' })
  await expect(stripe.paymentIntents.cancel(intent.id)).rejects.toMatchObject({ statusCode: 400 })
  expect(typesOf(running).filter((type) => type === 'payment_intent.succeeded')).toHaveLength(1)
  const own = await stripe.paymentIntents.list({ customer: customer.id })
  expect(own.data.map((one) => one.id)).toEqual([intent.id])
})

test.each([
  ['pm_card_visa_chargeDeclined', 'card_declined', 'generic_decline'],
  ['pm_card_chargeDeclinedInsufficientFunds', 'card_declined', 'insufficient_funds'],
  ['pm_card_chargeDeclinedExpiredCard', 'expired_card', 'expired_card'],
])('%s is declined with %s and %s', async (card, code, decline_code) => {
  const running = await start()
  const stripe = running.client()
  const { id } = await stripe.paymentIntents.create({ amount: 500, currency: 'usd' })
  await expect(
    stripe.paymentIntents.confirm(id, { return_url: SUCCESS, payment_method: card }),
  ).rejects.toMatchObject({
    statusCode: 402,
    type: 'StripeCardError',
    code,
    decline_code,
    payment_intent: { id, status: 'requires_payment_method' },
  })
  const declined = await stripe.paymentIntents.retrieve(id)
  expect(declined.last_payment_error).toMatchObject({ code, decline_code })
  expect(typesOf(running)).toEqual([
    'payment_intent.created',
    'charge.failed',
    'payment_intent.payment_failed',
  ])
  await stripe.paymentIntents.confirm(id, { return_url: SUCCESS, payment_method: 'pm_card_visa' })
})

test('a declined confirmation is repeated under its key, and charges nothing again', async () => {
  const running = await start()
  const stripe = running.client()
  const { id } = await stripe.paymentIntents.create({ amount: 500, currency: 'usd' })
  const confirm = () =>
    stripe.paymentIntents.confirm(
      id,
      { return_url: SUCCESS, payment_method: 'pm_card_chargeDeclined' },
      { idempotencyKey: 'confirm-1' },
    )
  await expect(confirm()).rejects.toMatchObject({ statusCode: 402 })
  await expect(confirm()).rejects.toMatchObject({ statusCode: 402 })
  expect(typesOf(running).filter((type) => type === 'charge.failed')).toHaveLength(1)
})

test('an intent is changed and canceled before it is paid', async () => {
  const stripe = (await start()).client()
  const { id } = await stripe.paymentIntents.create({ amount: 500, currency: 'usd' })
  const changed = await stripe.paymentIntents.update(id, { amount: 700, metadata: { a: '1' } })
  expect(changed).toMatchObject({ amount: 700, metadata: { a: '1' } })
  const canceled = await stripe.paymentIntents.cancel(id, { cancellation_reason: 'abandoned' })
  expect(canceled).toMatchObject({ status: 'canceled', cancellation_reason: 'abandoned' })
  await expect(stripe.paymentIntents.update(id, { amount: 800 })).rejects.toMatchObject({
    code: 'payment_intent_unexpected_state',
  })
})

test('a refund gives back at most what was paid', async () => {
  const running = await start()
  const stripe = running.client()
  const intent = await stripe.paymentIntents.create({
    amount: 1000,
    currency: 'usd',
    payment_method: 'pm_card_visa',
    confirm: true,
    return_url: SUCCESS,
  })
  const part = await stripe.refunds.create({ payment_intent: intent.id, amount: 400 })
  expect(part).toMatchObject({ amount: 400, status: 'succeeded', payment_intent: intent.id })
  await expect(
    stripe.refunds.create({ payment_intent: intent.id, amount: 601 }),
  ).rejects.toMatchObject({ param: 'amount' })
  expect((await stripe.refunds.create({ payment_intent: intent.id })).amount).toBe(600)
  await expect(stripe.refunds.create({ payment_intent: intent.id })).rejects.toThrow('refunded')
  expect((await stripe.refunds.list({ payment_intent: intent.id })).data).toHaveLength(2)
  expect(running.sandbox.stripe.events.at(-1)).toMatchObject({
    type: 'charge.refunded',
    data: {
      object: { amount_refunded: 1000, refunded: true },
      previous_attributes: { amount_refunded: 400, refunded: false },
    },
  })
})

test('a saved card is listed with its customer, without what only the bank knows', async () => {
  const running = await start()
  const stripe = running.client()
  const { customer, subscription } = await subscribe(stripe)
  const cards = await stripe.paymentMethods.list({ customer: customer.id, type: 'card' })
  expect(cards.data).toHaveLength(1)
  expect(cards.data[0]).toMatchObject({
    id: String(subscription.default_payment_method),
    card: { last4: '4242', brand: 'visa' },
  })
  expect(cards.data[0]).not.toHaveProperty('behaviour')
  expect(JSON.stringify(running.sandbox.stripe.snapshot())).not.toContain('4242424242424242')
  const other = await stripe.customers.create({})
  await expect(
    stripe.paymentMethods.attach(String(cards.data[0]?.id), { customer: other.id }),
  ).rejects.toMatchObject({ statusCode: 400 })
})
