/** Whatever is sent to whichever endpoint: a refusal says whose mistake it is, and none is ours. */

import { createTestLogger } from '@repo/core/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestAuth, TEST_ORIGIN, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'
import { type Issuer, OIDC_CLIENT, startIssuer } from './issuer.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const logger = createTestLogger()
let issuer: Issuer
let auth: TestAuth
let cookie: string
let endpoints: { path: string; method: string }[]
beforeAll(async () => {
  issuer = await startIssuer({ redirectUri: `${TEST_ORIGIN}/api/auth/callback/acme` })
  auth = createTestAuth({
    db: setup.db,
    logger,
    twoFactor: true,
    oauth: { scopes: ['bookings:read'] },
    oidc: { acme: { issuer: issuer.url, ...OIDC_CLIENT } },
  })
  cookie = (await auth.signIn('victim@example.com')).cookie
  endpoints = Object.values(auth.api as Record<string, unknown>).flatMap((endpoint) => {
    const { path, options } = endpoint as { path?: string; options?: { method?: unknown } }
    if (!path) return []
    return [options?.method].flat().map((method) => ({
      path: path.replace(/:\w+/g, 'acme'),
      method: String(method ?? 'GET'),
    }))
  })
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
  await issuer.close()
})

/** They need no body to do what they are for. */
const ENDING = ['/sign-out', '/revoke-sessions', '/revoke-other-sessions', '/delete-user']

const FIELDS = [
  'email',
  'password',
  'newPassword',
  'currentPassword',
  'name',
  'image',
  'token',
  'code',
  'id',
  'accountId',
  'provider',
  'providerId',
  'idToken',
  'callbackURL',
  'redirectTo',
  'response',
  'role',
  'organizationId',
  'organizationSlug',
  'slug',
  'invitationId',
  'memberIdOrEmail',
  'memberId',
  'userId',
  'metadata',
  'data',
  'permissions',
  'scopes',
  'additionalData',
  'trustDevice',
  'method',
]
const every = (value: unknown) =>
  JSON.stringify(Object.fromEntries(FIELDS.map((field) => [field, value])))
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`

const BODIES: [string, string | Uint8Array<ArrayBuffer>, string?][] = [
  ['nothing', ''],
  ['no JSON', '{"email":'],
  ['null', 'null'],
  ['an array', '[]'],
  ['a number', '7'],
  ['a nest', nested(5_000)],
  ['numbers', every(7)],
  ['nulls', every(null)],
  ['lists', every([1, 'x'])],
  ['objects', every({ $gt: '', id: { not: '' } })],
  ['objects with prototypes', '{"__proto__":{"role":"ADMIN"},"constructor":{"prototype":{}}}'],
  ['empty texts', every('')],
  ['null characters', every('a\0b')],
  ['half a surrogate pair', every('\ud800@example.com')],
  ['long texts', every('x'.repeat(1_500))],
  ['markup and SQL', every(`'"><script>;DROP TABLE "User"--`)],
  ['paths of other hosts', every('//evil.example/..%2f')],
  ['a megabyte', JSON.stringify({ email: 'x'.repeat(1024 * 1024) })],
  ['bytes that are no text', new Uint8Array([0x7b, 0xff, 0xfe, 0xc0, 0x7d])],
  ['a form', 'email=a%40b&password=%FF', 'application/x-www-form-urlencoded'],
  ['another type', '<a/>', 'application/xml'],
]

const send = (
  path: string,
  method: string,
  body: string | Uint8Array<ArrayBuffer> | null,
  type: string,
  as: string,
) =>
  auth.handler(
    new Request(`${TEST_ORIGIN}/api/auth${path}`, {
      method,
      headers: {
        origin: TEST_ORIGIN,
        ...(body === null ? {} : { 'content-type': type }),
        cookie: as,
      },
      body,
    }),
  )

test.each(BODIES)(
  '%s, to every endpoint, with a session and without',
  async (_, body, type = 'application/json') => {
    expect(endpoints.length).toBeGreaterThan(60)
    const failed: string[] = []
    for (const { path, method } of endpoints) {
      if (method === 'GET' || ENDING.includes(path)) continue
      for (const as of ['', cookie]) {
        const answer = await send(path, method, body, type, as)
        if (answer.status >= 500) failed.push(`${answer.status} ${path} ${await answer.text()}`)
      }
    }
    expect(failed).toEqual([])
    expect(await auth.getSession(auth.request('/', { cookie }))).not.toBeNull()
  },
)

test.each([
  ['null characters', '%00'],
  ['half of an escape', '%E0%A4%A'],
  ['lists', '[]=1&x[]='],
  ['long texts', 'x'.repeat(4_000)],
  ['paths of other hosts', '//evil.example'],
])('%s in the query of every GET', async (_, value) => {
  const failed: string[] = []
  for (const { path, method } of endpoints) {
    if (method !== 'GET') continue
    const query = FIELDS.concat('state', 'error', 'next')
      .map((field) => `${field}=${value}`)
      .join('&')
    for (const as of ['', cookie]) {
      const answer = await send(`${path}?${query}`, method, null, '', as)
      if (answer.status >= 500) failed.push(`${answer.status} ${path} ${await answer.text()}`)
    }
  }
  expect(failed).toEqual([])
})

test.each(['', '=', 'a', '%', '.', '..', '.%00', 'x'.repeat(5_000)])(
  'a session cookie of %j signs nobody in',
  async (value) => {
    for (const name of [
      'session_token',
      'access_token',
      'state',
      'two_factor',
      'passkey_challenge',
    ]) {
      const as = `__Host-tollgate.${name}=${value}`
      for (const path of ['/get-session', '/callback/acme?state=x&code=y']) {
        expect((await send(path, 'GET', null, '', as)).status).toBeLessThan(500)
      }
      expect(await auth.getSession(auth.request('/', { cookie: as }))).toBeNull()
    }
  },
)

test('a body of a megabyte is a 413, with and without its length in a header', async () => {
  const large = `{"email":"${'x'.repeat(1024 * 1024)}"}`
  const told = await send('/sign-in/email', 'POST', large, 'application/json', '')
  expect(told.status).toBe(413)
  expect(await told.json()).toMatchObject({ code: 'body_too_large' })
  const stream = new Blob([large]).stream()
  const untold = new Request(`${TEST_ORIGIN}/api/auth/sign-in/email`, {
    method: 'POST',
    headers: { origin: TEST_ORIGIN, 'content-type': 'application/json' },
    body: stream,
    duplex: 'half',
  } as RequestInit)
  expect((await auth.handler(untold)).status).toBe(413)
})

test('a null character is refused, and text that only looks like one is not', async () => {
  const form = 'application/x-www-form-urlencoded'
  for (const [body, type, status] of [
    [JSON.stringify({ email: 'a@b.example', password: 'a\0b' }), 'application/json', 400],
    ['email=a%40b.example&password=a%00b', form, 400],
    [
      JSON.stringify({ email: 'a@b.example', password: '100%00 \\u0000 sure' }),
      'application/json',
      401,
    ],
    ['email=a%40b.example&password=100%2500+and+more', form, 401],
  ] as const) {
    const answer = await send('/sign-in/email', 'POST', body, type, '')
    expect([body, answer.status]).toEqual([body, status])
  }
})

test('a role in the body is ignored', async () => {
  for (const [path, body] of [
    [
      '/sign-up/email',
      {
        name: 'A',
        email: 'role@example.com',
        password: TEST_PASSWORD,
        role: 'ADMIN',
        emailVerified: true,
        twoFactorEnabled: true,
      },
    ],
    ['/update-user', { name: 'B', role: 'ADMIN', emailVerified: true }],
  ] as const) {
    await auth.post(path, body, { cookie: path === '/update-user' ? cookie : '' })
  }
  const users = await setup.db.user.findMany()
  expect(users.filter(({ role }) => role !== 'USER')).toEqual([])
  const fresh = users.find(({ email }) => email === 'role@example.com')
  if (fresh) expect(fresh).toMatchObject({ emailVerified: false, twoFactorEnabled: false })
})

test('a reset link works once, and not for a confirmation or a sign-in', async () => {
  const { email } = await auth.signIn('reset-once@example.com')
  await auth.post('/request-password-reset', { email })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'PasswordResetEmail')
  expect((await auth.post('/confirm-email', { token })).status).toBe(400)
  expect((await auth.post('/sign-in/magic-link/confirm', { token })).status).toBe(400)
  const reset = () => auth.post('/reset-password', { token, newPassword: 'another long password' })
  const answers = await Promise.all([reset(), reset(), reset()])
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400])
  expect((await reset()).status).toBe(400)
})

test('promise 7: after all of that the log contains no address and no password', () => {
  expect(logger.text).not.toContain('victim@example.com')
  expect(logger.text).not.toContain(TEST_PASSWORD)
})
