/** GitHub sign-in: the whole code flow, against a stand-in that insists on it. */

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createAuth } from '../index.ts'
import { cookiesOf, createTestAuth, TEST_ORIGIN, type TestAuth } from '../testing.ts'
import { CLIENT, type GitHub, startGitHub } from './github.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
let github: GitHub
let auth: TestAuth

beforeAll(async () => {
  github = await startGitHub()
  auth = createTestAuth({ db: setup.db, github: { ...CLIENT, endpoint: github.endpoint } })
})
afterAll(() => github.close())
beforeEach(() => {
  github.tokens.length = 0
  github.refusals.length = 0
})

const BODY = { provider: 'github', callbackURL: '/dashboard', errorCallbackURL: '/sign-in' }

async function begin(cookie?: string, body: object = BODY) {
  const answer = await auth.post('/sign-in/social', body, cookie ? { cookie } : {})
  const { url } = (await answer.json()) as { url: string }
  return {
    target: new URL(url),
    line: answer.headers.getSetCookie().join(),
    stateCookie: cookiesOf(answer),
  }
}

/** The provider's part: the address it sends the browser back to. */
async function consent(target: URL): Promise<URL> {
  const answer = await fetch(target, { redirect: 'manual' })
  return new URL(answer.headers.get('location') as string)
}

const comeBack = ({ pathname, search }: URL, cookie: string) =>
  auth.handler(auth.request(`${pathname}${search}`, { cookie }))

const signsIn = (answer: Response) =>
  answer.headers.getSetCookie().some((line) => /session_token=[^;]/.test(line))

const untouched = async () => ({
  users: await setup.db.user.count(),
  accounts: await setup.db.account.count(),
  sessions: await setup.db.session.count(),
})

test('the state is a lax cookie, all later cookies are strict, and the return is redirected to itself', async () => {
  const { target, line, stateCookie } = await begin()
  expect(target.origin).toBe(github.endpoint)
  expect(line).toMatch(/^__Host-tollgate\.state-[\w-]{16}=/)
  for (const attribute of [/SameSite=Lax/i, /HttpOnly/, /Secure/]) expect(line).toMatch(attribute)

  const back = await comeBack(await consent(target), stateCookie)
  expect(back.status).toBe(200)
  expect(await back.text()).toContain('content="0;url=/dashboard"')
  expect(back.headers.get('cache-control')).toBe('no-store')
  expect(back.headers.get('content-security-policy')).toBe("default-src 'none'")
  for (const cookie of back.headers.getSetCookie()) {
    if (!cookie.startsWith('__Host-tollgate.state')) expect(cookie).toMatch(/SameSite=Strict/i)
  }
  const user = await auth.getUser(auth.request('/', { cookie: cookiesOf(back) }))
  expect(user).toMatchObject({ email: 'ada@example.com', emailVerified: true, role: 'USER' })
})

test('provider tokens are encrypted at rest', async () => {
  github.profile = { id: 10, email: 'kept@example.com', verified: true }
  const { target, stateCookie } = await begin()
  await comeBack(await consent(target), stateCookie)
  const row = await setup.db.account.findFirstOrThrow({ where: { accountId: '10' } })
  expect(github.tokens).toHaveLength(1)
  expect(row.accessToken).toBeTruthy()
  expect(row.accessToken).not.toContain(github.tokens[0])
})

test('the host’s own code gets a provider’s token, and no script of a page does', async () => {
  github.profile = { id: 12, email: 'scripted@example.com', verified: true }
  const { target, stateCookie } = await begin()
  const cookie = cookiesOf(await comeBack(await consent(target), stateCookie))
  const { id } = await setup.db.account.findFirstOrThrow({ where: { accountId: '12' } })
  const body = { accountId: id }
  for (const path of ['/get-access-token', '/refresh-token']) {
    expect([path, (await auth.post(path, body, { cookie })).status]).toEqual([path, 404])
  }
  const { headers } = auth.request('/', { cookie })
  const given = await auth.api.getAccessToken({ body, headers })
  expect(given.accessToken).toBe(github.tokens.at(-1))
})

test('a stolen code does not work in another browser', async () => {
  github.profile = { id: 11, email: 'victim@example.com', verified: true }
  const victim = await consent((await begin()).target)
  const thief = await begin()
  const before = await untouched()
  const state = thief.target.searchParams.get('state') as string
  victim.searchParams.set('state', state)
  const answer = await comeBack(victim, thief.stateCookie)
  expect(signsIn(answer)).toBe(false)
  expect(github.refusals).toEqual(['invalid_grant'])
  expect(github.tokens).toEqual([])
  expect(await untouched()).toEqual(before)
})

test.each([
  [
    'another state',
    (back: URL, cookie: string) => {
      back.searchParams.set('state', `${back.searchParams.get('state')}x`)
      return comeBack(back, cookie)
    },
  ],
  ['no state cookie, as in a login CSRF', (back: URL) => comeBack(back, '')],
  [
    'a provider that was refused',
    (back: URL, cookie: string) => {
      back.searchParams.delete('code')
      back.searchParams.set('error', 'access_denied')
      return comeBack(back, cookie)
    },
  ],
])('%s signs nobody in and sends the provider no request', async (_, attempt) => {
  github.profile = { id: 2, email: 'bob@example.com', verified: true }
  const { target, stateCookie } = await begin()
  const back = await consent(target)
  const before = await untouched()
  const answer = await attempt(back, stateCookie)
  expect(signsIn(answer)).toBe(false)
  expect(await answer.text()).toContain('content="0;url=/sign-in?')
  expect(github.tokens).toEqual([])
  expect(await untouched()).toEqual(before)
})

test('a state works once', async () => {
  github.profile = { id: 12, email: 'once@example.com', verified: true }
  const { target, stateCookie } = await begin()
  const back = await consent(target)
  expect(signsIn(await comeBack(back, stateCookie))).toBe(true)
  const before = await untouched()
  expect(signsIn(await comeBack(back, stateCookie))).toBe(false)
  expect(github.tokens).toHaveLength(1)
  expect(await untouched()).toEqual(before)
})

test('promise 5: the earlier session ends, although its cookie is not sent on the return', async () => {
  github.profile = { id: 3, email: 'eve@example.com', verified: true }
  const before = await auth.signIn('carol@example.com')
  const { target, stateCookie } = await begin(before.cookie)
  const back = await comeBack(await consent(target), stateCookie)
  expect(signsIn(back)).toBe(true)
  expect(await auth.getSession(auth.request('/', { cookie: before.cookie }))).toBeNull()
})

test('an address that GitHub has not verified is not linked to its owner', async () => {
  const owner = await auth.signIn('owner@example.com')
  github.profile = { id: 4, email: 'owner@example.com', verified: false }
  const { target, stateCookie } = await begin()
  const answer = await comeBack(await consent(target), stateCookie)
  expect(signsIn(answer)).toBe(false)
  expect(await setup.db.account.count({ where: { userId: owner.userId } })).toBe(1)
})

test('an account is linked if its address is verified on both sides', async () => {
  const owner = await auth.signIn('both@example.com')
  github.profile = { id: 5, email: 'both@example.com', verified: true }
  const { target, stateCookie } = await begin()
  expect(signsIn(await comeBack(await consent(target), stateCookie))).toBe(true)
  expect(await setup.db.account.count({ where: { userId: owner.userId } })).toBe(2)
})

test('a return to another site is refused at the start', async () => {
  const body = { ...BODY, callbackURL: 'https://evil.example/' }
  const answer = await auth.post('/sign-in/social', body)
  expect(answer.status).toBe(403)
  expect(answer.headers.getSetCookie()).toEqual([])
})

test('a callback that only resembles a path does not leave this host', async () => {
  github.profile = { id: 6, email: 'dan@example.com', verified: true }
  const body = { ...BODY, callbackURL: '/.//evil.example' }
  const { target, stateCookie } = await begin(undefined, body)
  const back = await comeBack(await consent(target), stateCookie)
  expect(await back.text()).toContain('content="0;url=/evil.example"')
})

test('a request without a page redirects to the page after sign-in', async () => {
  github.profile = { id: 7, email: 'seven@example.com', verified: true }
  const { target, stateCookie } = await begin(undefined, { provider: 'github' })
  const html = await (await comeBack(await consent(target), stateCookie)).text()
  expect(html).toContain('content="0;url=/dashboard"')
})

test('a form without script redirects to the provider, and back to the form’s page', async () => {
  github.profile = { id: 8, email: 'eight@example.com', verified: true }
  const answer = await auth.formAction(
    auth.request('/sign-in', {
      method: 'POST',
      headers: { origin: TEST_ORIGIN, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'provider=github&next=/billing&callbackURL=https://evil.example/',
    }),
    { path: '/sign-in/social', success: '/dashboard', failure: '/sign-in' },
  )
  expect(answer.status).toBe(303)
  const target = new URL(answer.headers.get('location') as string)
  expect(target.origin).toBe(github.endpoint)
  const back = await comeBack(await consent(target), cookiesOf(answer))
  expect(await back.text()).toContain('content="0;url=/billing"')
  expect(signsIn(back)).toBe(true)
})

test('without a stand-in the requests go to GitHub', async () => {
  const real = createAuth({
    db: setup.db,
    baseURL: TEST_ORIGIN,
    secret: 'x'.repeat(32),
    github: CLIENT,
    rateLimit: false,
  })
  const answer = await real.handler(
    auth.request('/api/auth/sign-in/social', {
      method: 'POST',
      headers: { origin: TEST_ORIGIN, 'content-type': 'application/json' },
      body: JSON.stringify(BODY),
    }),
  )
  const { url } = (await answer.json()) as { url: string }
  expect(url).toMatch(/^https:\/\/github\.com\/login\/oauth\/authorize\?/)
})

test('a provider without keys is off', async () => {
  const answer = await auth.post('/sign-in/social', { provider: 'google', callbackURL: '/' })
  expect(answer.status).toBe(404)
})

test('a sign-in with a provider is in the audit log, and a failed sign-in is not', async () => {
  const before = await setup.db.auditLog.count({ where: { action: 'sign_in' } })
  const { target, stateCookie } = await begin()
  const back = await consent(target)
  expect(signsIn(await comeBack(back, stateCookie))).toBe(true)
  await comeBack(back, stateCookie)
  const entries = await setup.db.auditLog.findMany({ where: { action: 'sign_in' } })
  expect(entries.length).toBe(before + 1)
  const { userId, actorId, sessionId } = entries.at(-1) ?? {}
  expect(
    await setup.db.session.count({ where: { id: sessionId ?? '', userId: userId ?? '' } }),
  ).toBe(1)
  expect(actorId).toBe(userId)
})
