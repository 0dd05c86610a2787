/** Cookies on the developer's own machine, where browsers disagree about `Secure` without TLS. */

import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createEdge } from '../edge.ts'
import { cookiesOf, createTestAuth, TEST_PASSWORD, type TestAuth } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
/** Instances on one database count their users apart. */
const someone = () => `${randomUUID()}@example.com`
const GITHUB = { clientId: 'id', clientSecret: 'secret' }
const LOCAL = [
  'http://localhost:3000',
  'http://localhost',
  'http://app.localhost:3000',
  'http://127.0.0.1:3000',
  'http://[::1]:3000',
]

/** The `Set-Cookie` lines of whatever sets one. */
async function linesOf(auth: TestAuth): Promise<string[]> {
  const { email } = await auth.signIn(someone())
  const answers = [
    await auth.post('/sign-in/email', { email, password: TEST_PASSWORD, rememberMe: false }),
    await auth.post('/sign-in/social', { provider: 'github' }),
  ]
  const cookie = cookiesOf(answers[0] as Response)
  answers.push(
    await auth.post('/access/refresh', {}, { cookie }),
    await auth.handler(auth.request('/api/auth/access/renew?next=/', { cookie })),
    await auth.handler(auth.request('/api/auth/passkey/generate-authenticate-options', { cookie })),
    await auth.post('/sign-out', {}, { cookie }),
  )
  return answers.flatMap(({ headers }) => headers.getSetCookie())
}

/** Of a cookie that is named after its flow, the part before. */
const namesOf = (lines: string[]) =>
  [...new Set(lines.map((line) => line.split('=')[0]?.replace(/-[\w-]{16}$/, '')))].sort()

const NAMES = ['access_token', 'dont_remember', 'renewed', 'session_token', 'state']

test.each(LOCAL)(
  'at %s no cookie requires TLS, and its other attributes are unchanged',
  async (baseURL) => {
    const auth = createTestAuth({ db: setup.db, baseURL, github: GITHUB })
    const lines = await linesOf(auth)
    expect(namesOf(lines)).toEqual(expect.arrayContaining(NAMES.map((name) => `tollgate.${name}`)))
    for (const line of lines) {
      expect(line).toMatch(/^tollgate\./)
      expect(line).not.toMatch(/;\s*(secure|domain)/i)
      expect(line).toMatch(/;\s*path=\/(;|$)/i)
      expect(line).toMatch(/;\s*httponly/i)
      expect(line).toMatch(/^tollgate\.state[-=]/.test(line) ? /samesite=lax/i : /samesite=strict/i)
    }
    await auth.close()
  },
)

test.each([
  'https://localhost:3000',
  'https://app.example.com',
  'http://app.example.com',
  'http://localhost.example.com',
])('promise 5: at %s every cookie is bound to the host and to TLS', async (baseURL) => {
  const auth = createTestAuth({ db: setup.db, baseURL, github: GITHUB })
  const lines = await linesOf(auth)
  expect(namesOf(lines)).toEqual(
    expect.arrayContaining(NAMES.map((name) => `__Host-tollgate.${name}`)),
  )
  for (const line of lines) expect(line).toMatch(/^__Host-tollgate\.[^;]+;.*;\s*secure/i)
  await auth.close()
})

describe('a session at http://localhost', () => {
  const baseURL = 'http://localhost:3000'

  test('is read, refreshed, replaced and ended by its cookies', async () => {
    const auth = createTestAuth({ db: setup.db, baseURL })
    const { cookie, email, userId } = await auth.signIn(someone())
    const read = (line: string) => auth.getSession(auth.request('/', { cookie: line }))
    const [session = '', access = ''] = ['session', 'access'].map(
      (name) => cookie.split('; ').find((pair) => pair.startsWith(`tollgate.${name}`)) ?? '',
    )
    expect(await read(access)).toMatchObject({ userId })
    expect(await read(session)).toMatchObject({ userId })
    const req = auth.request('/', { cookie: session })
    await auth.getSession(req)
    const renewed = (await auth.renewCookies(req)).join()
    expect(renewed).toMatch(/tollgate\.access_token=ey/)
    // Signing in again ends the session before it.
    const next = await auth.post('/sign-in/email', { email, password: TEST_PASSWORD }, { cookie })
    expect(await read(cookie)).toBeNull()
    await auth.post('/sign-out', {}, { cookie: cookiesOf(next) })
    expect(await read(cookiesOf(next))).toBeNull()
    await auth.close()
  })

  test('is not read from the cookie names of a host with TLS, nor the reverse', async () => {
    const local = createTestAuth({ db: setup.db, baseURL })
    const { cookie } = await local.signIn(someone())
    const other = cookie.replaceAll('tollgate.', '__Host-tollgate.')
    expect(await local.getSession(local.request('/', { cookie: other }))).toBeNull()
    const secure = await setup.auth.signIn(someone())
    const planted = secure.cookie.replaceAll('__Host-', '')
    expect(await setup.auth.getSession(setup.auth.request('/', { cookie: planted }))).toBeNull()
    await local.close()
  })

  test('is renewed at the edge, once', async () => {
    const edge = createEdge({ baseURL, jwks: { keys: [] } })
    const page = (cookie: string) =>
      edge.renew(new Request(`${baseURL}/x`, { headers: { 'sec-fetch-mode': 'navigate', cookie } }))
    expect((await page('tollgate.session_token=x'))?.status).toBe(303)
    expect(await page('tollgate.session_token=x; tollgate.renewed=1')).toBeNull()
    expect(await page('__Host-tollgate.session_token=x')).toBeNull()
  })
})
