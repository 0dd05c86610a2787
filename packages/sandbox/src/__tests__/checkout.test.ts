/** Checkout Sessions: through the API, by a test's own hand, and on the page. */

import { createTestClock } from '@repo/core/testing'
import type Stripe from 'stripe'
import { expect, test } from 'vitest'
import { at, CANCEL, NEW, OLD, type Running, SUCCESS, shop, start, typesOf } from './harness.ts'

const CARD = { number: '4242 4242 4242 4242', expiry: '12 / 34', cvc: '123' }

async function open(
  stripe: Stripe,
  more: Partial<Stripe.Checkout.SessionCreateParams> = {},
): Promise<{ session: Stripe.Checkout.Session } & Awaited<ReturnType<typeof shop>>> {
  const made = await shop(stripe)
  const session = await stripe.checkout.sessions.create({
    mode: 'subscription',
    customer: made.customer.id,
    line_items: [{ price: made.price.id, quantity: 2 }],
    success_url: SUCCESS,
    cancel_url: CANCEL,
    client_reference_id: 'u_1',
    metadata: { plan: 'PRO' },
    subscription_data: { metadata: { ownerId: 'u_1' } },
    ...more,
  })
  return { ...made, session }
}

const openOnce = (stripe: Stripe, more: Partial<Stripe.Checkout.SessionCreateParams> = {}) =>
  stripe.checkout.sessions.create({
    mode: 'payment',
    line_items: [
      {
        price_data: { currency: 'eur', unit_amount: 900, product_data: { name: 'Credits' } },
        quantity: 2,
      },
    ],
    success_url: SUCCESS,
    customer_email: 'ada@example.com',
    payment_intent_data: { metadata: { orderId: 'o_1' } },
    ...more,
  })

const page = async (running: Running, session: Stripe.Checkout.Session) => {
  const response = await fetch(new URL(`/stripe/checkout/${session.id}`, running.url))
  return { response, text: await response.text() }
}

test.each([OLD, NEW])(
  'a session has the shape of %s, and what expand asks for',
  async (version) => {
    const stripe = (await start()).client(version)
    const { session, price, customer } = await open(stripe)
    expect(session).toMatchObject({
      object: 'checkout.session',
      status: 'open',
      payment_status: 'unpaid',
      amount_total: 9800,
      currency: 'usd',
      client_reference_id: 'u_1',
      metadata: { plan: 'PRO' },
      subscription: null,
      livemode: false,
      ui_mode: version === NEW ? 'hosted_page' : 'hosted',
    })
    expect(session).not.toHaveProperty('line_items')
    expect(session).not.toHaveProperty('subscription_data')
    const full = await stripe.checkout.sessions.retrieve(session.id, {
      expand: ['line_items.data.price.product', 'customer'],
    })
    expect(full.line_items?.data).toHaveLength(1)
    expect(at(full, 'line_items.data.0.price')).toMatchObject({
      id: price.id,
      product: { name: 'Pro' },
    })
    expect(full.customer).toMatchObject({ id: customer.id, email: 'ada@example.com' })
    const items = await stripe.checkout.sessions.listLineItems(session.id)
    expect(items.data[0]).toMatchObject({ quantity: 2, amount_total: 9800 })
  },
)

test('completing a subscription session makes the subscription, its invoice and the events', async () => {
  const running = await start()
  const stripe = running.client()
  const { session, customer } = await open(stripe)
  const before = typesOf(running).length
  running.sandbox.stripe.completeCheckout(session.id)
  const done = await stripe.checkout.sessions.retrieve(session.id, {
    expand: ['subscription.latest_invoice.payment_intent'],
  })
  expect(done).toMatchObject({ status: 'complete', payment_status: 'paid', url: null })
  expect(done.subscription).toMatchObject({
    status: 'active',
    customer: customer.id,
    metadata: { ownerId: 'u_1' },
    latest_invoice: { status: 'paid', amount_paid: 9800, payment_intent: { status: 'succeeded' } },
  })
  expect(typesOf(running).slice(before)).toEqual([
    'payment_method.attached',
    'invoice.created',
    'payment_intent.created',
    'invoice.finalized',
    'charge.succeeded',
    'payment_intent.succeeded',
    'invoice.paid',
    'invoice.payment_succeeded',
    'customer.subscription.created',
    'checkout.session.completed',
  ])
})

test('a trial costs nothing now and is charged at its end', async () => {
  const clock = createTestClock('2026-01-31T12:00:00Z')
  const running = await start({ clock })
  const stripe = running.client()
  const { session } = await open(stripe, { subscription_data: { trial_period_days: 14 } })
  const { text } = await page(running, session)
  expect(text).toContain('Free trial')
  running.sandbox.stripe.completeCheckout(session.id, { card: '4000000000000341' })
  const done = await stripe.checkout.sessions.retrieve(session.id, {
    expand: ['subscription.latest_invoice'],
  })
  expect(done).toMatchObject({ payment_status: 'no_payment_required', amount_total: 0 })
  expect(done.subscription).toMatchObject({
    status: 'trialing',
    trial_end: Date.parse('2026-02-14T12:00:00Z') / 1000,
    latest_invoice: { status: 'paid', total: 0 },
  })
  const id = (done.subscription as Stripe.Subscription).id
  expect(running.sandbox.stripe.renew(id)).toMatchObject({ status: 'past_due' })
})

test('one payment carries its metadata to the intent, and a guest stays a guest', async () => {
  const running = await start()
  const stripe = running.client()
  const session = await openOnce(stripe)
  expect(session.payment_intent).toBeNull()
  running.sandbox.stripe.completeCheckout(session.id)
  const done = await stripe.checkout.sessions.retrieve(session.id, { expand: ['payment_intent'] })
  expect(done).toMatchObject({
    status: 'complete',
    customer: null,
    customer_details: { email: 'ada@example.com' },
    payment_intent: {
      status: 'succeeded',
      amount: 1800,
      currency: 'eur',
      metadata: { orderId: 'o_1' },
    },
  })
  expect((await stripe.customers.list()).data).toEqual([])

  const other = await openOnce(stripe, { customer_creation: 'always' })
  running.sandbox.stripe.completeCheckout(other.id)
  expect((await stripe.customers.list()).data[0]?.email).toBe('ada@example.com')
})

test('what Stripe requires is required', async () => {
  const stripe = (await start()).client()
  const { price, product } = await shop(stripe)
  const create = (params: object) =>
    stripe.checkout.sessions.create(params as Stripe.Checkout.SessionCreateParams)
  const line_items = [{ price: price.id, quantity: 1 }]
  const base = { mode: 'subscription', success_url: SUCCESS, line_items }
  const refused = async (params: object, error: object) =>
    expect(create(params)).rejects.toMatchObject({ statusCode: 400, ...error })
  await refused({ ...base, mode: undefined }, { param: 'mode', code: 'parameter_missing' })
  await refused({ ...base, success_url: undefined }, { param: 'success_url' })
  await refused({ ...base, success_url: '/ok' }, { code: 'url_invalid' })
  await refused({ ...base, line_items: undefined }, { param: 'line_items' })
  await refused(
    { ...base, line_items: [{ price: 'price_none', quantity: 1 }] },
    {
      code: 'resource_missing',
      param: 'line_items[0][price]',
    },
  )
  await refused(
    { ...base, line_items: [{ price: price.id, quantity: 0 }] },
    {
      param: 'line_items[0][quantity]',
    },
  )
  await refused({ ...base, mode: 'payment' }, { param: 'line_items[0][price]' })
  await refused(
    { ...base, payment_intent_data: { description: 'x' } },
    {
      param: 'payment_intent_data',
    },
  )
  await refused({ ...base, customer: 'cus_none' }, { param: 'customer' })
  await refused({ ...base, expires_at: 1 }, { param: 'expires_at' })
  const once = await stripe.prices.create({
    product: product.id,
    currency: 'usd',
    unit_amount: 100,
  })
  await refused({ ...base, line_items: [{ price: once.id, quantity: 1 }] }, { param: 'line_items' })
  await stripe.prices.update(price.id, { active: false })
  await refused(base, { param: 'line_items[0][price]' })
  expect((await stripe.checkout.sessions.list()).data).toEqual([])
})

test('a session expires by request and by time, and then cannot be paid', async () => {
  const clock = createTestClock()
  const running = await start({ clock })
  const stripe = running.client()
  const one = await openOnce(stripe)
  const two = await openOnce(stripe)
  await stripe.checkout.sessions.expire(one.id)
  await expect(stripe.checkout.sessions.expire(one.id)).rejects.toMatchObject({ statusCode: 400 })
  clock.advance(25 * 3_600_000)
  expect((await stripe.checkout.sessions.list({ status: 'expired' })).data).toHaveLength(2)
  expect(() => running.sandbox.stripe.completeCheckout(two.id)).toThrow('expired')
  expect(typesOf(running).filter((type) => type === 'checkout.session.expired')).toHaveLength(2)
  expect((await page(running, two)).text).toContain('Checkout expired')
  const late = await running.post(`/stripe/checkout/${two.id}`, CARD)
  expect(late.status).toBe(409)
  expect((await stripe.paymentIntents.list()).data).toEqual([])
})

test('a buyer pays on the page and returns with the session’s id', async () => {
  const running = await start()
  const stripe = running.client()
  const { session } = await open(stripe)
  expect(session.url).toBe(`${running.url}/stripe/checkout/${session.id}`)
  const { response, text } = await page(running, session)
  expect(response.headers.get('content-security-policy')).toMatch(
    /default-src 'none'.*frame-ancestors 'none'/,
  )
  expect(response.headers.get('content-security-policy')).not.toContain('script')
  expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  expect(text).toContain('$98.00 per month')
  expect(text).toContain(`href="${CANCEL}"`)
  expect(text).not.toContain('<script')

  const paid = await running.post(`/stripe/checkout/${session.id}`, CARD)
  expect(paid.status).toBe(303)
  expect(paid.headers.get('location')).toBe(`http://localhost:3000/ok?session=${session.id}`)
  expect((await page(running, session)).text).toContain('Already paid')
})

test('a declined or mistyped card keeps the session open and says why', async () => {
  const running = await start()
  const stripe = running.client()
  const session = await openOnce(stripe)
  const path = `/stripe/checkout/${session.id}`
  const attempt = async (card: Partial<typeof CARD>) => {
    const response = await running.post(path, { ...CARD, ...card })
    return { status: response.status, text: await response.text() }
  }
  const declined = await attempt({ number: '4000 0000 0000 0002' })
  expect(declined.status).toBe(402)
  expect(declined.text).toContain('Your card was declined.')
  expect(declined.text).not.toContain('4000 0000 0000 0002"')
  expect((await attempt({ number: '4242 4242 4242 4241' })).text).toContain('number is incorrect')
  expect((await attempt({ number: '4111 1111 1111 1111' })).text).toContain('stand-in')
  expect((await attempt({ expiry: '01 / 20' })).text).toContain('expiration year is invalid')
  expect((await attempt({ cvc: '1' })).text).toContain('security code is invalid')
  expect((await stripe.checkout.sessions.retrieve(session.id)).status).toBe('open')

  expect((await attempt({})).status).toBe(303)
  const intents = await stripe.paymentIntents.list()
  expect(intents.data.map((intent) => [intent.status, intent.amount])).toEqual([
    ['succeeded', 1800],
  ])
})

test('a declined subscription leaves nothing behind', async () => {
  const running = await start()
  const stripe = running.client()
  const { session } = await open(stripe)
  const before = typesOf(running)
  expect(() =>
    running.sandbox.stripe.completeCheckout(session.id, { card: '4000000000000002' }),
  ).toThrow('Your card was declined.')
  expect(typesOf(running)).toEqual(before)
  expect((await stripe.subscriptions.list({ status: 'all' })).data).toEqual([])
})

test('two payments sent at once pay once', async () => {
  const running = await start()
  const stripe = running.client()
  const { session } = await open(stripe)
  const answers = await Promise.all(
    [1, 2, 3].map(() => running.post(`/stripe/checkout/${session.id}`, CARD)),
  )
  expect(answers.map((answer) => answer.status).sort()).toEqual([303, 409, 409])
  expect((await stripe.subscriptions.list({ status: 'all' })).data).toHaveLength(1)
  expect(typesOf(running).filter((type) => type === 'charge.succeeded')).toHaveLength(1)
})

test('a form from another site is refused and pays nothing', async () => {
  const running = await start()
  const stripe = running.client()
  const session = await openOnce(stripe)
  const path = `/stripe/checkout/${session.id}`
  for (const origin of ['https://evil.example', 'null', 'http://localhost:3000']) {
    expect((await running.post(path, CARD, origin)).status).toBe(403)
  }
  expect((await stripe.checkout.sessions.retrieve(session.id)).status).toBe('open')
  expect((await running.post(path, CARD)).status).toBe(303)
})

test('an unknown address is asked for, and everything shown is escaped', async () => {
  const running = await start()
  const stripe = running.client()
  const session = await stripe.checkout.sessions.create({
    mode: 'payment',
    line_items: [
      {
        price_data: {
          currency: 'usd',
          unit_amount: 900,
          product_data: { name: '<img src=x onerror=alert(1)>' },
        },
        quantity: 1,
      },
    ],
    success_url: SUCCESS,
  })
  const { text } = await page(running, session)
  expect(text).toContain('name="email"')
  expect(text).not.toContain('<img')
  const path = `/stripe/checkout/${session.id}`
  const missing = await running.post(path, { ...CARD, name: '"><b>' })
  expect(missing.status).toBe(402)
  expect(await missing.text()).not.toContain('<b>')
  expect((await running.post(path, { ...CARD, email: 'ada@example.com' })).status).toBe(303)
  expect((await fetch(new URL('/stripe/checkout/cs_none', running.url))).status).toBe(404)
})

test('an open session says whom it is for, as far as the host has said', async () => {
  const stripe = (await start()).client(NEW)
  const { price, customer } = await shop(stripe)
  const create = async (more: object) =>
    (
      await stripe.checkout.sessions.create({
        mode: 'subscription',
        success_url: SUCCESS,
        line_items: [{ price: price.id, quantity: 1 }],
        ...more,
      })
    ).customer_details
  expect(await create({})).toBeNull()
  const known = { email: 'ada@example.com', name: null, tax_exempt: 'none', tax_ids: null }
  expect(await create({ customer: customer.id })).toMatchObject(known)
  expect(await create({ customer_email: 'ada@example.com' })).toMatchObject(known)
})
