/** The life of a subscription, in both API shapes. */

import { createTestClock } from '@repo/core/testing'
import type Stripe from 'stripe'
import { expect, test } from 'vitest'
import { at, NEW, OLD, shop, start, subscribe, typesOf } from './harness.ts'

const unix = (iso: string) => Date.parse(iso) / 1000

test('the old shape has the period on the subscription, the new one on its items', async () => {
  const clock = createTestClock('2026-01-31T08:00:00Z')
  const running = await start({ clock })
  const { subscription, price } = await subscribe(running.client(OLD))
  const end = unix('2026-02-28T08:00:00Z')
  expect(subscription).toMatchObject({ status: 'active', current_period_end: end })
  expect(at(subscription, 'items.data.0.current_period_end')).toBeUndefined()
  expect(at(subscription, 'plan.id')).toBe(price.id)

  const shown = await running.client(NEW).subscriptions.retrieve(subscription.id)
  expect(at(shown, 'current_period_end')).toBeUndefined()
  expect(at(shown, 'plan.id')).toBe(price.id)
  expect(shown.items.data[0]).toMatchObject({ current_period_end: end, price: { id: price.id } })
  expect(shown).toHaveProperty('billing_mode')
})

test('an invoice names its subscription, payment and prices where its version has them', async () => {
  const running = await start()
  const { subscription, price } = await subscribe(running.client(OLD))
  const id = String(subscription.latest_invoice)
  const old = await running.client(OLD).invoices.retrieve(id, { expand: ['payment_intent'] })
  expect(old).toMatchObject({
    paid: true,
    subscription: subscription.id,
    payment_intent: { invoice: id, status: 'succeeded' },
    billing_reason: 'subscription_create',
  })
  expect(at(old, 'lines.data.0')).toMatchObject({
    price: { id: price.id },
    proration: false,
    subscription: subscription.id,
  })
  expect(old).not.toHaveProperty('parent')

  const stripe = running.client(NEW)
  const shown = await stripe.invoices.retrieve(id, {
    expand: ['payments.data.payment.payment_intent', 'confirmation_secret'],
  })
  expect(at(shown, 'parent.subscription_details.subscription')).toBe(subscription.id)
  expect(shown.lines.data[0]).toMatchObject({
    pricing: { price_details: { price: price.id } },
    parent: { subscription_item_details: { subscription: subscription.id, proration: false } },
  })
  const intent = at(shown, 'payments.data.0.payment.payment_intent')
  expect(intent).toMatchObject({ object: 'payment_intent', status: 'succeeded' })
  expect(intent).not.toHaveProperty('invoice')
  for (const key of ['subscription', 'payment_intent', 'charge', 'paid', 'tax']) {
    expect(shown).not.toHaveProperty(key)
  }
  expect(await stripe.invoices.retrieve(id)).not.toHaveProperty('payments')
  await expect(stripe.invoices.retrieve(id, { expand: ['payment_intent'] })).rejects.toThrow(
    'cannot be expanded',
  )
  const payments = await stripe.invoicePayments.list({ invoice: id })
  expect(payments.data[0]).toMatchObject({ invoice: id, status: 'paid' })
})

test('an end is scheduled and taken back, with what changed in the event', async () => {
  const running = await start()
  const stripe = running.client()
  const { subscription } = await subscribe(stripe)
  const end = at(subscription, 'current_period_end')
  const ending = await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true })
  expect(ending).toMatchObject({ status: 'active', cancel_at_period_end: true, cancel_at: end })
  expect(running.sandbox.stripe.events.at(-1)).toMatchObject({
    type: 'customer.subscription.updated',
    data: {
      object: { cancel_at_period_end: true },
      previous_attributes: { cancel_at_period_end: false, cancel_at: null },
    },
  })
  const resumed = await stripe.subscriptions.update(subscription.id, {
    cancel_at_period_end: false,
  })
  expect(resumed).toMatchObject({ cancel_at_period_end: false, cancel_at: null, canceled_at: null })

  const at4 = Number(end) - 1000
  const dated = await stripe.subscriptions.update(subscription.id, { cancel_at: at4 })
  expect(dated).toMatchObject({ cancel_at: at4, cancel_at_period_end: false })
  expect(running.sandbox.stripe.renew(subscription.id)).toMatchObject({ status: 'canceled' })
  expect(typesOf(running).at(-1)).toBe('customer.subscription.deleted')
})

test('an update that changes nothing causes no event', async () => {
  const running = await start()
  const stripe = running.client()
  const { subscription } = await subscribe(stripe)
  const before = typesOf(running)
  await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: false })
  expect(typesOf(running)).toEqual(before)
})

test('a canceled subscription is gone from the default list and cannot be changed', async () => {
  const running = await start()
  const stripe = running.client()
  const { subscription, customer } = await subscribe(stripe)
  const ended = await stripe.subscriptions.cancel(subscription.id, {
    cancellation_details: { comment: 'too dear', feedback: 'too_expensive' },
  })
  expect(ended).toMatchObject({
    status: 'canceled',
    cancellation_details: { comment: 'too dear', reason: 'cancellation_requested' },
  })
  expect(ended.ended_at).not.toBeNull()
  const list = (params: object) => stripe.subscriptions.list({ customer: customer.id, ...params })
  expect((await list({})).data).toEqual([])
  expect((await list({ status: 'all' })).data).toHaveLength(1)
  expect((await list({ status: 'canceled' })).data).toHaveLength(1)
  await expect(stripe.subscriptions.cancel(subscription.id)).rejects.toMatchObject({
    statusCode: 404,
  })
  await expect(
    stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true }),
  ).rejects.toMatchObject({ statusCode: 400 })
})

test('renewing moves the period and charges the card on file', async () => {
  const clock = createTestClock('2026-01-31T00:00:00Z')
  const running = await start({ clock })
  const stripe = running.client()
  const { subscription } = await subscribe(stripe)
  running.sandbox.stripe.renew(subscription.id)
  const renewed = running.sandbox.stripe.renew(subscription.id)
  expect(renewed).toMatchObject({
    status: 'active',
    current_period_start: unix('2026-03-31T00:00:00Z'),
    current_period_end: unix('2026-04-30T00:00:00Z'),
  })
  const invoices = await stripe.invoices.list({ subscription: subscription.id })
  expect(invoices.data.map((invoice) => invoice.billing_reason)).toEqual([
    'subscription_cycle',
    'subscription_cycle',
    'subscription_create',
  ])
  expect(invoices.data.map((invoice) => invoice.number?.slice(-4))).toEqual([
    '0003',
    '0002',
    '0001',
  ])
  expect(invoices.data.every((invoice) => invoice.amount_paid === 4900)).toBe(true)
})

test('a failed payment leaves an open invoice, which can be paid later', async () => {
  const running = await start()
  const stripe = running.client()
  const { subscription } = await subscribe(stripe)
  const invoice = running.sandbox.stripe.failPayment(subscription.id)
  expect(invoice).toMatchObject({ status: 'open', attempt_count: 1, paid: false })
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe('past_due')
  expect(typesOf(running)).toContain('invoice.payment_failed')
  expect(typesOf(running)).toContain('payment_intent.payment_failed')

  expect(running.sandbox.stripe.failPayment(subscription.id)).toMatchObject({
    id: invoice.id,
    attempt_count: 2,
  })
  const paid = await stripe.invoices.pay(String(invoice.id))
  expect(paid.status).toBe('paid')
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe('active')
  await expect(stripe.invoices.pay(String(invoice.id))).rejects.toThrow('already paid')

  running.sandbox.stripe.endSubscription(subscription.id)
  expect(running.sandbox.stripe.events.at(-1)).toMatchObject({
    type: 'customer.subscription.deleted',
    data: { object: { status: 'canceled', cancellation_details: { reason: 'payment_failed' } } },
  })
  expect(() => running.sandbox.stripe.renew(subscription.id)).toThrow('does not renew')
})

test('a subscription without a card is refused, or waits for its first payment', async () => {
  const running = await start()
  const stripe = running.client()
  const { customer, price } = await shop(stripe)
  const base = { customer: customer.id, items: [{ price: price.id }] }
  await expect(stripe.subscriptions.create(base)).rejects.toMatchObject({
    code: 'resource_missing',
  })
  const waiting = await stripe.subscriptions.create({
    ...base,
    payment_behavior: 'default_incomplete',
    expand: ['latest_invoice.payment_intent'],
  })
  expect(waiting.status).toBe('incomplete')
  await stripe.paymentIntents.confirm(String(at(waiting, 'latest_invoice.payment_intent.id')), {
    payment_method: 'pm_card_visa',
  })
  expect((await stripe.subscriptions.retrieve(waiting.id)).status).toBe('active')

  const declined = await stripe.subscriptions.create({
    ...base,
    default_payment_method: 'pm_card_chargeCustomerFail',
  })
  expect(declined.status).toBe('incomplete')
  await expect(
    stripe.subscriptions.create({
      ...base,
      default_payment_method: 'pm_card_chargeCustomerFail',
      payment_behavior: 'error_if_incomplete',
    }),
  ).rejects.toMatchObject({ statusCode: 402, code: 'card_declined' })
})

test('a change of plan is prorated to the second', async () => {
  const clock = createTestClock('2026-04-01T00:00:00Z')
  const running = await start({ clock })
  const stripe = running.client()
  const { subscription, product } = await subscribe(stripe)
  const item = String(at(subscription, 'items.data.0.id'))
  const dear = await stripe.prices.create({
    product: product.id,
    currency: 'usd',
    unit_amount: 9900,
    recurring: { interval: 'month' },
  })
  clock.set(new Date('2026-04-16T00:00:00Z'))
  const changed = await stripe.subscriptions.update(subscription.id, {
    items: [{ id: item, price: dear.id }],
    proration_behavior: 'always_invoice',
    expand: ['latest_invoice'],
  })
  expect(changed.items.data.map((one) => [one.id, one.price.id])).toEqual([[item, dear.id]])
  const invoice = changed.latest_invoice as Stripe.Invoice
  expect(invoice).toMatchObject({
    billing_reason: 'subscription_update',
    total: 2500,
    status: 'paid',
  })
  expect(invoice.lines.data.map((line) => line.amount)).toEqual([-2450, 4950])

  await stripe.subscriptions.update(subscription.id, { items: [{ id: item, quantity: 2 }] })
  running.sandbox.stripe.renew(subscription.id)
  const [next] = (await stripe.invoices.list({ subscription: subscription.id })).data
  expect(next?.lines.data.map((line) => line.amount)).toEqual([-4950, 9900, 19_800])
})

test('what a cheaper plan gives back is taken off the next invoice', async () => {
  const clock = createTestClock('2026-04-01T00:00:00Z')
  const running = await start({ clock })
  const stripe = running.client()
  const { subscription, product, customer } = await subscribe(stripe)
  const cheap = await stripe.prices.create({
    product: product.id,
    currency: 'usd',
    unit_amount: 900,
    recurring: { interval: 'month' },
  })
  await stripe.subscriptions.update(subscription.id, {
    items: [{ id: String(at(subscription, 'items.data.0.id')), price: cheap.id }],
    proration_behavior: 'always_invoice',
  })
  expect(await stripe.customers.retrieve(customer.id)).toMatchObject({ balance: -4000 })
  running.sandbox.stripe.renew(subscription.id)
  const [next] = (await stripe.invoices.list({ subscription: subscription.id })).data
  expect(next).toMatchObject({ total: 900, amount_due: 0, status: 'paid', ending_balance: -3100 })
})

test('a trial can be ended early', async () => {
  const running = await start()
  const stripe = running.client()
  const { customer, price } = await shop(stripe)
  const trial = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    default_payment_method: 'pm_card_visa',
    trial_period_days: 7,
  })
  expect(trial.status).toBe('trialing')
  const active = await stripe.subscriptions.update(trial.id, {
    trial_end: 'now',
    expand: ['latest_invoice'],
  })
  expect(active.status).toBe('active')
  expect(active.latest_invoice).toMatchObject({ amount_paid: 4900 })
})
