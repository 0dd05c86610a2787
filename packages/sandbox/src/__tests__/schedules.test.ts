/** Subscription schedules, in both API shapes. */

import { createTestClock } from '@repo/core/testing'
import type Stripe from 'stripe'
import { expect, test } from 'vitest'
import { at, NEW, OLD, type Running, shop, start, subscribe, typesOf } from './harness.ts'

const unix = (iso: string) => Date.parse(iso) / 1000

async function scheduled(version = OLD) {
  const clock = createTestClock('2026-04-01T00:00:00Z')
  const running = await start({ clock, stripe: { apiVersion: version } })
  const stripe = running.client(version)
  const made = await subscribe(stripe)
  const basic = await stripe.prices.create({
    product: made.product.id,
    currency: 'usd',
    unit_amount: 900,
    recurring: { interval: 'month' },
  })
  const schedule = await stripe.subscriptionSchedules.create({
    from_subscription: made.subscription.id,
  })
  return { ...made, clock, running, stripe, basic, schedule }
}

const scheduleEvents = (running: Running) =>
  typesOf(running).filter((type) => String(type).startsWith('subscription_schedule.'))

/** The present phase as it was, and then `price` from the period's end on. */
const thenPrice = (
  schedule: Stripe.SubscriptionSchedule,
  price: string,
): Stripe.SubscriptionScheduleUpdateParams => {
  const [phase] = schedule.phases
  // What a phase does not name is unset.
  const same = { default_payment_method: String(phase?.default_payment_method) }
  return {
    end_behavior: 'release',
    phases: [
      {
        items: [{ price: String(phase?.items[0]?.price), quantity: 1 }],
        start_date: Number(phase?.start_date),
        end_date: Number(phase?.end_date),
        ...same,
      },
      { items: [{ price, quantity: 1 }], proration_behavior: 'none', ...same },
    ],
  }
}

test.each([OLD, NEW])('in %s a schedule begins as its subscription is', async (version) => {
  const { running, stripe, schedule, subscription, price, customer } = await scheduled(version)
  expect(schedule).toMatchObject({
    object: 'subscription_schedule',
    status: 'active',
    end_behavior: 'release',
    subscription: subscription.id,
    customer: customer.id,
    current_phase: {
      start_date: unix('2026-04-01T00:00:00Z'),
      end_date: unix('2026-05-01T00:00:00Z'),
    },
    phases: [{ items: [{ price: price.id, quantity: 1 }] }],
  })
  expect('billing_mode' in schedule).toBe(version === NEW)
  const shown = await stripe.subscriptions.retrieve(subscription.id, { expand: ['schedule'] })
  expect(shown.schedule).toMatchObject({ id: schedule.id })
  const own = await stripe.subscriptionSchedules.list({ customer: customer.id })
  expect(own.data.map(({ id }) => id)).toEqual([schedule.id])
  expect(await stripe.subscriptionSchedules.retrieve(schedule.id)).toMatchObject({
    id: schedule.id,
  })
  await expect(
    stripe.subscriptionSchedules.create({ from_subscription: subscription.id }),
  ).rejects.toMatchObject({ statusCode: 400, param: 'from_subscription' })
  await expect(stripe.subscriptionSchedules.create({})).rejects.toMatchObject({
    param: 'from_subscription',
  })
  expect(scheduleEvents(running)).toEqual(['subscription_schedule.created'])
})

test.each([OLD, NEW])('in %s a downgrade waits for the period’s end', async (version) => {
  const { running, stripe, schedule, subscription, price, basic } = await scheduled(version)
  await stripe.subscriptionSchedules.update(schedule.id, thenPrice(schedule, basic.id))
  const now = await stripe.subscriptions.retrieve(subscription.id)
  expect(now.items.data[0]?.price.id).toBe(price.id)
  const seen = await stripe.invoices.createPreview({ schedule: schedule.id })
  expect(seen.amount_due).toBe(900)

  running.sandbox.stripe.renew(subscription.id)
  const next = await stripe.subscriptions.retrieve(subscription.id, { expand: ['latest_invoice'] })
  expect(next.items.data[0]).toMatchObject({
    id: now.items.data[0]?.id,
    price: { id: basic.id, unit_amount: 900 },
  })
  expect(next).toMatchObject({
    schedule: schedule.id,
    latest_invoice: { amount_paid: 900, billing_reason: 'subscription_cycle' },
  })
  const updated = running.sandbox.stripe.events.findLast(
    ({ type }) => type === 'customer.subscription.updated',
  )
  expect(at(updated, 'data.previous_attributes.items.data.0.price.id')).toBe(price.id)
  expect(await stripe.subscriptionSchedules.retrieve(schedule.id)).toMatchObject({
    status: 'active',
    current_phase: { start_date: unix('2026-05-01T00:00:00Z') },
  })

  running.sandbox.stripe.renew(subscription.id)
  expect(await stripe.subscriptionSchedules.retrieve(schedule.id)).toMatchObject({
    status: 'released',
    subscription: null,
    released_subscription: subscription.id,
    current_phase: null,
  })
  expect(await stripe.subscriptions.retrieve(subscription.id)).toMatchObject({
    status: 'active',
    schedule: null,
    items: { data: [{ price: { id: basic.id } }] },
  })
  expect(scheduleEvents(running)).toEqual([
    'subscription_schedule.created',
    'subscription_schedule.updated',
    'subscription_schedule.updated',
    'subscription_schedule.released',
  ])
})

test('a phase of another interval begins its own period', async () => {
  const { running, stripe, schedule, subscription, product } = await scheduled()
  const yearly = await stripe.prices.create({
    product: product.id,
    currency: 'usd',
    unit_amount: 49_000,
    recurring: { interval: 'year' },
  })
  const updated = await stripe.subscriptionSchedules.update(
    schedule.id,
    thenPrice(schedule, yearly.id),
  )
  expect(updated.phases[1]?.end_date).toBe(unix('2027-05-01T00:00:00Z'))
  expect(running.sandbox.stripe.renew(subscription.id)).toMatchObject({
    billing_cycle_anchor: unix('2026-05-01T00:00:00Z'),
    current_period_start: unix('2026-05-01T00:00:00Z'),
    current_period_end: unix('2027-05-01T00:00:00Z'),
  })
})

test('a phase can begin now, and is then prorated', async () => {
  const { clock, stripe, schedule, subscription, price, product } = await scheduled()
  const dear = await stripe.prices.create({
    product: product.id,
    currency: 'usd',
    unit_amount: 9900,
    recurring: { interval: 'month' },
  })
  clock.set(new Date('2026-04-16T00:00:00Z'))
  await stripe.subscriptionSchedules.update(schedule.id, {
    proration_behavior: 'always_invoice',
    phases: [
      { items: [{ price: price.id }], start_date: unix('2026-04-01T00:00:00Z'), end_date: 'now' },
      { items: [{ price: dear.id }], duration: { interval: 'month', interval_count: 3 } },
    ],
  })
  const now = await stripe.subscriptions.retrieve(subscription.id, { expand: ['latest_invoice'] })
  expect(now).toMatchObject({
    items: { data: [{ price: { id: dear.id } }] },
    latest_invoice: { total: 2500, billing_reason: 'subscription_update' },
  })
})

test('what does not fit is refused', async () => {
  const { stripe, schedule, price } = await scheduled()
  const items = [{ price: price.id }]
  const start_date = unix('2026-04-01T00:00:00Z')
  const refused = (phases: object[], param: string) =>
    expect(
      stripe.subscriptionSchedules.update(schedule.id, {
        phases: phases as Stripe.SubscriptionScheduleUpdateParams.Phase[],
      }),
    ).rejects.toMatchObject({ statusCode: 400, param })
  await refused([{ items, start_date: start_date + 60 }], 'phases[0][start_date]')
  await refused([{ items, start_date, end_date: start_date }], 'phases[0][end_date]')
  await refused([{ items: [], start_date }], 'phases[0][items]')
  await refused(
    [
      { items, start_date, end_date: start_date + 600 },
      { items, start_date: start_date + 900 },
    ],
    'phases[1][start_date]',
  )
  await refused([{ items, start_date, coupon: 'x' }], 'phases[0][coupon]')
  await refused([{ items: [{ price: 'price_none' }], start_date }], 'phases[0][items][0][price]')
})

test('the schedule decides the end, and a release takes it back', async () => {
  const { stripe, schedule, subscription } = await scheduled()
  for (const change of [{ cancel_at_period_end: true }, { cancel_at: '' as const }]) {
    await expect(stripe.subscriptions.update(subscription.id, change)).rejects.toThrow(
      'managed by the subscription schedule',
    )
  }
  await stripe.subscriptions.update(subscription.id, { metadata: { a: '1' } })
  await stripe.subscriptionSchedules.update(schedule.id, { end_behavior: 'cancel' })
  const end = unix('2026-05-01T00:00:00Z')
  expect(await stripe.subscriptions.retrieve(subscription.id)).toMatchObject({
    cancel_at: end,
    cancel_at_period_end: false,
  })
  await stripe.subscriptionSchedules.release(schedule.id)
  expect(await stripe.subscriptions.retrieve(subscription.id)).toMatchObject({
    cancel_at: null,
    schedule: null,
    status: 'active',
  })
  await expect(stripe.subscriptionSchedules.release(schedule.id)).rejects.toMatchObject({
    statusCode: 400,
  })
  await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true })
})

test('a schedule that cancels ends its subscription after the last phase', async () => {
  const { running, stripe, schedule, subscription } = await scheduled()
  await stripe.subscriptionSchedules.update(schedule.id, { end_behavior: 'cancel' })
  expect(running.sandbox.stripe.renew(subscription.id)).toMatchObject({
    status: 'canceled',
    schedule: null,
  })
  expect(await stripe.subscriptionSchedules.retrieve(schedule.id)).toMatchObject({
    status: 'completed',
  })
  expect(scheduleEvents(running).at(-1)).toBe('subscription_schedule.completed')
})

test('a subscription that is canceled leaves its schedule, and a schedule can cancel it', async () => {
  const one = await scheduled()
  await one.stripe.subscriptions.cancel(one.subscription.id)
  expect(await one.stripe.subscriptionSchedules.retrieve(one.schedule.id)).toMatchObject({
    status: 'released',
  })
  const two = await scheduled()
  const canceled = await two.stripe.subscriptionSchedules.cancel(two.schedule.id)
  expect(canceled).toMatchObject({ status: 'canceled', canceled_at: expect.any(Number) })
  expect((await two.stripe.subscriptions.retrieve(two.subscription.id)).status).toBe('canceled')
  expect(typesOf(two.running).slice(-2)).toEqual([
    'subscription_schedule.canceled',
    'customer.subscription.deleted',
  ])
})

test('in flexible billing mode another interval keeps the anchor unless it is moved', async () => {
  const clock = createTestClock('2030-01-10T09:00:00Z')
  const running = await start({ clock, stripe: { apiVersion: NEW } })
  const stripe = running.client(NEW)
  const { product, price, customer } = await shop(stripe)
  const yearly = await stripe.prices.create({
    product: product.id,
    currency: 'usd',
    unit_amount: 36_500,
    recurring: { interval: 'year' },
  })
  const begin = () =>
    stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      default_payment_method: 'pm_card_visa',
    })
  const change = async (id: string, more: object = {}) => {
    const { items } = await stripe.subscriptions.retrieve(id)
    return stripe.subscriptions.update(id, {
      items: [{ id: items.data[0]?.id as string, price: yearly.id }],
      proration_behavior: 'always_invoice',
      ...more,
    })
  }
  const [kept, moved] = [await begin(), await begin()]
  const scheduled = [await begin(), await begin()]
  clock.set(new Date('2030-01-20T09:00:00Z'))
  const after = await change(kept.id)
  expect(after.billing_cycle_anchor).toBe(kept.billing_cycle_anchor)
  expect(after.items.data[0]).toMatchObject({
    current_period_end: Date.UTC(2031, 0, 10, 9) / 1000,
  })
  const invoice = await stripe.invoices.retrieve(String(after.latest_invoice))
  // 355 of 365 days, less 21 of 31 days of the month.
  expect(invoice.lines.data.map(({ amount }) => amount)).toEqual([-3319, 35_500])
  const whole = await change(moved.id, { billing_cycle_anchor: { type: 'now' } })
  expect(whole.items.data[0]).toMatchObject({
    current_period_end: Date.UTC(2031, 0, 20, 9) / 1000,
  })
  for (const [index, subscription] of scheduled.entries()) {
    const { id, phases } = await stripe.subscriptionSchedules.create({
      from_subscription: subscription.id,
    })
    const [phase] = phases
    await stripe.subscriptionSchedules.update(id, {
      phases: [
        {
          items: [{ price: price.id }],
          start_date: phase?.start_date as number,
          end_date: phase?.end_date as number,
          default_payment_method: String(subscription.default_payment_method),
        },
        {
          items: [{ price: yearly.id }],
          proration_behavior: 'none',
          default_payment_method: String(subscription.default_payment_method),
          ...(index === 0 ? {} : { billing_cycle_anchor: 'phase_start' as const }),
        },
      ],
    })
  }
  clock.set(new Date('2030-02-10T09:00:00Z'))
  for (const [index, subscription] of scheduled.entries()) {
    running.sandbox.stripe.renew(subscription.id)
    const { data } = await stripe.invoices.list({ subscription: subscription.id })
    // The first has the year at nothing: that is why a host says where its period begins.
    expect(data.map(({ total }) => total)).toEqual(index === 0 ? [4900] : [36_500, 4900])
  }
})
