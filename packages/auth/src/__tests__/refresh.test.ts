/** Refreshing: one exchange however many ask, no logout by a lost answer, and the end by a copy. */

import { createTestLogger } from '@repo/core/testing'
import { expect, test } from 'vitest'
import { ACCESS_COOKIE, SESSION_COOKIE } from '../session/cookies.ts'
import { cookiesOf, createTestAuth, TEST_PASSWORD } from '../testing.ts'
import { accessTokenOf, sessionTokenOf, withoutAccess } from './cookies.ts'
import { setUpAuth } from './setup.ts'

const logger = createTestLogger()
const setup = setUpAuth({ logger })
const DAY_MS = 86_400_000

const refresh = (cookie: string) => setup.auth.post('/access/refresh', {}, { cookie })
const read = (cookie: string) => setup.auth.getSession(setup.auth.request('/', { cookie }))
const rowOf = (userId: string) => setup.db.session.findFirstOrThrow({ where: { userId } })

/** As if the newest token had been seen so long ago. */
const seen = (userId: string, secondsAgo: number) =>
  setup.db.session.updateMany({
    where: { userId },
    data: { successorSeenAt: new Date(Date.now() - secondsAgo * 1000) },
  })

test('a refresh exchanges the token, and both cookies are new', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const answer = await refresh(cookie)
  expect(answer.status).toBe(200)
  const next = cookiesOf(answer)
  expect(sessionTokenOf(next)).not.toBe(sessionTokenOf(cookie))
  expect(sessionTokenOf(next)).toBe((await rowOf(userId)).token)
  for (const line of answer.headers.getSetCookie()) {
    expect(line).toMatch(/; Path=\/; HttpOnly; Secure; SameSite=Strict/)
  }
  expect(await read(withoutAccess(next))).toMatchObject({ userId })
  expect(await read(`${ACCESS_COOKIE}=${accessTokenOf(next)}`)).toMatchObject({ userId })
})

test('promise 5: twenty refreshes at once are one exchange, and all get the same new token', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(cookie)))
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
  const tokens = new Set(answers.map((answer) => sessionTokenOf(cookiesOf(answer))))
  expect([...tokens]).toEqual([(await rowOf(userId)).token])
  expect(tokens).not.toContain(sessionTokenOf(cookie))
})

test('a lost answer signs nobody out, however late the next request comes', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  await refresh(cookie)
  await setup.db.session.updateMany({
    where: { userId },
    data: { updatedAt: new Date(Date.now() - DAY_MS) },
  })
  const again = await refresh(cookie)
  expect(again.status).toBe(200)
  expect(await read(withoutAccess(cookie))).toMatchObject({ userId })
  expect(sessionTokenOf(cookiesOf(again))).toBe((await rowOf(userId)).token)
})

test('a token works for ten seconds after its successor was used', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const next = cookiesOf(await refresh(cookie))
  expect((await rowOf(userId)).successorSeenAt).toBeNull()
  expect(await read(withoutAccess(next))).not.toBeNull()
  expect((await rowOf(userId)).successorSeenAt).not.toBeNull()
  await seen(userId, 9)
  expect(await read(withoutAccess(cookie))).toMatchObject({ userId })
  // Meanwhile the newer one stays as it is, so that no third token is about.
  expect(sessionTokenOf(cookiesOf(await refresh(next)))).toBe(sessionTokenOf(next))
})

test('promise 5: a token used after that counts as a copy: the session ends for all, and that is recorded', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const next = cookiesOf(await refresh(cookie))
  expect(await read(withoutAccess(next))).not.toBeNull()
  const { id } = await rowOf(userId)
  await seen(userId, 11)
  const answers = await Promise.all([refresh(cookie), refresh(cookie)])
  expect(answers.map(({ status }) => status)).toEqual([401, 401])
  expect(answers[0]?.headers.getSetCookie().join()).toContain(`${SESSION_COOKIE}=; Max-Age=0`)
  expect(await setup.db.session.count({ where: { userId } })).toBe(0)
  expect((await refresh(next)).status).toBe(401)
  expect(await read(next)).toBeNull()
  await setup.auth.settled()
  const where = { action: 'session_reused' }
  expect(await setup.db.auditLog.findMany({ where })).toMatchObject([{ userId, sessionId: id }])
})

test('a copy is detected wherever its cookie is read, also two exchanges later', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const second = cookiesOf(await refresh(cookie))
  await read(withoutAccess(second))
  await seen(userId, 11)
  const third = cookiesOf(await refresh(second))
  expect(sessionTokenOf(third)).not.toBe(sessionTokenOf(second))
  expect(await read(withoutAccess(cookie))).toBeNull()
  expect(await setup.db.session.count({ where: { userId } })).toBe(0)
})

test('a made-up token for a known session ends nothing', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const { id } = await rowOf(userId)
  const forged = `${SESSION_COOKIE}=${encodeURIComponent(`${id}-${'x'.repeat(32)}.${'A'.repeat(43)}=`)}`
  expect(await read(forged)).toBeNull()
  expect((await refresh(forged)).status).toBe(401)
  const other = await setup.auth.signIn()
  await setup.auth.post('/revoke-session', { token: `${id}-made-up` }, { cookie: other.cookie })
  expect(await read(withoutAccess(cookie))).toMatchObject({ userId })
})

test("Better Auth's own endpoints take the predecessor, too", async () => {
  const { cookie, email, userId } = await setup.auth.signIn()
  await refresh(cookie)
  const asked = await setup.auth.handler(setup.auth.request('/api/auth/get-session', { cookie }))
  expect(await asked.json()).toMatchObject({ user: { email } })
  const body = { currentPassword: TEST_PASSWORD, newPassword: 'another long password' }
  expect((await setup.auth.post('/change-password', body, { cookie })).status).toBe(200)
  expect(await setup.db.session.count({ where: { userId } })).toBe(1)
})

test('a session lives seven days unused and thirty at the most', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const at = async () => (await rowOf(userId)).expiresAt.getTime() - Date.now()
  await setup.db.session.updateMany({
    where: { userId },
    data: { expiresAt: new Date(Date.now() + DAY_MS) },
  })
  const next = cookiesOf(await refresh(cookie))
  expect(Math.abs((await at()) - 7 * DAY_MS)).toBeLessThan(60_000)
  await setup.db.session.updateMany({
    where: { userId },
    data: { createdAt: new Date(Date.now() - 28 * DAY_MS) },
  })
  await refresh(next)
  expect(Math.abs((await at()) - 2 * DAY_MS)).toBeLessThan(60_000)
  await setup.db.session.updateMany({ where: { userId }, data: { expiresAt: new Date() } })
  expect((await refresh(next)).status).toBe(401)
  expect(await read(withoutAccess(next))).toBeNull()
})

test('without "remember me" the cookie ends with the browser, and the session after a day', async () => {
  const { email, userId } = await setup.auth.signIn()
  await setup.db.session.deleteMany({ where: { userId } })
  const signedIn = await setup.auth.post('/sign-in/email', {
    email,
    password: TEST_PASSWORD,
    rememberMe: false,
  })
  const answer = await refresh(cookiesOf(signedIn))
  const line = answer.headers.getSetCookie().find((set) => set.startsWith(SESSION_COOKIE))
  expect(line).not.toMatch(/max-age/i)
  const { expiresAt } = await rowOf(userId)
  expect(Math.abs(expiresAt.getTime() - Date.now() - DAY_MS)).toBeLessThan(60_000)
})

test('a refresh without a cookie is refused and signs nobody out', async () => {
  const answer = await setup.auth.post('/access/refresh', {})
  expect(answer.status).toBe(401)
  expect(answer.headers.getSetCookie()).toEqual([])
})

test('a program gets the token to send as a bearer token, and a browser does not', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const answer = await refresh(cookie)
  expect(answer.headers.get('cache-control')).toBe('no-store')
  const { accessToken, expiresAt } = (await answer.json()) as Record<string, string>
  expect(new Date(expiresAt as string).getTime()).toBeGreaterThan(Date.now())
  const bearer = setup.auth.request('/', { headers: { authorization: `Bearer ${accessToken}` } })
  expect(await setup.auth.requireAuth(bearer)).toMatchObject({ userId })
  expect(await setup.auth.requireAuth(bearer, { fresh: true })).toMatchObject({ userId })
  // Node's own `fetch` sends one of the headers of browsers.
  const node = await setup.auth.post(
    '/access/refresh',
    {},
    { cookie, headers: { 'sec-fetch-mode': 'cors' } },
  )
  expect(await node.json()).toMatchObject({ accessToken: expect.any(String) })
  const headers = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }
  const browser = await setup.auth.post('/access/refresh', {}, { cookie, headers })
  expect(Object.keys((await browser.json()) as object)).toEqual(['expiresAt'])
})

test.each([{ idleDays: 0 }, { idleDays: Number.NaN }, { idleDays: 31 }, { absoluteDays: 401 }])(
  'impossible lifetimes are refused: %o',
  (session) => {
    expect(() => createTestAuth({ db: setup.db, session })).toThrow(
      /session\.idleDays (must be|is the number NaN)/,
    )
  },
)

test('other lifetimes by option', async () => {
  const session = { idleDays: 1, absoluteDays: 2 }
  const auth = createTestAuth({ db: setup.db, session })
  const { cookie, userId } = await auth.signIn('brief@example.com')
  const left = async () => (await rowOf(userId)).expiresAt.getTime() - Date.now()
  expect(Math.abs((await left()) - DAY_MS)).toBeLessThan(60_000)
  const createdAt = new Date(Date.now() - 1.5 * DAY_MS)
  await setup.db.session.updateMany({ where: { userId }, data: { createdAt } })
  await auth.post('/access/refresh', {}, { cookie })
  expect(Math.abs((await left()) - DAY_MS / 2)).toBeLessThan(60_000)
  auth.close()
})
