/** Previews of invoices, against what then happens. */

import { createTestClock } from '@repo/core/testing'
import type Stripe from 'stripe'
import { expect, test } from 'vitest'
import { at, NEW, OLD, start, subscribe, typesOf } from './harness.ts'

const unix = (clock: { now(): Date }) => Math.floor(clock.now().getTime() / 1000)

/** Numbers from 0 to below 1 that a seed fixes. */
function draws(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
}

async function shopOf(version: string) {
  const clock = createTestClock('2026-01-31T10:00:00Z')
  const running = await start({ clock })
  const stripe = running.client(version)
  const made = await subscribe(stripe)
  const price = (unit_amount: number, interval: 'month' | 'year') =>
    stripe.prices.create({
      product: made.product.id,
      currency: 'usd',
      unit_amount,
      recurring: { interval },
    })
  const prices = {
    pro: made.price,
    proYearly: await price(49_000, 'year'),
    enterprise: await price(19_900, 'month'),
    enterpriseYearly: await price(199_000, 'year'),
  }
  const item = String(at(made.subscription, 'items.data.0.id'))
  return { ...made, clock, running, stripe, prices, item }
}

const amounts = (invoice: Stripe.Invoice) => invoice.lines.data.map(({ amount }) => amount)

const SEEDS = [1, 7, 42, 1234, 99_991]

test.each(SEEDS.flatMap((seed) => [OLD, NEW].map((version) => [seed, version] as const)))(
  'seed %i: in %s a change costs what its preview said',
  async (seed, version) => {
    const { clock, running, stripe, prices, item, subscription } = await shopOf(version)
    const draw = draws(seed)
    const pick = <T>(from: readonly T[]): T => from[Math.floor(draw() * from.length)] as T
    for (let round = 0; round < 6; round += 1) {
      clock.advance(Math.floor(draw() * 20 * 86_400_000))
      const now = await stripe.subscriptions.retrieve(subscription.id, { expand: [] })
      const end = Number(at(now, 'current_period_end') ?? now.items.data[0]?.current_period_end)
      if (unix(clock) >= end) {
        running.sandbox.stripe.renew(subscription.id)
        clock.set(new Date((end + 60) * 1000))
      }
      const change = {
        items: [
          { id: item, price: pick(Object.values(prices)).id, quantity: 1 + Math.floor(draw() * 9) },
        ],
        proration_behavior: pick(['always_invoice', 'create_prorations', 'none'] as const),
        proration_date: unix(clock),
      }
      const seen = await stripe.invoices.createPreview({
        subscription: subscription.id,
        subscription_details: change,
      })
      clock.advance(Math.floor(draw() * 600_000))
      const before = (await stripe.subscriptions.retrieve(subscription.id)).latest_invoice
      const changed = await stripe.subscriptions.update(subscription.id, change)
      // Where the change is not invoiced itself, the preview was of the next period's invoice.
      if (changed.latest_invoice === before) running.sandbox.stripe.renew(subscription.id)
      const [invoice] = (await stripe.invoices.list({ subscription: subscription.id, limit: 1 }))
        .data
      if (!invoice) throw new Error('no invoice')
      expect({ due: seen.amount_due, total: seen.total, lines: amounts(seen) }).toEqual({
        due: invoice.amount_due,
        total: invoice.total,
        lines: amounts(invoice),
      })
      expect(seen.starting_balance).toBe(invoice.starting_balance)
      if (changed.latest_invoice === before) {
        const period = await stripe.subscriptions.retrieve(subscription.id)
        const start =
          at(period, 'current_period_start') ?? period.items.data[0]?.current_period_start
        clock.set(new Date((Number(start) + 60) * 1000))
      }
    }
  },
)

test('a preview leaves no trace', async () => {
  const { running, stripe, prices, item, subscription, customer } = await shopOf(NEW)
  const before = JSON.stringify(running.sandbox.stripe.snapshot().tables)
  const seen = await stripe.invoices.createPreview({
    customer: customer.id,
    subscription: subscription.id,
    subscription_details: {
      items: [{ id: item, price: prices.enterpriseYearly.id, quantity: 3 }],
      proration_behavior: 'always_invoice',
    },
  })
  expect(seen).toMatchObject({ status: 'draft', billing_reason: 'upcoming', number: null })
  expect(seen.id).toMatch(/^upcoming_in_/)
  expect(JSON.stringify(running.sandbox.stripe.snapshot().tables)).toBe(before)
})

test('without a change, the preview is of the next period', async () => {
  const { stripe, running, subscription, customer } = await shopOf(NEW)
  const seen = await stripe.invoices.createPreview({ customer: customer.id })
  expect(seen).toMatchObject({
    amount_due: 4900,
    parent: { subscription_details: { subscription: subscription.id } },
  })
  const trial = Date.parse('2026-02-10T00:00:00Z') / 1000
  const moved = await stripe.invoices.createPreview({
    subscription: subscription.id,
    subscription_details: { trial_end: trial },
  })
  expect(moved.lines.data[0]?.period.start).toBe(trial)
  await expect(
    stripe.invoices.createPreview({
      subscription: subscription.id,
      subscription_details: { cancel_at_period_end: true },
    }),
  ).rejects.toMatchObject({ code: 'invoice_upcoming_none', statusCode: 404 })
  running.sandbox.stripe.endSubscription(subscription.id)
  for (const whose of [{ customer: customer.id }, { subscription: subscription.id }]) {
    await expect(stripe.invoices.createPreview(whose)).rejects.toMatchObject({
      code: 'invoice_upcoming_none',
    })
  }
})

test('a subscription that does not exist yet is previewed, card or none', async () => {
  const { running, stripe, prices } = await shopOf(NEW)
  const other = await stripe.customers.create({ balance: -1000 })
  const seen = await stripe.invoices.createPreview({
    customer: other.id,
    subscription_details: { items: [{ price: prices.enterprise.id, quantity: 2 }] },
  })
  expect(seen).toMatchObject({ total: 39_800, starting_balance: -1000, amount_due: 38_800 })
  expect((await stripe.subscriptions.list({ customer: other.id })).data).toEqual([])
  expect(typesOf(running).at(-1)).toBe('customer.created')
})

test('what a preview cannot assume is refused', async () => {
  const { stripe, subscription } = await shopOf(NEW)
  const refused = (details: object, error: object) =>
    expect(
      stripe.invoices.createPreview({
        subscription: subscription.id,
        subscription_details: details,
      }),
    ).rejects.toMatchObject({ statusCode: 400, ...error })
  await refused({ cancel_now: true }, { param: 'subscription_details[cancel_now]' })
  await refused(
    { items: [{ price: 'price_none' }] },
    { param: 'subscription_details[items][0][price]' },
  )
  await refused({ proration_date: 1 }, { param: 'subscription_details[proration_date]' })
  await expect(stripe.invoices.createPreview({})).rejects.toMatchObject({ param: 'customer' })
})

test('the old endpoint takes its old names, and is gone in the new shape', async () => {
  const { clock, running, stripe, prices, item, subscription } = await shopOf(OLD)
  clock.advance(10 * 86_400_000)
  const query = new URLSearchParams({
    subscription: subscription.id,
    'subscription_items[0][id]': item,
    'subscription_items[0][price]': prices.enterprise.id,
    subscription_proration_behavior: 'always_invoice',
    subscription_proration_date: String(unix(clock)),
  })
  const path = `/v1/invoices/upcoming?${query}`
  const old = await stripe.rawRequest('GET', path)
  expect(old).not.toHaveProperty('id')
  const seen = await stripe.invoices.createPreview({
    subscription: subscription.id,
    subscription_details: {
      items: [{ id: item, price: prices.enterprise.id }],
      proration_behavior: 'always_invoice',
      proration_date: unix(clock),
    },
  })
  expect(at(old, 'amount_due')).toBe(seen.amount_due)
  expect(at(seen, 'subscription')).toBe(subscription.id)
  const lines = await stripe.rawRequest('GET', path.replace('upcoming', 'upcoming/lines'))
  expect(at(lines, 'data.length')).toBe(2)
  const wrong = path.replace(prices.enterprise.id, 'price_none')
  await expect(stripe.rawRequest('GET', wrong)).rejects.toMatchObject({
    param: 'subscription_items[0][price]',
  })
  await expect(running.client(NEW).rawRequest('GET', path)).rejects.toMatchObject({
    statusCode: 404,
  })
})
