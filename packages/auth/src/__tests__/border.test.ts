/** Nonsense: too large, malformed, malicious. It is refused with a status of its own, and nothing breaks. */

import { expect, test } from 'vitest'
import { TEST_ORIGIN, TEST_PASSWORD, tokenOf } from '../testing.ts'
import { changing } from './endpoints.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

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

test('no endpoint answers nonsense with a 500', async () => {
  const endpoints = changing(setup.auth)
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

const NEST = `{"token":${'['.repeat(30_000)}${']'.repeat(30_000)}}`
test.each([
  ['application/jsonx', NEST],
  ['application/json-seq+json', NEST],
  ['application/x+json', NEST],
  ['text/application/json', NEST],
  ['xapplication/x-www-form-urlencoded', 'token=a%00b'],
  ['application/x-www-form-urlencodedx', 'token=a%00b'],
])(
  'a body of the type %s, which only resembles an accepted type, is refused',
  async (type, body) => {
    for (const path of ['/confirm-email', '/sign-in/email', '/oauth2/token', '/update-user']) {
      const headers = { origin: TEST_ORIGIN, 'content-type': type }
      const request = setup.auth.request(`/api/auth${path}`, { method: 'POST', body, headers })
      const answer = await setup.auth.handler(request)
      expect([path, answer.status]).toEqual([path, 415])
      expect(await answer.json()).toMatchObject({ code: 'unsupported_media_type' })
    }
  },
)

test.each([
  '/reset-password/%00?callbackURL=/',
  '/reset-password/%zz?callbackURL=/',
  '/get-session?x=%00',
  '/%00',
  '/callback/%00',
  '/callback/github?state=%00&code=x',
  '/verify-email?token=%00',
  '/nothing/here',
])('GET %s is not a 500', async (path) => {
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
])('an address with %s is refused', async (_, email) => {
  const body = { name: 'Ada', email, password: TEST_PASSWORD }
  for (const path of ['/sign-up/email', '/sign-in/email', '/request-password-reset']) {
    expect((await setup.auth.post(path, body)).status).toBe(400)
  }
})

test('a sign-up gives no role, whatever the field is called', async () => {
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
