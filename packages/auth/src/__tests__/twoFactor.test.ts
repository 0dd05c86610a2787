/** The second factor: asked for after every first one, and no code is good twice. */

import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createEdge } from '../edge.ts'
import {
  cookiesOf,
  createTestAuth,
  TEST_ORIGIN,
  TEST_PASSWORD,
  type TestAuth,
  tokenOf,
} from '../testing.ts'
import { codeOf, secretIn } from './authenticator.ts'
import { CLIENT, type GitHub, startGitHub } from './github.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
let github: GitHub
let auth: TestAuth
beforeAll(async () => {
  github = await startGitHub()
  auth = createTestAuth({
    db: setup.db,
    twoFactor: true,
    github: { ...CLIENT, endpoint: github.endpoint },
  })
})
afterAll(async () => {
  vi.useRealTimers()
  await auth.settled()
  await auth.close()
  await github.close()
})

interface Person {
  email: string
  userId: string
  secret: string
  codes: string[]
  /** The code that is used up. */
  used: string
  cookie: string
}

/** Somebody who has turned the second factor on, with the code that did it. */
async function withSecondFactor(): Promise<Person> {
  const { email, userId, cookie } = await auth.signIn()
  const enabled = await auth.post('/two-factor/enable', { password: TEST_PASSWORD }, { cookie })
  const { totpURI, backupCodes } = (await enabled.json()) as {
    totpURI: string
    backupCodes: string[]
  }
  const secret = secretIn(totpURI)
  const code = await codeOf(secret, 0)
  const verified = await auth.post('/two-factor/verify-totp', { code }, { cookie })
  expect(verified.status).toBe(200)
  return { email, userId, secret, codes: backupCodes, used: code, cookie: cookiesOf(verified) }
}

const byPassword = (email: string) =>
  auth.post('/sign-in/email', { email, password: TEST_PASSWORD })

async function byGitHub(email: string): Promise<string> {
  github.profile = { id: Math.floor(Math.random() * 1e9), email, verified: true }
  const begun = await auth.post('/sign-in/social', { provider: 'github', callbackURL: '/' })
  const { url } = (await begun.json()) as { url: string }
  const consent = await fetch(url, { redirect: 'manual' })
  const { pathname, search } = new URL(consent.headers.get('location') as string)
  const path = `${pathname}${search}`
  return cookiesOf(await auth.handler(auth.request(path, { cookie: cookiesOf(begun) })))
}

async function byLink(email: string): Promise<string> {
  await auth.post('/sign-in/magic-link', { email })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'MagicLinkEmail')
  return cookiesOf(await auth.post('/sign-in/magic-link/confirm', { token }))
}

const ask = (cookie: string) => auth.requireAuth(auth.request('/', { cookie }))
const verify = (body: object, cookie: string, how = 'totp') =>
  auth.post(`/two-factor/verify-${how}`, body, { cookie })
const codeIn = async (answer: Response) => ((await answer.json()) as { code: string }).code

test('after a password the code is required before there is a session', async () => {
  const person = await withSecondFactor()
  const first = await byPassword(person.email)
  expect(await first.json()).toMatchObject({ twoFactorRedirect: true })
  const challenge = cookiesOf(first)
  expect(challenge).not.toMatch(/session_token|access_token/)
  const second = await verify({ code: await codeOf(person.secret) }, challenge)
  expect(second.status).toBe(200)
  expect(await ask(cookiesOf(second))).toMatchObject({ userId: person.userId, acr: 'aal2' })
})

test.each([
  ['GitHub', byGitHub],
  ['a magic link', byLink],
])('after %s nothing can be done before the code', async (_, way) => {
  const person = await withSecondFactor()
  const cookie = await way(person.email)
  expect(cookie).toContain('session_token')
  const req = () => auth.request('/', { cookie })
  const refusal = { code: 'mfa_required', status: 403 }
  for (const options of [{}, { fresh: true }]) {
    await expect(auth.requireAuth(req(), options)).rejects.toMatchObject(refusal)
    expect(await auth.getSession(req(), options)).toBeNull()
  }
  await expect(auth.requireRole(req(), 'USER')).rejects.toMatchObject(refusal)
  await expect(auth.listSessions(req())).rejects.toMatchObject(refusal)
  await expect(auth.revokeOtherSessions(req())).rejects.toMatchObject(refusal)
  expect(await auth.getUser(req())).toBeNull()

  const jwks = await (await auth.handler(auth.request('/api/auth/jwks'))).json()
  const edge = createEdge({ baseURL: TEST_ORIGIN, jwks: jwks as never })
  await expect(edge.requireAuth(req())).rejects.toMatchObject(refusal)
  expect(await edge.getSession(req())).toBeNull()

  const body = {
    password: TEST_PASSWORD,
    newPassword: 'another long password',
    currentPassword: TEST_PASSWORD,
    name: 'Eve',
    slug: 'eve',
  }
  for (const path of [
    '/change-password',
    '/update-user',
    '/two-factor/disable',
    '/two-factor/generate-backup-codes',
    '/two-factor/enable',
    '/two-factor/get-totp-uri',
    '/organization/create',
    '/unlink-account',
    '/link-social',
    '/revoke-other-sessions',
  ]) {
    const answer = await auth.post(path, body, { cookie })
    expect([path, answer.status, await codeIn(answer)]).toEqual([path, 403, 'mfa_required'])
  }
  for (const path of [
    '/get-session',
    '/list-sessions',
    '/list-accounts',
    '/passkey/generate-register-options',
  ]) {
    const answer = await auth.handler(auth.request(`/api/auth${path}`, { cookie }))
    expect([path, answer.status, await codeIn(answer)]).toEqual([path, 403, 'mfa_required'])
  }

  const done = await verify({ code: await codeOf(person.secret) }, cookie)
  expect(done.status).toBe(200)
  const raised = cookiesOf(done)
  expect(await ask(raised)).toMatchObject({ userId: person.userId, acr: 'aal2' })
  expect(await edge.requireAuth(auth.request('/', { cookie: raised }))).toMatchObject({
    acr: 'aal2',
  })
  // It is another session, and the one from before is gone.
  expect(await auth.getSession(auth.request('/', { cookie }), { fresh: true })).toBeNull()
  await expect(ask(cookie)).rejects.toMatchObject({ status: 401 })
})

test('a code works once, also for concurrent requests, and no older code works after it', async () => {
  const person = await withSecondFactor()
  const older = await verify({ code: person.used }, cookiesOf(await byPassword(person.email)))
  expect(older.status).toBe(401)
  const code = await codeOf(person.secret)
  const challenges = await Promise.all(
    [1, 2, 3].map(async () => cookiesOf(await byPassword(person.email))),
  )
  const answers = await Promise.all(challenges.map((challenge) => verify({ code }, challenge)))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401])
  const replayed = await verify({ code }, await byGitHub(person.email))
  expect(replayed.status).toBe(401)
  expect(replayed.headers.getSetCookie().join()).not.toContain('access_token=ey')
})

test('a backup code works once, also for concurrent requests, and is stored hashed', async () => {
  const person = await withSecondFactor()
  const [first = '', second = ''] = person.codes
  expect(person.codes).toHaveLength(10)
  const row = await setup.db.twoFactor.findUniqueOrThrow({ where: { userId: person.userId } })
  const stored = JSON.parse(row.backupCodes) as string[]
  expect(stored).toHaveLength(10)
  for (const code of person.codes) expect(row.backupCodes).not.toContain(code)

  // The stored hash is no code.
  const hash = await verify({ code: stored[0] }, await byLink(person.email), 'backup-code')
  expect(hash.status).toBe(401)

  const challenges = await Promise.all(
    [1, 2, 3].map(async () => cookiesOf(await byPassword(person.email))),
  )
  const answers = await Promise.all(
    challenges.map((challenge) => verify({ code: first }, challenge, 'backup-code')),
  )
  const won = answers.filter(({ status }) => status === 200)
  expect(won).toHaveLength(1)
  expect(answers.every(({ status }) => [200, 401, 409].includes(status))).toBe(true)
  expect(await ask(cookiesOf(won[0] as Response))).toMatchObject({ acr: 'aal2' })
  const again = await verify({ code: first }, await byGitHub(person.email), 'backup-code')
  expect(again.status).toBe(401)
  const raised = await verify({ code: second }, await byGitHub(person.email), 'backup-code')
  expect(raised.status).toBe(200)
  expect(await ask(cookiesOf(raised))).toMatchObject({ acr: 'aal2' })
  const left = await setup.db.twoFactor.findUniqueOrThrow({ where: { userId: person.userId } })
  expect(JSON.parse(left.backupCodes)).toEqual(stored.slice(2))
})

test('ten wrong codes of a session lock the account, however many are sent at once', async () => {
  const person = await withSecondFactor()
  const cookie = await byGitHub(person.email)
  const guesses = await Promise.all(
    Array.from({ length: 25 }, (_, n) => verify({ code: `x${n}` }, cookie)),
  )
  const statuses = guesses.map(({ status }) => status)
  expect(statuses.filter((status) => status === 401)).toHaveLength(10)
  expect(statuses.filter((status) => status === 429)).toHaveLength(15)
  expect((await verify({ code: await codeOf(person.secret) }, cookie)).status).toBe(429)
  expect((await verify({ code: person.codes[0] }, cookie, 'backup-code')).status).toBe(429)

  await setup.db.twoFactor.updateMany({
    where: { userId: person.userId },
    data: { lockedUntil: new Date(Date.now() - 1000) },
  })
  expect((await verify({ code: person.codes[0] }, cookie, 'backup-code')).status).toBe(200)
})

test('turning the second factor on ends the sessions that have not shown it', async () => {
  const { email, cookie: elsewhere } = await auth.signIn()
  const cookie = cookiesOf(await byPassword(email))
  const enabled = await auth.post('/two-factor/enable', { password: TEST_PASSWORD }, { cookie })
  const { totpURI } = (await enabled.json()) as { totpURI: string }
  const secret = secretIn(totpURI)
  expect(await ask(elsewhere)).toMatchObject({ acr: 'aal1' })
  const wrong = await verify({ code: '000000' }, cookie)
  expect(wrong.status).toBe(401)
  expect(await ask(elsewhere)).toMatchObject({ acr: 'aal1' })
  const done = await verify({ code: await codeOf(secret) }, cookie)
  expect(await ask(cookiesOf(done))).toMatchObject({ acr: 'aal2' })
  await expect(ask(elsewhere)).rejects.toMatchObject({ status: 401 })
})

test('turning the second factor off needs the second factor and the password', async () => {
  const person = await withSecondFactor()
  const off = (password: string) =>
    auth.post('/two-factor/disable', { password }, { cookie: person.cookie })
  expect((await off('not the password')).status).toBe(400)
  const done = await off(TEST_PASSWORD)
  expect(done.status).toBe(200)
  expect(await ask(cookiesOf(done))).toMatchObject({ acr: 'aal1' })
  expect(await ask(cookiesOf(await byPassword(person.email)))).toMatchObject({ acr: 'aal1' })
})

test('no device is trusted to skip the code', async () => {
  const person = await withSecondFactor()
  const body = { code: await codeOf(person.secret), trustDevice: true }
  const done = await verify(body, cookiesOf(await byPassword(person.email)))
  expect(done.status).toBe(200)
  const again = await auth.post(
    '/sign-in/email',
    { email: person.email, password: TEST_PASSWORD },
    { cookie: cookiesOf(done) },
  )
  expect(await again.json()).toMatchObject({ twoFactorRedirect: true })
})

test('a form without script leads to the page for the code, and from there on', async () => {
  const person = await withSecondFactor()
  const form = (fields: Record<string, string>, cookie = '') =>
    auth.request('/', {
      method: 'POST',
      cookie,
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: TEST_ORIGIN },
      body: new URLSearchParams(fields).toString(),
    })
  const first = await auth.formAction(form({ email: person.email, password: TEST_PASSWORD }), {
    path: '/sign-in/email',
    success: '/dashboard?a=b',
    failure: '/sign-in',
  })
  expect(first.headers.get('location')).toBe('/two-factor?next=%2Fdashboard%3Fa%3Db')
  const second = await auth.formAction(
    form({ code: await codeOf(person.secret), next: '/dashboard?a=b' }, cookiesOf(first)),
    { path: '/two-factor/verify-totp', success: '/dashboard', failure: '/two-factor' },
  )
  expect(second.headers.get('location')).toBe('/dashboard?a=b')
  expect(await ask(cookiesOf(second))).toMatchObject({ acr: 'aal2' })
})

test('a person with a second factor cannot sign in where the option is off', async () => {
  const person = await withSecondFactor()
  const off = createTestAuth({ db: setup.db })
  const answer = await off.post('/sign-in/email', { email: person.email, password: TEST_PASSWORD })
  const req = off.request('/', { cookie: cookiesOf(answer) })
  await expect(off.requireAuth(req)).rejects.toMatchObject({ code: 'mfa_required' })
  expect((await off.post('/two-factor/enable', {}, {})).status).toBe(404)
  await off.close()
})

type Ending = (person: Person) => Promise<Response>
const ENDINGS: [string, Ending][] = [
  [
    'a changed password',
    ({ cookie }) =>
      auth.post(
        '/change-password',
        { currentPassword: TEST_PASSWORD, newPassword: 'another horse battery' },
        { cookie },
      ),
  ],
  [
    'a password that was reset',
    async ({ email }) => {
      await auth.post('/request-password-reset', { email })
      await auth.settled()
      const token = tokenOf(auth.outbox, 'PasswordResetEmail')
      return auth.post('/reset-password', { token, newPassword: 'another horse battery' })
    },
  ],
  [
    'a deletion that was asked for',
    ({ cookie }) => auth.post('/delete-user', { password: TEST_PASSWORD }, { cookie }),
  ],
]

test.each(ENDINGS)('a sign-in that waits for its code does not outlive %s', async (_, end) => {
  const person = await withSecondFactor()
  const { email } = person
  const waiting = await auth.post('/sign-in/email', { email, password: TEST_PASSWORD })
  const cookie = cookiesOf(waiting)
  expect(cookie).toContain('two_factor')
  expect((await end(person)).status).toBe(200)
  const [code] = person.codes
  const late = await auth.post('/two-factor/verify-backup-code', { code }, { cookie })
  expect([late.status, cookiesOf(late)]).toEqual([401, ''])
})

test('a password and a code are recorded as one sign-in, whatever session the browser had, and open the last organization', async () => {
  const { email, userId, cookie, codes } = await withSecondFactor()
  await auth.post('/organization/create', { name: 'Acme' }, { cookie })
  const before = await setup.db.auditLog.count({ where: { userId, action: 'sign_in' } })
  const waiting = await auth.post('/sign-in/email', { email, password: TEST_PASSWORD }, { cookie })
  const both = [cookie, cookiesOf(waiting)].join('; ')
  const [code] = codes
  const shown = await auth.post('/two-factor/verify-backup-code', { code }, { cookie: both })
  expect(shown.status).toBe(200)
  await auth.settled()
  expect(await setup.db.auditLog.count({ where: { userId, action: 'sign_in' } })).toBe(before + 1)
  const again = await auth.post('/sign-in/email', { email, password: TEST_PASSWORD })
  const [, next] = codes
  const alone = await auth.post(
    '/two-factor/verify-backup-code',
    { code: next },
    { cookie: cookiesOf(again) },
  )
  const session = await auth.requireAuth(auth.request('/', { cookie: cookiesOf(alone) }))
  expect(session.organizationId).not.toBeNull()
})

test('a second factor from before the secret was replaced is refused with the reason, app and backup codes alike', async () => {
  const person = await withSecondFactor()
  const replaced = createTestAuth({
    db: setup.db,
    twoFactor: true,
    secret: 'the-secret-after-it-was-replaced',
  })
  const body = { email: person.email, password: TEST_PASSWORD }
  const cookie = cookiesOf(await replaced.post('/sign-in/email', body))
  const app = await replaced.post('/two-factor/verify-totp', { code: '123456' }, { cookie })
  expect(app.status).toBe(409)
  expect(await app.json()).toMatchObject({ code: 'second_factor_unreadable', status: 409 })
  const [code] = person.codes
  const backup = await replaced.post('/two-factor/verify-backup-code', { code }, { cookie })
  expect(backup.status).toBe(401)
  expect(await backup.json()).toMatchObject({ code: 'invalid_backup_code' })
  await replaced.close()
})
