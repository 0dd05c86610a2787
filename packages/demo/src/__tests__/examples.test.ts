/** The example host in each framework: it refuses strangers, sells a plan and receives the webhook. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createTestAuth, TEST_ORIGIN, type TestAuth } from '@repo/auth/testing'
import { type Billing, createBilling, createStripe } from '@repo/billing'
import { stripeWebhookRequest } from '@repo/billing/testing'
import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { createOutbox } from '@repo/email/testing'
import { createSandbox } from '@repo/sandbox'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createExpress } from '../examples/express.ts'
import { createFetch } from '../examples/fetch.ts'
import { createNodeServer } from '../examples/node.ts'
import { createSvelteKit } from '../examples/sveltekit.ts'

const SECRET = 'whsec_examples'
const KEY = 'sk_test_examples'

let database: TestDatabase
let auth: TestAuth
let billing: Billing
const sandbox = createSandbox({ stripe: { secretKey: KEY } })
const servers: Server[] = []
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  const { url } = await sandbox.listen()
  auth = createTestAuth({ db: database.db })
  billing = createBilling({
    db: database.db,
    sender: createOutbox().sender,
    appUrl: TEST_ORIGIN,
    stripe: createStripe(KEY, { apiBase: url }),
    stripeWebhookSecrets: [SECRET],
  })
  await billing.pushPlans()
})
afterAll(async () => {
  for (const server of servers) server.close()
  await sandbox.stop()
  await auth.close()
  await database.drop()
})

type Fetch = (req: Request) => Promise<Response>

/** Sends requests to a server over HTTP, as from the host's own origin. */
async function over(server: Server): Promise<Fetch> {
  servers.push(server)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return (req) => {
    const { pathname } = new URL(req.url)
    const init = { method: req.method, headers: req.headers, redirect: 'manual' as const }
    const body = req.body === null ? {} : { body: req.body, duplex: 'half' as const }
    return fetch(`http://127.0.0.1:${port}${pathname}`, { ...init, ...body } as RequestInit)
  }
}

const svelteKit = (): Fetch => {
  const { handle, stripe, me, upgrade } = createSvelteKit({ auth, billing })
  const routes: Record<string, object> = {
    '/api/webhooks/stripe': stripe,
    '/api/me': me,
    '/api/upgrade': upgrade,
  }
  return (request) => {
    const event = { request, url: new URL(request.url) }
    const resolve = async () => {
      type Route = Record<string, (of: typeof event) => Promise<Response>>
      const route = (routes[event.url.pathname] as Route | undefined)?.[request.method]
      return route ? route(event) : new Response(null, { status: 404 })
    }
    return handle({ event, resolve })
  }
}

const EXAMPLES: Record<string, () => Fetch | Promise<Fetch>> = {
  fetch: () => createFetch({ auth, billing }),
  node: () => over(createNodeServer({ auth, billing }, TEST_ORIGIN)),
  express: () => over(createServer(createExpress({ auth, billing }, TEST_ORIGIN))),
  sveltekit: svelteKit,
}

describe.each(Object.keys(EXAMPLES))('the example %s', (name) => {
  let send: Fetch
  beforeAll(async () => {
    send = await (EXAMPLES[name] as () => Fetch | Promise<Fetch>)()
  })

  test('refuses a stranger, and auth’s own routes show the stranger no session', async () => {
    const answer = await send(auth.request('/api/me'))
    expect(answer.status).toBe(401)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect((await send(auth.request('/api/nothing'))).status).toBe(404)
    const session = await send(auth.request('/api/auth/get-session'))
    expect(session.status).toBe(200)
    expect(await session.json()).toBeNull()
  })

  test('redirects a signed-in user to the checkout page of a plan', async () => {
    const { cookie } = await auth.signIn()
    const me = await send(auth.request('/api/me', { cookie }))
    expect(await me.json()).toMatchObject({ plan: 'FREE' })
    const upgrade = await send(auth.request('/api/upgrade', { cookie, method: 'POST' }))
    expect(upgrade.status).toBe(303)
    const page = await fetch(upgrade.headers.get('location') ?? '')
    expect(await page.text()).toContain('$29.00 per month')
  })

  test('accepts an event with Stripe’s signature, and no other', async () => {
    const event = {
      id: `evt_${name}`,
      object: 'event',
      type: 'customer.updated',
      created: 1,
      data: {},
    }
    const payload = JSON.stringify({ ...event, livemode: false, data: { object: { id: 'cus_1' } } })
    const deliver = (secret: string) => {
      const { headers } = stripeWebhookRequest(payload, { secret })
      const url = `${TEST_ORIGIN}/api/webhooks/stripe`
      return send(new Request(url, { method: 'POST', headers, body: payload }))
    }
    expect((await deliver('whsec_other')).status).toBe(400)
    expect((await deliver(SECRET)).status).toBe(200)
    const stored = await database.db.webhookEvent.count({ where: { eventId: `evt_${name}` } })
    expect(stored).toBe(1)
  })
})
