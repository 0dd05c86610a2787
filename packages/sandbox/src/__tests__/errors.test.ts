/** Refusals and idempotency: every answer is in Stripe's form. */

import { expect, test } from 'vitest'
import { KEY, OLD, SUCCESS, shop, start, subscribe } from './harness.ts'

const form = (running: { url: string }, path: string, init: RequestInit = {}) =>
  fetch(new URL(path, running.url), {
    ...init,
    headers: { authorization: `Bearer ${KEY}`, ...init.headers },
  })

test('a request without the right key is refused', async () => {
  const running = await start()
  await expect(running.client(OLD, 'sk_test_wrong').customers.list()).rejects.toMatchObject({
    type: 'StripeAuthenticationError',
    statusCode: 401,
    message: expect.not.stringContaining('sk_test_wrong'),
  })
  const bare = await fetch(new URL('/v1/customers', running.url))
  expect(bare.status).toBe(401)
  expect(await bare.json()).toMatchObject({ error: { type: 'invalid_request_error' } })
  const basic = await fetch(new URL('/v1/customers', running.url), {
    headers: { authorization: `Basic ${btoa(`${KEY}:`)}` },
  })
  expect(basic.status).toBe(200)
})

test('an unknown route, version or id is an error with a body and a request id', async () => {
  const running = await start()
  const stripe = running.client()
  await expect(stripe.quotes.list()).rejects.toMatchObject({
    statusCode: 404,
    type: 'StripeInvalidRequestError',
  })
  await expect(stripe.customers.retrieve('cus_none')).rejects.toMatchObject({
    statusCode: 404,
    code: 'resource_missing',
    param: 'id',
  })
  await expect(stripe.customers.list({}, { apiVersion: 'tomorrow' })).rejects.toMatchObject({
    statusCode: 400,
  })
  for (const path of ['/v1', '/v1/nothing', '/v2/core/events']) {
    const response = await form(running, path, { method: 'DELETE' })
    expect(response.status).toBe(404)
    expect(response.headers.get('request-id')).toMatch(/^req_/)
    expect(await response.json()).toHaveProperty('error.message')
  }
})

test('a parameter that is unknown, missing or malformed is named', async () => {
  const running = await start()
  const stripe = running.client()
  const { customer } = await shop(stripe)
  const refused = async (call: Promise<unknown>, error: object) =>
    expect(call).rejects.toMatchObject({ statusCode: 400, ...error })
  await refused(stripe.customers.create({ emial: 'x' } as object), {
    code: 'parameter_unknown',
    param: 'emial',
  })
  await refused(stripe.prices.create({ currency: 'usd', unit_amount: 1 }), {
    code: 'parameter_missing',
    param: 'product',
  })
  await refused(stripe.customers.create({ email: 'nobody' }), { code: 'email_invalid' })
  await refused(stripe.paymentIntents.create({ amount: 1.5, currency: 'usd' }), {
    code: 'parameter_invalid_integer',
    param: 'amount',
  })
  await refused(stripe.paymentIntents.create({ amount: 49, currency: 'usd' }), {
    code: 'amount_too_small',
    param: 'amount',
  })
  await refused(stripe.paymentIntents.create({ amount: 0, currency: 'usd' }), { param: 'amount' })
  await refused(stripe.paymentIntents.create({ amount: 500, currency: 'dollar' }), {
    param: 'currency',
  })
  await refused(
    stripe.paymentIntents.create({ amount: 500, currency: 'usd', customer: 'cus_no' }),
    {
      code: 'resource_missing',
      param: 'customer',
    },
  )
  await refused(
    stripe.billingPortal.sessions.create({ customer: customer.id, return_url: 'javascript:x' }),
    { code: 'url_invalid', param: 'return_url' },
  )
  await refused(stripe.customers.retrieve(customer.id, { expand: ['email'] }), { param: 'expand' })
  expect((await stripe.paymentIntents.list()).data).toEqual([])
  expect((await stripe.customers.list()).data).toHaveLength(1)
})

test('expand replaces ids, at most four deep, and refuses what cannot be expanded', async () => {
  const stripe = (await start()).client()
  const { customer, subscription } = await subscribe(stripe)
  const found = await stripe.subscriptions.retrieve(subscription.id, {
    expand: ['customer', 'latest_invoice.payment_intent', 'items.data.price.product'],
  })
  expect(found).toMatchObject({
    customer: { id: customer.id, email: 'ada@example.com' },
    latest_invoice: { object: 'invoice', payment_intent: { status: 'succeeded' } },
    items: { data: [{ price: { product: { name: 'Pro' } } }] },
  })
  const again = await stripe.subscriptions.retrieve(subscription.id)
  expect(again.items.data[0]?.price.product).toBeTypeOf('string')
  for (const path of ['status', 'nothing', 'customer.email', 'a.b.c.d.e.f']) {
    const refused = stripe.subscriptions.retrieve(subscription.id, { expand: [path] })
    await expect(refused, path).rejects.toMatchObject({ param: 'expand', statusCode: 400 })
  }
})

test('a request that is refused for its expansion did nothing, and its key is free', async () => {
  const running = await start()
  const stripe = running.client()
  const pay = (expand: string[]) =>
    stripe.paymentIntents.create(
      {
        amount: 500,
        currency: 'usd',
        payment_method: 'pm_card_visa',
        confirm: true,
        return_url: SUCCESS,
        expand,
      },
      { idempotencyKey: 'k1' },
    )
  for (const path of ['latest_charge.nothing', 'data.latest_charge', 'amount']) {
    await expect(pay([path]), path).rejects.toMatchObject({ param: 'expand', statusCode: 400 })
  }
  expect((await stripe.charges.list()).data).toEqual([])
  // What is null or empty here can be expanded all the same.
  const paid = await pay(['latest_charge.balance_transaction', 'latest_charge.refunds'])
  expect(paid).toMatchObject({
    latest_charge: { balance_transaction: null, refunds: { data: [] } },
  })
  expect((await stripe.charges.list()).data).toHaveLength(1)
})

test('failures on demand come in Stripe’s form and as often as asked', async () => {
  const running = await start()
  const stripe = running.client()
  running.sandbox.stripe.failNext({ status: 503, times: 2 })
  for (let time = 0; time < 2; time += 1) {
    await expect(stripe.customers.create({})).rejects.toMatchObject({
      statusCode: 503,
      type: 'StripeAPIError',
    })
  }
  await stripe.customers.create({})
  running.sandbox.stripe.failNext({ status: 429 })
  await expect(stripe.customers.list()).rejects.toMatchObject({ type: 'StripeRateLimitError' })
  expect((await stripe.customers.list()).data).toHaveLength(1)
  running.sandbox.stripe.failNext({ status: 503 })
  await stripe.customers.create({}, { maxNetworkRetries: 1 })
  expect((await stripe.customers.list()).data).toHaveLength(2)
})

test('hostile bodies are refused and change nothing', async () => {
  const running = await start()
  const send = (body: string) => form(running, '/v1/customers', { method: 'POST', body })
  expect((await send('metadata[__proto__]=x&metadata[constructor]=y')).status).toBe(200)
  expect(({} as Record<string, unknown>).x).toBeUndefined()
  expect((await send(`a${'[b]'.repeat(50)}=1`)).status).toBe(400)
  expect((await send('metadata=text')).status).toBe(400)
  expect((await send(`name=${'x'.repeat(1_100_000)}`)).status).toBe(413)
  expect((await running.client().customers.list()).data).toHaveLength(1)
})
