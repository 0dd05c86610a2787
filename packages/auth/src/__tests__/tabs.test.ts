/** Several tabs of one browser that sign in at the same time: each comes through, or is told what is wrong. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestAuth, TEST_ORIGIN, TEST_PASSWORD, type TestAuth } from '../testing.ts'
import { codeOf } from './authenticator.ts'
import { createDevice } from './device.ts'
import { CLIENT, type GitHub, startGitHub } from './github.ts'
import { createJar, type Jar } from './jar.ts'
import { personWithFactor } from './people.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
let github: GitHub
let auth: TestAuth
beforeAll(async () => {
  github = await startGitHub()
  const endpoint = github.endpoint
  auth = createTestAuth({ db: setup.db, twoFactor: true, github: { ...CLIENT, endpoint } })
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
  await github.close()
})

const FAILED = 'failed'
const post = async (jar: Jar, path: string, body: object) =>
  jar.keep(await auth.post(path, body, { cookie: jar.cookie }))
const get = async (jar: Jar, path: string) =>
  jar.keep(await auth.handler(auth.request(`/api/auth${path}`, { cookie: jar.cookie })))

/** Begins in a tab of the browser; returns where GitHub's page leads back to. */
async function leave(jar: Jar, { next = '/', path = '/sign-in/social' } = {}): Promise<string> {
  const body = { provider: 'github', callbackURL: next, errorCallbackURL: `/${FAILED}` }
  const { url } = (await (await post(jar, path, body)).json()) as { url: string }
  const consent = await fetch(url, { redirect: 'manual' })
  const back = new URL(consent.headers.get('location') as string)
  return `${back.pathname.replace('/api/auth', '')}${back.search}`
}
/** Comes back in that tab; returns the page it leads to. The site of GitHub sends lax cookies only. */
async function comeBack(jar: Jar, path: string): Promise<string> {
  const lax = jar.cookie
    .split('; ')
    .filter((pair) => pair.startsWith('__Host-tollgate.state'))
    .join('; ')
  const answer = await auth.handler(auth.request(`/api/auth${path}`, { cookie: lax }))
  expect(answer.status).toBe(200)
  jar.keep(answer)
  return /content="0;url=([^"]+)"/.exec(await answer.text())?.[1] ?? ''
}
const personOf = (jar: Jar) => auth.getUser(auth.request('/', { cookie: jar.cookie }))

test.each([
  ['in the order of their beginning', false],
  ['the later one first', true],
])('two tabs that go to a provider both come back, %s', async (_, isReversed) => {
  const jar = createJar()
  github.profile = {
    id: isReversed ? 1 : 2,
    email: `tabs-${isReversed}@example.com`,
    verified: true,
  }
  const tabs = [
    { back: await leave(jar, { next: '/one' }), next: '/one' },
    { back: await leave(jar, { next: '/two' }), next: '/two' },
  ]
  for (const { back, next } of isReversed ? tabs.reverse() : tabs) {
    expect(await comeBack(jar, back)).toBe(next)
    expect(await personOf(jar)).toMatchObject({ email: github.profile.email })
  }
  // What has served is gone.
  expect(jar.names.filter((name) => name.includes('state'))).toEqual([])
  for (const { back } of tabs) expect(await comeBack(jar, back)).toContain('error=state_mismatch')
})

test('tabs that begin at the very same time both come back', async () => {
  const jar = createJar()
  github.profile = { id: 3, email: 'same-time@example.com', verified: true }
  const backs = await Promise.all(['/one', '/two', '/three'].map((next) => leave(jar, { next })))
  for (const back of backs) expect(await comeBack(jar, back)).toMatch(/^\/(one|two|three)$/)
})

test('with more than four tabs the oldest gets an error and signs nobody in, and cookies do not pile up', async () => {
  const jar = createJar()
  github.profile = { id: 4, email: 'many@example.com', verified: true }
  const backs: string[] = []
  for (let n = 0; n < 6; n += 1) {
    backs.push(await leave(jar, { next: `/${n}` }))
    expect(jar.names.length).toBeLessThanOrEqual(4)
  }
  for (const late of backs.splice(0, 2)) {
    expect(await comeBack(jar, late)).toBe(`/${FAILED}?error=state_mismatch`)
    expect(await personOf(jar)).toBeNull()
  }
  for (const [n, back] of backs.entries()) expect(await comeBack(jar, back)).toBe(`/${n + 2}`)
})

test('a flow’s cookie works for that flow only, and another browser does not have it', async () => {
  const jar = createJar()
  github.profile = { id: 5, email: 'bound@example.com', verified: true }
  const mine = await leave(jar)
  const other = createJar()
  const theirs = await leave(other)
  expect(await comeBack(jar, theirs)).toBe(`/${FAILED}?error=state_mismatch`)
  expect(await comeBack(createJar(), mine)).toBe(`/${FAILED}?error=state_mismatch`)
  // Named as the other flow's, and as Better Auth names it, the value is good for neither.
  const [name = ''] = jar.names
  const value = jar.cookie.slice(name.length + 1)
  const [theirName = ''] = other.names
  for (const forged of [`${theirName}=${value}`, `__Host-tollgate.state=${value}`]) {
    const answer = await auth.handler(auth.request(`/api/auth${theirs}`, { cookie: forged }))
    expect(await answer.text()).toContain('error=state_mismatch')
  }
  expect(await comeBack(jar, mine)).toBe('/')
})

test('a tab links a provider while another one refreshes the session', async () => {
  const jar = createJar()
  const { cookie, email, userId } = await auth.signIn()
  for (const pair of cookie.split('; ')) {
    jar.keep(new Response(null, { headers: { 'set-cookie': `${pair}; Path=/` } }))
  }
  github.profile = { id: 6, email, verified: true }
  const session = await auth.requireAuth(auth.request('/', { cookie: jar.cookie }))
  const back = await leave(jar, { next: '/settings', path: '/link-social' })
  for (let n = 0; n < 2; n += 1) {
    expect((await post(jar, '/access/refresh', {})).status).toBe(200)
    // The new token is seen, and its predecessor ends.
    expect((await get(jar, '/get-session')).status).toBe(200)
    await setup.db.session.updateMany({
      where: { userId },
      data: { successorSeenAt: new Date(Date.now() - 60_000) },
    })
  }
  expect(await comeBack(jar, back)).toBe('/settings')
  expect(await setup.db.account.count({ where: { userId } })).toBe(2)
  expect(
    await auth.requireAuth(auth.request('/', { cookie: jar.cookie }), { fresh: true }),
  ).toMatchObject({ sessionId: session.sessionId, userId })
})

test('linking that was begun in a session that has ended, or is another person’s now, links nothing', async () => {
  for (const end of ['sign-out', 'another']) {
    const jar = createJar()
    const { cookie, email, userId } = await auth.signIn()
    for (const pair of cookie.split('; ')) {
      jar.keep(new Response(null, { headers: { 'set-cookie': `${pair}; Path=/` } }))
    }
    github.profile = { id: end.length + 100, email, verified: true }
    const back = await leave(jar, { next: '/settings', path: '/link-social' })
    if (end === 'sign-out') await post(jar, '/sign-out', {})
    else {
      const other = await auth.signIn()
      await setup.db.session.updateMany({ where: { userId }, data: { userId: other.userId } })
    }
    expect(await comeBack(jar, back)).toMatch(/error=unable_to_link_account/i)
    expect(await setup.db.account.count({ where: { userId } })).toBe(1)
  }
})

test('two tabs that ask for a passkey both sign in, whichever answers first', async () => {
  const { cookie, email } = await auth.signIn()
  const device = createDevice(auth)
  expect((await device.register(cookie)).status).toBe(200)
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    const jar = createJar()
    const tabs = await Promise.all([device.begin(jar), device.begin(jar)])
    for (const n of order) {
      const answer = await tabs[n as number]?.()
      expect(answer?.status).toBe(200)
      expect(await personOf(jar)).toMatchObject({ email })
    }
    expect(jar.names.filter((name) => name.includes('challenge'))).toEqual([])
    // A challenge is good once.
    expect((await tabs[0]?.())?.status).toBe(400)
  }
})

/** Somebody with a second factor, signed in nowhere. */
async function withSecondFactor() {
  const person = await personWithFactor(auth)
  await auth.post('/sign-out', {}, { cookie: person.cookie })
  return person
}

test('two tabs with a password wait for their codes, and both sign in', async () => {
  const { email, secret, backupCodes } = await withSecondFactor()
  const jar = createJar()
  for (let n = 0; n < 2; n += 1) {
    const answer = await post(jar, '/sign-in/email', { email, password: TEST_PASSWORD })
    expect(await answer.json()).toMatchObject({ twoFactorRedirect: true })
  }
  const first = await post(jar, '/two-factor/verify-totp', { code: await codeOf(secret, 0) })
  expect(first.status).toBe(200)
  expect(await personOf(jar)).toMatchObject({ email })
  // The second one is signed in already; its code renews the session.
  const second = await post(jar, '/two-factor/verify-backup-code', { code: backupCodes[0] })
  expect(second.status).toBe(200)
  expect(await personOf(jar)).toMatchObject({ email })
  expect(await setup.db.session.count({ where: { user: { email } } })).toBe(1)
})

test('with two people in two tabs, a code counts for the waiting sign-in, or else for the signed-in person', async () => {
  const ada = await withSecondFactor()
  const bob = await withSecondFactor()
  const jar = createJar()
  await post(jar, '/sign-in/email', { email: ada.email, password: TEST_PASSWORD })
  await post(jar, '/two-factor/verify-totp', { code: await codeOf(ada.secret, 0) })
  expect(await personOf(jar)).toMatchObject({ email: ada.email })
  await post(jar, '/sign-in/email', { email: bob.email, password: TEST_PASSWORD })

  const neither = await post(jar, '/two-factor/verify-totp', { code: '000000' })
  expect([neither.status, ((await neither.json()) as { code: string }).code]).toEqual([
    401,
    'invalid_code',
  ])
  // Ada's tab shows her factor again, and stays hers.
  const again = await post(jar, '/two-factor/verify-totp', { code: await codeOf(ada.secret) })
  expect(again.status).toBe(200)
  expect(await personOf(jar)).toMatchObject({ email: ada.email })
  // Bob's tab signs him in.
  const his = await post(jar, '/two-factor/verify-totp', { code: await codeOf(bob.secret) })
  expect(his.status).toBe(200)
  expect(await personOf(jar)).toMatchObject({ email: bob.email })
})

test('a request without a flow of any tab gets a clear answer', async () => {
  const none = await auth.post('/two-factor/verify-totp', { code: '123456' })
  expect([none.status, await none.json()]).toEqual([
    401,
    expect.objectContaining({ code: 'invalid_two_factor_cookie' }),
  ])
  const passkey = await auth.post('/passkey/verify-authentication', {
    response: { id: 'x', response: { clientDataJSON: 'bm8', authenticatorData: 'bm8' } },
  })
  expect(passkey.status).toBe(400)
  for (const path of ['/callback/github', '/callback/github?state=x&code=y']) {
    const answer = await auth.handler(
      auth.request(`/api/auth${path}`, { headers: { origin: TEST_ORIGIN } }),
    )
    expect([path, answer.status]).toEqual([path, 200])
    expect(await answer.text()).toContain('url=/sign-in?error=')
  }
})
