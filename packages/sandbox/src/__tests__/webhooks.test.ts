/** Events and how they are delivered. */

import { until } from '@repo/core/testing'
import type Stripe from 'stripe'
import { expect, test } from 'vitest'
import type { DeliveryOptions } from '../deliveries.ts'
import { at, NEW, OLD, type Receiver, SECRET, start, startReceiver, subscribe } from './harness.ts'

async function running(apiVersion?: string, delivery?: DeliveryOptions) {
  const receiver = await startReceiver()
  const target = { url: receiver.url, secret: SECRET, ...(apiVersion ? { apiVersion } : {}) }
  const made = await start({
    stripe: { webhooks: [target], ...(delivery === undefined ? {} : { delivery }) },
  })
  return { ...made, receiver, stripe: made.client(), control: made.sandbox.stripe }
}

const typesIn = (receiver: Receiver) =>
  receiver.received.map(({ body }) => JSON.parse(body).type as string)

test('a webhook verifies with the SDK, and not under another secret or body', async () => {
  const { stripe, control, receiver } = await running()
  await stripe.customers.create({ name: 'Ada — “λ”' })
  await control.settled()
  expect(receiver.received).toHaveLength(1)
  const { body, headers } = receiver.received[0] ?? { body: '', headers: {} }
  const signature = String(headers['stripe-signature'])
  const event = stripe.webhooks.constructEvent(body, signature, SECRET)
  expect(event).toMatchObject({
    object: 'event',
    type: 'customer.created',
    api_version: OLD,
    livemode: false,
    pending_webhooks: 1,
    data: { object: { name: 'Ada — “λ”' } },
  })
  expect(headers['content-type']).toContain('application/json')
  expect(() => stripe.webhooks.constructEvent(body, signature, `${SECRET}x`)).toThrow()
  expect(() => stripe.webhooks.constructEvent(`${body} `, signature, SECRET)).toThrow()
  const fetched = await stripe.events.retrieve(event.id)
  expect(fetched.data).toEqual(JSON.parse(body).data)
  expect(fetched.pending_webhooks).toBe(0)
})

test('each receiver gets events in its own version', async () => {
  const { stripe, control, receiver, sandbox } = await running(NEW)
  const other = await startReceiver()
  sandbox.stripe.addWebhook({ url: other.url, secret: SECRET, events: ['invoice.paid'] })
  const { subscription } = await subscribe(stripe)
  await control.settled()
  expect(typesIn(other)).toEqual(['invoice.paid'])
  const old = JSON.parse(other.received[0]?.body ?? '')
  expect(old.api_version).toBe(OLD)
  expect(old.data.object.subscription).toBe(subscription.id)

  const paid = receiver.received
    .map(({ body }) => JSON.parse(body))
    .find(({ type }) => type === 'invoice.paid')
  expect(paid.api_version).toBe(NEW)
  expect(paid.id).toBe(old.id)
  expect(paid.data.object).not.toHaveProperty('subscription')
  expect(paid.data.object).not.toHaveProperty('payments')
  expect(at(paid, 'data.object.parent.subscription_details.subscription')).toBe(subscription.id)
})

test('previous attributes are of the receiver’s version, too', async () => {
  const { stripe, control, receiver } = await running(NEW)
  const { subscription } = await subscribe(stripe)
  control.renew(subscription.id)
  await control.settled()
  const updated = receiver.received
    .map(({ body }) => JSON.parse(body))
    .find(({ type }) => type === 'customer.subscription.updated')
  expect(updated.data.previous_attributes).not.toHaveProperty('current_period_end')
  expect(at(updated, 'data.previous_attributes.items.data.0.current_period_end')).toBeTypeOf(
    'number',
  )
})

test('a failed delivery is tried again until it arrives, with the same event', async () => {
  // More tries than are made until the receiver has been told to answer otherwise.
  const delivery = { retryDelaysMs: Array<number>(10_000).fill(5) }
  const { stripe, control, receiver } = await running(undefined, delivery)
  receiver.answer(500)
  await stripe.customers.create({})
  await until(() => receiver.received.length > 0, 2)
  receiver.answer(200)
  await control.settled()
  const ids = receiver.received.map(({ body }) => JSON.parse(body).id)
  expect(new Set(ids).size).toBe(1)
  expect(control.deliveries).toHaveLength(1)
  expect(control.deliveries[0]).toMatchObject({ state: 'delivered' })
  const statuses = control.deliveries[0]?.attempts.map(({ status }) => status) ?? []
  expect(statuses[0]).toBe(500)
  expect(statuses.at(-1)).toBe(200)
  expect(statuses).toHaveLength(receiver.received.length)
})

test.each([
  [302, 302, null],
  [404, 404, null],
  [0, null, 'timeout'],
])('an answer %s is a failure, and the last try gives up', async (answer, status, error) => {
  const delivery = { retryDelaysMs: [5, 5], ...(answer === 0 ? { timeoutMs: 200 } : {}) }
  const { stripe, control, receiver } = await running(undefined, delivery)
  receiver.answer(answer)
  await stripe.customers.create({})
  await control.settled()
  expect(receiver.received).toHaveLength(3)
  expect(control.deliveries[0]).toMatchObject({ state: 'failed' })
  expect(control.deliveries[0]?.attempts.at(-1)).toMatchObject({ status, error })
  expect((await stripe.events.list({ delivery_success: false })).data).toHaveLength(1)
  expect((await stripe.events.list({ delivery_success: true })).data).toHaveLength(0)

  receiver.answer(200)
  await until(async () => {
    await control.redeliver(String(control.events[0]?.id))
    return control.deliveries[0]?.state === 'delivered'
  })
  expect((await stripe.events.list({ delivery_success: false })).data).toHaveLength(0)
})

test('a pause holds events back, so a redirect can be first', async () => {
  const { stripe, control, receiver } = await running()
  control.pause()
  await stripe.customers.create({})
  await control.settled()
  expect(receiver.received).toEqual([])
  expect(control.deliveries[0]).toMatchObject({ state: 'pending', attempts: [] })
  control.resume()
  await control.settled()
  expect(typesIn(receiver)).toEqual(['customer.created'])
})

test('an event is delivered twice on demand, signed anew', async () => {
  const { stripe, control, receiver } = await running()
  await stripe.customers.create({})
  await control.settled()
  await control.redeliver(String(control.events[0]?.id))
  expect(receiver.received).toHaveLength(2)
  expect(receiver.received[1]?.body).toBe(receiver.received[0]?.body)
  const header = String(receiver.received[1]?.headers['stripe-signature'])
  stripe.webhooks.constructEvent(receiver.received[1]?.body ?? '', header, SECRET)
  await expect(control.redeliver('evt_none')).rejects.toMatchObject({ code: 'not_found' })
  const request = control.deliveries[0]?.request()
  expect(request).toMatchObject({ url: receiver.url, body: receiver.received[0]?.body })
})

test('an endpoint made by the API gets events under the secret it was told', async () => {
  const receiver = await startReceiver()
  const made = await start()
  const stripe = made.client()
  const endpoint = await stripe.webhookEndpoints.create({
    url: receiver.url,
    enabled_events: ['customer.created'],
    api_version: OLD,
  })
  expect(endpoint.secret).toMatch(/^whsec_/)
  expect(await stripe.webhookEndpoints.retrieve(endpoint.id)).not.toHaveProperty('secret')
  await stripe.customers.create({})
  await stripe.products.create({ name: 'not asked for' })
  await made.sandbox.stripe.settled()
  expect(typesIn(receiver)).toEqual(['customer.created'])
  const { body, headers } = receiver.received[0] ?? { body: '', headers: {} }
  stripe.webhooks.constructEvent(body, String(headers['stripe-signature']), String(endpoint.secret))
  await stripe.webhookEndpoints.del(endpoint.id)
  expect((await stripe.webhookEndpoints.list()).data).toEqual([])
})

test('an endpoint is changed, and one that is disabled gets nothing', async () => {
  const receiver = await startReceiver()
  const made = await start()
  const stripe = made.client()
  const { id, secret } = await stripe.webhookEndpoints.create({
    url: 'https://example.com/hook',
    enabled_events: ['*'],
  })
  expect(secret).toMatch(/^whsec_/)
  const disabled = await stripe.webhookEndpoints.update(id, {
    url: receiver.url,
    enabled_events: ['customer.created'],
    description: 'billing',
    metadata: { of: 'tollgate' },
    disabled: true,
  })
  expect(disabled).toMatchObject({
    url: receiver.url,
    enabled_events: ['customer.created'],
    description: 'billing',
    metadata: { of: 'tollgate' },
    status: 'disabled',
    api_version: null,
  })
  expect(disabled).not.toHaveProperty('secret')
  await stripe.customers.create({})
  expect(await stripe.webhookEndpoints.update(id, { disabled: false })).toMatchObject({
    status: 'enabled',
    url: receiver.url,
    description: 'billing',
  })
  await stripe.customers.create({})
  await made.sandbox.stripe.settled()
  expect(typesIn(receiver)).toEqual(['customer.created'])
})

test('an endpoint without an address or events is refused, and so is a pattern', async () => {
  const stripe = (await start()).client()
  const url = 'https://example.com/hook'
  const refused = async (params: object, param: string) => {
    const made = stripe.webhookEndpoints.create(params as Stripe.WebhookEndpointCreateParams)
    await expect(made).rejects.toMatchObject({ statusCode: 400, param })
  }
  await refused({ enabled_events: ['*'] }, 'url')
  await refused({ url: 'example.com/hook', enabled_events: ['*'] }, 'url')
  await refused({ url: 'ftp://example.com/hook', enabled_events: ['*'] }, 'url')
  await refused({ url }, 'enabled_events')
  await refused({ url, enabled_events: ['invoice.paid', 'invoice.*'] }, 'enabled_events[1]')
  const version = { url, enabled_events: ['*'], api_version: 'newest' }
  const made = stripe.webhookEndpoints.create(version as Stripe.WebhookEndpointCreateParams)
  await expect(made).rejects.toMatchObject({ statusCode: 400 })
  const { id } = await stripe.webhookEndpoints.create({ url, enabled_events: ['*'] })
  const changed = stripe.webhookEndpoints.update(id, { enabled_events: '' as never })
  await expect(changed).rejects.toMatchObject({ statusCode: 400 })
  const none = stripe.webhookEndpoints.update('we_none', { disabled: true })
  await expect(none).rejects.toMatchObject({ statusCode: 404, code: 'resource_missing' })
  expect((await stripe.webhookEndpoints.list()).data).toMatchObject([{ id, status: 'enabled' }])
})

test('events are listed by type, and page from an older one to the newest', async () => {
  const { stripe } = await running()
  await stripe.customers.create({})
  await stripe.products.create({ name: 'a' })
  await stripe.customers.create({})
  const all = await stripe.events.list()
  expect(all.data.map((event) => event.type)).toEqual([
    'customer.created',
    'product.created',
    'customer.created',
  ])
  expect((await stripe.events.list({ type: 'product.*' })).data).toHaveLength(1)
  expect((await stripe.events.list({ types: ['customer.created'] })).data).toHaveLength(2)
  const newer = await stripe.events.list({ ending_before: String(all.data[2]?.id), limit: 1 })
  expect(newer.data.map((event) => event.id)).toEqual([all.data[1]?.id])
  expect(newer.has_more).toBe(true)
})
