/** Express with its body parsers in front of our routes. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createTestAuth, TEST_ORIGIN, TEST_PASSWORD, type TestAuth } from '@repo/auth/testing'
import { type Billing, createBilling } from '@repo/billing'
import { calcomWebhookRequest, stripeWebhookRequest } from '@repo/billing/testing'
import { toNodeHandler } from '@repo/billing/webhooks'
import { createTestLogger } from '@repo/core/testing'
import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { createOutbox } from '@repo/email/testing'
import express, { type Express, type RequestHandler } from 'express'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'

const STRIPE_SECRET = 'whsec_express'
const CALCOM_SECRET = 'calcom-express-secret'
const logger = createTestLogger()

let database: TestDatabase
let auth: TestAuth
let billing: Billing
let email: string
const servers: Server[] = []
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  auth = createTestAuth({ db: database.db })
  email = (await auth.signIn()).email
  billing = createBilling({
    db: database.db,
    logger,
    sender: createOutbox().sender,
    appUrl: TEST_ORIGIN,
    stripeWebhookSecrets: [STRIPE_SECRET],
    livemode: false,
    calcom: { origin: 'https://cal.example', eventTypes: {}, webhookSecret: CALCOM_SECRET },
    orders: { addressOf: () => null },
  })
})
afterAll(async () => {
  for (const server of servers) server.close()
  await auth.settled()
  await auth.close()
  await database.drop()
})
beforeEach(() => {
  logger.entries.length = 0
})

/** Starts a host with `parsers` before all routes, and returns its address. */
async function host(...parsers: RequestHandler[]): Promise<string> {
  const app = express()
  for (const parser of parsers) app.use(parser)
  const baseURL = TEST_ORIGIN
  app.all('/api/auth/*splat', toNodeHandler(auth))
  app.post('/api/webhooks/stripe', toNodeHandler(billing.handleStripeWebhook, { baseURL }))
  app.post('/api/webhooks/calcom', toNodeHandler(billing.handleCalComWebhook, { baseURL }))
  const create = (req: Request) =>
    billing.handleCreateOrder(req, { getOwner: async () => (await auth.requireAuth(req)).userId })
  app.post('/api/payment/create-order', toNodeHandler(create, { baseURL }))
  return listening(app)
}

async function listening(app: Express): Promise<string> {
  const server = createServer(app)
  servers.push(server)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const signIn = (url: string, type: string, body: string) =>
  fetch(`${url}/api/auth/sign-in/email`, {
    method: 'POST',
    headers: { 'content-type': type, origin: TEST_ORIGIN },
    body,
  })

const JSON_TYPE = 'application/json; charset=utf-8'
const FORM_TYPE = 'application/x-www-form-urlencoded'
const PARSERS: [string, () => RequestHandler[]][] = [
  ['no parser', () => []],
  ['express.json()', () => [express.json()]],
  ['express.urlencoded()', () => [express.urlencoded()]],
  ['express.urlencoded({ extended })', () => [express.urlencoded({ extended: true })]],
  ['all parsers', () => [express.json(), express.urlencoded(), express.text(), express.raw()]],
  ['express.raw() for everything', () => [express.raw({ type: () => true })]],
  ['express.text() for everything', () => [express.text({ type: () => true })]],
]

test.each(PARSERS)('behind %s JSON and forms can sign in', async (_, parsers) => {
  const url = await host(...parsers())
  const fields = { email, password: TEST_PASSWORD }
  const json = await signIn(url, JSON_TYPE, JSON.stringify(fields))
  expect([json.status, json.headers.getSetCookie().length]).toEqual([200, 2])
  const form = await signIn(url, FORM_TYPE, new URLSearchParams(fields).toString())
  expect([form.status, form.headers.getSetCookie().length]).toEqual([200, 2])
  const wrong = await signIn(url, JSON_TYPE, JSON.stringify({ email, password: 'wrong password' }))
  expect(wrong.status).toBe(401)
})

test.each(PARSERS)('behind %s odd bodies get 4xx', async (_, parsers) => {
  const url = await host(...parsers())
  for (const [type, body] of [
    [JSON_TYPE, '[]'],
    [JSON_TYPE, '"text"'],
    [JSON_TYPE, '{"email":{"a":1},"password":[]}'],
    [JSON_TYPE, `{"email":"${'a'.repeat(70_000)}"}`],
    [FORM_TYPE, 'email[a]=b&password[]=c'],
    [FORM_TYPE, 'email=a&email=b&password=c'],
    ['text/plain', '{"email":"a@example.com"}'],
    ['multipart/form-data; boundary=x', '--x--'],
    ['', '{}'],
  ] as const) {
    const { status } = await signIn(url, type, body)
    expect([type, body.slice(0, 40), status >= 400 && status < 500]).toEqual([
      type,
      body.slice(0, 40),
      true,
    ])
  }
})

test('below routers, which remove their own path, the handler sees the whole path', async () => {
  const router = express.Router()
  router.use('/auth', toNodeHandler(auth))
  const url = await listening(express().use('/api', router))
  expect((await fetch(`${url}/api/auth/ok`)).status).toBe(200)
})

test('an order can be created behind a parser', async () => {
  const url = await host(express.json())
  const order = (cookie: string) =>
    fetch(`${url}/api/payment/create-order`, {
      method: 'POST',
      headers: { 'content-type': JSON_TYPE, cookie },
      body: '{"productId":"GOLD"}',
    })
  expect((await order('')).status).toBe(401)
  const cookie = (await auth.signIn('buyer@example.com')).cookie
  const answer = await order(cookie)
  expect([answer.status, await answer.json()]).toMatchObject([404, { code: 'product_not_found' }])
})

describe('a webhook', () => {
  const event = (id: string) => ({
    id,
    object: 'event',
    type: 'something.new',
    livemode: false,
    created: 1_760_000_000,
    data: { object: { id: 'x', object: 'x' } },
  })
  /** A body as Stripe writes it, over several lines. */
  const stripe = (id: string) =>
    stripeWebhookRequest(JSON.stringify(event(id), null, 2), { secret: STRIPE_SECRET })
  const deliver = async (url: string, provider: string, req: Request) =>
    fetch(`${url}/api/webhooks/${provider}`, {
      method: 'POST',
      headers: req.headers,
      body: await req.text(),
    })
  const stored = (eventId: string) => database.db.webhookEvent.count({ where: { eventId } })

  test.each([
    ['no parser', [] as RequestHandler[]],
    ['express.raw()', [express.raw({ type: () => true })]],
    [
      'express.json() that keeps the bytes',
      [express.json({ verify: (req, _, bytes) => void Object.assign(req, { rawBody: bytes }) })],
    ],
    ['express.text()', [express.text({ type: () => true })]],
    ['a parser of another type', [express.urlencoded(), express.text()]],
  ])('behind %s is stored byte for byte', async (name, parsers) => {
    const url = await host(...parsers)
    const id = `evt_${name.replaceAll(/\W/g, '')}`
    expect((await deliver(url, 'stripe', stripe(id))).status).toBe(200)
    expect(
      await database.db.webhookEvent.findFirstOrThrow({ where: { eventId: id } }),
    ).toMatchObject({ payload: JSON.stringify(event(id), null, 2) })
  })

  test('of Stripe behind express.json() is a 500 that says what to do, and stores nothing', async () => {
    const url = await host(express.json())
    const answer = await deliver(url, 'stripe', stripe('evt_parsed'))
    expect([answer.status, await answer.json()]).toMatchObject([
      500,
      { code: 'raw_body_required', detail: expect.stringContaining('before body parsers') },
    ])
    expect(logger.text).toMatch(/Mount the webhook before body parsers/)
    expect(await stored('evt_parsed')).toBe(0)
  })

  test('without a signature is refused behind a parser, too', async () => {
    const url = await host(express.json())
    const req = new Request(TEST_ORIGIN, {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': JSON_TYPE },
    })
    const answer = await deliver(url, 'stripe', req)
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: 'missing_signature' }])
  })

  test('of Cal.com behind express.json() is accepted if serializing it gives the same bytes, or else refused', async () => {
    const url = await host(express.json())
    const compact = calcomWebhookRequest({ triggerEvent: 'PING' }, { secret: CALCOM_SECRET })
    expect((await deliver(url, 'calcom', compact)).status).not.toBe(500)
    const spaced = calcomWebhookRequest('{ "triggerEvent": "PING" }', { secret: CALCOM_SECRET })
    const answer = await deliver(url, 'calcom', spaced)
    expect([answer.status, await answer.json()]).toMatchObject([500, { code: 'raw_body_required' }])
  })

  test('with a wrong signature is refused for that reason, whatever was parsed', async () => {
    const url = await host()
    const req = stripeWebhookRequest(event('evt_forged'), { secret: 'whsec_another' })
    const answer = await deliver(url, 'stripe', req)
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: 'invalid_signature' }])
    expect(await stored('evt_forged')).toBe(0)
  })
})
