/**
 * Nobody learns who is known here: not by the status, not by the body, not by the time. Over real HTTP, with
 * a mail provider that takes a third of a second or more.
 */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSender } from '@repo/email'
import { createOutbox } from '@repo/email/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { toNodeHandler } from '../index.ts'
import { bcryptPool } from '../sign-in/bcrypt-pool.ts'
import { createTestAuth, TEST_ORIGIN, TEST_PASSWORD, type TestAuth } from '../testing.ts'
import { setUpAuth } from './setup.ts'

let mailMs = 0
// Whether a hash was left out shows with the rounds that hosts have.
const ROUNDS = { bcryptRounds: 12 }
const setup = setUpAuth(ROUNDS)
const outbox = createOutbox()
const slow = createSender({
  transport: {
    async send(message) {
      await new Promise((done) => setTimeout(done, mailMs))
      return outbox.transport.send(message)
    },
  },
})
const KNOWN = 'known@example.com'

let auth: TestAuth
let server: Server
let origin: string
beforeAll(async () => {
  await setup.auth.signIn(KNOWN)
  auth = createTestAuth({ db: setup.db, sender: slow, ...ROUNDS })
  server = createServer(toNodeHandler(auth))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  return new Promise((done) => server.close(done))
})

let strangers = 0
const stranger = () => {
  strangers += 1
  return `stranger-${strangers}@example.com`
}

interface Sample {
  ms: number
  status: number
  shape: unknown
}

async function send(path: string, email: string): Promise<Sample> {
  const start = performance.now()
  const answer = await fetch(`${origin}/api/auth${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: TEST_ORIGIN },
    body: JSON.stringify({ email, name: 'Ada', password: 'not the password' }),
  })
  const body = await answer.json()
  const ms = performance.now() - start
  const headers = [...answer.headers].map(([name, value]) =>
    /date|length/.test(name)
      ? name
      : [name, value.replace(/^(__Host-tollgate\.sign_up)=[^;]+/, '$1')],
  )
  return { ms, status: answer.status, shape: { headers, body: shapeOf(body) } }
}

/** Keys and kinds of a body; texts that are the same for everybody as they are. */
function shapeOf(value: unknown, key = ''): unknown {
  if (value === null || typeof value !== 'object') {
    return /^(id|email|createdAt|updatedAt)$/.test(key) ? typeof value : value
  }
  return Object.entries(value).map(([name, inner]) => [name, shapeOf(inner, name)])
}

/** What an answer takes where nothing comes between: a quarter of them are faster. */
const quartile = (samples: Sample[]) => {
  const sorted = samples.map(({ ms }) => ms).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 4)] as number
}

test.each([
  ['signing in', '/sign-in/email', 7],
  ['signing up', '/sign-up/email', 7],
  ['asking for a reset', '/request-password-reset', 31],
  ['asking for another confirmation', '/send-verification-email', 31],
])('%s looks and lasts the same for a known and an unknown address', async (_, path, count) => {
  await send(path, stranger())
  // However slow the machine is, a mail takes longer than an answer.
  mailMs = Math.max(300, 4 * (await send(path, stranger())).ms)
  const known: Sample[] = []
  const unknown: Sample[] = []
  // One after the other, so that whatever else the machine does befalls both.
  for (let n = 0; n < count; n += 1) {
    known.push(await send(path, KNOWN))
    unknown.push(await send(path, stranger()))
  }
  const [first] = known
  for (const { status, shape } of [...known, ...unknown]) {
    expect(status).toBe(first?.status)
    expect(shape).toEqual(first?.shape)
  }
  // A hash left out or a mail waited for is a fifth of a second and more.
  const [ofKnown, ofUnknown] = [quartile(known), quartile(unknown)]
  const difference = Math.abs(ofKnown - ofUnknown)
  expect(difference).toBeLessThan(Math.max(40, 0.4 * Math.max(ofKnown, ofUnknown)))
  if (count > 7) expect(ofKnown).toBeLessThan(mailMs / 2)
})

test('a sign-up waits after its hash, for a known and a new address alike', async () => {
  const pool = bcryptPool()
  const { hash } = pool
  let began = 0
  let ended = 0
  pool.hash = async (...args) => {
    began = performance.now()
    const hashed = await hash(...args)
    ended = performance.now()
    return hashed
  }
  try {
    for (const email of [KNOWN, stranger()]) {
      await auth.post('/sign-up/email', { name: 'Ada', email, password: 'not the password' })
      // A timer may fire up to a millisecond early.
      expect(performance.now() - ended).toBeGreaterThan(Math.min((ended - began) / 4, 100) - 2)
    }
  } finally {
    pool.hash = hash
  }
})

test('the mails are still sent to known addresses', async () => {
  mailMs = 0
  outbox.clear()
  await auth.settled()
  const to = (address: string) => new Set(outbox.to(address).map(({ template }) => template))
  expect(to(KNOWN)).toEqual(new Set(['AccountExistsEmail', 'PasswordResetEmail']))
  const others = outbox.sent.filter(({ to }) => to !== KNOWN)
  expect(new Set(others.map(({ template }) => template))).toEqual(new Set(['WelcomeEmail']))
})

test('promise 7: a mail that waits shows neither an address nor a link', async () => {
  await send('/request-password-reset', KNOWN)
  await send('/sign-up/email', 'secretive@example.com')
  const before = await setup.db.verificationToken.count()
  const queued = await setup.db.$queryRaw<{ payload: unknown }[]>`
    SELECT payload FROM graphile_worker._private_jobs`
  expect(queued).toHaveLength(2)
  expect(JSON.stringify(queued)).not.toMatch(/known|secretive|example\.com|token|http/)
  // The tokens do not exist yet, nor the row that keeps the sign-up.
  await auth.settled()
  expect(await setup.db.verificationToken.count()).toBe(before + 3)
})

test('a mail that was sent before its job failed is not sent again', async () => {
  await send('/request-password-reset', KNOWN)
  const [queued] = await setup.db.$queryRaw<{ id: string; payload: object }[]>`
    SELECT id::text, payload FROM graphile_worker._private_jobs`
  const [job] = auth.jobs
  const info = { id: '1', attempt: 1, signal: new AbortController().signal }
  const sent = outbox.sent.length
  await job?.run(job.parse(queued?.payload), info)
  await job?.run(job.parse(queued?.payload), { ...info, attempt: 2 })
  expect(outbox.sent.length).toBe(sent + 1)
  await auth.settled()
  expect(outbox.sent.length).toBe(sent + 1)
  const token = /token=([^\s&]+)/.exec(outbox.last('PasswordResetEmail').text)?.[1] as string
  const reset = await auth.post('/reset-password', { token, newPassword: TEST_PASSWORD })
  expect(reset.status).toBe(200)
})

test('nothing is queued for text that is not an address', async () => {
  // The mail about the password of the test before.
  await auth.settled()
  for (const path of ['/request-password-reset', '/send-verification-email']) {
    for (const email of ['', 'nope', 'a@b', `${'x'.repeat(300)}@example.com`, 7, null]) {
      expect((await auth.post(path, { email })).status).toBe(400)
    }
  }
  const [{ count }] = await setup.db.$queryRaw<[{ count: number }]>`
    SELECT count(*)::int FROM graphile_worker.jobs`
  expect(count).toBe(0)
})
