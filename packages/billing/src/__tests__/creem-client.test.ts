/** Our client of Creem's REST API, against servers that misbehave; and Creem's words as ours. */

import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { BillingError } from '../errors.ts'
import { bought } from '../providers/conformance/subject.ts'
import { createCreemClient } from '../providers/creem/client.ts'
import {
  checkoutOfCreem,
  hintOfCreem,
  paymentOfCreem,
  subscriptionOfCreem,
} from '../providers/creem/shapes.ts'
import { CREEM_KEY, creemSubject } from './creem-market.ts'

/** A server that answers each request in turn; the last answer stays. */
async function serve(...answers: RequestListener[]) {
  const seen: string[] = []
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`)
    const answer = answers[Math.min(seen.length, answers.length) - 1]
    answer?.(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close().closeAllConnections())
  const apiBase = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return { seen, apiBase }
}

const say =
  (status: number, body: string, headers: Record<string, string> = {}): RequestListener =>
  (_, response) =>
    void response.writeHead(status, headers).end(body)

const OK = say(200, '{"id":"ch_1"}')

test('a request to a busy or broken server is repeated, after the time that it names', async () => {
  const { apiBase, seen } = await serve(
    say(429, '{}', { 'retry-after': '1' }),
    say(502, 'oops'),
    OK,
  )
  const before = Date.now()
  const client = createCreemClient(CREEM_KEY, { apiBase })
  expect(await client.get('/v1/checkouts', { checkout_id: 'a&b' })).toEqual({ id: 'ch_1' })
  expect(seen).toEqual(Array(3).fill('GET /v1/checkouts?checkout_id=a%26b'))
  // A timer may be a little early by the clock.
  expect(Date.now() - before).toBeGreaterThanOrEqual(990)
})

test('a longer wait is an error that tells the caller how long', async () => {
  const { apiBase, seen } = await serve(say(429, '{}', { 'retry-after': '45' }))
  const client = createCreemClient(CREEM_KEY, { apiBase })
  await expect(client.get('/v1/checkouts', {})).rejects.toMatchObject({
    code: 'provider_unavailable',
    headers: { 'retry-after': '45' },
  })
  expect(seen).toHaveLength(1)
})

test('it stops after the last try', async () => {
  const { apiBase, seen } = await serve(say(500, '{}'))
  const client = createCreemClient(CREEM_KEY, { apiBase, retries: 1 })
  await expect(client.post('/v1/refunds', {}, 'key')).rejects.toMatchObject({
    code: 'provider_unavailable',
    status: 503,
  })
  expect(seen).toHaveLength(2)
})

test('a refusal is not repeated, and its error contains neither the key nor Creem’s text', async () => {
  const body = `{"trace_id":"t-1","message":["ada@example.com and ${CREEM_KEY}"]}`
  for (const status of [400, 401, 403, 404, 422]) {
    const { apiBase, seen } = await serve(say(status, body))
    const error = await createCreemClient(CREEM_KEY, { apiBase })
      .get('/v1/checkouts', {})
      .catch((thrown: Error) => thrown)
    expect(error).toMatchObject({ code: 'provider_rejected' })
    expect(String(error)).toBe(`BillingError: Creem refused the request (${status}, trace t-1).`)
    expect(seen).toHaveLength(1)
  }
})

describe('an unusable answer:', () => {
  test.each<[string, RequestListener]>([
    ['silence', () => {}],
    ['a connection torn down', (request) => void request.socket.destroy()],
    ['a body that is cut', say(200, '{"id":')],
    ['a list', say(200, '[]')],
    ['null', say(200, 'null')],
    ['a page', say(200, '<html>')],
    [
      'another place, which would be told the key',
      (request, response) =>
        request.url === '/elsewhere'
          ? OK(request, response)
          : say(302, '{}', { location: '/elsewhere' })(request, response),
    ],
  ])('%s', async (name, answer) => {
    const { apiBase } = await serve(answer)
    const patience = name === 'silence' ? { timeoutMs: 200 } : {}
    const client = createCreemClient(CREEM_KEY, { apiBase, retries: 0, ...patience })
    const failure = client.get('/v1/checkouts', {})
    await expect(failure).rejects.toMatchObject({ code: 'provider_unavailable' })
    await expect(failure).rejects.not.toThrow(CREEM_KEY)
  })

  test('a refused connection', async () => {
    const client = createCreemClient(CREEM_KEY, { apiBase: 'http://127.0.0.1:1', retries: 0 })
    await expect(client.get('/v1/checkouts', {})).rejects.toThrow(/Creem did not answer/)
  })
})

test('a test key goes to the test host and a live key to the live one', async () => {
  const asked: string[] = []
  vi.stubGlobal('fetch', async (url: URL, init: RequestInit) => {
    asked.push(`${url.host} ${new Headers(init.headers).get('x-api-key')}`)
    return Response.json({})
  })
  onTestFinished(() => void vi.unstubAllGlobals())
  await createCreemClient('creem_test_1').get('/v1/checkouts', {})
  await createCreemClient('creem_1').get('/v1/checkouts', {})
  expect(asked).toEqual(['test-api.creem.io creem_test_1', 'api.creem.io creem_1'])
})

describe('a refund whose answer was lost is not repeated', () => {
  async function paid() {
    const subject = await creemSubject()
    onTestFinished(() => void subject.close())
    const { paymentId } = await bought(subject, subject.once)
    const refunds = () =>
      subject.sandbox.creem.events.filter(({ eventType }) => eventType === 'refund.created')
    return { ...subject, refunds, input: { paymentId, idempotencyKey: 'r' } }
  }

  test('by the next call', async () => {
    const { client, via, provider, once, refunds, input } = await paid()
    const losing = via({
      ...client,
      async post(...request) {
        await client.post(...request)
        throw new BillingError('provider_unavailable', 'The answer was lost.')
      },
    })
    await expect(losing.refund(input)).rejects.toMatchObject({ code: 'provider_unavailable' })
    expect(await provider.refund(input)).toMatchObject({ status: 'succeeded', amount: once.amount })
    expect(refunds()).toHaveLength(1)
  })

  test('by a retry of the same call', async () => {
    const { client, via, once, refunds, input } = await paid()
    const again = via({
      ...client,
      async post(...request) {
        await client.post(...request)
        return client.post(...request)
      },
    })
    expect(await again.refund(input)).toMatchObject({ status: 'succeeded', amount: once.amount })
    expect(refunds()).toHaveLength(1)
  })
})

/** As in Creem's documentation: taxes on top, in capitals. */
const TRANSACTION = {
  id: 'tran_1',
  object: 'transaction',
  amount: 1000,
  amount_paid: 1210,
  tax_amount: 210,
  currency: 'EUR',
  status: 'paid',
  refunded_amount: null,
  customer: 'cust_1',
  created_at: 1728734327109,
}

describe("Creem's words", () => {
  test.each([
    ['paid', null, { status: 'succeeded', amountPaid: 1210, amountRefunded: 0 }],
    ['partialRefund', 300, { status: 'succeeded', amountRefunded: 300 }],
    ['refunded', 1210, { status: 'succeeded', amountRefunded: 1210 }],
    ['chargedBack', 1210, { status: 'succeeded', amountRefunded: 0, disputeId: 'tran_1' }],
    ['chargeback', 1210, { status: 'succeeded', disputeStatus: 'needs_response' }],
    ['pending', null, { status: 'pending', amountPaid: 0, paidAt: null }],
    ['declined', null, { status: 'failed', amountPaid: 0 }],
    ['uncollectible', null, { status: 'failed' }],
    ['void', null, { status: 'canceled' }],
    ['a new word', null, { status: 'pending', amountPaid: 0 }],
  ])('of a payment: %s', (status, refunded_amount, expected) => {
    const payment = paymentOfCreem({ ...TRANSACTION, status, refunded_amount })
    expect(payment).toMatchObject({ amount: 1000, currency: 'eur', ...expected })
  })

  test.each([
    ['active', { status: 'active', cancelAtPeriodEnd: false }],
    ['scheduled_cancel', { status: 'active', cancelAtPeriodEnd: true, endedAt: null }],
    ['trialing', { status: 'trialing', trialEnd: new Date('2026-02-01') }],
    ['past_due', { status: 'past_due' }],
    ['expired', { status: 'past_due' }],
    ['unpaid', { status: 'unpaid' }],
    ['paused', { status: 'paused' }],
    ['canceled', { status: 'canceled', endedAt: new Date('2026-01-15') }],
    ['a new word', { status: 'incomplete', endedAt: null }],
  ])('of a subscription: %s', (status, expected) => {
    const told = {
      id: 'sub_1',
      product: 'prod_1',
      customer: { id: 'cust_1' },
      status,
      current_period_start_date: '2026-01-01',
      current_period_end_date: '2026-02-01',
      updated_at: '2026-01-15',
      items: [{ units: 3 }],
    }
    const subscription = subscriptionOfCreem(told, (id) => id && `sku of ${id}`)
    const shared = { sku: 'sku of prod_1', customerId: 'cust_1', quantity: 3 }
    expect(subscription).toMatchObject({ ...shared, ...expected })
  })

  test.each([
    ['pending', 'open'],
    ['processing', 'open'],
    ['completed', 'complete'],
    ['expired', 'expired'],
  ])('of a checkout: %s', (word, status) => {
    const told = {
      id: 'ch_1',
      status: word,
      request_id: 'o_1',
      checkout_url: 'https://c',
      metadata: null,
    }
    const url = status === 'open' ? 'https://c' : null
    expect(checkoutOfCreem(told)).toMatchObject({ status, url, orderId: 'o_1' })
  })

  test('an unknown shape is an error and not guessed', () => {
    for (const nothing of [null, [], {}, { id: 7 }, { id: 'ch_1', status: 'new' }, 'ch_1']) {
      for (const read of [checkoutOfCreem, paymentOfCreem]) {
        expect(() => read(nothing)).toThrow(
          expect.objectContaining({ code: 'provider_unavailable' }),
        )
      }
    }
    expect(() => subscriptionOfCreem({}, () => null)).toThrow(/cannot be read/)
  })

  test('a dispute in the shape of the documentation', () => {
    const event = {
      id: 'evt_1',
      eventType: 'dispute.created',
      created_at: 1750941264812,
      object: {
        id: 'disp_1',
        object: 'dispute',
        transaction: { id: 'tran_1' },
        subscription: { id: 'sub_1' },
        checkout: { id: 'ch_1' },
        order: { id: 'ord_1', customer: 'cust_1' },
        mode: 'prod',
      },
    }
    expect(hintOfCreem(event)).toEqual({
      eventId: 'evt_1',
      type: 'dispute.created',
      occurredAt: new Date(1750941264812),
      livemode: true,
      checkoutId: 'ch_1',
      paymentId: 'tran_1',
      subscriptionId: 'sub_1',
      refundId: null,
      disputeId: 'disp_1',
      customerId: 'cust_1',
    })
  })
})
