/** A session without its second factor, and changing the second factor: what neither may do. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  cookiesOf,
  createTestAuth,
  TEST_ORIGIN,
  TEST_PASSWORD,
  type TestAuth,
  tokenOf,
} from '../testing.ts'
import { codeOf, secretIn } from './authenticator.ts'
import { createDevice } from './device.ts'
import { answered } from './endpoints.ts'
import { CLIENT } from './github.ts'
import { createJar } from './jar.ts'
import { byLink, byPassword, codeIn } from './people.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
let auth: TestAuth
/** Another instance or service over the same database, where nobody can turn a second factor on. */
let off: TestAuth
beforeAll(() => {
  const common = {
    ...{ db: setup.db, github: CLIENT },
    oauth: { scopes: ['bookings:read'] }, // #oauth-server
  }
  auth = createTestAuth({ ...common, twoFactor: true })
  off = createTestAuth(common)
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
  await off.settled()
  await off.close()
})

const ask = (cookie: string) => auth.requireAuth(auth.request('/', { cookie }))
const enable = (cookie: string, body = { password: TEST_PASSWORD } as object) =>
  auth.post('/two-factor/enable', body, { cookie })
/** As if somebody had signed in so long ago. */
const age = (userId: string, minutes: number) =>
  setup.db.session.updateMany({
    where: { userId },
    data: { createdAt: new Date(Date.now() - minutes * 60_000) },
  })

/** Somebody who has turned the second factor on. */
async function withSecondFactor() {
  const { email, userId, cookie } = await auth.signIn()
  const { totpURI } = (await (await enable(cookie)).json()) as { totpURI: string }
  const code = await codeOf(secretIn(totpURI), 0)
  const answer = await auth.post('/two-factor/verify-totp', { code }, { cookie })
  expect(answer.status).toBe(200)
  return { email, userId, cookie: cookiesOf(answer) }
}

/** What is left to a session without its second factor. */
const LEFT = [
  '/access/refresh',
  '/access/renew',
  '/callback/:id',
  '/change-email/undo',
  '/confirm-email',
  '/error',
  '/jwks',
  '/ok',
  '/passkey/generate-authenticate-options',
  '/passkey/verify-authentication',
  '/request-password-reset',
  '/reset-password',
  '/reset-password/:token',
  '/send-verification-email',
  '/sign-in/email',
  '/sign-in/magic-link',
  '/sign-in/magic-link/confirm',
  '/sign-in/social',
  '/sign-out',
  '/sign-up/email',
  '/two-factor/verify-backup-code',
  '/two-factor/verify-totp',
]

/** The status and the code of what `path` answers to a request that says next to nothing. */
async function probe(at: TestAuth, path: string, method: string, cookie: string) {
  const send = (type: string, body: string) =>
    at.handler(
      at.request(`/api/auth${path.replace(/:\w+/, 'github')}`, {
        method,
        cookie,
        headers: { origin: TEST_ORIGIN, 'content-type': type },
        ...(method === 'GET' ? {} : { body }),
      }),
    )
  const json = await send('application/json', '{"response":{"id":"x"}}')
  const answer = json.status === 415 ? await send('application/x-www-form-urlencoded', 'x=y') : json
  return { status: answer.status, code: await codeIn(answer) }
}

test.each([
  ['', () => auth, LEFT],
  [
    ', where the option is off',
    () => off,
    LEFT.filter((path) => !path.startsWith('/two-factor/verify-')),
  ],
])(
  'of all endpoints, a session without its second factor may use only these%s',
  async (_, instance, left) => {
    const at = instance()
    const { email, userId } = await withSecondFactor()
    const cookie = await byLink(at, email)
    const reached = new Set<string>()
    const endpoints = answered(at)
    expect(endpoints.length).toBeGreaterThan(65)
    for (const { path, method } of endpoints) {
      // Cookies count nothing at these; see request-guard.ts.
      if (/^\/oauth2\/(token|introspect|revoke)$/.test(path)) continue
      // It would be another session, or none.
      const changes = path === '/sign-out' || path.startsWith('/access/')
      const { status, code } = changes
        ? { status: 200, code: '' }
        : await probe(at, path, method, cookie)
      if (code !== 'mfa_required' && status !== 404) reached.add(path)
    }
    expect([...reached].sort()).toEqual(left)
    expect(await setup.db.session.count({ where: { userId, aal: 1 } })).toBe(1)
  },
)

test.each([
  ['a password', byPassword],
  ['a mailed link', byLink],
])('where the option is off, %s makes a session that can only sign out', async (_, way) => {
  const { email, userId } = await withSecondFactor()
  const cookie = await way(off, email)
  const req = () => off.request('/', { cookie })
  for (const asked of [
    () => off.requireAuth(req()),
    () => off.requireAal2(req()),
    () => off.requireRecentSignIn(req(), { withinSeconds: 60 }),
    () => off.listSessions(req()),
    () => off.revokeOtherSessions(req()),
  ]) {
    await expect(asked()).rejects.toMatchObject({ status: 403, code: 'mfa_required' })
  }
  expect(await off.getUser(req())).toBeNull()

  // Nothing by the host's own code that passes the headers on, either.
  const { headers } = req()
  const { api } = off
  const refused = { statusCode: 403, body: { code: 'mfa_required' } }
  for (const asked of [
    () => api.getSession({ headers }),
    () => api.listSessions({ headers }),
    () => api.updateUser({ headers, body: { name: 'Eve' } }),
    () => api.setPassword({ headers, body: { newPassword: 'another long password' } }),
    () => api.listUserAccounts({ headers }),
  ]) {
    await expect(asked()).rejects.toMatchObject(refused)
  }
  expect(await setup.db.user.findUniqueOrThrow({ where: { id: userId } })).toMatchObject({
    name: 'Ada',
  })

  // It makes no passkey that would be two factors elsewhere.
  await expect(createDevice(off).register(cookie)).resolves.toMatchObject({ status: 403 })
  expect(await setup.db.passkey.count({ where: { userId } })).toBe(0)

  expect((await off.post('/sign-out', {}, { cookie })).status).toBe(200)
  expect(await setup.db.session.count({ where: { userId, aal: 1 } })).toBe(0)
})

test('where the option is off, a passkey that verifies the person is the second factor', async () => {
  const { email, userId, cookie } = await withSecondFactor()
  const device = createDevice(off)
  expect((await device.register(cookie)).status).toBe(200)
  const pending = await byLink(off, email)
  const jar = createJar()
  for (const pair of pending.split('; ')) {
    jar.keep(new Response(null, { headers: { 'set-cookie': `${pair}; Path=/` } }))
  }
  const answer = await (await device.begin(jar))()
  expect(answer.status).toBe(200)
  const req = off.request('/', { cookie: jar.cookie })
  expect(await off.requireAal2(req)).toMatchObject({ userId, acr: 'aal2' })
})

test('a reset of the password does not pass the second factor', async () => {
  const { email } = await withSecondFactor()
  await auth.post('/request-password-reset', { email })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'PasswordResetEmail')
  const reset = await auth.post('/reset-password', { token, newPassword: TEST_PASSWORD })
  expect([reset.status, cookiesOf(reset)]).toEqual([200, ''])
  const signedIn = await auth.post('/sign-in/email', { email, password: TEST_PASSWORD })
  expect(await signedIn.json()).toMatchObject({ twoFactorRedirect: true })
})

test('backup codes work once the app has shown its first code', async () => {
  const { cookie } = await auth.signIn()
  const { backupCodes } = (await (await enable(cookie)).json()) as { backupCodes: string[] }
  const code = backupCodes[0]
  const early = await auth.post('/two-factor/verify-backup-code', { code }, { cookie })
  expect([early.status, await codeIn(early)]).toEqual([400, 'totp_not_enabled'])
  expect(await ask(cookie)).toMatchObject({ acr: 'aal1' })
})

test('without a password the second factor is turned on soon after a sign-in, and not in an older session', async () => {
  const cookie = await byLink(auth, 'no-password@example.com')
  const { userId } = await ask(cookie)
  await age(userId, 16)
  for (const what of ['enable', 'disable', 'get-totp-uri', 'generate-backup-codes']) {
    const late = await auth.post(`/two-factor/${what}`, {}, { cookie })
    expect([what, late.status, await codeIn(late)]).toEqual([what, 403, 'recent_sign_in_required'])
  }
  expect(await setup.db.twoFactor.count({ where: { userId } })).toBe(0)
  await age(userId, 14)
  expect((await enable(cookie, {})).status).toBe(200)

  const other = await auth.signIn()
  await age(other.userId, 16)
  expect((await enable(other.cookie)).status).toBe(200)
})
