/** The webhook endpoint: made once, for what is listened to, and its deliveries are taken. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type Stripe from 'stripe'
import { afterEach, beforeEach, describe, expect, inject, onTestFinished, test } from 'vitest'
import { createBilling, STRIPE_API_VERSION } from '../index.ts'
import { LISTENED } from '../webhooks/index.ts'
import { API_VERSIONS, createHarness, type Harness } from './harness.ts'

const ADDRESS = 'https://app.example.com/api/webhooks/stripe'

let h: Harness
beforeEach(async () => {
  h = await createHarness(inject('postgres'))
})
afterEach(() => h.close())

const all = async () => (await h.stripe.webhookEndpoints.list()).data

/** A server that gives every request to the handler, once there is one. */
async function receiver() {
  let handle: (request: Request) => Promise<Response> = async () =>
    new Response(null, { status: 500 })
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const headers = { 'stripe-signature': String(request.headers['stripe-signature']) }
    const body = Buffer.concat(chunks)
    const answer = await handle(new Request('http://localhost/', { method: 'POST', headers, body }))
    response.writeHead(answer.status).end()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => void server.close().closeAllConnections())
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/webhooks/stripe`,
    use(handler: typeof handle) {
      handle = handler
    },
  }
}

test('the endpoint sends exactly the listened events, signed with the returned secret', async () => {
  const { url, use } = await receiver()
  const created = await h.billing.createWebhookEndpoint(url)
  if (!created.isNew) throw new Error('There was none.')
  expect(created.secret).toMatch(/^whsec_/)
  use(createBilling({ ...h.settings, stripeWebhookSecrets: [created.secret] }).handleStripeWebhook)
  const { subscriptionId } = await h.subscriber()
  await h.stripe.subscriptions.cancel(subscriptionId)
  await h.sandbox.stripe.settled()

  const stored = await h.db.webhookEvent.findMany()
  expect(stored.every(({ status }) => status === 'pending')).toBe(true)
  expect(new Set(stored.map(({ apiVersion }) => apiVersion))).toEqual(new Set([STRIPE_API_VERSION]))
  const happened = h.sandbox.stripe.events.map(({ id, type }) => ({ id, type: String(type) }))
  const wanted = happened.filter(({ type }) => LISTENED.some((listened) => listened === type))
  expect(stored.map(({ eventId }) => eventId).sort()).toEqual(wanted.map(({ id }) => id).sort())
  expect(wanted.length).toBeLessThan(happened.length)
  expect(wanted.map(({ type }) => type)).toContain('customer.subscription.deleted')
})

test.each(API_VERSIONS)(
  'at %s the endpoint is made in that version, with that version’s events',
  async (apiVersion) => {
    await h.close()
    h = await createHarness(inject('postgres'), { apiVersion })
    const { endpoint } = await h.billing.createWebhookEndpoint(ADDRESS)
    expect(endpoint).toMatchObject({ url: ADDRESS, status: 'enabled', apiVersion })
    const later = LISTENED.filter((type) => !endpoint.enabledEvents.includes(type))
    expect(later).toEqual(apiVersion === STRIPE_API_VERSION ? ['refund.failed'] : [])
    expect(endpoint.enabledEvents.length + later.length).toBe(LISTENED.length)
    expect(await all()).toMatchObject([{ id: endpoint.id, url: ADDRESS, api_version: apiVersion }])
  },
)

describe('with an endpoint for the address', () => {
  test('no second endpoint is made, and a suitable one is reported as such', async () => {
    const { endpoint } = await h.billing.createWebhookEndpoint(ADDRESS)
    const again = { isNew: false, endpoint, difference: null }
    expect(await h.billing.createWebhookEndpoint(ADDRESS)).toEqual(again)
    expect(await h.billing.createWebhookEndpoint(ADDRESS.replace('app', 'APP'))).toEqual(again)
    expect(await all()).toHaveLength(1)
    expect((await h.billing.createWebhookEndpoint(`${ADDRESS}/2`)).isNew).toBe(true)
    expect(await all()).toHaveLength(2)
  })

  const made = (params: Partial<Stripe.WebhookEndpointCreateParams> = {}) =>
    h.stripe.webhookEndpoints.create({
      url: ADDRESS,
      enabled_events: LISTENED.filter((type) => type !== 'refund.failed'),
      api_version: STRIPE_API_VERSION as Stripe.WebhookEndpointCreateParams.ApiVersion,
      ...params,
    })
  const difference = async () => {
    const found = await h.billing.createWebhookEndpoint(ADDRESS)
    expect(await all()).toHaveLength(1)
    return found.isNew ? undefined : found.difference
  }
  const same = { missingEvents: [], surplusEvents: [], apiVersion: null, isDisabled: false }

  test('missing and superfluous events are named', async () => {
    const enabled_events = LISTENED.filter((type) => !/^invoice.paid$|^refund/.test(type))
    await made({ enabled_events: [...enabled_events, 'invoice.upcoming'] })
    expect(await difference()).toEqual({
      ...same,
      missingEvents: ['invoice.paid', 'refund.created', 'refund.updated'],
      surplusEvents: ['invoice.upcoming'],
    })
  })

  test('an endpoint that sends all events lacks none and sends too many', async () => {
    await made({ enabled_events: ['*'] })
    expect(await difference()).toEqual({ ...same, surplusEvents: ['*'] })
  })

  test('another version, or none, is reported', async () => {
    const { id } = await made({ api_version: '2025-03-31.basil' })
    expect(await difference()).toEqual({ ...same, apiVersion: STRIPE_API_VERSION })
    await h.stripe.webhookEndpoints.del(id)
    await h.stripe.webhookEndpoints.create({ url: ADDRESS, enabled_events: ['*'] })
    expect(await difference()).toMatchObject({ apiVersion: STRIPE_API_VERSION })
  })

  test('a disabled endpoint is reported, unless another one is enabled', async () => {
    const { id } = await made()
    await h.stripe.webhookEndpoints.update(id, { disabled: true })
    expect(await difference()).toEqual({ ...same, isDisabled: true })
    await made()
    expect(await h.billing.createWebhookEndpoint(ADDRESS)).toMatchObject({ difference: null })
  })
})

test('more than a hundred endpoints are all examined', async () => {
  await h.billing.createWebhookEndpoint(ADDRESS)
  for (let index = 0; index < 101; index++) {
    await h.stripe.webhookEndpoints.create({ url: `${ADDRESS}/${index}`, enabled_events: ['*'] })
  }
  expect(await h.billing.listWebhookEndpoints()).toHaveLength(102)
  expect((await h.billing.createWebhookEndpoint(ADDRESS)).isNew).toBe(false)
})

test('an address that is neither https nor this machine is refused, and nothing is made', async () => {
  for (const url of [
    'http://app.example.com/hook',
    'http://localhost.example.com/hook',
    'app.example.com/hook',
    'ftp://localhost/hook',
    'https://user:password@app.example.com/hook',
    '/api/webhooks/stripe',
    '',
  ]) {
    const refused = h.billing.createWebhookEndpoint(url)
    await expect(refused).rejects.toMatchObject({ code: 'invalid_webhook_url', status: 400 })
  }
  expect(await all()).toEqual([])
  for (const url of ['http://localhost:3000/a', 'http://[::1]:3000/a', 'http://127.0.0.1/a']) {
    expect((await h.billing.createWebhookEndpoint(url)).isNew).toBe(true)
  }
})
