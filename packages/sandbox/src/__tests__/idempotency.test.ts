/** Idempotency keys: what began is answered once and for all, and only one request at a time. */

import { afterEach, expect, test, vi } from 'vitest'
import { shop, start } from './harness.ts'

afterEach(() => vi.restoreAllMocks())

test('the same key and parameters repeat the answer, and act once', async () => {
  const running = await start()
  const stripe = running.client()
  const create = () => stripe.customers.create({ name: 'Ada' }, { idempotencyKey: 'customer-u_1' })
  const first = await create()
  const second = await create()
  expect(second.id).toBe(first.id)
  expect(second.lastResponse.headers['idempotent-replayed']).toBe('true')
  expect((await stripe.customers.list()).data).toHaveLength(1)
  expect(running.sandbox.stripe.events).toHaveLength(1)
  expect(running.sandbox.stripe.events[0]).toMatchObject({
    request: { idempotency_key: 'customer-u_1' },
  })
})

test('the same key at once is refused while its request runs, and the SDK tries again', async () => {
  const running = await start({ stripe: { latencyMs: 100 } })
  const stripe = running.client()
  const create = (maxNetworkRetries: number) =>
    stripe.customers.create({ name: 'Ada' }, { idempotencyKey: 'k1', maxNetworkRetries })
  const both = await Promise.allSettled([create(0), create(0)])
  const [refused] = both.filter(({ status }) => status === 'rejected')
  expect(refused).toMatchObject({
    reason: { statusCode: 409, code: 'idempotency_key_in_use' },
  })
  const [one, other] = await Promise.all([create(0), create(2)])
  expect(other.id).toBe(one.id)
  // Another key does not wait, and a read has none.
  await Promise.all([
    stripe.customers.create({}, { idempotencyKey: 'k2' }),
    stripe.customers.create({}, { idempotencyKey: 'k3' }),
    stripe.customers.list(),
    stripe.customers.list(),
  ])
  expect((await stripe.customers.list()).data).toHaveLength(3)
})

test('a key is in use without a delay, too, from the request’s head to its answer', async () => {
  const running = await start()
  const stripe = running.client()
  const all = await Promise.allSettled(
    Array.from({ length: 20 }, () =>
      stripe.customers.create({ name: 'Ada' }, { idempotencyKey: 'k1' }),
    ),
  )
  const made = all.filter(({ status }) => status === 'fulfilled')
  expect(made.length).toBeGreaterThan(0)
  for (const one of all) {
    if (one.status === 'rejected') expect(one.reason).toMatchObject({ statusCode: 409 })
  }
  expect((await stripe.customers.list()).data).toHaveLength(1)
})

test('the same key with other parameters is refused; a request that never began frees it', async () => {
  const running = await start()
  const stripe = running.client()
  const options = { idempotencyKey: 'key-1' }
  await expect(stripe.customers.create({ email: 'bad' }, options)).rejects.toThrow('Invalid email')
  await expect(stripe.customers.create({ emial: 'x' } as object, options)).rejects.toMatchObject({
    code: 'parameter_unknown',
  })
  await stripe.customers.create({ name: 'Ada' }, options)
  await expect(stripe.customers.create({ name: 'Bob' }, options)).rejects.toMatchObject({
    statusCode: 400,
    type: 'StripeIdempotencyError',
  })
  expect((await stripe.customers.list()).data.map((one) => one.name)).toEqual(['Ada'])
})

test('a refusal that began is kept for a day, though the next try would be good', async () => {
  const running = await start()
  const stripe = running.client()
  const { customer, price } = await shop(stripe)
  const subscribe = (idempotencyKey: string) =>
    stripe.subscriptions.create(
      { customer: customer.id, items: [{ price: price.id }] },
      { idempotencyKey },
    )
  const refusal = { statusCode: 400, code: 'resource_missing' }
  await expect(subscribe('k1')).rejects.toMatchObject(refusal)
  const card = await stripe.paymentMethods.attach('pm_card_visa', { customer: customer.id })
  await stripe.customers.update(customer.id, {
    invoice_settings: { default_payment_method: card.id },
  })
  await expect(subscribe('k1')).rejects.toMatchObject({
    ...refusal,
    headers: { 'idempotent-replayed': 'true' },
  })
  expect((await subscribe('k2')).status).toBe('active')
  const real = Date.now
  vi.spyOn(Date, 'now').mockImplementation(() => real() + 25 * 3_600_000)
  expect((await subscribe('k1')).status).toBe('active')
})

test('a failure that broke a request off is kept; one in front of the API is not', async () => {
  const running = await start()
  const stripe = running.client()
  const create = (idempotencyKey: string) => stripe.customers.create({}, { idempotencyKey })
  running.sandbox.stripe.failNext({ status: 500 })
  await expect(create('k1')).rejects.toMatchObject({ statusCode: 500 })
  await expect(create('k1')).rejects.toMatchObject({ statusCode: 500 })
  for (const status of [429, 502, 503]) {
    running.sandbox.stripe.failNext({ status })
    await expect(create('k2')).rejects.toMatchObject({ statusCode: status })
  }
  await create('k2')
  running.sandbox.stripe.failNext({ status: 400, code: 'balance_insufficient', isKept: true })
  for (let time = 0; time < 2; time += 1) {
    await expect(create('k3')).rejects.toMatchObject({ code: 'balance_insufficient' })
  }
  expect((await stripe.customers.list()).data).toHaveLength(1)
})
