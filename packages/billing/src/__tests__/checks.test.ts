/** `tollgate doctor`'s checks of billing: each fault is found, and all is well where there is none. */

import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { CheckResult, CheckRun } from '@repo/core/checks'
import { toNodeHandler } from '@repo/core/node'
import { afterEach, beforeEach, expect, inject, onTestFinished, test, vi } from 'vitest'
import { stripeSignatureCheck } from '../checks/signatures.ts'
import { type BillingOptions, createBilling } from '../index.ts'
import { createHarness, type Harness } from './harness.ts'

const RUN: CheckRun = { isLive: false, mayRehearse: false }
const SECRET = `whsec_${randomBytes(24).toString('hex')}`

let h: Harness
beforeEach(async () => {
  h = await createHarness(inject('postgres'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await h.close()
})

async function results(
  settings: BillingOptions = {},
  run: CheckRun = RUN,
): Promise<{ found: Record<string, CheckResult>; actsOn: readonly string[] }> {
  const billing = createBilling({ ...h.settings, ...settings })
  const { checks, actsOn, close } = await billing.checks(run)
  const found: Record<string, CheckResult> = {}
  for (const { id, run } of checks) {
    if (id.startsWith('billing.')) found[id.slice('billing.'.length)] = await run()
  }
  await close?.()
  return { found, actsOn }
}

/** A host that is mounted, and whose endpoint Stripe knows. */
async function mounted(handler?: (req: Request) => Promise<Response>) {
  let handle = handler
  const server = createServer((req, res) =>
    toNodeHandler(handle ?? (async () => new Response(null, { status: 404 })), {
      baseURL: 'http://localhost',
    })(req, res),
  )
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => void server.close().closeAllConnections())
  const appUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const created = await h.billing.createWebhookEndpoint(`${appUrl}/api/webhooks/stripe`)
  const settings = { appUrl, stripeWebhookSecrets: [SECRET] }
  handle ??= createBilling({ ...h.settings, ...settings }).handleStripeWebhook
  return { settings, endpoint: created.endpoint }
}

test('all is well with the endpoint, the prices and both signatures, and no row remains', async () => {
  const { settings } = await mounted()
  await createBilling({ ...h.settings, ...settings }).pullEvents()
  const before = await h.db.webhookEvent.count()
  const { found, actsOn } = await results({ ...settings, onAlert: () => {} })
  expect(found).toMatchObject({
    variables: { state: 'ok' },
    'stripe-signature': {
      state: 'ok',
      says: 'Deliveries of Stripe were refused where the signature was missing, empty, made with another secret, of another body, ten minutes old or from the future; one with the right signature was accepted, once.',
    },
    account: {
      state: 'ok',
      says: expect.stringMatching(/^The key belongs to acct_\w+, in test mode\.$/),
    },
    prices: { state: 'ok', says: 'All 4 prices of the plans are at Stripe, with their amounts.' },
    endpoint: { state: 'ok', says: expect.stringContaining('in API version 2024-04-10') },
    events: { state: 'ok' },
    reachable: { state: 'ok', says: expect.stringContaining('20 requests at once were accepted.') },
    secret: { state: 'ok' },
    monitoring: { state: 'ok' },
  })
  expect(actsOn).toEqual([
    expect.stringMatching(/^database .*, in a transaction that is rolled back$/),
    'Stripe in test mode, at 127.0.0.1',
  ])
  expect(await h.db.webhookEvent.count()).toBe(before)
})

test('missing variables are named, and what needs them is skipped', async () => {
  const { stripeWebhookSecrets: _, appUrl: __, ...rest } = h.settings
  const { checks } = await createBilling(rest).checks(RUN)
  const of = async (id: string) => checks.find((check) => check.id === `billing.${id}`)?.run()
  expect(await of('variables')).toMatchObject({
    state: 'failed',
    says: expect.stringMatching(/APP_URL is missing.*STRIPE_WEBHOOK_SECRET is missing/),
  })
  for (const id of ['stripe-signature', 'endpoint', 'reachable'])
    expect(await of(id)).toMatchObject({
      state: 'skipped',
      says: 'Variables are missing or wrong; billing.variables names them.',
    })
})

test.each([
  ['takes every delivery', async () => Response.json({ received: true }), /missing \(200\), /],
  [
    'checks only that there is a signature',
    async (req: Request) =>
      req.headers.get('stripe-signature')
        ? Response.json({ received: true })
        : new Response(null, { status: 400 }),
    /made with another secret \(200\)/,
  ],
  ['fails', async () => new Response(null, { status: 500 }), /missing \(500\)/],
  ['sends the sender on', async () => new Response(null, { status: 307 }), /missing \(307\)/],
])('a handler that %s is found', async (_, handle, says) => {
  const subject = async () => ({ secret: SECRET, canStore: true, handle })
  expect(await stripeSignatureCheck(subject).run()).toMatchObject({
    state: 'failed',
    says: expect.stringMatching(says),
  })
})

test('a handler that takes old deliveries, refuses right ones, or takes an event twice is found', async () => {
  const real = createBilling({ ...h.settings, stripeWebhookSecrets: [SECRET] }).handleStripeWebhook
  const check = (handle: (req: Request) => Promise<Response>) =>
    stripeSignatureCheck(async () => ({ secret: SECRET, canStore: true, handle })).run()
  const ageless = async (req: Request) => {
    const answer = await real(req)
    const { code } = (await answer.clone().json()) as { code?: string }
    return code === 'stale_signature' ? Response.json({ received: true }) : answer
  }
  expect(await check(ageless)).toMatchObject({
    state: 'failed',
    says: 'A delivery of Stripe was not refused though its signature was ten minutes old (200), from the future (200).',
  })
  const deaf = async () => new Response(null, { status: 400 })
  expect(await check(deaf)).toMatchObject({
    state: 'failed',
    says: 'A delivery of Stripe with the right signature was answered with 400.',
  })
  const forgetful = async (req: Request) => {
    const answer = await real(req)
    return answer.status === 200 ? Response.json({ received: true }) : answer
  }
  expect(await check(forgetful)).toMatchObject({
    state: 'failed',
    says: 'The second delivery of one event of Stripe was not told as a duplicate.',
  })
})

test('a price that is missing, and one with another amount, are found', async () => {
  const [monthly] = (await h.stripe.prices.list({ lookup_keys: ['pro_monthly'] })).data
  await h.stripe.prices.create({
    product: monthly?.product as string,
    unit_amount: 1,
    currency: 'usd',
    recurring: { interval: 'month' },
    lookup_key: 'pro_monthly',
    transfer_lookup_key: true,
  })
  const [yearly] = (await h.stripe.prices.list({ lookup_keys: ['pro_yearly'] })).data
  await h.stripe.prices.update(yearly?.id as string, { active: false })
  expect((await results()).found.prices).toMatchObject({
    state: 'failed',
    says: expect.stringMatching(/pro_monthly costs 1 usd and not \d+ usd, pro_yearly is missing/),
    advice: 'Run billing plans push.',
  })
})

test('a product id that Stripe does not know is found', async () => {
  vi.stubEnv('STRIPE_TEST_CREDITS_SMALL_PRODUCT_ID', 'prod_nowhere')
  expect((await results()).found.products).toMatchObject({
    state: 'failed',
    says: 'Products at Stripe cannot be sold: CREDITS_SMALL (prod_nowhere) is missing.',
  })
})

test('an endpoint that lacks events or has another API version, is disabled or missing, is found', async () => {
  const { settings, endpoint } = await mounted()
  const enabled = endpoint.enabledEvents.filter((type) => !type.startsWith('credit_note.'))
  await h.stripe.webhookEndpoints.update(endpoint.id, { enabled_events: enabled as never })
  expect((await results(settings)).found).toMatchObject({
    endpoint: { state: 'ok' },
    events: {
      state: 'failed',
      says: 'The endpoint does not send credit_note.created, credit_note.updated, credit_note.voided.',
    },
  })
  await h.stripe.webhookEndpoints.update(endpoint.id, { disabled: true })
  expect((await results(settings)).found.endpoint).toMatchObject({
    state: 'failed',
    says: `The webhook endpoint ${endpoint.id} is disabled.`,
  })
  await h.stripe.webhookEndpoints.del(endpoint.id)
  const url = `${settings.appUrl}/api/webhooks/stripe`
  await h.stripe.webhookEndpoints.create({ url, enabled_events: ['*'], api_version: '2020-08-27' })
  expect((await results(settings)).found).toMatchObject({
    endpoint: { state: 'failed', says: expect.stringContaining('sends API version 2020-08-27') },
    events: { state: 'ok' },
  })
  const elsewhere = { ...settings, appUrl: 'https://app.example.com' }
  expect((await results(elsewhere)).found).toMatchObject({
    endpoint: { state: 'failed', says: 'Stripe has no webhook endpoint at app.example.com.' },
    events: { state: 'skipped' },
  })
})

test('an endpoint that is not mounted, asks for a sign-in, or limits requests is found', async () => {
  for (const [status, says] of [
    [404, 'does not exist (404)'],
    [401, 'asks for a sign-in (401)'],
    [429, 'refused with 429'],
  ] as const) {
    const answer = () => Response.json({ code: 'missing_signature' }, { status })
    const { settings, endpoint } = await mounted(async () =>
      status === 429 ? answer() : new Response(null, { status }),
    )
    expect((await results(settings)).found.reachable).toMatchObject({
      state: 'failed',
      says: expect.stringContaining(says),
    })
    await h.stripe.webhookEndpoints.del(endpoint.id)
  }
})

test('an app that does not run is skipped on this machine, and a failure before production', async () => {
  const appUrl = 'http://127.0.0.1:9'
  expect((await results({ appUrl })).found).toMatchObject({
    reachable: { state: 'skipped' },
    endpoint: { state: 'skipped' },
  })
  const live = await results({ appUrl }, { isLive: true, mayRehearse: true })
  for (const id of ['reachable', 'endpoint', 'mode', 'secret', 'limits', 'monitoring'])
    expect(live.found[id], id).toMatchObject({ state: 'failed', advice: expect.any(String) })
  expect(live.found['stripe-signature']).toMatchObject({
    state: 'ok',
    says: expect.not.stringContaining('was accepted'),
  })
  expect(live.actsOn[0]).toMatch(/, read only$/)
})

test('a key of another account than that of the database is found', async () => {
  await h.db.stripeAccount.create({
    data: { environment: 'localhost:3000', stripeAccountId: 'acct_other', livemode: false },
  })
  expect((await results()).found.account).toMatchObject({
    state: 'failed',
    says: expect.stringMatching(
      /belongs to acct_\w+, and the customers of the database to acct_other/,
    ),
  })
})

test('Stripe out of reach is skipped on a machine of development, and fails before production', async () => {
  await h.sandbox.stop()
  expect((await results()).found).toMatchObject({
    prices: { state: 'skipped', says: 'Stripe did not answer.' },
    account: { state: 'skipped' },
  })
  const { found } = await results({}, { isLive: true, mayRehearse: false })
  expect(found.prices).toMatchObject({ state: 'failed', says: 'Stripe did not answer.' })
})

test('dead events are found', async () => {
  await h.db.webhookEvent.create({
    data: {
      provider: 'stripe',
      eventId: 'evt_dead',
      type: 'invoice.paid',
      source: 'delivery',
      status: 'dead',
      payload: '{}',
      providerCreatedAt: new Date(),
    } as never,
  })
  expect((await results()).found.processed).toMatchObject({
    state: 'failed',
    says: expect.stringContaining('1 events are dead'),
  })
})
