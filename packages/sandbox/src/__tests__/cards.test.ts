/** Stripe's test cards, and what the stand-in refuses by name rather than pass over. */

import { expect, test } from 'vitest'
import { OLD, SUCCESS, shop, start, subscribe, typesOf } from './harness.ts'

test('a card comes with its customer and is the default at once; a declined one makes none', async () => {
  const stripe = (await start()).client()
  const create = (name: string) =>
    stripe.customers.create({
      payment_method: name,
      invoice_settings: { default_payment_method: name },
    })
  const customer = await create('pm_card_visa')
  const [card] = (await stripe.customers.listPaymentMethods(customer.id)).data
  expect(customer.invoice_settings.default_payment_method).toBe(card?.id)
  await expect(create('pm_card_chargeDeclined')).rejects.toMatchObject({
    statusCode: 402,
    code: 'card_declined',
    param: 'payment_method',
    advice_code: 'try_again_later',
  })
  expect((await stripe.customers.list()).data).toHaveLength(1)
  await expect(
    stripe.paymentMethods.attach('pm_card_chargeDeclined', { customer: customer.id }),
  ).rejects.toMatchObject({ code: 'card_declined' })
  await stripe.paymentMethods.attach('pm_card_chargeCustomerFail', { customer: customer.id })
})

test.each([
  ['pm_card_createDispute', 'needs_response'],
  ['pm_card_createDisputeInquiry', 'warning_needs_response'],
])('a payment with %s is disputed by itself', async (payment_method, status) => {
  const stripe = (await start()).client()
  const intent = await stripe.paymentIntents.create({
    amount: 500,
    currency: 'usd',
    payment_method,
    confirm: true,
    return_url: SUCCESS,
  })
  expect(intent.status).toBe('succeeded')
  const { data } = await stripe.disputes.list({ payment_intent: intent.id })
  expect(data.map((one) => one.status)).toEqual([status])
})

test.each([
  ['pm_card_discover', 'succeeded'],
  ['pm_card_threeDSecure2Required', 'requires_action'],
  ['pm_sepaDebit', 'processing'],
])('a payment with %s is %s', async (payment_method, status) => {
  const stripe = (await start()).client()
  const params = {
    amount: 500,
    currency: 'eur',
    payment_method,
    confirm: true,
    return_url: SUCCESS,
  }
  expect((await stripe.paymentIntents.create(params)).status).toBe(status)
})

test('a trial shorter than three days is announced at once', async () => {
  const running = await start()
  const stripe = running.client()
  const { customer, price } = await shop(stripe)
  const begin = (days: number) =>
    stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      trial_period_days: days,
    })
  await begin(7)
  expect(typesOf(running)).not.toContain('customer.subscription.trial_will_end')
  await begin(2)
  expect(typesOf(running).at(-1)).toBe('customer.subscription.trial_will_end')
})

test('what is not played is refused by name, and nothing is done', async () => {
  const running = await start()
  const stripe = running.client()
  const { subscription } = await subscribe(stripe)
  const before = typesOf(running).length
  const refused = (call: Promise<unknown>, error: object) =>
    expect(call).rejects.toMatchObject({ type: 'StripeInvalidRequestError', ...error })
  await refused(stripe.customers.create({ tax_exempt: 'exempt' }), { param: 'tax_exempt' })
  await refused(stripe.customers.create({ test_clock: 'clock_1' }), { param: 'test_clock' })
  await refused(stripe.subscriptions.cancel(subscription.id, { prorate: true }), {
    param: 'prorate',
  })
  const intent = { amount: 500, currency: 'usd' }
  await refused(stripe.paymentIntents.create({ ...intent, capture_method: 'manual' }), {
    param: 'capture_method',
  })
  const sent = { collection_method: 'send_invoice', days_until_due: 7 } as const
  await refused(
    stripe.subscriptions.update(subscription.id, { collection_method: 'send_invoice' }),
    {
      param: 'collection_method',
    },
  )
  await refused(stripe.subscriptions.update(subscription.id, sent), { param: 'days_until_due' })
  const shipping = { name: 'Ada', address: { line1: 'Hauptstrasse 1' } }
  await refused(stripe.paymentIntents.create({ ...intent, shipping }), { param: 'shipping' })
  const flow_data = { type: 'payment_method_update' } as const
  const customer = String(subscription.customer)
  await refused(stripe.billingPortal.sessions.create({ customer, flow_data }), {
    param: 'flow_data',
  })
  await refused(stripe.invoices.search({ query: 'total>1' }), { statusCode: 404 })
  await expect(
    stripe.customers.create({}, { stripeAccount: 'acct_other', apiVersion: OLD }),
  ).rejects.toMatchObject({ statusCode: 403, code: 'account_invalid' })
  expect(typesOf(running)).toHaveLength(before)
})
