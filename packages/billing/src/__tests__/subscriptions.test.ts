/** Plans: checkout, the page after it, the portal, the end. */

import { listDeadJobs } from '@repo/jobs'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createBilling, definePlans, isActive, onGracePeriod } from '../index.ts'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

test('checkout returns a valid URL of the provider, for the price of the plan', async () => {
  const ownerId = await h.owner()
  const { id, url } = await h.billing.createCheckoutSession({
    ownerId,
    plan: 'PRO',
    interval: 'year',
  })
  expect(new URL(url).origin).toBe(new URL(h.url).origin)
  expect((await fetch(url)).status).toBe(200)
  const session = await h.stripe.checkout.sessions.retrieve(id, { expand: ['line_items'] })
  expect(session.mode).toBe('subscription')
  expect(session.client_reference_id).toBe(ownerId)
  expect(session.line_items?.data[0]?.price?.lookup_key).toBe('pro_yearly')
})

test('an owner that billing does not know has the free plan', async () => {
  expect(await h.billing.getSubscription('nobody')).toMatchObject({ plan: 'FREE', status: null })
})

test('promise 4: the page after checkout is right before any webhook came', async () => {
  const ownerId = await h.owner()
  const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  expect(await h.billing.confirmCheckout(ownerId, id)).toMatchObject({
    status: 'open',
    paid: false,
  })
  expect((await h.billing.getSubscription(ownerId)).plan).toBe('FREE')

  await h.pay(id)
  expect(await h.billing.confirmCheckout(ownerId, id)).toEqual({
    status: 'complete',
    paid: true,
    paymentId: null,
  })

  const subscription = await h.billing.getSubscription(ownerId)
  expect(subscription).toMatchObject({
    plan: 'PRO',
    status: 'active',
    interval: 'month',
    amount: 2900,
    currency: 'usd',
    endsAt: null,
  })
  expect(isActive(subscription)).toBe(true)
  await h.work()
  expect(
    h.outbox.sent.filter((mail) => mail.template === 'SubscriptionConfirmedEmail'),
  ).toHaveLength(1)
  await h.billing.confirmCheckout(ownerId, id)
  await h.work()
  expect(
    h.outbox.sent.filter((mail) => mail.template === 'SubscriptionConfirmedEmail'),
  ).toHaveLength(1)
})

test("another owner's checkout is refused like one that does not exist", async () => {
  const { sessionId } = await h.subscriber()
  const stranger = await h.owner()
  await h.billing.ensureCustomer(stranger)
  for (const id of [sessionId, 'cs_test_missing', '../x', '']) {
    await expect(h.billing.confirmCheckout(stranger, id)).rejects.toMatchObject({
      code: 'checkout_not_found',
      status: 404,
    })
  }
  expect((await h.billing.getSubscription(stranger)).plan).toBe('FREE')
})

test('cancelling keeps the plan to the end of the period, and resuming undoes it', async () => {
  const { ownerId } = await h.subscriber()
  const cancelled = await h.billing.cancelSubscription(ownerId)
  expect(cancelled).toMatchObject({ plan: 'PRO', status: 'active' })
  expect(cancelled.endsAt).toEqual(cancelled.currentPeriodEnd)
  expect(onGracePeriod(cancelled)).toBe(true)
  expect((await h.billing.resumeSubscription(ownerId)).endsAt).toBeNull()
})

test('cancelling now ends the plan, and a new plan can be bought', async () => {
  const { ownerId } = await h.subscriber()
  expect(await h.billing.cancelSubscription(ownerId, { at: 'now' })).toMatchObject({
    plan: 'FREE',
    status: null,
  })
  await expect(h.billing.cancelSubscription(ownerId)).rejects.toMatchObject({
    code: 'subscription_not_found',
    status: 404,
  })
  const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'ENTERPRISE' })
  await h.pay(id)
  await h.billing.confirmCheckout(ownerId, id)
  expect((await h.billing.getSubscription(ownerId)).plan).toBe('ENTERPRISE')
})

test('an owner with a subscription cannot buy a second one', async () => {
  const { ownerId } = await h.subscriber()
  const again = h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  await expect(again).rejects.toMatchObject({
    code: 'already_subscribed',
    status: 409,
    data: { status: 'active', needsAttention: null },
  })
})

test('promise 2: a second current subscription is stored, flagged, and does not count', async () => {
  const { ownerId, subscriptionId } = await h.subscriber()
  const customer = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  const second = await h.secondSubscription(subscriptionId)
  const { problems } = await h.billing.syncCustomer(ownerId)
  expect(problems).toEqual([{ id: second.id, reason: 'second_current_subscription' }])
  expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'PRO' })
  expect(await h.db.subscription.count({ where: { customerId: customer.id } })).toBe(2)

  await h.stripe.subscriptions.cancel(subscriptionId)
  expect((await h.billing.syncCustomer(ownerId)).problems).toEqual([])
  expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'ENTERPRISE' })
})

test('an unknown plan or price is refused and nothing is created', async () => {
  const ownerId = await h.owner()
  const attempts = [
    [{ ownerId, plan: 'GOLD' }, 'plan_not_found'],
    [{ ownerId, plan: '__proto__' }, 'plan_not_found'],
    [{ ownerId, plan: 'FREE' }, 'price_not_found'],
    [{ ownerId: 'nobody', plan: 'PRO' }, 'owner_not_found'],
    [{ ownerId, plan: 'PRO', quantity: 0 }, 'invalid_amount'],
  ] as const
  for (const [input, code] of attempts) {
    await expect(h.billing.createCheckoutSession(input)).rejects.toMatchObject({ code })
  }
  const other = createBilling({
    ...h.settings,
    plans: definePlans({
      FREE: { name: 'Free' },
      NEW: { name: 'New', prices: { month: { lookupKey: 'new', amount: 1, currency: 'usd' } } },
    }),
  })
  const unknown = other.createCheckoutSession({ ownerId, plan: 'NEW' })
  await expect(unknown).rejects.toMatchObject({ code: 'price_not_found', status: 404 })
  const customer = await h.db.customer.findUnique({ where: { ownerId } })
  expect(customer).toBeNull()
})

test.each([
  'https://evil.example/',
  '//evil.example/',
  'http://localhost:3001/',
  'http://localhost:3000@evil.example/',
  'javascript:alert(1)',
  'http://user:pass@localhost:3000/',
])('the return address %s is refused', async (address) => {
  const ownerId = await h.owner()
  const refused = { code: 'invalid_return_url', status: 400 }
  for (const field of ['successUrl', 'cancelUrl'] as const) {
    const checkout = h.billing.createCheckoutSession({ ownerId, plan: 'PRO', [field]: address })
    await expect(checkout).rejects.toMatchObject(refused)
  }
  const portal = h.billing.createBillingPortalSession({ ownerId, returnUrl: address })
  await expect(portal).rejects.toMatchObject(refused)
})

test('the portal is a page of the provider with a link back', async () => {
  const { ownerId } = await h.subscriber()
  const { url } = await h.billing.createBillingPortalSession({ ownerId, returnUrl: '/account' })
  const page = await (await fetch(url)).text()
  expect(page).toContain('http://localhost:3000/account')
})

test('fifty parallel calls make one customer', async () => {
  const ownerId = await h.owner()
  const customers = await Promise.all(
    Array.from({ length: 50 }, () => h.patient.ensureCustomer(ownerId)),
  )
  expect(new Set(customers.map((customer) => customer.stripeCustomerId)).size).toBe(1)
  expect(await h.db.customer.count({ where: { ownerId } })).toBe(1)
  const atStripe = await h.stripe.customers.list({ limit: 100 })
  expect(atStripe.data.filter(({ metadata }) => metadata.ownerId === ownerId)).toHaveLength(1)
})

test('while the provider is unreachable nothing is written, and the error says to try again', async () => {
  const { ownerId } = await h.subscriber()
  const before = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  h.sandbox.stripe.failNext({ status: 500, times: 1 })
  await expect(h.billing.syncCustomer(ownerId)).rejects.toMatchObject({
    code: 'provider_unavailable',
    status: 503,
  })
  const after = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  expect(after.syncedTicket).toBe(before.syncedTicket)
  expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
})

test('a trial is given once per owner', async () => {
  const plans = definePlans({
    FREE: { name: 'Free' },
    PRO: {
      name: 'Pro',
      trialDays: 7,
      prices: { month: { lookupKey: 'pro_monthly', amount: 2900, currency: 'usd' } },
    },
  })
  const billing = createBilling({ ...h.settings, plans })
  const ownerId = await h.owner()
  const first = await billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  await h.pay(first.id)
  await billing.confirmCheckout(ownerId, first.id)
  expect(await billing.getSubscription(ownerId)).toMatchObject({ plan: 'PRO', status: 'trialing' })
  await billing.cancelSubscription(ownerId, { at: 'now' })

  const second = await billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  await h.pay(second.id)
  await billing.confirmCheckout(ownerId, second.id)
  expect(await billing.getSubscription(ownerId)).toMatchObject({ status: 'active', trialEnd: null })
})

test.each([
  ['two free plans', { A: { name: 'A' }, B: { name: 'B' } }],
  [
    'no free plan',
    { A: { name: 'A', prices: { month: { lookupKey: 'a', amount: 1, currency: 'usd' } } } },
  ],
  [
    'a fraction',
    {
      F: { name: 'F' },
      A: { name: 'A', prices: { month: { lookupKey: 'a', amount: 1.5, currency: 'usd' } } },
    },
  ],
  [
    'one key twice',
    {
      F: { name: 'F' },
      A: {
        name: 'A',
        prices: {
          month: { lookupKey: 'a', amount: 1, currency: 'usd' },
          year: { lookupKey: 'a', amount: 1, currency: 'usd' },
        },
      },
    },
  ],
])('plans with %s are refused', (_, plans) => {
  expect(() => definePlans(plans)).toThrow(expect.objectContaining({ code: 'invalid_options' }))
})

test('pushing plans twice creates nothing the second time, and a new amount replaces a price', async () => {
  expect(await h.billing.pushPlans()).toEqual([])
  const plans = definePlans({
    FREE: { name: 'Free' },
    TEAM: { name: 'Team', prices: { month: { lookupKey: 'team', amount: 100, currency: 'usd' } } },
  })
  expect(await createBilling({ ...h.settings, plans }).pushPlans()).toEqual(['team'])
  const dearer = definePlans({
    FREE: { name: 'Free' },
    TEAM: { name: 'Team', prices: { month: { lookupKey: 'team', amount: 200, currency: 'usd' } } },
  })
  expect(await createBilling({ ...h.settings, plans: dearer }).pushPlans()).toEqual(['team'])
  const found = await h.stripe.prices.list({ lookup_keys: ['team'] })
  expect(found.data.map((price) => price.unit_amount)).toEqual([200])
})

test('a current subscription whose price is unknown now stays current, and a second one is flagged', async () => {
  const { ownerId, subscriptionId } = await h.subscriber()
  const price = await h.stripe.prices.create({
    currency: 'usd',
    unit_amount: 1,
    recurring: { interval: 'month' },
    product_data: { name: 'Mystery' },
  })
  const { items } = await h.stripe.subscriptions.retrieve(subscriptionId)
  const item = items.data[0]?.id as string
  await h.stripe.subscriptions.update(subscriptionId, { items: [{ id: item, price: price.id }] })
  const second = await h.secondSubscription(subscriptionId)
  const { problems } = await h.billing.syncCustomer(ownerId)
  expect(problems).toHaveLength(2)
  expect(problems).toContainEqual({ id: subscriptionId, reason: 'unknown_price' })
  expect(problems).toContainEqual({ id: second.id, reason: 'second_current_subscription' })
  expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'PRO' })
})

test('a confirmation mail whose key was used for another text is not retried for ever', async () => {
  const { ownerId, subscriptionId } = await h.subscriber()
  await h.work()
  const key = `subscription:${subscriptionId}:activated`
  await h.db.effect.delete({ where: { key } })
  await h.db.user.update({ where: { id: ownerId }, data: { name: 'Ada King' } })
  await h.billing.syncCustomer(ownerId)
  await h.work()
  expect(h.outbox.to(`${ownerId}@example.com`)).toHaveLength(1)
  expect(await listDeadJobs(h.db)).toEqual([])
  const [{ left }] = await h.db.$queryRaw<[{ left: number }]>`
    SELECT count(*)::int AS left FROM graphile_worker.jobs WHERE task_identifier = 'billing.mail'`
  expect(left).toBe(0)
})

test.each([
  ['a reason nobody knows', { reason: 'boredom' as 'other' }],
  ['too long a comment', { comment: 'x'.repeat(501) }],
])('a cancellation with %s is refused and cancels nothing', async (_, options) => {
  const { ownerId } = await h.subscriber()
  await expect(h.billing.cancelSubscription(ownerId, options)).rejects.toMatchObject({
    code: 'invalid_cancellation',
    status: 400,
  })
  expect(await h.billing.getSubscription(ownerId)).toMatchObject({ endsAt: null })
})
