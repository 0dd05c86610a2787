/** `sendEmail` through the real Resend SDK, against a server that answers as Resend does. */

import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createTestLogger } from '@repo/core/testing'
import { afterAll, afterEach, beforeAll, beforeEach, expect, expectTypeOf, test, vi } from 'vitest'
import { z } from 'zod'
import {
  createResend,
  createSender,
  defineEmail,
  type EmailError,
  resendTransport,
  sendEmail,
} from '../index.ts'
import { builtInEmails, WelcomeEmail } from '../templates/index.ts'
import { createOutbox } from '../testing.ts'

interface Received {
  headers: IncomingMessage['headers']
  body: Record<string, unknown>
}
interface Answer {
  status: number
  body?: unknown
  headers?: Record<string, string>
  hang?: boolean
}

let server: Server
let baseUrl: string
let received: Received[] = []
let answers: Answer[] = []
let delivered = new Map<string, { id: string; body: string }>()

beforeAll(async () => {
  server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    received.push({ headers: req.headers, body: JSON.parse(text) as Record<string, unknown> })
    const answer = answers.shift()
    if (answer?.hang) return
    const key = String(req.headers['idempotency-key'] ?? `none-${received.length}`)
    const before = delivered.get(key)
    if (answer) {
      res.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
      res.end(JSON.stringify(answer.body ?? {}))
    } else if (before && before.body !== text) {
      res.writeHead(409, { 'content-type': 'application/json' })
      res.end('{"name":"invalid_idempotent_request","statusCode":409,"message":"other body"}')
    } else {
      const id = before?.id ?? `mail-${delivered.size + 1}`
      delivered.set(key, { id, body: text })
      res.writeHead(200, { 'content-type': 'application/json' })
      res.end(JSON.stringify({ id }))
    }
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  received = []
  answers = []
  delivered = new Map()
})
afterEach(() => vi.unstubAllEnvs())

const sender = (timeoutMs = 60_000) =>
  createSender({
    transport: resendTransport(createResend('re_test_key', { baseUrl }), {
      pauseMs: 1,
      timeoutMs,
    }),
    from: 'Acme <hello@acme.example>',
  })
const props = { name: 'Ada', verifyUrl: 'https://acme.example/verify?token=t' }
const limited = {
  status: 429,
  body: { name: 'rate_limit_exceeded', statusCode: 429, message: 'slow' },
  headers: { 'retry-after': '0' },
}

test('Resend is called with the right template, recipient, subject, HTML and text', async () => {
  const result = await sender().sendEmail('WelcomeEmail', 'ada@example.com', props, {
    idempotencyKey: 'welcome/1',
    replyTo: 'help@acme.example',
  })

  expect(result).toEqual({ id: 'mail-1', provider: 'resend', deduplicated: null })
  expect(received).toHaveLength(1)
  const [{ headers, body }] = received as [Received]
  expect(headers.authorization).toBe('Bearer re_test_key')
  expect(headers['idempotency-key']).toBe('welcome/1')
  expect(body).toMatchObject({
    from: 'Acme <hello@acme.example>',
    to: 'ada@example.com',
    reply_to: 'help@acme.example',
    subject: 'Please confirm your address',
    tags: [{ name: 'template', value: 'WelcomeEmail' }],
  })
  expect(body.html).toContain('href="https://acme.example/verify?token=t"')
  expect(body.text).toContain('https://acme.example/verify?token=t')
})

test('a burst of 429 and a 500 is retried with the same bytes and delivered once', async () => {
  answers = [limited, { status: 500, body: { name: 'application_error', statusCode: 500 } }]
  await sender().sendEmail('WelcomeEmail', 'ada@example.com', props, { idempotencyKey: 'k' })
  expect(received).toHaveLength(3)
  expect(new Set(received.map(({ body }) => JSON.stringify(body))).size).toBe(1)
  expect(new Set(received.map(({ headers }) => headers['idempotency-key']))).toEqual(new Set(['k']))
  expect(delivered.size).toBe(1)
})

test('after three tries the error says that a later try may succeed', async () => {
  answers = [limited, limited, limited]
  const failed = await sender()
    .sendEmail('WelcomeEmail', 'ada@example.com', props)
    .catch((error: EmailError) => error)
  expect(failed).toMatchObject({ code: 'provider_unavailable', retryable: true, status: 503 })
  expect(received).toHaveLength(3)
})

test('a request to a server that hangs is aborted and repeated', async () => {
  answers = [{ status: 0, hang: true }]
  await sender(1_000).sendEmail('WelcomeEmail', 'ada@example.com', props, { idempotencyKey: 'k' })
  // A third, where this machine itself hung for a second.
  expect(received.length).toBeGreaterThanOrEqual(2)
  expect(delivered.size).toBe(1)
})

test.each([
  ['validation_error', 422],
  ['invalid_api_key', 401],
])('%s is not retried', async (name, status) => {
  answers = [{ status, body: { name, statusCode: status, message: 'no' } }]
  const sending = sender().sendEmail('WelcomeEmail', 'ada@example.com', props)
  await expect(sending).rejects.toMatchObject({
    code: 'provider_rejected',
    providerCode: name,
    retryable: false,
  })
  expect(received).toHaveLength(1)
})

test.each(['daily_quota_exceeded', 'monthly_quota_exceeded'])(
  '%s is temporary: a later job may send the mail, but this call does not wait',
  async (name) => {
    answers = [{ status: 429, body: { name, statusCode: 429, message: 'no' } }]
    const sending = sender().sendEmail('WelcomeEmail', 'ada@example.com', props)
    await expect(sending).rejects.toMatchObject({
      code: 'provider_unavailable',
      providerCode: name,
      retryable: true,
    })
    expect(received).toHaveLength(1)
  },
)

test('one key for two different mails is a conflict', async () => {
  const { sendEmail } = sender()
  await sendEmail('WelcomeEmail', 'ada@example.com', props, { idempotencyKey: 'k' })
  const second = sendEmail('WelcomeEmail', 'bob@example.com', props, { idempotencyKey: 'k' })
  await expect(second).rejects.toMatchObject({ code: 'idempotency_conflict', status: 409 })
  expect(delivered.size).toBe(1)
})

test('props of the wrong type are refused by name and nothing is sent', async () => {
  // @ts-expect-error – verifyUrl is missing and name is no string: neither compiles.
  const missing = sender().sendEmail('WelcomeEmail', 'ada@example.com', { name: 7 })
  await expect(missing).rejects.toMatchObject({
    code: 'invalid_props',
    status: 422,
    message: 'These props are invalid: name, verifyUrl.',
  })
  const script = sender().sendEmail('WelcomeEmail', 'ada@example.com', {
    ...props,
    verifyUrl: 'javascript:alert(1)',
  })
  await expect(script).rejects.toMatchObject({ code: 'invalid_props' })
  expect(received).toHaveLength(0)
})

test('a template that does not exist is refused', async () => {
  // @ts-expect-error – no such template.
  const sending = sender().sendEmail('toString', 'ada@example.com', {})
  await expect(sending).rejects.toMatchObject({ code: 'unknown_template', status: 404 })
  expect(received).toHaveLength(0)
})

test.each([
  '',
  'ada',
  'ada@example.com, bob@example.com',
  'Ada <ada@example.com>',
  'ada@example.com\r\nBcc: bob@example.com',
  `${'a'.repeat(250)}@example.com`,
])('the recipient %j is refused without being repeated', async (to) => {
  const failed = await sender()
    .sendEmail('WelcomeEmail', to, props)
    .catch((error: EmailError) => error)
  expect(failed).toMatchObject({ code: 'invalid_recipient', status: 422 })
  expect((failed as Error).message).not.toContain('@')
  expect(received).toHaveLength(0)
})

test('in production sending without a key is refused, and the error names the variable', async () => {
  vi.stubEnv('NODE_ENV', 'production')
  vi.stubEnv('RESEND_API_KEY', '')
  const sending = createSender().sendEmail('WelcomeEmail', 'ada@example.com', props)
  await expect(sending).rejects.toMatchObject({
    code: 'missing_api_key',
    message: expect.stringContaining('RESEND_API_KEY'),
  })
})

test('with a key the sender address is required, by name', async () => {
  vi.stubEnv('RESEND_API_KEY', 're_test_key')
  vi.stubEnv('EMAIL_FROM', '')
  const sending = createSender().sendEmail('WelcomeEmail', 'ada@example.com', props)
  await expect(sending).rejects.toMatchObject({
    code: 'invalid_environment',
    message: expect.stringContaining('EMAIL_FROM is missing'),
  })
})

test("a host's own template is sent and checked like the built-in ones", async () => {
  const outbox = createOutbox()
  const Digest = defineEmail({
    schema: z.object({ items: z.int() }),
    subject: ({ items }) => `${items} new items`,
    component: WelcomeEmail.component as never,
    preview: { items: 3 },
  })
  const own = createSender({ templates: { ...builtInEmails, Digest }, transport: outbox.transport })
  await own.sendEmail('Digest', 'ada@example.com', { items: 3 })
  expect(outbox.last('Digest').subject).toBe('3 new items')
  // @ts-expect-error – items is a number.
  await expect(own.sendEmail('Digest', 'ada@example.com', { items: '3' })).rejects.toThrow('items')
  expectTypeOf(sendEmail<'PasswordResetEmail'>)
    .parameter(2)
    .toEqualTypeOf<{
      name?: string | undefined
      resetUrl: string
      expiresInMinutes: number
    }>()
})

test('no error and no log contains the key, the recipient or the link', async () => {
  const logger = createTestLogger()
  answers = [{ status: 401, body: { name: 'invalid_api_key', statusCode: 401, message: 'no' } }]
  const failed = await sender()
    .sendEmail('WelcomeEmail', 'ada@example.com', props)
    .catch((error: Error) => error)
  const text = `${logger.text} ${JSON.stringify(failed)} ${(failed as Error).stack}`
  for (const secret of ['re_test_key', 'ada@example.com', 'token=t']) {
    expect(text).not.toContain(secret)
  }
})

test('money has Stripe’s decimals and not ICU’s', async () => {
  const payment = {
    name: 'Ada',
    planName: 'Pro',
    updateUrl: 'https://acme.example/pay',
    nextAttemptAt: null,
  }
  for (const [amount, currency, text] of [
    [290_000, 'huf', 'HUF 2,900'],
    [15_000_000, 'IDR', 'IDR 150,000'],
    [2900, 'jpy', '¥2,900'],
  ] as const) {
    await sender().sendEmail('PaymentFailedEmail', 'ada@example.com', {
      ...payment,
      amount,
      currency,
    })
    const sent = String(received.at(-1)?.body.text).replace(/\u00a0/g, ' ')
    expect(sent).toContain(`charge ${text} for Pro`)
  }
})
