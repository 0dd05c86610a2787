/** Mails about the security of an account: what is told, to whom, how often, and what the mail says. */

import { inspect } from 'node:util'
import { createTestLogger } from '@repo/core/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cookiesOf, createTestAuth, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'
import { codeOf, secretIn } from './authenticator.ts'
import { createDevice } from './device.ts'
import { CLIENT, type GitHub, startGitHub } from './github.ts'
import { createPrograms } from './programs.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const logger = createTestLogger()
const failures = () => logger.entries.filter(({ level }) => level === 'error')
let github: GitHub
let auth: TestAuth
let admin = ''
beforeAll(async () => {
  github = await startGitHub()
  auth = createTestAuth({
    db: setup.db,
    logger,
    twoFactor: true,
    oauth: { scopes: ['bookings:read'] },
    github: { ...CLIENT, endpoint: github.endpoint },
    pages: { account: '/settings/security' },
  })
  const someone = await auth.signIn()
  await setup.db.user.update({ where: { id: someone.userId }, data: { role: 'ADMIN' } })
  const { email } = someone
  admin = cookiesOf(await auth.post('/sign-in/email', { email, password: TEST_PASSWORD }))
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
  await github.close()
})
const { make, authorize, consent } = createPrograms(() => ({ auth, admin }))

const CHROME =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36'
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0'

const from = (address: string, userAgent = CHROME) => ({
  headers: { 'x-forwarded-for': address, 'user-agent': userAgent },
})
const signIn = (email: string, address: string, userAgent?: string) =>
  auth.post('/sign-in/email', { email, password: TEST_PASSWORD }, from(address, userAgent))
/** The alerts that an address got because of `work`. */
async function alerts(email: string, work: () => Promise<unknown>) {
  await auth.settled()
  const before = auth.outbox.to(email).length
  await work()
  await auth.settled()
  const sent = auth.outbox.to(email).slice(before)
  return sent.filter(({ template }) => template === 'SecurityAlertEmail')
}
const subjects = async (email: string, work: () => Promise<unknown>) =>
  (await alerts(email, work)).map(({ subject }) => subject)
/** As if ten minutes had passed. */
const later = () => setup.db.$executeRaw`DELETE FROM "RateLimit"`

/** Somebody who has signed in with Chrome, from one network. */
async function settled() {
  const { email, userId } = await auth.signIn()
  const cookie = cookiesOf(await signIn(email, '203.0.113.9'))
  await auth.settled()
  await later()
  return { email, userId, cookie }
}

test('no alert for a first sign-in, nor for a known network with a known browser', async () => {
  const email = 'first@example.com'
  const tellsNothing = await subjects(email, async () => {
    await auth.post('/sign-up/email', { name: 'Ada', email, password: TEST_PASSWORD })
    await auth.settled()
    await auth.post('/confirm-email', { token: tokenOf(auth.outbox, 'WelcomeEmail') })
    await signIn(email, '203.0.113.9')
    await auth.settled()
    // Another address of the same network.
    await signIn(email, '203.0.113.77')
  })
  expect(tellsNothing).toEqual([])
})

test('a sign-in from another network or with another browser sends an alert with what is known of it', async () => {
  const { email } = await settled()
  const [mail] = await alerts(email, () => signIn(email, '198.51.100.7', FIREFOX))
  expect(mail?.subject).toBe('New sign-in to your account')
  for (const part of [
    'Firefox 133 on Linux',
    '198.51.100.0',
    '/settings/security',
    '/forgot-password',
  ]) {
    expect(mail?.text).toContain(part)
  }
  expect(mail?.text).not.toContain('198.51.100.7')
  await later()
  expect(await subjects(email, () => signIn(email, '198.51.100.8', FIREFOX))).toEqual([])
  expect(await subjects(email, () => signIn(email, '192.0.2.1', FIREFOX))).toHaveLength(1)
})

test('each kind of alert is mailed once in ten minutes, also for many at once and in two processes', async () => {
  const { email } = await settled()
  const other = createTestAuth({ db: setup.db })
  const many = () =>
    Promise.all(
      Array.from({ length: 6 }, (_, n) => {
        const credentials = { email, password: TEST_PASSWORD }
        const process = n % 2 ? auth : other
        return process.post('/sign-in/email', credentials, from(`198.51.${n + 1}.7`))
      }),
    )
  const before = auth.outbox.to(email).length + other.outbox.to(email).length
  await many()
  await other.settled()
  await auth.settled()
  expect(auth.outbox.to(email).length + other.outbox.to(email).length - before).toBe(1)
  const [row] = await setup.db.$queryRaw<[{ left: number }]>`
    SELECT max("expire" - extract(epoch FROM now()) * 1000)::float8 AS "left" FROM "RateLimit"`
  expect(row.left).toBeGreaterThan(500_000)
  expect(row.left).toBeLessThanOrEqual(600_000)
  await other.close()
})

test('no alert for a sign-in that failed or waits for its second factor', async () => {
  const { email, cookie } = await settled()
  const enabled = await auth.post('/two-factor/enable', { password: TEST_PASSWORD }, { cookie })
  const { totpURI } = (await enabled.json()) as { totpURI: string }
  const code = await codeOf(secretIn(totpURI), 0)
  await auth.post('/two-factor/verify-totp', { code }, { cookie, ...from('203.0.113.9') })
  await later()
  const attempts = async () => {
    await auth.post('/sign-in/email', { email, password: 'wrong horse battery' }, from('192.0.2.9'))
    await signIn(email, '192.0.2.9')
  }
  expect(await subjects(email, attempts)).toEqual([])
})

test('an alert for each passkey and provider that is added or removed', async () => {
  const { email, userId, cookie } = await settled()
  const device = createDevice(auth)
  expect(await subjects(email, () => device.register(cookie))).toEqual([
    'A passkey was added to your account',
  ])
  const { id } = await setup.db.passkey.findFirstOrThrow({ where: { userId } })
  expect(
    await subjects(email, () => auth.post('/passkey/delete-passkey', { id }, { cookie })),
  ).toEqual(['A passkey was removed from your account'])

  const [added] = await alerts(email, () => byGitHub(email))
  expect(added?.subject).toBe('A way to sign in was added to your account')
  expect(added?.text).toContain('GitHub')
  const account = await setup.db.account.findFirstOrThrow({
    where: { userId, providerId: 'github' },
  })
  const unlink = () => auth.post('/unlink-account', { accountId: account.id }, { cookie })
  expect(await subjects(email, unlink)).toEqual(['A way to sign in was removed from your account'])
})

test('no alert for the provider that somebody signs up with', async () => {
  expect(await subjects('new-here@example.com', () => byGitHub('new-here@example.com'))).toEqual([])
})

async function byGitHub(email: string) {
  github.profile = { id: Math.floor(Math.random() * 1e9), email, verified: true }
  const begun = await auth.post('/sign-in/social', { provider: 'github', callbackURL: '/' })
  const { url } = (await begun.json()) as { url: string }
  const { headers } = await fetch(url, { redirect: 'manual' })
  const { pathname, search } = new URL(headers.get('location') as string)
  const options = { cookie: cookiesOf(begun), ...from('203.0.113.9') }
  return auth.handler(auth.request(`${pathname}${search}`, options))
}

test('an alert for a password that is changed, reset, or set by the host', async () => {
  const { email, userId, cookie } = await settled()
  const change = { currentPassword: TEST_PASSWORD, newPassword: 'a battery of horses' }
  expect(await subjects(email, () => auth.post('/change-password', change, { cookie }))).toEqual([
    'Your password was changed',
  ])
  await auth.post('/request-password-reset', { email })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'PasswordResetEmail')
  const reset = { token, newPassword: TEST_PASSWORD }
  expect(await subjects(email, () => auth.post('/reset-password', reset))).toEqual([
    'Your password was reset',
  ])
  await setup.db.account.deleteMany({ where: { userId } })
  await auth.post('/sign-in/magic-link', { email })
  await auth.settled()
  const link = { token: tokenOf(auth.outbox, 'MagicLinkEmail') }
  const again = cookiesOf(await auth.post('/sign-in/magic-link/confirm', link, from('203.0.113.9')))
  const headers = new Headers({ cookie: again })
  const set = () => auth.api.setPassword({ body: { newPassword: TEST_PASSWORD }, headers })
  expect(await subjects(email, set)).toEqual(['A password was set for your account'])
})

test('an alert for the second factor turned on or off, and for new backup codes', async () => {
  const { email, cookie } = await settled()
  const password = { password: TEST_PASSWORD }
  const { totpURI } = (await (
    await auth.post('/two-factor/enable', password, { cookie })
  ).json()) as {
    totpURI: string
  }
  let session = ''
  const on = async () => {
    const code = await codeOf(secretIn(totpURI), 0)
    session = cookiesOf(await auth.post('/two-factor/verify-totp', { code }, { cookie }))
  }
  expect(await subjects(email, on)).toEqual(['Two-factor authentication is on'])
  const anew = () => auth.post('/two-factor/generate-backup-codes', password, { cookie: session })
  expect(await subjects(email, anew)).toEqual(['Your backup codes were replaced'])
  const off = () => auth.post('/two-factor/disable', password, { cookie: session })
  expect(await subjects(email, off)).toEqual(['Two-factor authentication is off'])
})

test('an alert names a program that the user allows; no alert for a refused program', async () => {
  const { email, cookie } = await settled()
  const { clientId } = await make({
    name: 'Reports',
    scopes: ['openid', 'bookings:read', 'offline_access'],
    redirectUris: ['https://client.example/callback'],
    isConfidential: false,
  })
  const ask = async (accept: boolean) => {
    const { location } = await authorize(clientId, cookie)
    await consent(location, cookie, accept)
  }
  expect(await subjects(email, () => ask(false))).toEqual([])
  const [mail] = await alerts(email, () => ask(true))
  expect(mail?.subject).toBe('A program was given access to your account')
  expect(mail?.text).toContain('Reports')
})

test('no alert to an address that nobody has proven', async () => {
  const { email, userId, cookie } = await settled()
  await setup.db.user.update({ where: { id: userId }, data: { emailVerified: false } })
  expect(await subjects(email, () => createDevice(auth).register(cookie))).toEqual([])
})

test('promise 7: a queued alert shows neither address nor network, and no request waits for it', async () => {
  const { email } = await settled()
  const answer = await signIn(email, '192.0.2.1')
  expect(answer.status).toBe(200)
  const queued = async () => {
    const [jobs] = await setup.db.$queryRaw<[{ text: string | null }]>`
      SELECT string_agg(payload::text, ' ') AS text FROM graphile_worker._private_jobs`
    // Background work that failed is only logged.
    return jobs.text ?? `Nothing is queued. Errors: ${inspect(failures())}`
  }
  await expect.poll(queued, { timeout: 60_000 }).toContain('"account"')
  expect(await queued()).not.toMatch(/@|192\.0\.2|Chrome/)
})
