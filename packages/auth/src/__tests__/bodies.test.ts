/** Bodies in every form they come in: each has one reading, or a refusal that says what is wrong with it. */

import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { cookiesOf, TEST_ORIGIN, TEST_PASSWORD } from '../testing.ts'
import { changing } from './endpoints.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth({ oauth: { scopes: ['things:read'] } })
const FORM = 'application/x-www-form-urlencoded'

type Bytes = string | Uint8Array<ArrayBuffer>
const bytes = (...parts: (string | number[] | Buffer)[]): Bytes =>
  Uint8Array.from(
    Buffer.concat(
      parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))),
    ),
  )

const send = (path: string, type: string, body: Bytes, headers: Record<string, string> = {}) =>
  setup.auth.handler(
    new Request(`${TEST_ORIGIN}/api/auth${path}`, {
      method: 'POST',
      headers: { origin: TEST_ORIGIN, 'content-type': type, ...headers },
      body,
    }),
  )
const outcome = async (answer: Response) => [
  answer.status,
  ((await answer.json()) as { code?: string }).code,
]

const SIGN_IN = { email: 'reader@example.com', password: TEST_PASSWORD }
const JSON_TEXT = JSON.stringify(SIGN_IN)
const FORM_TEXT = new URLSearchParams(SIGN_IN).toString()
const utf16 = (text: string) => Buffer.from(text, 'utf16le')

const REFUSED: [string, string, Bytes, number, Record<string, string>?][] = [
  ['a form with a field twice', FORM, `${FORM_TEXT}&email=b%40example.com`, 400],
  ['a form with a field twice alike', FORM, `${FORM_TEXT}&password=x`, 400],
  ['a form with an unknown field twice', FORM, `${FORM_TEXT}&a=1&a=2`, 400],
  ['JSON in UTF-16', 'application/json', bytes([0xff, 0xfe], utf16(JSON_TEXT)), 400],
  ['JSON in UTF-16 without a mark', 'application/json', bytes(utf16(JSON_TEXT)), 400],
  ['JSON that says it is UTF-16', 'application/json; charset=utf-16', bytes(utf16(JSON_TEXT)), 415],
  ['JSON that says it is Latin', 'application/json; charset=iso-8859-1', JSON_TEXT, 415],
  ['a form that says it is Latin', `${FORM};charset="windows-1252"`, FORM_TEXT, 415],
  ['JSON with bytes that are no UTF-8', 'application/json', bytes('{"email":"', [0xe9], '"}'), 400],
  [
    'JSON with half a letter in bytes',
    'application/json',
    bytes('{"a":"', [0xed, 0xa0, 0x80], '"}'),
    400,
  ],
  ['a form with bytes that are no UTF-8', FORM, bytes('email=', [0xff]), 400],
  [
    'a compressed body',
    'application/json',
    bytes(gzipSync(JSON_TEXT)),
    415,
    { 'content-encoding': 'gzip' },
  ],
  [
    'a body that says it is compressed',
    'application/json',
    JSON_TEXT,
    415,
    { 'content-encoding': 'br' },
  ],
  [
    'a body in two encodings',
    'application/json',
    JSON_TEXT,
    415,
    { 'content-encoding': 'identity, gzip' },
  ],
  ['two JSON values', 'application/json', `${JSON_TEXT}${JSON_TEXT}`, 400],
  ['JSON lines', 'application/json', `${JSON_TEXT}\n${JSON_TEXT}`, 400],
  ['JSON with a comment', 'application/json', `/* */ ${JSON_TEXT}`, 400],
  ['a mark in the middle', 'application/json', `\ufeff\ufeff${JSON_TEXT}`, 400],
  ['a list of 10,000', 'application/json', JSON.stringify({ email: Array(9_000).fill(1) }), 400],
]

test.each(REFUSED)('%s is refused', async (_, type, body, status, headers = {}) => {
  const answer = await send('/sign-in/email', type, body, headers)
  expect([answer.status, answer.headers.get('cache-control')]).toEqual([status, 'no-store'])
  expect(answer.headers.getSetCookie()).toEqual([])
})

const READ: [string, string, Bytes][] = [
  ['JSON', 'application/json', JSON_TEXT],
  ['JSON with a charset', 'application/json; charset=UTF-8', JSON_TEXT],
  ['JSON with a charset in quotes', 'application/json;charset="utf-8"', JSON_TEXT],
  ['JSON with another parameter', 'application/json; profile=x', JSON_TEXT],
  ['JSON with a byte order mark', 'application/json', `\ufeff${JSON_TEXT}`],
  ['JSON between blanks', 'application/json', ` \n\t${JSON_TEXT}\r\n`],
  ['a form', FORM, FORM_TEXT],
  ['a form with a charset', `${FORM}; charset=utf-8`, FORM_TEXT],
  ['a form with a byte order mark', FORM, `\ufeff${FORM_TEXT}`],
  [
    'JSON whose names repeat: the last counts',
    'application/json',
    JSON_TEXT.replace('{', '{"email":"b@example.com",'),
  ],
  [
    'JSON that names a prototype',
    'application/json',
    JSON_TEXT.replace('{', '{"__proto__":{"email":"b@example.com"},"constructor":1,'),
  ],
  [
    'a form that names a prototype',
    FORM,
    `__proto__=1&constructor=2&__proto__[email]=x&${FORM_TEXT}`,
  ],
  ['a form with unknown fields', FORM, `csrf=1&list[]=1&${FORM_TEXT}`],
]

test.each(READ)('%s is read', async (_, type, body) => {
  const { db, auth } = setup
  if ((await db.user.count({ where: { email: SIGN_IN.email } })) === 0)
    await auth.signIn(SIGN_IN.email)
  const answer = await send('/sign-in/email', type, body)
  expect(answer.status).toBe(200)
  const user = await auth.getUser(auth.request('/', { cookie: cookiesOf(answer) }))
  expect(user?.email).toBe(SIGN_IN.email)
})

test('64 KiB of fields, names or values are read or refused at once', async () => {
  const many = Array.from({ length: 10_000 }, (_, n) => `f${n.toString(36)}=`).join('&')
  const same = Array.from({ length: 15_000 }, () => 'a=b').join('&')
  const started = performance.now()
  for (const path of ['/sign-in/email', '/oauth2/token', '/oauth2/revoke']) {
    for (const form of [
      many,
      same,
      same.replaceAll('a=', 'resource='),
      `${'n'.repeat(60_000)}=1`,
    ]) {
      expect((await send(path, FORM, form)).status).toBeLessThan(500)
    }
  }
  for (const provider of ['a'.repeat(64_000), Array(30_000).fill(0)]) {
    expect((await setup.auth.post('/sign-in/social', { provider })).status).toBe(400)
  }
  expect(performance.now() - started).toBeLessThan(4_000)
})

test('a provider of 64,000 letters is refused at once', async () => {
  const started = performance.now()
  for (const field of ['provider', 'callbackURL', 'loginHint', 'errorCallbackURL']) {
    const body = { provider: 'github', [field]: 'a'.repeat(64_000) }
    const answer = await setup.auth.post('/sign-in/social', body)
    expect(await outcome(answer)).toEqual([400, 'invalid_request'])
  }
  expect(performance.now() - started).toBeLessThan(2_000)
})

test.each([
  ['an address of 13,000 characters', `/get-session?x=${'a'.repeat(13_000)}`, {}],
  ['a parameter of 3,000', `/error?error=${'a'.repeat(3_000)}`, {}],
  ['a parameter twice', '/reset-password/x?callbackURL=/a&callbackURL=/b', {}],
  ['a parameter that every object has', '/get-session?__proto__=1', {}],
  ['another such parameter', '/get-session?toString=1', {}],
  ['a cookie of 9,000', '/get-session', { cookie: `a=${'b'.repeat(9_000)}` }],
  ['a token of 9,000', '/get-session', { authorization: `Bearer ${'b'.repeat(9_000)}` }],
])('a request with %s is refused', async (_, path, headers) => {
  const answer = await setup.auth.handler(setup.auth.request(`/api/auth${path}`, { headers }))
  expect(await outcome(answer)).toEqual([400, 'invalid_request'])
})

test('512 characters of a browser’s name are stored', async () => {
  const { email, userId } = await setup.auth.signIn()
  const headers = { 'user-agent': 'Mozilla/5.0 '.repeat(500) }
  const answer = await setup.auth.post(
    '/sign-in/email',
    { email, password: TEST_PASSWORD },
    { headers },
  )
  expect(answer.status).toBe(200)
  const sessions = await setup.db.session.findMany({ where: { userId } })
  expect(sessions.map(({ userAgent }) => userAgent?.length ?? 0).sort()).toEqual([0, 512])
})

test('a form of our own with a field twice is refused', async () => {
  const action = { path: '/sign-in/email', success: '/', failure: '/sign-in' }
  const form = (body: string) =>
    setup.auth.request('/sign-in', {
      method: 'POST',
      headers: { origin: TEST_ORIGIN, 'content-type': FORM },
      body,
    })
  await expect(setup.auth.formAction(form(`${FORM_TEXT}&email=b`), action)).rejects.toMatchObject({
    code: 'invalid_form',
    status: 400,
  })
  const fields = (data: FormData) => ({ email: data.getAll('email')[0], password: TEST_PASSWORD })
  const chosen = await setup.auth.formAction(form(`${FORM_TEXT}&email=b`), { ...action, fields })
  expect(chosen.headers.get('location')).toBe('/')
})

test('no answer may be cached, except the keys and metadata that others look up', async () => {
  const { auth } = setup
  const { cookie } = await auth.signIn()
  for (const { path, method } of changing(auth)) {
    const answer = await auth.handler(
      auth.request(`/api/auth${path}`, { method, cookie, headers: { origin: TEST_ORIGIN } }),
    )
    expect([path, answer.headers.get('cache-control')]).toEqual([path, 'no-store'])
  }
  for (const path of [
    '/ok',
    '/get-session',
    '/list-sessions',
    '/error?error=x',
    '/callback/github?state=x&code=y',
    '/reset-password/x?callbackURL=/a',
    '/access/renew?next=/',
    '/oauth2/authorize?client_id=x',
    '/nothing',
    '/jwks/nothing',
  ]) {
    const answer = await auth.handler(auth.request(`/api/auth${path}`, { cookie }))
    expect([path, answer.headers.get('cache-control')]).toEqual([path, 'no-store'])
  }
  for (const path of [
    '/api/auth/jwks',
    '/.well-known/oauth-authorization-server/api/auth',
    '/.well-known/openid-configuration/api/auth',
    '/api/auth/.well-known/openid-configuration',
  ]) {
    const answer = await auth.handler(auth.request(path))
    if (answer.status === 404) continue
    expect([path, answer.status, answer.headers.get('cache-control')]).not.toContain('no-store')
  }
  expect((await auth.handler(auth.request('/api/auth/jwks'))).status).toBe(200)
})

test.each([
  ['the first half of a letter', '\ud800'],
  ['the second half of a letter', '\udc00'],
  ['two halves in the wrong order', '\udc00\ud800'],
])('%s is refused wherever a field holds it, and nothing is stored', async (_, half) => {
  const text = `https://example.com/a${half}b`
  for (const [path, body] of [
    ['/sign-up/email', { name: text }],
    ['/sign-up/email', { image: text }],
    ['/sign-up/email', { callbackURL: text }],
    ['/sign-in/email', { password: text }],
    ['/request-password-reset', { redirectTo: text }],
    ['/sign-in/social', { provider: 'github', scopes: ['a', text] }],
    ['/organization/create', { metadata: { [`a${half}b`]: 1 } }],
  ] as [string, object][]) {
    const given = { name: 'Eve', email: 'half@example.com', password: TEST_PASSWORD, slug: 'half' }
    const known = path.startsWith('/sign-in/social') ? {} : given
    expect([path, ...(await outcome(await setup.auth.post(path, { ...known, ...body })))]).toEqual([
      ...[path, 400, 'invalid_request'],
    ])
  }
  expect(await setup.db.user.count({ where: { email: 'half@example.com' } })).toBe(0)
  const call = { body: { name: text, email: 'half@example.com', password: TEST_PASSWORD } }
  await expect(setup.auth.api.signUpEmail(call)).rejects.toMatchObject({
    body: { code: 'invalid_text' },
  })
})
