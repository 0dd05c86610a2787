/** Signing up, confirming by a button, and giving nothing away. */

import { createTestLogger } from '@repo/core/testing'
import { expect, test } from 'vitest'
import { createAuth } from '../index.ts'
import { TEST_PASSWORD, tokenOf } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const logger = createTestLogger()
const created: string[] = []
let failing = false
const setup = setUpAuth({
  logger,
  events: {
    async userCreated({ id }) {
      created.push(id)
      if (failing) throw new Error('the provider is away, says ada@example.com')
    },
  },
})

const signUp = (email: string, password = TEST_PASSWORD) =>
  setup.auth.post('/sign-up/email', { name: 'Ada', email, password })
const signIn = (email: string, password = TEST_PASSWORD) =>
  setup.auth.post('/sign-in/email', { email, password })

test('the mail links to a page; opening it confirms nothing, and pressing its button does', async () => {
  const email = 'button@example.com'
  expect((await signUp(email)).status).toBe(200)
  await setup.auth.settled()
  expect(created).toHaveLength(1)
  const mail = setup.auth.outbox.last('WelcomeEmail')
  expect(mail.to).toBe(email)
  expect(mail.text).toContain('https://localhost:3000/verify-email?token=')
  const token = tokenOf(setup.auth.outbox, 'WelcomeEmail')

  const early = await signIn(email)
  expect(early.status).toBe(401)
  expect(early.headers.getSetCookie()).toEqual([])

  const scanned = await setup.auth.handler(
    setup.auth.request(`/api/auth/verify-email?token=${token}`),
  )
  expect(scanned.status).toBe(404)
  const got = await setup.auth.handler(setup.auth.request(`/api/auth/confirm-email?token=${token}`))
  expect(got.status).toBe(404)
  expect((await setup.db.user.findUniqueOrThrow({ where: { email } })).emailVerified).toBe(false)

  const pressed = await setup.auth.post('/confirm-email', { token })
  expect(pressed.status).toBe(200)
  // The cookie of the sign-up has served.
  expect(pressed.headers.getSetCookie()).toEqual([
    expect.stringMatching(/^__Host-tollgate\.sign_up=; Max-Age=0;/),
  ])
  expect((await signIn(email)).status).toBe(200)
})

test.each(['', 'x', 'eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImFAYi5jIn0.', 'y'.repeat(3000), 7])(
  'the token %j confirms nothing',
  async (token) => {
    const answer = await setup.auth.post('/confirm-email', { token })
    expect([400, 401]).toContain(answer.status)
  },
)

/** A new person's token. */
async function tokenFor(email: string): Promise<string> {
  await signUp(email)
  await setup.auth.settled()
  return tokenOf(setup.auth.outbox, 'WelcomeEmail')
}
const confirmed = async (email: string) =>
  (await setup.db.user.findUniqueOrThrow({ where: { email } })).emailVerified

test('a token works once, also for several people who press at the same time', async () => {
  const token = await tokenFor('once@example.com')
  const answers = await Promise.all(
    [1, 2, 3, 4].map(() => setup.auth.post('/confirm-email', { token })),
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400])
  expect(await confirmed('once@example.com')).toBe(true)
  const late = await setup.auth.post('/confirm-email', { token })
  expect(late.status).toBe(400)
  expect(await late.json()).toMatchObject({ code: 'invalid_token' })
})

test('an expired token confirms nothing', async () => {
  const token = await tokenFor('late@example.com')
  await setup.db.verificationToken.updateMany({ data: { expiresAt: new Date(0) } })
  expect((await setup.auth.post('/confirm-email', { token })).status).toBe(400)
  expect(await confirmed('late@example.com')).toBe(false)
})

test('the token does not contain the address, and is stored hashed', async () => {
  const token = await tokenFor('quiet@example.com')
  expect(token).toMatch(/^[\w-]{32}$/)
  const rows = await setup.db.verificationToken.findMany()
  expect(rows.length).toBeGreaterThan(0)
  for (const { identifier } of rows) expect(identifier).not.toContain(token)
})

test('another site cannot press the button; a plain form of our own site can', async () => {
  const token = await tokenFor('pressed@example.com')
  const press = (origin: string) =>
    setup.auth.handler(
      setup.auth.request('/api/auth/confirm-email', {
        method: 'POST',
        headers: { origin, 'content-type': 'application/x-www-form-urlencoded' },
        body: `token=${token}`,
      }),
    )
  expect((await press('https://evil.example')).status).toBe(403)
  expect(await confirmed('pressed@example.com')).toBe(false)
  expect((await press('https://localhost:3000')).status).toBe(200)
  expect(await confirmed('pressed@example.com')).toBe(true)
})

test('signing up with a known address looks like signing up with a new one', async () => {
  const email = 'known@example.com'
  const first = await signUp(email)
  await setup.auth.settled()
  await setup.auth.post('/confirm-email', { token: tokenOf(setup.auth.outbox, 'WelcomeEmail') })
  const confirmations = () =>
    setup.auth.outbox.sent.filter(({ template }) => template === 'WelcomeEmail').length
  const before = confirmations()
  const second = await signUp(email, 'an entirely other password')
  await setup.auth.settled()
  expect(second.status).toBe(first.status)
  const keys = async (answer: Response) => {
    const body = (await answer.json()) as { user: object }
    return [Object.keys(body).sort(), Object.keys(body.user).sort()]
  }
  expect(await keys(second)).toEqual(await keys(first))
  expect(confirmations()).toBe(before)
  expect(await setup.db.user.count({ where: { email } })).toBe(1)
})

test('asking for a reset or another confirmation tells nobody whether the address is known', async () => {
  await signUp('reset@example.com')
  await setup.auth.settled()
  for (const path of ['/request-password-reset', '/send-verification-email']) {
    const known = await setup.auth.post(path, { email: 'reset@example.com' })
    const unknown = await setup.auth.post(path, { email: 'nobody@example.com' })
    expect(known.status).toBe(200)
    expect(unknown.status).toBe(known.status)
    expect(await unknown.text()).toBe(await known.text())
  }
  await setup.auth.settled()
  expect(setup.auth.outbox.to('nobody@example.com')).toEqual([])
})

test('a mail or an event that fails does not fail the sign-up, and the log names nobody', async () => {
  failing = true
  const before = logger.entries.length
  setup.auth.outbox.failNext()
  expect((await signUp('unlucky@example.com')).status).toBe(200)
  await setup.auth.settled()
  failing = false
  expect(await setup.db.user.count({ where: { email: 'unlucky@example.com' } })).toBe(1)
  const logged = logger.entries.slice(before)
  expect(logged.filter(({ level }) => level === 'error')).toHaveLength(2)
  expect(logger.text).not.toContain('@example.com')
})

test.each([
  ['no e-mail', { name: 'A', password: TEST_PASSWORD }],
  ['a malformed e-mail', { name: 'A', email: 'nope', password: TEST_PASSWORD }],
  ['a short password', { name: 'A', email: 'short@example.com', password: 'short' }],
  ['a password that is no text', { name: 'A', email: 'short@example.com', password: 12345678901 }],
  ['129 letters of password', { name: 'A', email: 'short@example.com', password: 'x'.repeat(129) }],
])('%s is refused and no user is created', async (_, body) => {
  const before = await setup.db.user.count()
  const answer = await setup.auth.post('/sign-up/email', body)
  expect(answer.status).toBe(400)
  expect(await setup.db.user.count()).toBe(before)
})

test('a password that is too long is refused alike for known and unknown addresses', async () => {
  const long = 'x'.repeat(129)
  const known = await signIn('button@example.com', long)
  const unknown = await signIn('nobody@example.com', long)
  expect(known.status).toBe(400)
  expect(await unknown.json()).toEqual(await known.json())
  const wrong = await signIn('button@example.com', 'not the password')
  const nobody = await signIn('nobody@example.com', 'not the password')
  expect(nobody.status).toBe(wrong.status)
  expect(await nobody.json()).toEqual(await wrong.json())
})

test.each([
  ['fewer than 12 rounds', { bcryptRounds: 11 }],
  ['half a round', { bcryptRounds: 12.5 }],
  ['a short secret', { secret: 'short' }],
  ['a short pepper', { passwordPeppers: ['short'] }],
  ['no origin', { baseURL: 'localhost' }],
  ['an origin with a path', { baseURL: 'http://localhost/app' }],
])('auth with %s is refused', (_, options) => {
  const good = { baseURL: 'https://localhost:3000', secret: 'x'.repeat(32), db: setup.db }
  expect(() => createAuth({ ...good, ...options })).toThrow(
    expect.objectContaining({ code: 'invalid_options' }),
  )
})
