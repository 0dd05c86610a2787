/** Whose address is it: squatters do not block or catch the owner, and one way in always stays. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { cookiesOf, createTestAuth, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'
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
  await github.close()
})

let people = 100
const somebodyNew = () => {
  people += 1
  return people
}

/** Comes from GitHub with this address. */
async function comeFromGitHub(email: string, verified = true, id = somebodyNew()) {
  github.profile = { id, email, verified }
  const begun = await auth.post('/sign-in/social', { provider: 'github', callbackURL: '/' })
  const { url } = (await begun.json()) as { url: string }
  const consent = await fetch(url, { redirect: 'manual' })
  const { pathname, search } = new URL(consent.headers.get('location') as string)
  const answer = await auth.handler(
    auth.request(`${pathname}${search}`, { cookie: cookiesOf(begun) }),
  )
  return { answer, id, cookie: cookiesOf(answer) }
}
const leadsTo = async (answer: Response) => /content="0;url=([^"]+)"/.exec(await answer.text())?.[1]

const SQUATTER = 'the squatter’s password'
/** Signs up in a browser of its own. */
const signUp = async (email: string, password: string, name = 'Mallory') => {
  const answer = await auth.post('/sign-up/email', { name, email, password })
  await auth.settled()
  return { token: tokenOf(auth.outbox, 'WelcomeEmail'), cookie: cookiesOf(answer) }
}
/** Presses the link of a sign-up in the browser that began it. */
const confirm = async ({ token, cookie }: { token: string; cookie: string }) =>
  (await auth.post('/confirm-email', { token }, { cookie })).status
const signIn = async (email: string, password: string) =>
  (await auth.post('/sign-in/email', { email, password })).status
const accountsOf = async (email: string) =>
  (
    await setup.db.account.findMany({ where: { user: { email } }, orderBy: { providerId: 'asc' } })
  ).map(({ providerId }) => providerId)

test('an unproven sign-up neither blocks the owner who signs in with a provider nor keeps a way in', async () => {
  const email = 'squatted@example.com'
  const squat = await signUp(email, SQUATTER)
  const { answer, cookie } = await comeFromGitHub(email)
  expect(await leadsTo(answer)).toBe('/')
  expect(await auth.getUser(auth.request('/', { cookie }))).toMatchObject({
    email,
    emailVerified: true,
    name: 'Ada',
  })
  expect(await accountsOf(email)).toEqual(['github'])
  expect(await signIn(email, SQUATTER)).toBe(401)

  // The squatter's mail lies in the owner's mailbox; its button brings nothing back.
  expect(await confirm(squat)).toBe(400)
  expect(await signIn(email, SQUATTER)).toBe(401)
  expect(await accountsOf(email)).toEqual(['github'])
})

test('a proven owner keeps the password when a provider is linked', async () => {
  const { email } = await auth.signIn()
  await comeFromGitHub(email)
  expect(await accountsOf(email)).toEqual(['credential', 'github'])
  expect(await signIn(email, TEST_PASSWORD)).toBe(200)
})

test('a squatter with a provider’s unverified account cannot sign in, not even after the owner’s reset', async () => {
  const email = 'reset-me@example.com'
  const squat = await comeFromGitHub(email, false)
  expect(squat.cookie).not.toContain('session_token')
  await auth.post('/request-password-reset', { email })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'PasswordResetEmail')
  const reset = await auth.post('/reset-password', { token, newPassword: TEST_PASSWORD })
  expect(reset.status).toBe(200)
  expect(await signIn(email, TEST_PASSWORD)).toBe(200)
  expect(await accountsOf(email)).toEqual(['credential'])
  const again = await comeFromGitHub(email, false, squat.id)
  expect(again.cookie).not.toContain('session_token')
})

test('a reset keeps the providers of a proven account', async () => {
  const { email } = await auth.signIn()
  await comeFromGitHub(email)
  await auth.post('/request-password-reset', { email })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'PasswordResetEmail')
  await auth.post('/reset-password', { token, newPassword: 'another long password' })
  expect(await accountsOf(email)).toEqual(['credential', 'github'])
})

test('the sign-up whose link is pressed gets the address, once', async () => {
  const email = 'both-want@example.com'
  const theirs = await signUp(email, SQUATTER)
  const owners = await signUp(email, TEST_PASSWORD, 'Owner')
  expect(owners.token).not.toBe(theirs.token)
  expect(await signIn(email, TEST_PASSWORD)).toBe(401)
  expect(await confirm(owners)).toBe(200)
  expect(await signIn(email, TEST_PASSWORD)).toBe(200)
  expect(await signIn(email, SQUATTER)).toBe(401)
  expect(await confirm(theirs)).toBe(400)
  expect(await signIn(email, SQUATTER)).toBe(401)
  const user = await setup.db.user.findUniqueOrThrow({ where: { email } })
  expect(user.name).toBe('Owner')
  expect(await accountsOf(email)).toEqual(['credential'])
})

test('a sign-up that was pending when the address was proven cannot be confirmed', async () => {
  const email = 'first-come@example.com'
  const first = await signUp(email, TEST_PASSWORD, 'Owner')
  const second = await signUp(email, SQUATTER)
  expect(await confirm(first)).toBe(200)
  expect(await confirm(second)).toBe(400)
  expect(await signIn(email, TEST_PASSWORD)).toBe(200)
  expect(await signIn(email, SQUATTER)).toBe(401)
})

test.each([
  ['a password', (email: string) => signUp(email, SQUATTER)],
  ['a provider’s account', (email: string) => comeFromGitHub(email, false)],
])('a link that is requested again does not confirm a squatter’s %s', async (way, squat) => {
  const email = `again-${way.length}@example.com`
  await squat(email)
  await auth.post('/send-verification-email', { email })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'WelcomeEmail')
  const answer = await auth.post('/confirm-email', { token }, { cookie: '' })
  expect(answer.status).toBe(200)
  expect(await accountsOf(email)).toEqual([])
  expect(await signIn(email, SQUATTER)).toBe(401)
  const user = await setup.db.user.findUniqueOrThrow({ where: { email } })
  expect(user).toMatchObject({ emailVerified: true, name: email.split('@')[0] })
  // Whoever has the mailbox chooses a password then and there.
  const { resetToken } = (await answer.json()) as { resetToken: string }
  const chosen = { token: resetToken, newPassword: TEST_PASSWORD }
  expect((await auth.post('/reset-password', chosen)).status).toBe(200)
  expect((await auth.post('/reset-password', chosen)).status).toBe(400)
  expect(await signIn(email, TEST_PASSWORD)).toBe(200)
  expect(await accountsOf(email)).toEqual(['credential'])
})

test('a proof that is interrupted proves nothing, and nobody is signed in', async () => {
  const email = 'halfway@example.com'
  await signUp(email, SQUATTER)
  const owners = await signUp(email, TEST_PASSWORD, 'Owner')
  await setup.db.$executeRaw`
    CREATE FUNCTION "breaks_off"() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the connection is lost'; END $$`
  await setup.db.$executeRaw`
    CREATE TRIGGER "breaks_off" BEFORE DELETE ON "Account" EXECUTE FUNCTION "breaks_off"()`
  expect(await confirm(owners)).toBe(500)
  await setup.db.$executeRaw`DROP TRIGGER "breaks_off" ON "Account"`
  const user = await setup.db.user.findUniqueOrThrow({ where: { email } })
  expect(user.emailVerified).toBe(false)
  expect(await signIn(email, SQUATTER)).toBe(401)
  expect(await signIn(email, TEST_PASSWORD)).toBe(401)
})

test.each([
  ['a second sign-up', 'sign-up'],
  ['a reset', 'reset'],
  ['a magic link', 'link'],
  ['a provider', 'provider'],
])('proving an address by %s ends the sessions from before', async (_, how) => {
  const email = `session-${how}@example.com`
  await signUp(email, SQUATTER)
  const { id: userId } = await setup.db.user.findUniqueOrThrow({ where: { email } })
  const old = { id: `old-${how}`, token: `old-${how}`, userId }
  await setup.db.session.create({ data: { ...old, expiresAt: new Date(Date.now() + 60_000) } })
  if (how === 'sign-up') {
    expect(await confirm(await signUp(email, TEST_PASSWORD, 'Owner'))).toBe(200)
  } else if (how === 'provider') {
    await comeFromGitHub(email)
  } else {
    const isReset = how === 'reset'
    await auth.post(isReset ? '/request-password-reset' : '/sign-in/magic-link', { email })
    await auth.settled()
    const token = tokenOf(auth.outbox, isReset ? 'PasswordResetEmail' : 'MagicLinkEmail')
    const path = isReset ? '/reset-password' : '/sign-in/magic-link/confirm'
    const answer = await auth.post(path, { token, newPassword: TEST_PASSWORD })
    expect(answer.status).toBe(200)
  }
  expect(await setup.db.user.findUniqueOrThrow({ where: { email } })).toMatchObject({
    emailVerified: true,
  })
  expect(await setup.db.session.count({ where: { id: old.id } })).toBe(0)
})

test('a form that signs up a second time gets its own link, too', async () => {
  const email = 'by-form@example.com'
  await signUp(email, SQUATTER)
  const body = new URLSearchParams({ name: 'Owner', email, password: TEST_PASSWORD }).toString()
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    origin: 'https://localhost:3000',
  }
  const answer = await auth.handler(
    auth.request('/api/auth/sign-up/email', { method: 'POST', headers, body }),
  )
  await auth.settled()
  const owners = { token: tokenOf(auth.outbox, 'WelcomeEmail'), cookie: cookiesOf(answer) }
  expect(await confirm(owners)).toBe(200)
  expect(await signIn(email, TEST_PASSWORD)).toBe(200)
})

test('a magic link proves the address and removes everything of the squatter', async () => {
  const email = 'by-link@example.com'
  await signUp(email, SQUATTER)
  await auth.post('/sign-in/magic-link', { email })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'MagicLinkEmail')
  expect((await auth.post('/sign-in/magic-link/confirm', { token })).status).toBe(200)
  expect(await signIn(email, SQUATTER)).toBe(401)
  expect(await accountsOf(email)).toEqual([])
  expect((await setup.db.user.findUniqueOrThrow({ where: { email } })).name).toBe('by-link')
})

/** Somebody with a password and GitHub. */
async function twoWays() {
  const { email, cookie } = await auth.signIn()
  await comeFromGitHub(email)
  const accounts = await setup.db.account.findMany({ where: { user: { email } } })
  const unlink = async (accountId: string, as = cookie) =>
    auth.post('/unlink-account', { accountId }, { cookie: as })
  return { email, cookie, unlink, ids: accounts.map(({ id }) => id) as [string, string] }
}

test('a way in can be removed, but not the last one', async () => {
  const { email, unlink, ids } = await twoWays()
  expect((await unlink(ids[0])).status).toBe(200)
  const last = await unlink(ids[1])
  expect(last.status).toBe(400)
  expect(await last.json()).toMatchObject({ code: 'failed_to_unlink_last_account' })
  expect(await accountsOf(email)).toHaveLength(1)
})

test('if the last two ways in are removed at the same time, one stays', async () => {
  for (let n = 0; n < 3; n += 1) {
    const { email, unlink, ids } = await twoWays()
    const answers = await Promise.all(ids.map((id) => unlink(id)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400])
    expect(await accountsOf(email)).toHaveLength(1)
  }
})

test('nobody removes another person’s way in, or removes one without a session', async () => {
  const mine = await twoWays()
  const theirs = await twoWays()
  const foreign = await mine.unlink(theirs.ids[0])
  expect(foreign.status).toBe(400)
  expect(await foreign.json()).toMatchObject({ code: 'account_not_found' })
  expect((await mine.unlink(mine.ids[0], '')).status).toBe(401)
  expect(await accountsOf(theirs.email)).toHaveLength(2)
  expect(await accountsOf(mine.email)).toHaveLength(2)
})
