/** Requests that change something come from our own origin, and no return address leads elsewhere. */

import { expect, test } from 'vitest'
import { cookiesOf, TEST_ORIGIN, TEST_PASSWORD, type TestRequest, tokenOf } from '../testing.ts'
import { changing } from './endpoints.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

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
  ['an opaque origin elsewhere', { origin: 'null', 'sec-fetch-site': 'cross-site' }],
  ['an opaque origin next door', { origin: 'null', 'sec-fetch-site': 'same-site' }],
  ['an opaque origin of nowhere', { origin: 'null', 'sec-fetch-site': 'none' }],
  [
    'another origin that says it is ours',
    { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
  ],
  ['another site', { 'sec-fetch-site': 'cross-site' }],
  ['a referrer alone', { referer: `${TEST_ORIGIN}/` }],
  ['a program with cookies', { authorization: 'Bearer x' }],
  ['a program of another origin', { authorization: 'Bearer x', origin: 'https://evil.example' }],
]

test('no endpoint changes anything for a request of another site, signed in or not', async () => {
  const endpoints = changing(setup.auth)
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
  for (const headers of [
    { origin: TEST_ORIGIN },
    { 'sec-fetch-site': 'same-origin' },
    // From a page that sends no referrer.
    { origin: 'null', 'sec-fetch-site': 'same-origin' },
  ]) {
    const answer = await setup.auth.handler(
      setup.auth.request('/api/auth/sign-in/email', {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', ...headers } as Record<string, string>,
      }),
    )
    expect(answer.status).toBe(200)
  }
  expect(await everything()).not.toBe(before)
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

test('no return address redirects to another origin', async () => {
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
