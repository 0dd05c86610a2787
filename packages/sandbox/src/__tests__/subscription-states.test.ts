/** Trials that end, subscriptions that pause, and the terms of a change. */

import { createTestClock } from '@repo/core/testing'
import type Stripe from 'stripe'
import { expect, test } from 'vitest'
import { at, CANCEL, NEW, OLD, SUCCESS, shop, start, subscribe, typesOf } from './harness.ts'

const DAY = 86_400_000

/** The old form of the parameter, which the SDK's types do not know any more. */
const anchor = (type: string) => type as unknown as { type: string }

async function trial(
  stripe: Stripe,
  missing_payment_method?: 'cancel' | 'create_invoice' | 'pause',
) {
  const made = await shop(stripe)
  const subscription = await stripe.subscriptions.create({
    customer: made.customer.id,
    items: [{ price: made.price.id }],
    trial_period_days: 7,
    ...(missing_payment_method
      ? { trial_settings: { end_behavior: { missing_payment_method } } }
      : {}),
  })
  return { ...made, subscription }
}

test.each([OLD, NEW])('a trial says that it will end, in the shape of %s', async (version) => {
  const running = await start({ stripe: { apiVersion: version } })
  const stripe = running.client(version)
  const { subscription } = await trial(stripe)
  running.sandbox.stripe.trialWillEnd(subscription.id)
  const event = running.sandbox.stripe.events.at(-1)
  expect(event).toMatchObject({
    type: 'customer.subscription.trial_will_end',
    data: { object: { id: subscription.id, status: 'trialing' } },
  })
  const period = at(event, 'data.object.current_period_end')
  expect(period === undefined).toBe(version === NEW)
  running.sandbox.stripe.renew(subscription.id)
  expect(() => running.sandbox.stripe.trialWillEnd(subscription.id)).toThrow('not on trial')
})

test.each([
  ['cancel', 'canceled', 'customer.subscription.deleted'],
  ['pause', 'paused', 'customer.subscription.paused'],
  ['create_invoice', 'past_due', 'invoice.payment_failed'],
] as const)('without a card, a trial’s end can %s', async (behaviour, status, type) => {
  const running = await start()
  const stripe = running.client()
  const { subscription } = await trial(stripe, behaviour)
  const invoices = typesOf(running).filter((one) => one === 'invoice.created').length
  expect(running.sandbox.stripe.renew(subscription.id)).toMatchObject({ status })
  expect(typesOf(running)).toContain(type)
  const made = typesOf(running).filter((one) => one === 'invoice.created').length - invoices
  expect(made).toBe(behaviour === 'create_invoice' ? 1 : 0)
})

test('with a card, a trial is charged at its end whatever its settings say', async () => {
  const running = await start()
  const stripe = running.client()
  const { subscription, customer } = await trial(stripe, 'cancel')
  const card = await stripe.paymentMethods.attach('pm_card_visa', { customer: customer.id })
  await stripe.customers.update(customer.id, {
    invoice_settings: { default_payment_method: card.id },
  })
  expect(running.sandbox.stripe.renew(subscription.id)).toMatchObject({ status: 'active' })
  const [invoice] = (await stripe.invoices.list({ subscription: subscription.id })).data
  expect(invoice).toMatchObject({ amount_paid: 4900, billing_reason: 'subscription_cycle' })
})

test('a paused subscription is resumed once its invoice is paid', async () => {
  const clock = createTestClock('2026-01-01T00:00:00Z')
  const running = await start({ clock })
  const stripe = running.client()
  const { subscription, customer } = await trial(stripe, 'pause')
  await expect(stripe.subscriptions.resume(subscription.id)).rejects.toMatchObject({
    statusCode: 400,
  })
  clock.advance(7 * DAY)
  running.sandbox.stripe.renew(subscription.id)
  expect(() => running.sandbox.stripe.renew(subscription.id)).toThrow('does not renew')

  clock.advance(3 * DAY)
  const waiting = await stripe.subscriptions.resume(subscription.id, { expand: ['latest_invoice'] })
  expect(waiting).toMatchObject({ status: 'paused', latest_invoice: { status: 'open' } })
  expect(typesOf(running)).not.toContain('customer.subscription.resumed')
  const card = await stripe.paymentMethods.attach('pm_card_visa', { customer: customer.id })
  await stripe.invoices.pay(String((waiting.latest_invoice as Stripe.Invoice).id), {
    payment_method: card.id,
  })
  expect(await stripe.subscriptions.retrieve(subscription.id)).toMatchObject({
    status: 'active',
    current_period_start: Date.parse('2026-01-11T00:00:00Z') / 1000,
    current_period_end: Date.parse('2026-02-11T00:00:00Z') / 1000,
  })
  expect(typesOf(running).at(-1)).toBe('customer.subscription.resumed')
})

test('a subscription resumed on its old anchor pays for the rest of the period', async () => {
  const clock = createTestClock('2026-03-25T00:00:00Z')
  const running = await start({ clock })
  const stripe = running.client()
  const { subscription } = await trial(stripe, 'pause')
  clock.set(new Date('2026-04-01T00:00:00Z'))
  running.sandbox.stripe.renew(subscription.id)
  clock.set(new Date('2026-04-16T00:00:00Z'))
  await stripe.subscriptions.update(subscription.id, { default_payment_method: 'pm_card_visa' })
  const resumed = await stripe.subscriptions.resume(subscription.id, {
    billing_cycle_anchor: anchor('unchanged'),
    expand: ['latest_invoice'],
  })
  expect(resumed).toMatchObject({
    status: 'active',
    current_period_end: Date.parse('2026-05-01T00:00:00Z') / 1000,
    latest_invoice: { total: 2450, status: 'paid' },
  })
})

test.each([
  ['void', 'void', 'invoice.voided'],
  ['mark_uncollectible', 'uncollectible', 'invoice.marked_uncollectible'],
  ['keep_as_draft', 'draft', 'invoice.created'],
] as const)('while collection is paused, %s leaves invoices %s', async (behavior, status, type) => {
  const running = await start()
  const stripe = running.client()
  const { subscription } = await subscribe(stripe)
  const paused = await stripe.subscriptions.update(subscription.id, {
    pause_collection: { behavior },
  })
  expect(paused).toMatchObject({
    status: 'active',
    pause_collection: { behavior, resumes_at: null },
  })
  const charges = typesOf(running).filter((one) => one === 'charge.succeeded').length
  expect(running.sandbox.stripe.renew(subscription.id)).toMatchObject({ status: 'active' })
  expect(typesOf(running)).toContain(type)
  const [invoice] = (await stripe.invoices.list({ subscription: subscription.id })).data
  expect(invoice).toMatchObject({ status, amount_paid: 0 })
  expect(typesOf(running).filter((one) => one === 'charge.succeeded')).toHaveLength(charges)

  const going = await stripe.subscriptions.update(subscription.id, { pause_collection: '' })
  expect(going.pause_collection).toBeNull()
  running.sandbox.stripe.renew(subscription.id)
  const [next] = (await stripe.invoices.list({ subscription: subscription.id })).data
  expect(next).toMatchObject({ status: 'paid', amount_paid: 4900 })
})

test('a trial is begun on the page without a card, where none is asked for', async () => {
  const running = await start()
  const stripe = running.client()
  const { customer, price } = await shop(stripe)
  const open = (payment_method_collection: 'always' | 'if_required', trial_period_days?: number) =>
    stripe.checkout.sessions.create({
      mode: 'subscription',
      customer: customer.id,
      line_items: [{ price: price.id, quantity: 1 }],
      success_url: SUCCESS,
      cancel_url: CANCEL,
      payment_method_collection,
      ...(trial_period_days
        ? {
            subscription_data: {
              trial_period_days,
              trial_settings: { end_behavior: { missing_payment_method: 'pause' } },
            },
          }
        : {}),
    })
  const free = await open('if_required', 14)
  const done = running.sandbox.stripe.completeCheckout(free.id, { card: null })
  expect(done).toMatchObject({ status: 'complete', payment_status: 'no_payment_required' })
  const id = String(done.subscription)
  expect(await stripe.subscriptions.retrieve(id)).toMatchObject({
    status: 'trialing',
    default_payment_method: null,
    trial_settings: { end_behavior: { missing_payment_method: 'pause' } },
  })
  expect((await stripe.paymentMethods.list({ customer: customer.id })).data).toEqual([])

  for (const session of [await open('always', 14), await open('if_required')]) {
    expect(() => running.sandbox.stripe.completeCheckout(session.id, { card: null })).toThrow(
      'card number is incomplete',
    )
  }
  const paged = await open('if_required', 14)
  const text = await (await fetch(new URL(`/stripe/checkout/${paged.id}`, running.url))).text()
  expect(text).not.toContain('name="number"')
  expect((await running.post(`/stripe/checkout/${paged.id}`, {})).status).toBe(303)
})

test('why a customer leaves is kept, and a reason outside the list is refused', async () => {
  const stripe = (await start()).client()
  const { subscription } = await subscribe(stripe)
  const leaving = await stripe.subscriptions.update(subscription.id, {
    cancel_at_period_end: true,
    cancellation_details: { comment: 'too dear', feedback: 'too_expensive' },
  })
  expect(leaving.cancellation_details).toEqual({
    comment: 'too dear',
    feedback: 'too_expensive',
    reason: 'cancellation_requested',
  })
  await expect(
    stripe.subscriptions.update(subscription.id, {
      cancellation_details: { feedback: 'bored' as 'other' },
    }),
  ).rejects.toMatchObject({ param: 'cancellation_details[feedback]' })
  const ended = await stripe.subscriptions.cancel(subscription.id, {
    cancellation_details: { comment: 'moved' },
  })
  expect(ended.cancellation_details).toMatchObject({ comment: 'moved', feedback: 'too_expensive' })
})

async function plans() {
  const clock = createTestClock('2026-04-01T00:00:00Z')
  const running = await start({ clock })
  const stripe = running.client()
  const made = await subscribe(stripe)
  const yearly = await stripe.prices.create({
    product: made.product.id,
    currency: 'usd',
    unit_amount: 49_000,
    recurring: { interval: 'year' },
  })
  clock.set(new Date('2026-04-16T00:00:00Z'))
  const item = String(at(made.subscription, 'items.data.0.id'))
  return { ...made, clock, running, stripe, yearly, item }
}

test('another interval begins a new period now and gives back the rest of the old one', async () => {
  const { stripe, subscription, yearly, item } = await plans()
  const changed = await stripe.subscriptions.update(subscription.id, {
    items: [{ id: item, price: yearly.id }],
    expand: ['latest_invoice'],
  })
  expect(changed).toMatchObject({
    current_period_start: Date.parse('2026-04-16T00:00:00Z') / 1000,
    current_period_end: Date.parse('2027-04-16T00:00:00Z') / 1000,
    latest_invoice: { billing_reason: 'subscription_update', total: 46_550, status: 'paid' },
  })
  const lines = (changed.latest_invoice as Stripe.Invoice).lines.data
  expect(lines.map((line) => [line.amount, at(line, 'proration')])).toEqual([
    [-2450, true],
    [49_000, false],
  ])
  await expect(
    stripe.subscriptions.update(subscription.id, {
      items: [{ id: item, price: String(at(subscription, 'items.data.0.price.id')) }],
      billing_cycle_anchor: anchor('unchanged'),
    }),
  ).rejects.toMatchObject({ param: 'billing_cycle_anchor' })
})

test('prorations count from the date that is named, within the period', async () => {
  const { stripe, subscription, item } = await plans()
  const eleventh = Date.parse('2026-04-11T00:00:00Z') / 1000
  const changed = await stripe.subscriptions.update(subscription.id, {
    items: [{ id: item, quantity: 2 }],
    proration_behavior: 'always_invoice',
    proration_date: eleventh,
    expand: ['latest_invoice'],
  })
  const invoice = changed.latest_invoice as Stripe.Invoice
  expect(invoice.lines.data.map((line) => [line.amount, line.period.start])).toEqual([
    [-3267, eleventh],
    [6533, eleventh],
  ])
  await expect(
    stripe.subscriptions.update(subscription.id, {
      items: [{ id: item, quantity: 3 }],
      proration_date: Date.parse('2026-03-31T00:00:00Z') / 1000,
    }),
  ).rejects.toMatchObject({ param: 'proration_date' })
})

test('a change without proration costs nothing now, and the anchor can be moved to now', async () => {
  const { running, stripe, subscription, item } = await plans()
  await stripe.subscriptions.update(subscription.id, {
    items: [{ id: item, quantity: 3 }],
    proration_behavior: 'none',
  })
  expect((await stripe.invoices.list({ subscription: subscription.id })).data).toHaveLength(1)
  const moved = await stripe.subscriptions.update(subscription.id, {
    billing_cycle_anchor: anchor('now'),
    expand: ['latest_invoice'],
  })
  expect(moved).toMatchObject({
    current_period_end: Date.parse('2026-05-16T00:00:00Z') / 1000,
    latest_invoice: { total: 14_700 - 7350, billing_reason: 'subscription_update' },
  })
  running.sandbox.stripe.renew(subscription.id)
  const [next] = (await stripe.invoices.list({ subscription: subscription.id })).data
  expect(next).toMatchObject({ total: 14_700, billing_reason: 'subscription_cycle' })

  const now = { billing_cycle_anchor: { type: 'now' } }
  const late = await running.client(NEW).subscriptions.update(subscription.id, now)
  expect(late.items.data[0]?.current_period_start).toBe(Date.parse('2026-04-16T00:00:00Z') / 1000)
  await expect(stripe.subscriptions.update(subscription.id, now)).rejects.toMatchObject({
    param: 'billing_cycle_anchor',
  })
})

test('one request is one event, or nothing at all', async () => {
  const { running, stripe, subscription, item, price, yearly } = await plans()
  const before = typesOf(running)
  const metadata = { seats: '2' }
  await expect(
    stripe.subscriptions.update(subscription.id, { metadata, items: [{ price: price.id }] }),
  ).rejects.toMatchObject({ param: 'items' })
  await expect(
    stripe.subscriptions.update(subscription.id, {
      metadata,
      default_payment_method: 'pm_card_visa',
      items: [{ id: item, deleted: true }],
    }),
  ).rejects.toMatchObject({ param: 'items' })
  expect(typesOf(running)).toEqual(before)
  expect((await stripe.subscriptions.retrieve(subscription.id)).metadata).toEqual({})

  await stripe.subscriptions.update(subscription.id, {
    metadata,
    items: [{ id: item, price: yearly.id }],
  })
  const updates = running.sandbox.stripe.events.filter(
    ({ type }) => type === 'customer.subscription.updated',
  )
  expect(updates).toHaveLength(1)
  expect(at(updates[0], 'data.previous_attributes')).toMatchObject({
    metadata: { seats: null },
    current_period_end: expect.any(Number),
    items: { data: [{ price: { id: price.id } }] },
  })
})

test('a trial and a price of one request have one period', async () => {
  const { stripe, subscription, item, yearly } = await plans()
  const trial_end = Date.parse('2026-06-01T00:00:00Z') / 1000
  const changed = await stripe.subscriptions.update(subscription.id, {
    items: [{ id: item, price: yearly.id }],
    trial_end,
  })
  expect(changed).toMatchObject({ status: 'trialing', current_period_end: trial_end })
  const shown = await stripe.subscriptionItems.list(
    { subscription: subscription.id },
    { apiVersion: NEW },
  )
  expect(shown.data[0]).toMatchObject({ current_period_end: trial_end, price: { id: yearly.id } })
  expect((await stripe.invoices.list({ subscription: subscription.id })).data).toHaveLength(1)
})

test('the first price above nothing begins a period and is charged at once', async () => {
  const { stripe, subscription, item, price, product } = await plans()
  const free = await stripe.prices.create({
    product: product.id,
    currency: 'usd',
    unit_amount: 0,
    recurring: { interval: 'month' },
  })
  const update = (to: string, more: Stripe.SubscriptionUpdateParams = {}) =>
    stripe.subscriptions.update(subscription.id, {
      items: [{ id: item, price: to }],
      expand: ['latest_invoice'],
      ...more,
    })
  await update(free.id, { proration_behavior: 'none' })
  const kept = await update(price.id, {
    billing_cycle_anchor: anchor('unchanged'),
    proration_behavior: 'none',
  })
  expect(at(kept, 'current_period_end')).toBe(Date.parse('2026-05-01T00:00:00Z') / 1000)
  await update(free.id, { proration_behavior: 'none' })
  expect(await update(price.id)).toMatchObject({
    current_period_end: Date.parse('2026-05-16T00:00:00Z') / 1000,
    latest_invoice: { total: 4900, billing_reason: 'subscription_update', status: 'paid' },
  })
})

test('the behaviour decides what a refused payment leaves of a change', async () => {
  const { running, stripe, subscription, item, yearly } = await plans()
  await stripe.subscriptions.update(subscription.id, {
    default_payment_method: 'pm_card_chargeCustomerFail',
  })
  const before = typesOf(running)
  const change = { items: [{ id: item, price: yearly.id }] }
  const update = (payment_behavior: Stripe.SubscriptionUpdateParams.PaymentBehavior) =>
    stripe.subscriptions.update(subscription.id, { ...change, payment_behavior })
  await expect(update('error_if_incomplete')).rejects.toMatchObject({
    statusCode: 402,
    code: 'card_declined',
  })
  expect(typesOf(running)).toEqual(before)
  const same = await stripe.subscriptions.retrieve(subscription.id)
  expect(same).toMatchObject({ status: 'active', latest_invoice: subscription.latest_invoice })
  expect(at(same, 'plan.interval')).toBe('month')

  const waiting = await update('default_incomplete')
  expect(waiting.status).toBe('past_due')
  expect(typesOf(running)).not.toContain('invoice.payment_failed')
  const owed = await stripe.invoices.retrieve(String(waiting.latest_invoice))
  expect(owed).toMatchObject({ status: 'open', attempted: false, amount_due: 46_550 })
  await stripe.invoices.pay(String(owed.id), { payment_method: 'pm_card_visa' })
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe('active')
})

test.each([OLD, NEW])(
  'in %s a change can wait for its payment, and is made with it',
  async (version) => {
    const { running, subscription, item, yearly, customer } = await plans()
    const stripe = running.client(version)
    await stripe.subscriptions.update(subscription.id, {
      default_payment_method: 'pm_card_authenticationRequired',
    })
    const update = (more: Stripe.SubscriptionUpdateParams = {}) =>
      stripe.subscriptions.update(subscription.id, {
        items: [{ id: item, price: yearly.id }],
        proration_behavior: 'always_invoice',
        payment_behavior: 'pending_if_incomplete',
        expand: ['latest_invoice'],
        ...more,
      })
    await expect(update({ metadata: { a: 'b' } })).rejects.toMatchObject({ param: 'metadata' })
    const waiting = await update()
    expect(waiting).toMatchObject({
      status: 'active',
      items: { data: [{ id: item, price: { recurring: { interval: 'month' } } }] },
      latest_invoice: { status: 'open', billing_reason: 'subscription_update' },
      pending_update: { subscription_items: [{ id: item, price: { id: yearly.id } }] },
    })
    expect('pending_invoice' in waiting).toBe(false)
    const invoice = waiting.latest_invoice as Stripe.Invoice

    running.sandbox.stripe.expireUpdate(subscription.id)
    expect(await stripe.subscriptions.retrieve(subscription.id)).toMatchObject({
      pending_update: null,
      status: 'active',
    })
    expect((await stripe.invoices.retrieve(String(invoice.id))).status).toBe('void')
    expect(typesOf(running)).toContain('customer.subscription.pending_update_expired')

    const again = (await update()).latest_invoice as Stripe.Invoice
    await stripe.invoices.pay(String(again.id), { payment_method: 'pm_card_visa' })
    expect(await stripe.subscriptions.retrieve(subscription.id)).toMatchObject({
      pending_update: null,
      status: 'active',
      items: { data: [{ id: item, price: { id: yearly.id } }] },
    })
    expect(typesOf(running)).toContain('customer.subscription.pending_update_applied')
    expect((await stripe.invoices.list({ customer: customer.id, status: 'open' })).data).toEqual([])
  },
)

test('a change whose payment is refused leaves the subscription past due by default', async () => {
  const { running, stripe, subscription, item, yearly } = await plans()
  const changed = await stripe.subscriptions.update(subscription.id, {
    items: [{ id: item, price: yearly.id }],
    default_payment_method: 'pm_card_chargeCustomerFail',
  })
  expect(changed.status).toBe('past_due')
  expect(typesOf(running)).toContain('invoice.payment_failed')
})
