/** Bodies that were read before us or break off, base URLs as people write them, loggers that fail. */

import type { Logger } from '@repo/core'
import { createLogger } from '@repo/core'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import { createAlert } from '../alerts.ts'
import { calcomWebhookRequest } from '../bookings/signed-request.ts' // #calcom
import { createBilling } from '../index.ts'
import { stripeWebhookRequest } from '../testing.ts'
import { createSignal } from '../webhooks/signal.ts'
import { CALCOM_SECRET } from './calcom-secret.ts' // #calcom
import { createHarness, type Harness, WEBHOOK_SECRET } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())
beforeEach(() => {
  h.logger.entries.length = 0
})

const EVENT = { id: 'evt_1', object: 'event', type: 'x', data: { object: {} } }
const order = (body: string) =>
  new Request('http://localhost:3000/api/payment/create-order', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    duplex: 'half',
  } as RequestInit)
const stripe = () => stripeWebhookRequest(EVENT, { secret: WEBHOOK_SECRET })

const ENTRIES: [string, () => Request, (req: Request) => Promise<Response>][] = [
  ['Stripe', stripe, (req) => h.billing.handleStripeWebhook(req)],
  // #region calcom
  [
    'Cal.com',
    () => calcomWebhookRequest({ triggerEvent: 'PING' }, { secret: CALCOM_SECRET }),
    (req) => h.billing.handleCalComWebhook(req),
  ],
  // #endregion
  ['the payment provider', stripe, (req) => h.billing.handlePaymentCallback(req)],
  [
    'an order',
    () => order('{"productId":"CREDITS_SMALL"}'),
    (req) => h.billing.handleCreateOrder(req, { getOwner: () => 'nobody' }),
  ],
]

describe.each(ENTRIES)('a body of %s', (_, make, handle) => {
  test.each([
    ['was read', async (req: Request) => void (await req.text())],
    ['is being read', async (req: Request) => void req.body?.getReader()],
  ])('that %s before the handler is a 500 that says so, also in the log', async (_, read) => {
    const req = make()
    await read(req)
    const answer = await handle(req)
    expect([answer.status, await answer.json()]).toMatchObject([500, { code: 'raw_body_required' }])
    expect(h.logger.text).toMatch(/raw_body_required.*body was read before/)
    expect(await h.db.webhookEvent.count()).toBe(0)
  })

  test('that breaks off is refused, and not logged as our failure', async () => {
    const whole = make()
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"id":'))
      },
      pull(controller) {
        controller.error(new Error('aborted'))
      },
    })
    const init = { method: 'POST', headers: whole.headers, body: stream, duplex: 'half' }
    const answer = await handle(new Request(whole.url, init as RequestInit))
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: 'invalid_payload' }])
    expect(h.logger.entries.filter(({ level }) => level === 'error')).toEqual([])
  })
})

test('a too large body is refused, and the rest stays unread', async () => {
  let isCancelled = false
  const stream = new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(64 * 1024))
    },
    cancel() {
      isCancelled = true
    },
  })
  const init = { method: 'POST', headers: stripe().headers, body: stream, duplex: 'half' }
  const answer = await h.billing.handleStripeWebhook(
    new Request('http://localhost/api/webhooks/stripe', init as RequestInit),
  )
  expect([answer.status, isCancelled]).toEqual([413, false])
})

const asked = async (appUrl: string) => {
  const billing = createBilling({ ...h.settings, appUrl })
  const ownerId = await h.owner()
  const { id } = await billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  return (await h.stripe.checkout.sessions.retrieve(id)).success_url
}

test.each([
  ['https://App.Example.com', 'https://app.example.com/'],
  ['https://app.example.com/', 'https://app.example.com/'],
  ['https://app.example.com:443', 'https://app.example.com/'],
  ['https://münchen.example', 'https://xn--mnchen-3ya.example/'],
  ['http://[::1]:3000', 'http://[::1]:3000/'],
])('return addresses of %s begin with %s', async (appUrl, start) => {
  expect((await asked(appUrl))?.startsWith(start)).toBe(true)
})

test.each([
  'app.example.com',
  'localhost:3000',
  'https://app.example.com/app',
  'https://app.example.com/?x',
  'https://user:secret@app.example.com',
  'ftp://app.example.com',
])('%s is not an APP_URL', async (appUrl) => {
  await expect(asked(appUrl)).rejects.toMatchObject({
    code: 'invalid_options',
    message: expect.stringContaining('APP_URL must be an origin'),
  })
  await expect(asked(appUrl)).rejects.not.toThrow('secret')
})

test('background work whose logger throws does not end the process', async () => {
  const entries = vi.fn()
  const failing = (() => {
    entries()
    throw new Error('disk full')
  }) as Logger['error']
  const printed = vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
  const logger = createLogger({ debug: failing, info: failing, warn: failing, error: failing })
  const hook = () => Promise.reject(new Error('the pager is away'))
  createAlert(logger, hook)({ code: 'order_needs_attention', id: 'order_1', reason: 'x' })
  createSignal({ $queryRaw: hook, $executeRaw: hook } as never, logger)()
  // The alert, its hook that failed, and the signal that nobody got.
  await vi.waitFor(() => expect(entries).toHaveBeenCalledTimes(3))
  printed.mockRestore()
})
