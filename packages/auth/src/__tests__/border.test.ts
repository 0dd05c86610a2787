/** Every endpoint that changes something: from where, with what, and what it answers to nonsense. */

import { expect, test } from 'vitest'
import { cookiesOf, TEST_ORIGIN, TEST_PASSWORD, type TestRequest, tokenOf } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

interface Endpoint {
  path?: string
  options?: { method?: string | string[]; metadata?: { SERVER_ONLY?: boolean; scope?: string } }
}

/** All that Better Auth and our plugins answer over HTTP, as it is now. */
function changing(): { path: string; method: string }[] {
  return Object.values(setup.auth.api as unknown as Record<string, Endpoint>).flatMap(
    ({ path, options }) => {
      const methods = [options?.method ?? 'GET'].flat().filter((method) => method !== 'GET')
      const { SERVER_ONLY, scope } = options?.metadata ?? {}
      if (!path || SERVER_ONLY || scope) return []
      return methods.map((method) => ({ path: path.replace(/:\w+/g, 'github'), method }))
    },
  )
}

/** Everything that a request could change. */
async function everything(): Promise<string> {
  const { db } = setup
  const tables = [db.user, db.session, db.account, db.verificationToken, db.organization, db.member]
  const rows = []
  for (const table of tables) {
    rows.push(await (table as typeof db.user).findMany({ orderBy: { id: 'asc' } }))
  }
  const [jobs] = await db.$queryRaw<unknown[]>`SELECT count(*)::int FROM graphile_worker.jobs`
  return JSON.stringify([rows, jobs, await db.auditLog.count()])
}

/** A body that every endpoint would find something in. */
const full = async () => {
  const user = await setup.auth.signIn()
  await setup.auth.post('/request-password-reset', { email: user.email })
  await setup.auth.settled()
  const token = tokenOf(setup.auth.outbox, 'PasswordResetEmail')
  const body = {
    email: user.email,
    password: TEST_PASSWORD,
    currentPassword: TEST_PASSWORD,
    newPassword: 'another password',
    name: 'Mallory',
    provider: 'github',
    slug: 'mallory',
    token,
  }
  return { user, body: JSON.stringify(body) }
}

const FOREIGN: [string, Record<string, string>][] = [
  ['no origin', {}],
  ['another origin', { origin: 'https://evil.example' }],
  ['another port', { origin: 'http://localhost:3001' }],
  ['a longer name', { origin: `${TEST_ORIGIN}.evil.example` }],
  ['an opaque origin', { origin: 'null' }],
  ['another site', { 'sec-fetch-site': 'cross-site' }],
  ['a referrer alone', { referer: `${TEST_ORIGIN}/` }],
  ['a program with cookies', { authorization: 'Bearer x' }],
  ['a program of another origin', { authorization: 'Bearer x', origin: 'https://evil.example' }],
]

test('no endpoint changes anything for a request of another site, signed in or not', {
  timeout: 120_000,
}, async () => {
  const endpoints = changing()
  expect(endpoints.length).toBeGreaterThan(25)
  const { user, body } = await full()
  const before = await everything()
  for (const { path, method } of endpoints) {
    for (const [name, headers] of FOREIGN) {
      const request: TestRequest = {
        method,
        body,
        cookie: user.cookie,
        headers: { 'content-type': 'application/json', ...headers },
      }
      const answer = await setup.auth.handler(setup.auth.request(`/api/auth${path}`, request))
      expect(`${method} ${path} ${name} ${answer.status}`).toBe(`${method} ${path} ${name} 403`)
      expect(await answer.json()).toMatchObject({ code: 'untrusted_origin' })
      expect(answer.headers.getSetCookie()).toEqual([])
    }
    const { cookie, ...anonymous }: TestRequest = { method, body, cookie: '' }
    const answer = await setup.auth.handler(setup.auth.request(`/api/auth${path}`, anonymous))
    expect(`${path} ${answer.status}`).toBe(`${path} 403`)
  }
  expect(await everything()).toBe(before)
})

test('the same request from our own origin does change something', async () => {
  const { body } = await full()
  const before = await everything()
  for (const headers of [{ origin: TEST_ORIGIN }, { 'sec-fetch-site': 'same-origin' }]) {
    const answer = await setup.auth.handler(
      setup.auth.request('/api/auth/sign-in/email', {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', ...headers },
      }),
    )
    expect(answer.status).toBe(200)
  }
  expect(await everything()).not.toBe(before)
})

const NONSENSE: [string, string][] = [
  ['nothing', ''],
  ['no JSON', '{'],
  ['null', 'null'],
  ['a list', '[]'],
  ['a text', '"x"'],
  ['an empty object', '{}'],
  [
    'objects for values',
    '{"email":{"$ne":1},"password":{"a":1},"token":{"x":[]},"name":[],"newPassword":{}}',
  ],
  [
    'numbers',
    '{"email":1,"password":1234567890,"token":1,"name":1,"newPassword":1,"organizationId":1}',
  ],
  [
    'null bytes',
    '{"email":"a\\u0000@example.com","password":"0123456789\\u0000","name":"a\\u0000","token":"\\u0000","slug":"\\u0000","newPassword":"0123456789\\u0000"}',
  ],
  [
    'half a letter',
    '{"email":"a@example.com","name":"\\ud800","password":"\\ud800123456789","token":"\\ud800","slug":"\\ud800"}',
  ],
  [
    'a prototype',
    '{"__proto__":{"role":"ADMIN"},"constructor":{"prototype":{}},"email":"p@example.com"}',
  ],
  ['a deep nest', `${'{"a":'.repeat(3_000)}1${'}'.repeat(3_000)}`],
  [
    'a long name',
    `{"name":"${'x'.repeat(5_000)}","email":"long@example.com","password":"0123456789","slug":"x"}`,
  ],
  [
    'a long address',
    `{"name":"x","email":"${'x'.repeat(300)}@example.com","password":"0123456789"}`,
  ],
]

test('no endpoint answers nonsense with an error of ours', { timeout: 300_000 }, async () => {
  const endpoints = changing()
  for (const [name, body] of NONSENSE) {
    // What ends the session comes last.
    const { cookie } = await setup.auth.signIn()
    const order = endpoints.toSorted((a, b) => Number(ends(a.path)) - Number(ends(b.path)))
    for (const { path, method } of order) {
      const headers = { 'content-type': 'application/json', origin: TEST_ORIGIN }
      const request = setup.auth.request(`/api/auth${path}`, { method, body, cookie, headers })
      const { status } = await setup.auth.handler(request)
      expect(`${path} ${name} ${status < 500 ? 'below 500' : status}`).toBe(
        `${path} ${name} below 500`,
      )
    }
  }
  expect(await setup.db.user.count({ where: { role: { not: 'USER' } } })).toBe(0)
})
const ends = (path: string) => /sign-out|revoke|delete|change-password/.test(path)

test.each([
  ['declared', { 'content-length': '1048576' }, 'x'],
  ['not declared', {}, `{"name":"${'x'.repeat(1024 * 1024)}"}`],
])('a body of a megabyte, %s, is refused before it is read', async (_, headers, body) => {
  const answer = await setup.auth.handler(
    setup.auth.request('/api/auth/sign-up/email', {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', origin: TEST_ORIGIN, ...headers },
    }),
  )
  expect(answer.status).toBe(413)
  expect(await answer.json()).toMatchObject({ code: 'body_too_large' })
})

test('a form of a megabyte is refused, too', async () => {
  const req = setup.auth.request('/sign-in', {
    method: 'POST',
    headers: { origin: TEST_ORIGIN, 'content-type': 'application/x-www-form-urlencoded' },
    body: `email=${'x'.repeat(1024 * 1024)}`,
  })
  const action = { path: '/sign-in/email', success: '/', failure: '/sign-in' }
  await expect(setup.auth.formAction(req, action)).rejects.toMatchObject({ status: 413 })
})

test.each([
  ['application/x-www-form-urlencoded', 'email=a%00%40example.com&password=0123456789', 400],
  ['text/plain', '{"email":"a@example.com","password":"0123456789"}', 415],
  ['multipart/form-data; boundary=x', 'nonsense', 415],
  ['', '{"email":"a@example.com","password":"0123456789"}', 415],
])('a sign-in of the type %j is answered with its status', async (type, body, status) => {
  const answer = await setup.auth.handler(
    setup.auth.request('/api/auth/sign-in/email', {
      method: 'POST',
      body,
      headers: { origin: TEST_ORIGIN, ...(type ? { 'content-type': type } : {}) },
    }),
  )
  expect(answer.status).toBe(status)
})

test.each([
  '/reset-password/%00?callbackURL=/',
  '/reset-password/%zz?callbackURL=/',
  '/get-session?x=%00',
  '/%00',
  '/callback/%00',
  '/callback/github?state=%00&code=x',
  '/verify-email?token=%00',
  '/nothing/here',
])('GET %s is no error of ours', async (path) => {
  const answer = await setup.auth.handler(setup.auth.request(`/api/auth${path}`))
  expect(answer.status).toBeLessThan(500)
})

test.each([
  ['Cyrillic letters', '\u0430da@example.com'],
  ['full-width letters', '\uff41da@example.com'],
  ['a Kelvin sign', '\u212aate@example.com'],
  ['an invisible letter', 'a\u200bda@example.com'],
  ['a right-to-left mark', 'ada\u202e@example.com'],
  ['a dotless domain', 'ada@ex\u0430mple.com'],
])('an address with %s is no address', async (_, email) => {
  const body = { name: 'Ada', email, password: TEST_PASSWORD }
  for (const path of ['/sign-up/email', '/sign-in/email', '/request-password-reset']) {
    expect((await setup.auth.post(path, body)).status).toBe(400)
  }
})

test('no sign-up brings a role along, whatever it is called', async () => {
  const roles = { role: 'ADMIN', emailVerified: true, banned: false, id: 'chosen', isAdmin: true }
  const email = 'ambitious@example.com'
  const answer = await setup.auth.post('/sign-up/email', {
    name: 'Ada',
    email,
    password: TEST_PASSWORD,
    ...roles,
  })
  expect(answer.status).toBeLessThan(500)
  const user = await setup.db.user.findUnique({ where: { email } })
  if (user) expect(user).toMatchObject({ role: 'USER', emailVerified: false })
  expect(user?.id).not.toBe('chosen')
  const { cookie, userId } = await setup.auth.signIn()
  await setup.auth.post('/update-user', { name: 'Ada', ...roles }, { cookie })
  expect(await setup.db.user.findUniqueOrThrow({ where: { id: userId } })).toMatchObject({
    role: 'USER',
  })
})

test('a reset link works once, also when it is pressed five times at once', async () => {
  const { email } = await setup.auth.signIn()
  await setup.auth.post('/request-password-reset', { email })
  await setup.auth.settled()
  const token = tokenOf(setup.auth.outbox, 'PasswordResetEmail')
  const answers = await Promise.all(
    Array.from({ length: 5 }, (_, n) =>
      setup.auth.post('/reset-password', { token, newPassword: `the password ${n}` }),
    ),
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400, 400])
})

const ELSEWHERE = [
  'https://evil.example/',
  '//evil.example',
  '///evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  '/\t/evil.example',
  '/%09/evil.example',
  'javascript:alert(1)',
  'data:text/html,x',
  `${TEST_ORIGIN}.evil.example/`,
  `${TEST_ORIGIN}@evil.example/`,
  'http://localhost:3001/',
  'https://localhost:3000/',
  '/../\\evil.example',
]

test('no return address leads to another origin', { timeout: 60_000 }, async () => {
  const user = await setup.auth.signIn()
  const fields = ['callbackURL', 'redirectTo', 'errorCallbackURL', 'newUserCallbackURL']
  for (const target of ELSEWHERE) {
    for (const field of fields) {
      const body = {
        email: user.email,
        password: 'x'.repeat(129),
        provider: 'github',
        [field]: target,
      }
      for (const path of [
        '/request-password-reset',
        '/send-verification-email',
        '/sign-in/social',
      ]) {
        const answer = await setup.auth.post(path, body)
        leadsNowhere(answer, await answer.clone().text(), `${path} ${field} ${target}`)
      }
    }
    const query = `callbackURL=${encodeURIComponent(target)}`
    for (const path of [`/reset-password/x?${query}`, `/error?error=x&${query}`]) {
      const answer = await setup.auth.handler(setup.auth.request(`/api/auth${path}`))
      leadsNowhere(answer, await answer.clone().text(), `${path} ${target}`)
    }
    const body = { email: user.email, password: TEST_PASSWORD, callbackURL: target }
    const signedIn = await setup.auth.post('/sign-in/email', body)
    expect(`${target} ${cookiesOf(signedIn) === '' || signedIn.ok}`).toBe(`${target} true`)
    leadsNowhere(signedIn, '', `/sign-in/email ${target}`)
  }
})

/** Neither a redirect nor an address in the body that a browser would take for another host. */
function leadsNowhere(answer: Response, text: string, what: string): void {
  const location = answer.headers.get('location')
  if (location !== null) {
    expect(`${what} ${new URL(location, TEST_ORIGIN).origin}`).toBe(`${what} ${TEST_ORIGIN}`)
  }
  const url = /"url":"([^"]*)"/.exec(text)?.[1]
  if (url) expect(`${what} ${new URL(url, TEST_ORIGIN).hostname}`).not.toContain('evil')
  expect(answer.status).toBeLessThan(500)
}
