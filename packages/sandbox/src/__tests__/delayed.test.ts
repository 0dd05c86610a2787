/** Payments that are settled later, and payments their buyer has to confirm. */

import type Stripe from 'stripe'
import { expect, test } from 'vitest'
import { at, NEW, OLD, SUCCESS, shop, start, subscribe, typesOf } from './harness.ts'

async function bought(mode: 'payment' | 'subscription', version = OLD) {
  const running = await start({ stripe: { apiVersion: version } })
  const stripe = running.client(version)
  const { customer, price } = await shop(stripe)
  const session = await stripe.checkout.sessions.create({
    mode,
    customer: customer.id,
    line_items:
      mode === 'subscription'
        ? [{ price: price.id, quantity: 1 }]
        : [
            {
              price_data: { currency: 'usd', unit_amount: 900, product_data: { name: 'Credits' } },
              quantity: 1,
            },
          ],
    success_url: SUCCESS,
  })
  const before = typesOf(running).length
  const done = running.sandbox.stripe.completeCheckout(session.id, { delayed: true })
  expect(done).toMatchObject({ status: 'complete', payment_status: 'unpaid' })
  const first = typesOf(running).slice(before)
  return { running, stripe, session, customer, done, first, since: typesOf(running).length }
}

test('a payment by debit is unpaid when the session completes, and paid when it settles', async () => {
  const { running, stripe, session, done, first, since } = await bought('payment')
  expect(first).toEqual([
    'payment_intent.created',
    'charge.pending',
    'payment_intent.processing',
    'checkout.session.completed',
  ])
  const id = String(done.payment_intent)
  const waiting = await stripe.paymentIntents.retrieve(id, {
    expand: ['latest_charge', 'payment_method'],
  })
  expect(waiting).toMatchObject({
    status: 'processing',
    amount_received: 0,
    latest_charge: { status: 'pending', paid: false, amount_captured: 0 },
    payment_method: { type: 'sepa_debit', sepa_debit: { last4: '3000' } },
  })
  expect(waiting.payment_method).not.toHaveProperty('card')
  await expect(stripe.refunds.create({ payment_intent: id })).rejects.toMatchObject({
    param: 'payment_intent',
  })
  await expect(
    stripe.paymentIntents.confirm(id, { return_url: SUCCESS, payment_method: 'pm_card_visa' }),
  ).rejects.toMatchObject({ code: 'payment_intent_unexpected_state' })

  running.sandbox.stripe.settleCheckout(session.id, 'succeeded')
  expect(typesOf(running).slice(since)).toEqual([
    'charge.succeeded',
    'payment_intent.succeeded',
    'checkout.session.async_payment_succeeded',
  ])
  expect(await stripe.checkout.sessions.retrieve(session.id)).toMatchObject({
    payment_status: 'paid',
  })
  expect(await stripe.paymentIntents.retrieve(id)).toMatchObject({
    status: 'succeeded',
    amount_received: 900,
  })
  expect(() => running.sandbox.stripe.settleCheckout(session.id, 'succeeded')).toThrow(
    'being processed',
  )
  expect((await stripe.refunds.create({ payment_intent: id })).amount).toBe(900)
})

test('a payment by debit can fail after the session completed', async () => {
  const { running, stripe, session, done, since } = await bought('payment')
  running.sandbox.stripe.settleCheckout(session.id, 'failed')
  expect(typesOf(running).slice(since)).toEqual([
    'charge.failed',
    'payment_intent.payment_failed',
    'checkout.session.async_payment_failed',
  ])
  expect(await stripe.checkout.sessions.retrieve(session.id)).toMatchObject({
    status: 'complete',
    payment_status: 'unpaid',
  })
  expect(await stripe.paymentIntents.retrieve(String(done.payment_intent))).toMatchObject({
    status: 'requires_payment_method',
    last_payment_error: { code: 'card_declined' },
  })
})

test.each([
  [OLD, 'succeeded', 'active', 'paid'],
  [NEW, 'succeeded', 'active', 'paid'],
  [OLD, 'failed', 'past_due', 'open'],
  [NEW, 'failed', 'past_due', 'open'],
] as const)(
  'in %s a subscription by debit begins at once and %s',
  async (version, outcome, status, paid) => {
    const { running, stripe, session, done, since } = await bought('subscription', version)
    const id = String(done.subscription)
    const begun = await stripe.subscriptions.retrieve(id, { expand: ['latest_invoice'] })
    expect(begun).toMatchObject({
      status: 'active',
      latest_invoice: { status: 'open', attempted: true, attempt_count: 1, amount_paid: 0 },
    })
    running.sandbox.stripe.settleCheckout(session.id, outcome)
    const types = typesOf(running).slice(since)
    expect(types.at(-1)).toBe(`checkout.session.async_payment_${outcome}`)
    expect(types).toContain(outcome === 'succeeded' ? 'invoice.paid' : 'invoice.payment_failed')
    const settled = await stripe.subscriptions.retrieve(id, { expand: ['latest_invoice'] })
    expect(settled).toMatchObject({ status, latest_invoice: { status: paid, attempt_count: 1 } })
  },
)

test.each([
  ['succeeded', 'active', 'paid'],
  ['failed', 'incomplete', 'open'],
] as const)(
  'a subscription may be incomplete while its first debit is under way, and the debit %s',
  async (outcome, status, paid) => {
    const running = await start({ stripe: { settings: { firstDebit: 'incomplete' } } })
    const stripe = running.client()
    const { customer, price } = await shop(stripe)
    const session = await stripe.checkout.sessions.create({
      mode: 'subscription',
      customer: customer.id,
      line_items: [{ price: price.id, quantity: 1 }],
      success_url: SUCCESS,
    })
    const done = running.sandbox.stripe.completeCheckout(session.id, { delayed: true })
    const id = String(done.subscription)
    expect(await stripe.subscriptions.retrieve(id)).toMatchObject({ status: 'incomplete' })
    running.sandbox.stripe.settleCheckout(session.id, outcome)
    const settled = await stripe.subscriptions.retrieve(id, { expand: ['latest_invoice'] })
    expect(settled).toMatchObject({ status, latest_invoice: { status: paid } })
    if (outcome === 'succeeded') {
      expect(() => running.sandbox.stripe.expireSubscription(id)).toThrow('not incomplete')
      return
    }
    expect(running.sandbox.stripe.expireSubscription(id)).toMatchObject({
      status: 'incomplete_expired',
    })
    expect(await stripe.invoices.retrieve(String(done.invoice))).toMatchObject({ status: 'void' })
    expect(
      (await stripe.subscriptions.list({ customer: customer.id, status: 'ended' })).data,
    ).toHaveLength(1)
  },
)

test('a debit that comes out after its subscription expired pays nothing there', async () => {
  const running = await start({ stripe: { settings: { firstDebit: 'incomplete' } } })
  const stripe = running.client()
  const { customer, price } = await shop(stripe)
  const session = await stripe.checkout.sessions.create({
    mode: 'subscription',
    customer: customer.id,
    line_items: [{ price: price.id, quantity: 1 }],
    success_url: SUCCESS,
  })
  const done = running.sandbox.stripe.completeCheckout(session.id, { delayed: true })
  running.sandbox.stripe.expireSubscription(String(done.subscription))
  running.sandbox.stripe.settleCheckout(session.id, 'succeeded')
  expect(await stripe.invoices.retrieve(String(done.invoice))).toMatchObject({ status: 'void' })
  expect(await stripe.subscriptions.retrieve(String(done.subscription))).toMatchObject({
    status: 'incomplete_expired',
  })
})

test('the card that always asks pays on the page and needs its buyer at the renewal', async () => {
  const running = await start()
  const stripe = running.client()
  const { customer, price } = await shop(stripe)
  const session = await stripe.checkout.sessions.create({
    mode: 'subscription',
    customer: customer.id,
    line_items: [{ price: price.id, quantity: 1 }],
    success_url: SUCCESS,
  })
  const card = '4000 0027 6000 3184'
  const { subscription } = running.sandbox.stripe.completeCheckout(session.id, { card })
  const id = String(subscription)
  expect((await stripe.subscriptions.retrieve(id)).status).toBe('active')

  const since = typesOf(running).length
  expect(running.sandbox.stripe.renew(id)).toMatchObject({ status: 'past_due' })
  const types = typesOf(running).slice(since)
  expect(types).toContain('payment_intent.requires_action')
  expect(types).toContain('invoice.payment_failed')
  expect(types).toContain('invoice.payment_action_required')
  expect(types).not.toContain('charge.failed')
  const [invoice] = (await stripe.invoices.list({ subscription: id })).data
  const intent = String(at(invoice, 'payment_intent'))
  expect(await stripe.paymentIntents.retrieve(intent)).toMatchObject({
    status: 'requires_action',
    next_action: { type: 'use_stripe_sdk' },
    latest_charge: null,
  })
  await expect(stripe.invoices.pay(String(invoice?.id))).rejects.toMatchObject({
    statusCode: 402,
    code: 'invoice_payment_intent_requires_action',
  })
  running.sandbox.stripe.settlePayment(intent, 'succeeded')
  expect((await stripe.subscriptions.retrieve(id)).status).toBe('active')
  expect(await stripe.invoices.retrieve(String(invoice?.id))).toMatchObject({ status: 'paid' })
  expect(await stripe.paymentIntents.retrieve(intent)).toMatchObject({ next_action: null })
  expect(() => running.sandbox.stripe.settlePayment(intent, 'failed')).toThrow(
    'does not wait for an outcome',
  )
})

test('an intent asks its buyer, and is refused where there is none', async () => {
  const running = await start()
  const stripe = running.client()
  const create = (more: Partial<Stripe.PaymentIntentCreateParams> = {}) =>
    stripe.paymentIntents.create({
      amount: 500,
      currency: 'usd',
      payment_method: 'pm_card_authenticationRequired',
      confirm: true,
      return_url: SUCCESS,
      ...more,
    })
  const asked = await create()
  expect(asked).toMatchObject({
    status: 'requires_action',
    next_action: { type: 'redirect_to_url' },
  })
  running.sandbox.stripe.settlePayment(asked.id, 'failed')
  expect(await stripe.paymentIntents.retrieve(asked.id)).toMatchObject({
    status: 'requires_payment_method',
    last_payment_error: { code: 'payment_intent_authentication_failure' },
  })
  const again = await stripe.paymentIntents.confirm(asked.id, {
    return_url: SUCCESS,
    payment_method: 'pm_card_visa',
  })
  expect(again.status).toBe('succeeded')
  await expect(create({ off_session: true })).rejects.toMatchObject({
    statusCode: 402,
    code: 'authentication_required',
  })
})

test('a subscription with the card that always asks waits for its first payment', async () => {
  const running = await start()
  const stripe = running.client(NEW)
  const { subscription } = await subscribe(stripe, 'pm_card_authenticationRequired')
  expect(subscription.status).toBe('incomplete')
  const invoice = await stripe.invoices.retrieve(String(subscription.latest_invoice), {
    expand: ['payments'],
  })
  const intent = String(at(invoice, 'payments.data.0.payment.payment_intent'))
  running.sandbox.stripe.settlePayment(intent, 'succeeded')
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe('active')
})

test('a card has one fingerprint wherever it is typed, and its number is kept nowhere', async () => {
  const running = await start()
  const stripe = running.client()
  const card = async (name: string) => {
    const { id } = await stripe.customers.create({})
    return (await stripe.paymentMethods.attach(name, { customer: id })).card?.fingerprint
  }
  const visa = await card('pm_card_visa')
  expect(await card('pm_card_visa')).toBe(visa)
  expect(await card('pm_card_mastercard')).not.toBe(visa)
  expect(visa).toMatch(/^[0-9a-f]{16}$/)
})

test('a customer’s open sessions are listed until they expire', async () => {
  const { running, stripe, session, customer } = await bought('payment')
  const open = async (id: string) =>
    (await stripe.checkout.sessions.list({ customer: id, status: 'open' })).data.map(
      (one) => one.id,
    )
  expect(await open(customer.id)).toEqual([])
  const line_items = [
    {
      price_data: { currency: 'usd', unit_amount: 900, product_data: { name: 'Credits' } },
      quantity: 1,
    },
  ]
  const next = await stripe.checkout.sessions.create({
    mode: 'payment',
    customer: customer.id,
    line_items,
    success_url: SUCCESS,
  })
  expect(await open(customer.id)).toEqual([next.id])
  await expect(open('cus_none')).rejects.toMatchObject({ code: 'resource_missing' })
  expect((await stripe.checkout.sessions.expire(next.id)).status).toBe('expired')
  expect(typesOf(running).at(-1)).toBe('checkout.session.expired')
  expect(await open(customer.id)).toEqual([])
  const all = await stripe.checkout.sessions.list({ customer: customer.id })
  expect(all.data.map((one) => one.id)).toEqual([next.id, session.id])
})
