/** Sessions: null without one, strict cookies, a new one per sign-in, dead when revoked. */

import { decodeJwt, decodeProtectedHeader } from 'jose'
import { expect, test } from 'vitest'
import { ACCESS_COOKIE, COOKIE_PREFIX } from '../session/cookies.ts'
import { cookiesOf, TEST_PASSWORD, tokenOf } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

const sessionOf = (cookie: string) => setup.auth.getSession(setup.auth.request('/', { cookie }))

test('null when unauthenticated', async () => {
  expect(await setup.auth.getSession(setup.auth.request('/'))).toBeNull()
  expect(await setup.auth.getUser(setup.auth.request('/'))).toBeNull()
})

test.each([
  ['an empty cookie', `${COOKIE_PREFIX}.session_token=`],
  ['a made-up token', `${COOKIE_PREFIX}.session_token=abc.def`],
  ['an unsigned access token', `${ACCESS_COOKIE}=eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.`],
])('null for %s', async (_, cookie) => {
  expect(await sessionOf(cookie)).toBeNull()
})

test('a session contains user and role, and nothing personal', async () => {
  const { cookie, email, userId } = await setup.auth.signIn()
  const session = await sessionOf(cookie)
  expect(session).toEqual({
    userId,
    sessionId: expect.any(String),
    role: 'USER',
    organizationId: null,
    organizationRole: null,
    acr: 'aal1',
    authenticatedAt: expect.any(Date),
    expiresAt: expect.any(Date),
  })
  expect(await setup.auth.getUser(setup.auth.request('/', { cookie }))).toEqual({
    id: userId,
    name: 'Ada',
    email,
    emailVerified: true,
    image: null,
    locale: null,
    role: 'USER',
    deletionDueAt: null,
  })
})

test('promise 5: every cookie is httpOnly, secure, strict and bound to the host', async () => {
  const { email } = await setup.auth.signIn()
  const answer = await setup.auth.post('/sign-in/email', { email, password: TEST_PASSWORD })
  const cookies = answer.headers.getSetCookie()
  expect(cookies.map((line) => line.split('=')[0]).sort()).toEqual([
    '__Host-tollgate.access_token',
    '__Host-tollgate.session_token',
  ])
  for (const line of cookies) {
    expect(line).toMatch(/; Path=\/(;|$)/)
    expect(line).toMatch(/; HttpOnly/)
    expect(line).toMatch(/; Secure/)
    expect(line).toMatch(/; SameSite=Strict/i)
    expect(line).not.toMatch(/; Domain/i)
  }
})

test('promise 5: the access token is a short ES256 statement without personal data', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const token = new RegExp(`${ACCESS_COOKIE}=([^;]+)`).exec(cookie)?.[1] as string
  expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'ES256', typ: 'at+jwt' })
  const { iat = 0, exp = 0, ...claims } = decodeJwt(token)
  expect(exp - iat).toBe(300)
  const session = await sessionOf(cookie)
  expect(claims).toEqual({
    iss: 'https://localhost:3000',
    aud: 'https://localhost:3000',
    sub: userId,
    sid: session?.sessionId,
    role: 'USER',
    acr: 'aal1',
    auth_time: Math.floor((session?.authenticatedAt.getTime() ?? 0) / 1000),
  })
  const row = await setup.db.session.findUniqueOrThrow({
    where: { id: session?.sessionId as string },
  })
  expect(token).not.toContain(row.token)
})

test('a token with a changed signature is refused', async () => {
  const { cookie: both } = await setup.auth.signIn()
  const cookie = both.replace(/[^ ]*access_token=[^;]+;? ?/, '')
  expect(await sessionOf(cookie)).not.toBeNull()
  const changed = cookie.replace(
    /(session_token=[^.]+\.)(.)/,
    (_, head, first) => head + (first === 'A' ? 'B' : 'A'),
  )
  expect(await sessionOf(changed)).toBeNull()
})

test('promise 5: signing in again ends the earlier session, and a planted session is not accepted', async () => {
  const { cookie, email, userId } = await setup.auth.signIn()
  const answer = await setup.auth.post(
    '/sign-in/email',
    { email, password: TEST_PASSWORD },
    { cookie },
  )
  const next = cookiesOf(answer)
  expect((await sessionOf(next))?.userId).toBe(userId)
  expect((await sessionOf(next))?.sessionId).not.toBe(undefined)
  expect(await sessionOf(cookie)).toBeNull()
  expect(await setup.db.session.count({ where: { userId } })).toBe(1)

  const attacker = await setup.auth.signIn()
  const victim = await setup.auth.post(
    '/sign-in/email',
    { email, password: TEST_PASSWORD },
    { cookie: attacker.cookie },
  )
  expect((await sessionOf(cookiesOf(victim)))?.userId).toBe(userId)
  expect(await sessionOf(attacker.cookie)).toBeNull()
})

test('signing out ends the session at once and clears both cookies', async () => {
  const { cookie } = await setup.auth.signIn()
  const answer = await setup.auth.post('/sign-out', {}, { cookie })
  expect(
    answer.headers.getSetCookie().filter((line) => /max-age=0/i.test(line)).length,
  ).toBeGreaterThanOrEqual(2)
  expect(await sessionOf(cookie)).toBeNull()
})

test('a password reset ends every session at once', async () => {
  const { cookie, email } = await setup.auth.signIn()
  const other = cookiesOf(
    await setup.auth.post('/sign-in/email', { email, password: TEST_PASSWORD }),
  )
  await setup.auth.post('/request-password-reset', { email })
  await setup.auth.settled()
  const token = tokenOf(setup.auth.outbox, 'PasswordResetEmail')
  const reset = await setup.auth.post('/reset-password', {
    token,
    newPassword: 'another long password',
  })
  expect(reset.status).toBe(200)
  expect(await sessionOf(cookie)).toBeNull()
  expect(await sessionOf(other)).toBeNull()
  expect((await setup.auth.post('/sign-in/email', { email, password: TEST_PASSWORD })).status).toBe(
    401,
  )
  const again = await setup.auth.post('/reset-password', {
    token,
    newPassword: 'a third long password',
  })
  expect(again.status).toBe(400)
  const signedIn = await setup.auth.post('/sign-in/email', {
    email,
    password: 'another long password',
  })
  expect(signedIn.status).toBe(200)
})

test('changing the password ends the other sessions even if the request does not ask for it', async () => {
  const { cookie, email } = await setup.auth.signIn()
  const other = cookiesOf(
    await setup.auth.post('/sign-in/email', { email, password: TEST_PASSWORD }),
  )
  const body = { currentPassword: TEST_PASSWORD, newPassword: 'another long password' }
  const answer = await setup.auth.post('/change-password', body, { cookie })
  expect(answer.status).toBe(200)
  expect(await sessionOf(other)).toBeNull()
  expect(await sessionOf(cookiesOf(answer))).not.toBeNull()
})
