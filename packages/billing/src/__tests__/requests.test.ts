/** How often Stripe is asked, how fast, and what follows where it says that it was too fast. */

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Billing, createBilling, createStripe } from '../index.ts'
import { between, refusal } from './between.ts'
import { createHarness, type Harness, SECRET_KEY } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

const tooMany = (headers: Record<string, string> = {}) => ({
  ...refusal(429, {
    type: 'invalid_request_error',
    code: 'rate_limit',
    message: 'Too many requests',
  }),
  headers,
})

describe('requests that are refused with 429', () => {
  test('are sent again after the time that Stripe asks for, with the same key', async () => {
    let refused = 0
    const through = await between(h.url, ({ path }) =>
      path === '/v1/customers' && ++refused <= 2 ? tooMany({ 'retry-after': '0.05' }) : undefined,
    )
    const customer = await through.stripe.customers.create({ name: 'Ada' })
    expect(customer.object).toBe('customer')
    expect(through.requests).toHaveLength(3)
    await through.close()
  })

  test('are not repeated if Stripe says not to, and not without end', async () => {
    const through = await between(h.url, ({ path }) =>
      tooMany(
        path === '/v1/customers' ? { 'stripe-should-retry': 'false' } : { 'retry-after': '0.01' },
      ),
    )
    await expect(through.stripe.customers.create({})).rejects.toMatchObject({ statusCode: 429 })
    expect(through.requests).toHaveLength(1)
    await expect(through.stripe.prices.list()).rejects.toMatchObject({ statusCode: 429 })
    expect(through.requests).toHaveLength(6)
    await through.close()
  })
})

test('a process stays below the limits for one endpoint and for all', async () => {
  const through = await between(h.url, () => undefined)
  const stripe = createStripe(SECRET_KEY, { apiBase: h.url, maxNetworkRetries: 0 })
  const billing = createBilling({ ...h.settings, stripe, requests: { perEndpoint: 20 } })
  const ownerId = await h.owner()
  const { stripeCustomerId } = await billing.ensureCustomer(ownerId)
  const took = async (run: () => Promise<unknown>) => {
    const began = Date.now()
    await run()
    return Date.now() - began
  }
  const many = (ask: (n: number) => Promise<unknown>) =>
    took(() => Promise.all(Array.from({ length: 40 }, (_, n) => ask(n))))
  // A second's requests go at once, and twenty more take another second.
  expect(await many(() => stripe.customers.retrieve(stripeCustomerId as string))).toBeGreaterThan(
    900,
  )
  await through.close()
})

describe('the number of requests to Stripe', () => {
  /** Delivers the events of a renewal in the three bursts in which Stripe sends them. */
  async function inBursts(billing: Pick<Billing, 'processEvents'>) {
    const known = new Set((await h.db.webhookEvent.findMany()).map(({ eventId }) => eventId))
    const fresh = h.sandbox.stripe.events.filter(({ id }) => !known.has(id as string))
    const bursts = [
      ['invoice.created', 'customer.subscription.updated'],
      ['invoice.finalized', 'invoice.updated'],
      ['payment_intent.succeeded', 'invoice.paid', 'invoice.payment_succeeded'],
    ]
    for (const types of bursts) {
      for (const event of fresh) if (types.includes(event.type as string)) await h.deliver(event)
      await billing.processEvents()
    }
  }

  test('a renewal in three bursts of events sends three requests', async () => {
    const through = await between(h.url, () => undefined)
    const billing = createBilling({ ...h.settings, stripe: through.stripe })
    const { ownerId, subscriptionId } = await h.subscriber()
    await h.deliverAll()
    h.sandbox.stripe.renew(subscriptionId)
    await inBursts(billing)
    expect(through.requests.map(({ method }) => method)).toEqual(['GET', 'GET', 'GET'])
    const [newest, first] = await billing.listInvoices(ownerId)
    expect([newest?.status, first?.status]).toEqual(['paid', 'paid'])
    expect(await h.orders(ownerId)).toHaveLength(2)
    const before = through.requests.length
    // Loaded whole, nothing is other than it was in parts.
    expect((await billing.syncCustomer(ownerId)).changes).toEqual([])
    expect(through.requests.length - before).toBe(3)
    await through.close()
  })

  test('a renewal of an ordered plan sends three requests, too', async () => {
    const through = await between(h.url, () => undefined)
    const billing = createBilling({ ...h.settings, stripe: through.stripe })
    const ownerId = await h.owner()
    const { orderId, checkoutId } = await billing.createOrder({
      ownerId,
      productId: 'PRO_MONTHLY',
    })
    await h.pay(checkoutId)
    await h.deliverAll()
    const { subscriptionId } = await billing.settleOrder(orderId)
    for (const renewal of [1, 2]) {
      h.sandbox.stripe.renew(subscriptionId as string)
      through.requests.length = 0
      await inBursts(billing)
      expect(through.requests.map(({ method }) => method)).toEqual(['GET', 'GET', 'GET'])
      expect(await billing.listOrders({ ownerId })).toHaveLength(1 + renewal)
    }
    await through.close()
  })

  test('a part is not enough if another subscription is flagged', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    const second = await h.secondSubscription(subscriptionId)
    await h.billing.syncCustomer(ownerId)
    await h.deliverAll()
    await h.stripe.subscriptions.cancel(subscriptionId)
    await h.deliverAll()
    const current = await h.billing.getSubscription(ownerId)
    expect(current).toMatchObject({ plan: 'ENTERPRISE', stripeSubscriptionId: second.id })
  })

  test('payments of two days are compared with one request for a hundred', async () => {
    const through = await between(h.url, () => undefined)
    const billing = createBilling({ ...h.settings, stripe: through.stripe })
    for (let n = 0; n < 3; n += 1) await h.subscriber()
    const report = await billing.reconcileOrders()
    expect(report).toMatchObject({ outcome: 'done', failed: [], differing: [] })
    expect(report.payments).toBeGreaterThanOrEqual(3)
    expect(through.requests).toHaveLength(1)
    await through.close()
  })
})
