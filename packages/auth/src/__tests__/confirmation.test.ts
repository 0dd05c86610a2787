/** Confirming an address: whose password and name come with it, in which browser, and what a wrong mail gives. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { SIGN_UP_COOKIE } from '../session/cookies.ts'
import {
  cookiesOf,
  createTestAuth,
  TEST_ORIGIN,
  TEST_PASSWORD,
  type TestAuth,
  tokenOf,
} from '../testing.ts'
import { CLIENT, type GitHub, startGitHub } from './github.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
let github: GitHub
let auth: TestAuth
beforeAll(async () => {
  github = await startGitHub()
  auth = createTestAuth({ db: setup.db, github: { ...CLIENT, endpoint: github.endpoint } })
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
  await github.close()
})

const SQUATTER = 'the squatter’s password'

interface Begun {
  token: string
  cookie: string
}

const IMAGE = 'https://pictures.example/1.png'

/** Signs up in a browser of its own: the token of the mail, and the browser's cookie. */
async function signUp(email: string, password = TEST_PASSWORD, name = 'Owner'): Promise<Begun> {
  const image = `${IMAGE}?${name}`
  const answer = await auth.post('/sign-up/email', { name, email, password, image })
  expect(answer.status).toBe(200)
  await auth.settled()
  return { token: tokenOf(auth.outbox, 'WelcomeEmail'), cookie: cookiesOf(answer) }
}
/** Asks for another link, in a browser that has these cookies. */
async function sendAgain(email: string, cookie = ''): Promise<string> {
  await auth.post('/send-verification-email', { email }, { cookie })
  await auth.settled()
  return tokenOf(auth.outbox, 'WelcomeEmail')
}
const confirm = (token: string, cookie = '', password?: string) =>
  auth.post(
    '/confirm-email',
    { token, ...(password === undefined ? {} : { password }) },
    { cookie },
  )
const signIn = async (email: string, password: string) =>
  (await auth.post('/sign-in/email', { email, password })).status
const userOf = (email: string) => setup.db.user.findUniqueOrThrow({ where: { email } })
const accountsOf = (email: string) => setup.db.account.findMany({ where: { user: { email } } })
const codeIn = async (answer: Response) => ((await answer.json()) as { code?: string }).code

/** Nobody's password and nobody's name: the address is proven, and that is all. */
async function expectBare(email: string, answer: Response): Promise<void> {
  expect(answer.status).toBe(200)
  expect(await answer.json()).toEqual({ status: true, resetToken: expect.any(String) })
  expect(await accountsOf(email)).toEqual([])
  const [name] = email.split('@')
  expect(await userOf(email)).toMatchObject({ emailVerified: true, name, image: null })
}

test('the browser that signed up confirms by a button, with its password and its name', async () => {
  const email = 'own-browser@example.com'
  const { token, cookie } = await signUp(email)
  const answer = await confirm(token, cookie)
  expect([answer.status, await answer.json()]).toEqual([200, { status: true }])
  expect(await signIn(email, TEST_PASSWORD)).toBe(200)
  expect(await userOf(email)).toMatchObject({ name: 'Owner', image: `${IMAGE}?Owner` })
})

test('another browser confirms with the password of the sign-up', async () => {
  const email = 'phone@example.com'
  const { token } = await signUp(email)
  expect((await confirm(token, '', TEST_PASSWORD)).status).toBe(200)
  expect(await signIn(email, TEST_PASSWORD)).toBe(200)
  expect(await userOf(email)).toMatchObject({ name: 'Owner', image: `${IMAGE}?Owner` })
})

test('another browser without the password proves the address and nothing else', async () => {
  const email = 'nothing-typed@example.com'
  const { token } = await signUp(email, SQUATTER, 'Mallory')
  await expectBare(email, await confirm(token, '', ''))
  expect(await signIn(email, SQUATTER)).toBe(401)
})

test('a wrong password does not use up the link; after five the link accepts no password', async () => {
  const email = 'guessed@example.com'
  const { token } = await signUp(email, SQUATTER)
  const guesses = await Promise.all(
    Array.from({ length: 8 }, (_, n) => confirm(token, '', `guess number ${n}`)),
  )
  const codes = await Promise.all(guesses.map(codeIn))
  expect(codes.filter((code) => code === 'invalid_password')).toHaveLength(5)
  expect(codes.filter((code) => code === 'too_many_attempts')).toHaveLength(3)
  expect((await userOf(email)).emailVerified).toBe(false)
  const right = await confirm(token, '', SQUATTER)
  expect([right.status, await codeIn(right)]).toEqual([400, 'too_many_attempts'])
  await expectBare(email, await confirm(token))
})

test('pressing the button in the wrong one of two mails gives nothing away, in any browser', async () => {
  for (const where of ['own browser', 'elsewhere', 'elsewhere with a password']) {
    const email = `two-mails-${where.length}@example.com`
    const theirs = await signUp(email, SQUATTER, 'Mallory')
    const owners = await signUp(email)
    if (where === 'own browser') {
      // Whichever mail it is, this browser brings what was chosen in it.
      expect((await confirm(theirs.token, owners.cookie)).status).toBe(200)
      expect(await signIn(email, TEST_PASSWORD)).toBe(200)
      expect(await userOf(email)).toMatchObject({ name: 'Owner', image: `${IMAGE}?Owner` })
    } else if (where === 'elsewhere') {
      await expectBare(email, await confirm(theirs.token))
    } else {
      const refused = await confirm(theirs.token, '', TEST_PASSWORD)
      expect([refused.status, await codeIn(refused)]).toEqual([400, 'invalid_password'])
      expect((await confirm(owners.token, '', TEST_PASSWORD)).status).toBe(200)
      expect(await signIn(email, TEST_PASSWORD)).toBe(200)
    }
    expect(await signIn(email, SQUATTER)).toBe(401)
    expect((await confirm(theirs.token, theirs.cookie)).status).toBe(400)
    expect(await signIn(email, SQUATTER)).toBe(401)
  }
})

test('the first of two who sign up is not bothered by the second', async () => {
  const email = 'first@example.com'
  const owners = await signUp(email)
  const theirs = await signUp(email, SQUATTER, 'Mallory')
  expect(await signIn(email, TEST_PASSWORD)).toBe(401)
  expect((await confirm(theirs.token, owners.cookie)).status).toBe(200)
  expect(await signIn(email, TEST_PASSWORD)).toBe(200)
  expect(await userOf(email)).toMatchObject({ name: 'Owner', image: `${IMAGE}?Owner` })
})

test('a link that was requested again does not bring somebody else’s password', async () => {
  const email = 'again@example.com'
  const theirs = await signUp(email, SQUATTER, 'Mallory')
  // Asked for by the owner, or by the squatter, and pressed by the owner.
  await sendAgain(email, theirs.cookie)
  await expectBare(email, await confirm(await sendAgain(email)))
  expect(await signIn(email, SQUATTER)).toBe(401)
})

test('a link that was requested again confirms the sign-up of the same browser, or by its password', async () => {
  const begun = await signUp('again-here@example.com')
  const again = await sendAgain('again-here@example.com', begun.cookie)
  expect((await confirm(again, begun.cookie)).status).toBe(200)
  expect(await signIn('again-here@example.com', TEST_PASSWORD)).toBe(200)

  for (const [email, cookie] of [
    ['again-phone@example.com', (await signUp('again-phone@example.com')).cookie],
    ['again-later@example.com', (await signUp('again-later@example.com')) && ''],
    // A browser that has signed up with another address since.
    ['again-other@example.com', (await signUp('again-other@example.com')) && begun.cookie],
  ] as const) {
    const token = await sendAgain(email, cookie)
    expect((await confirm(token, '', 'not the password')).status).toBe(400)
    expect((await confirm(token, '', TEST_PASSWORD)).status).toBe(200)
    expect(await signIn(email, TEST_PASSWORD)).toBe(200)
  }
})

test('the cookie of a sign-up works with its signature, for that sign-up only, and for a day', async () => {
  const other = await signUp('other-person@example.com', SQUATTER)
  const email = 'bound@example.com'
  const { token, cookie } = await signUp(email)
  const [line = ''] = (
    await auth.post('/sign-up/email', { name: 'A', email: 'line@example.com', password: SQUATTER })
  ).headers.getSetCookie()
  expect(line).toMatch(
    /^__Host-tollgate\.sign_up=[^;]+; Max-Age=86400; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
  )

  const value = cookie.slice(cookie.indexOf('=') + 1)
  const [id] = decodeURIComponent(value).split('.')
  for (const wrong of [
    other.cookie,
    `${SIGN_UP_COOKIE}=${id}`,
    `${SIGN_UP_COOKIE}=${id}.${'A'.repeat(43)}%3D`,
    `__Host-tollgate.state=${value}`,
    `${cookie}; ${cookie}`,
  ]) {
    expect(await auth.confirmation(auth.request('/', { cookie: wrong }), token)).toBe(
      'begun_elsewhere',
    )
  }
  await setup.db.verificationToken.updateMany({
    where: { identifier: { startsWith: 'hashed:sign-up:' } },
    data: { expiresAt: new Date(0) },
  })
  await expectBare(email, await confirm(token, cookie))
})

test('the page behind the mail knows whether to ask for a password', async () => {
  const { token, cookie } = await signUp('asked@example.com')
  const state = (asked: string, with_ = cookie) =>
    auth.confirmation(auth.request('/verify-email', { cookie: with_ }), asked)
  expect(await state(token)).toBe('ready')
  expect(await state(token, '')).toBe('begun_elsewhere')
  for (const unknown of ['', 'x', 'y'.repeat(300), 'a\0byte']) {
    expect(await state(unknown)).toBe('unknown')
  }
  await confirm(token, cookie)
  expect(await state(token)).toBe('unknown')
})

test('a form without script leads to the sign-in, to a password field, or to the choice of a new password', async () => {
  const press = async (fields: Record<string, string>, cookie = '') => {
    const answer = await auth.formAction(
      auth.request('/verify-email', {
        method: 'POST',
        cookie,
        headers: { origin: TEST_ORIGIN, 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(fields).toString(),
      }),
      { path: '/confirm-email', success: '/sign-in', failure: '/verify-email', keep: ['token'] },
    )
    return answer.headers.get('location')
  }
  const first = await signUp('form-1@example.com')
  expect(await press({ token: first.token }, first.cookie)).toBe('/sign-in')
  const { token } = await signUp('form-2@example.com')
  expect(await press({ token, password: 'not the password' })).toBe(
    `/verify-email?error=invalid_password&token=${token}`,
  )
  expect(await press({ token, password: '' })).toMatch(/^\/reset-password\?token=[\w-]{32}$/)
  expect(await press({ token, password: '' })).toBe(
    `/verify-email?error=invalid_token&token=${token}`,
  )
})

/** Comes from GitHub with an address that GitHub does not vouch for. */
async function comeUnproven(email: string): Promise<string> {
  github.profile = { id: Math.floor(Math.random() * 1e9), email, verified: false }
  return comeBack()
}

async function comeBack(): Promise<string> {
  const begun = await auth.post('/sign-in/social', { provider: 'github', callbackURL: '/' })
  const { url } = (await begun.json()) as { url: string }
  const consent = await fetch(url, { redirect: 'manual' })
  const { pathname, search } = new URL(consent.headers.get('location') as string)
  const cookie = cookiesOf(begun)
  const answer = await auth.handler(auth.request(`${pathname}${search}`, { cookie }))
  await auth.settled()
  return cookiesOf(answer)
}

test('a provider’s account is kept in the browser that brought it, and in no other', async () => {
  const mine = 'unvouched@example.com'
  const cookie = await comeUnproven(mine)
  expect(cookie).toMatch(new RegExp(`^${SIGN_UP_COOKIE}=[^;]+$`))
  expect((await confirm(tokenOf(auth.outbox, 'WelcomeEmail'), cookie)).status).toBe(200)
  expect(await accountsOf(mine)).toMatchObject([{ providerId: 'github' }])
  expect(await comeBack()).toContain('session_token')

  const theirs = 'unvouched-theirs@example.com'
  await comeUnproven(theirs)
  await expectBare(theirs, await confirm(tokenOf(auth.outbox, 'WelcomeEmail')))
  expect(await comeBack()).not.toContain('session_token')
})

test('with one person’s password and another’s provider, only the one of the confirming browser stays', async () => {
  const email = 'mixed@example.com'
  await comeUnproven(email)
  const owners = await signUp(email)
  expect((await confirm(owners.token, owners.cookie)).status).toBe(200)
  expect(await accountsOf(email)).toMatchObject([{ providerId: 'credential' }])
  expect(await signIn(email, TEST_PASSWORD)).toBe(200)
})

test('one of several confirmations at once, with and without the cookie, succeeds', async () => {
  const email = 'at-once@example.com'
  const { token, cookie } = await signUp(email)
  const answers = await Promise.all([
    confirm(token, cookie),
    confirm(token),
    confirm(token, cookie),
    confirm(token),
  ])
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400])
})
