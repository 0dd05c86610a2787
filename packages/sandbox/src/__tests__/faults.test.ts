/** Faults on demand, and a sandbox that leaves delivery to the drill. */

import Stripe from 'stripe'
import { expect, test } from 'vitest'
import { createStripeSandbox, type FaultKind } from '../index.ts'
import { KEY, OLD, SECRET, start, startReceiver, typesOf } from './harness.ts'

const statuses = async (running: Awaited<ReturnType<typeof start>>, count: number) => {
  const seen: (number | undefined)[] = []
  for (let index = 0; index < count; index += 1) {
    seen.push(
      await running
        .client()
        .customers.list()
        .then(() => 200)
        .catch((error: { statusCode?: number }) => error.statusCode),
    )
  }
  return seen
}

test('a seed makes the same faults again, at about the rate, until they are ended', async () => {
  const running = await start()
  const { setFaults } = running.sandbox.stripe
  const faults = { rate: 0.3, kinds: ['429', '500'] as const, seed: 7 }
  setFaults(faults)
  const first = await statuses(running, 100)
  setFaults(faults)
  expect(await statuses(running, 100)).toEqual(first)
  setFaults({ ...faults, seed: 8 })
  expect(await statuses(running, 100)).not.toEqual(first)
  const failed = first.filter((status) => status !== 200).length
  expect(failed).toBeGreaterThan(15)
  expect(failed).toBeLessThan(45)
  expect(new Set(first)).toEqual(new Set([200, 429, 500]))
  setFaults(null)
  expect(new Set(await statuses(running, 20))).toEqual(new Set([200]))
  expect(() => setFaults({ rate: 2, kinds: ['500'] })).toThrow('rate')
  expect(() => setFaults({ rate: 1, kinds: [] })).toThrow('kind')
})

const always = (kind: FaultKind) => ({ rate: 1, kinds: [kind] })

test('an applied fault did what was asked, its answer is lost, and the key finds it', async () => {
  const running = await start()
  const stripe = running.client()
  const create = () => stripe.customers.create({ name: 'Ada' }, { idempotencyKey: 'k1' })
  running.sandbox.stripe.setFaults(always('applied'))
  await expect(create()).rejects.toMatchObject({ statusCode: 502 })
  running.sandbox.stripe.setFaults(null)
  expect(typesOf(running)).toEqual(['customer.created'])
  const { id } = await create()
  expect((await stripe.customers.list()).data.map((one) => one.id)).toEqual([id])
})

test.each(['429', '500', '503', 'reset'] as const)('a fault %s did nothing', async (kind) => {
  const running = await start()
  const stripe = running.client()
  running.sandbox.stripe.setFaults(always(kind))
  await expect(stripe.customers.create({})).rejects.toMatchObject(
    kind === 'reset' ? { type: 'StripeConnectionError' } : { statusCode: Number(kind) },
  )
  running.sandbox.stripe.setFaults(null)
  expect(typesOf(running)).toEqual([])
  await stripe.customers.create({})
})

test.each([
  ['500', 0],
  ['broken', 1],
] as const)(
  'a fault %s is kept under its key, whether anything was done or not',
  async (kind, done) => {
    const running = await start()
    const stripe = running.client()
    const create = (key: string) =>
      stripe.customers.create({ name: 'Ada' }, { idempotencyKey: key, maxNetworkRetries: 1 })
    running.sandbox.stripe.setFaults(always(kind))
    await expect(create('k1')).rejects.toMatchObject({ statusCode: 500 })
    running.sandbox.stripe.setFaults(null)
    expect((await stripe.customers.list()).data).toHaveLength(done)
    await expect(create('k1')).rejects.toMatchObject({
      statusCode: 500,
      headers: { 'idempotent-replayed': 'true' },
    })
    await create('k2')
    expect((await stripe.customers.list()).data).toHaveLength(done + 1)
  },
)

test('a late answer tells what was so when it was made', async () => {
  const running = await start()
  const stripe = running.client()
  const { id } = await stripe.customers.create({ name: 'Ada' })
  running.sandbox.stripe.setFaults(always('late'))
  const began = performance.now()
  const asked = stripe.customers.update(id, { description: 'late' })
  await expect.poll(() => typesOf(running)).toContain('customer.updated')
  running.sandbox.stripe.setFaults(null)
  await stripe.customers.update(id, { name: 'Ada Lovelace' })
  expect(await asked).toMatchObject({ name: 'Ada' })
  expect(performance.now() - began).toBeGreaterThan(900)
})

test('a request that hangs is answered when the caller has gone', async () => {
  const running = await start()
  running.sandbox.stripe.setFaults(always('hang'))
  const ask = (init: RequestInit = {}) =>
    fetch(new URL('/v1/customers', running.url), {
      headers: { authorization: `Bearer ${KEY}` },
      ...init,
    })
  const impatient = ask({ signal: AbortSignal.timeout(50) })
  await expect(impatient).rejects.toMatchObject({ name: 'TimeoutError' })
  running.sandbox.stripe.setFaults(null)
  expect((await ask()).status).toBe(200)
})

test('without a server, a reset is an error and a hang ends with its request', async () => {
  const sandbox = createStripeSandbox({ secretKey: KEY })
  const request = (signal?: AbortSignal) =>
    new Request('http://stripe.test/v1/customers', {
      headers: { authorization: `Bearer ${KEY}` },
      ...(signal ? { signal } : {}),
    })
  sandbox.setFaults(always('reset'))
  expect((await sandbox.fetch(request())).status).toBe(503)
  sandbox.setFaults(always('hang'))
  const caller = new AbortController()
  const patient = sandbox.fetch(request())
  const gone = sandbox.fetch(request(caller.signal))
  caller.abort()
  expect(await Promise.race([gone, patient])).toBe(await gone)
  expect((await gone).status).toBe(503)
  await patient
})

test('the SDK’s own tries get through faults, and nothing is made twice', async () => {
  const running = await start()
  const { hostname, port } = new URL(running.url)
  const stripe = new Stripe(KEY, {
    host: hostname,
    port,
    protocol: 'http',
    apiVersion: OLD as Stripe.LatestApiVersion,
    maxNetworkRetries: 2,
    telemetry: false,
  })
  running.sandbox.stripe.setFaults({ rate: 0.3, kinds: ['503', 'applied', 'reset'], seed: 3 })
  const made: string[] = []
  for (let index = 0; index < 6; index += 1) {
    const customer = await stripe.customers.create({ name: `customer ${index}` })
    made.push(customer.id)
  }
  running.sandbox.stripe.setFaults(null)
  const listed = (await stripe.customers.list({ limit: 100 })).data.map(({ id }) => id)
  expect(listed.reverse()).toEqual(made)
})

test('a drill delivers by itself where delivery is off', async () => {
  const receiver = await startReceiver()
  const running = await start({
    stripe: { delivery: false, webhooks: [{ url: receiver.url, secret: SECRET }] },
  })
  const stripe = running.client()
  const { stripe: control } = running.sandbox
  await stripe.customers.create({ name: 'Ada' })
  await control.settled()
  expect(receiver.received).toEqual([])
  expect(control.deliveries).toEqual([])
  const [event] = (await stripe.events.list({ delivery_success: true })).data
  expect(event).toMatchObject({ type: 'customer.created', pending_webhooks: 0 })
  expect((await stripe.events.list({ delivery_success: false })).data).toEqual([])

  const [request] = control.requestsOf(String(event?.id))
  if (!request) throw new Error('no request')
  expect(request.url).toBe(receiver.url)
  await fetch(request.url, { method: 'POST', headers: request.headers, body: request.body })
  const { body, headers } = receiver.received[0] ?? { body: '', headers: {} }
  const verified = stripe.webhooks.constructEvent(body, String(headers['stripe-signature']), SECRET)
  expect(verified.id).toBe(event?.id)
  expect(() => control.requestsOf('evt_none')).toThrow('does not exist')
})

test('without a receiver, events are listed and none is waited for', async () => {
  const running = await start({ stripe: { webhooks: [] } })
  const stripe = running.client()
  await stripe.customers.create({})
  await running.sandbox.stripe.settled()
  expect((await stripe.events.list()).data).toHaveLength(1)
  expect((await stripe.events.list({ delivery_success: false })).data).toEqual([])
  const [event] = (await stripe.events.list({ delivery_success: true })).data
  expect(running.sandbox.stripe.requestsOf(String(event?.id))).toEqual([])
})
