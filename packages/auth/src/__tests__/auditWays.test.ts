/** The audit log over every way in: a sign-in once, when it is complete, and what changes the ways. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { cookiesOf, createTestAuth, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'
import { codeOf, secretIn } from './authenticator.ts'
import { createDevice } from './device.ts'
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
  await auth.settled()
  await auth.close()
  await github.close()
})

const from = { headers: { 'x-forwarded-for': '203.0.113.77' } }

/** What was added since, the oldest first. */
async function added(work: () => Promise<unknown>) {
  const before = await setup.db.auditLog.count()
  await work()
  await auth.settled()
  return setup.db.auditLog.findMany({ orderBy: { id: 'asc' }, skip: before })
}
const actions = (entries: { action: string }[]) => entries.map(({ action }) => action)

async function byLink(email: string) {
  await auth.post('/sign-in/magic-link', { email })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'MagicLinkEmail')
  return auth.post('/sign-in/magic-link/confirm', { token }, from)
}

async function byGitHub(email: string) {
  github.profile = { id: Math.floor(Math.random() * 1e9), email, verified: true }
  const begun = await auth.post('/sign-in/social', { provider: 'github', callbackURL: '/' })
  const { url } = (await begun.json()) as { url: string }
  const consent = await fetch(url, { redirect: 'manual' })
  const { pathname, search } = new URL(consent.headers.get('location') as string)
  return auth.handler(
    auth.request(`${pathname}${search}`, { cookie: cookiesOf(begun), headers: from.headers }),
  )
}

/** Turns the second factor on. */
async function enroll(cookie: string) {
  const enabled = await auth.post('/two-factor/enable', { password: TEST_PASSWORD }, { cookie })
  const { totpURI, backupCodes } = (await enabled.json()) as {
    totpURI: string
    backupCodes: string[]
  }
  const secret = secretIn(totpURI)
  const body = { code: await codeOf(secret, 0) }
  const done = await auth.post('/two-factor/verify-totp', body, { cookie, ...from })
  expect(done.status).toBe(200)
  return { cookie: cookiesOf(done), secret, codes: backupCodes }
}

test('a magic link is recorded as one sign-in', async () => {
  const { email, userId } = await auth.signIn()
  let cookie = ''
  const entries = await added(async () => {
    cookie = cookiesOf(await byLink(email))
  })
  const { sessionId } = await auth.requireAuth(auth.request('/', { cookie }))
  expect(entries).toMatchObject([
    { action: 'sign_in', userId, actorId: userId, sessionId, ip: '203.0.113.0' },
  ])
})

test('adding, signing in with, failing with and removing a passkey are recorded', async () => {
  const { userId, cookie } = await auth.signIn()
  const device = createDevice(auth)
  const register = () => device.register(cookie)
  expect(await added(register)).toMatchObject([{ action: 'passkey_added', userId }])
  const answers: Response[] = []
  const signIn = async (signature?: Buffer) => answers.push(await device.signIn(signature))
  expect(await added(signIn)).toMatchObject([{ action: 'sign_in', userId }])
  const session = cookiesOf(answers[0] as Response)
  expect(await auth.requireAuth(auth.request('/', { cookie: session }))).toMatchObject({
    userId,
    acr: 'aal2',
  })
  expect(await added(() => signIn(Buffer.from('3006020101020101', 'hex')))).toMatchObject([
    { action: 'sign_in_failed', userId, actorId: null, detail: { reason: expect.any(String) } },
  ])
  expect(answers[1]?.status).toBe(401)
  const stranger = createDevice(auth)
  expect(await added(() => stranger.signIn())).toEqual([])
  const { id } = await setup.db.passkey.findFirstOrThrow({ where: { userId } })
  const remove = () => auth.post('/passkey/delete-passkey', { id }, { cookie: session, ...from })
  expect(await added(remove)).toMatchObject([{ action: 'passkey_removed', userId }])
})

test('a passkey that does not verify the person is recorded as one factor', async () => {
  const { cookie } = await auth.signIn()
  const device = createDevice(auth, { asks: false })
  expect((await device.register(cookie)).status).toBe(200)
  const signedIn = cookiesOf(await device.signIn())
  expect(await auth.requireAuth(auth.request('/', { cookie: signedIn }))).toMatchObject({
    acr: 'aal1',
  })
})

test.each([
  ['that stays 0', 0, 0, 200],
  ['that was 5 and is 0, as of a passkey that is kept on several devices now', 5, 0, 200],
  ['that rises', 5, 6, 200],
  ['that stays as it was', 5, 5, 400],
  ['that falls, as of a copy', 5, 4, 400],
])('a passkey with a counter %s', async (_, stored, counter, status) => {
  const { cookie, userId } = await auth.signIn()
  const device = createDevice(auth)
  await device.register(cookie)
  await setup.db.passkey.updateMany({ where: { userId }, data: { counter: stored } })
  const answer = await device.signIn(undefined, counter)
  expect(answer.status).toBe(status)
  const row = await setup.db.passkey.findFirstOrThrow({ where: { userId } })
  expect(row.counter).toBe(status === 200 ? counter : stored)
  const session = await auth.getSession(auth.request('/', { cookie: cookiesOf(answer) }))
  expect(session?.acr).toBe(status === 200 ? 'aal2' : undefined)
  if (status !== 200) return
  expect((await device.signIn(undefined, counter && counter + 1)).status).toBe(200)
  // A signature that is not the device's resets nothing.
  const forged = await device.signIn(Buffer.from('3006020101020101', 'hex'), 0)
  expect(forged.status).toBe(401)
  const after = await setup.db.passkey.findFirstOrThrow({ where: { userId } })
  expect(after.counter).toBe(counter && counter + 1)
})

test('turning on, using, replacing and turning off the second factor are recorded', async () => {
  const { userId, email, cookie } = await auth.signIn()
  const own = { userId, actorId: userId }
  let person = {} as Awaited<ReturnType<typeof enroll>>
  expect(
    await added(async () => {
      person = await enroll(cookie)
    }),
  ).toMatchObject([
    { action: 'second_factor_prepared', ...own },
    { action: 'second_factor', ...own, detail: { reason: 'totp' } },
    { action: 'two_factor_enabled', ...own, ip: '203.0.113.0' },
  ])
  const show = () => auth.post('/two-factor/get-totp-uri', { password: TEST_PASSWORD }, person)
  expect(await added(show)).toMatchObject([{ action: 'second_factor_shown', ...own }])

  let challenge = ''
  const password = async () => {
    challenge = cookiesOf(await auth.post('/sign-in/email', { email, password: TEST_PASSWORD }))
  }
  expect(await added(password)).toEqual([])
  const send = (code: string, way: string, as: string) =>
    auth.post(`/two-factor/verify-${way}`, { code }, { cookie: as, ...from })
  expect(await added(() => send('000000', 'totp', challenge))).toMatchObject([
    {
      action: 'second_factor_failed',
      userId,
      actorId: null,
      sessionId: null,
      detail: { reason: 'invalid_code' },
      ip: '203.0.113.0',
    },
  ])
  const code = await codeOf(person.secret)
  const complete = await added(() => send(code, 'totp', challenge))
  expect(complete).toMatchObject([
    { action: 'second_factor', ...own, detail: { reason: 'totp' } },
    { action: 'sign_in', ...own },
  ])
  expect(complete[1]?.sessionId).toBe(complete[0]?.sessionId)
  await password()
  expect(await added(() => send(code, 'totp', challenge))).toMatchObject([
    { action: 'second_factor_failed', userId, detail: { reason: 'code_used' } },
  ])

  const replace = () =>
    auth.post('/two-factor/generate-backup-codes', { password: TEST_PASSWORD }, person)
  expect(await added(replace)).toMatchObject([{ action: 'backup_codes_replaced', ...own }])
  const off = () => auth.post('/two-factor/disable', { password: TEST_PASSWORD }, person)
  expect(await added(off)).toMatchObject([{ action: 'two_factor_disabled', ...own }])
})

test.each([
  ['GitHub', byGitHub, ['account_linked']],
  ['a magic link', byLink, []],
] as const)(
  'a sign-in by %s is recorded once its second factor was shown',
  async (_, way, more) => {
    const { userId, email, cookie } = await auth.signIn()
    const { codes } = await enroll(cookie)
    let pending = ''
    const first = await added(async () => {
      pending = cookiesOf(await way(email))
    })
    expect(actions(first)).toEqual(more)
    const { id } = await setup.db.session.findFirstOrThrow({ where: { userId, aal: 1 } })
    const send = (code = '') =>
      auth.post('/two-factor/verify-backup-code', { code }, { cookie: pending })
    expect(await added(() => send('wrong'))).toMatchObject([
      { action: 'second_factor_failed', userId, sessionId: id },
    ])
    expect(await added(() => send(codes[0]))).toMatchObject([
      { action: 'second_factor', userId, detail: { reason: 'backup_code' } },
      { action: 'sign_in', userId, actorId: userId },
    ])
  },
)

test('a locked second factor is recorded with its reason, a request without a code is not', async () => {
  const { userId, email, cookie } = await auth.signIn()
  await enroll(cookie)
  const pending = cookiesOf(await byLink(email))
  const send = (body: object) => auth.post('/two-factor/verify-totp', body, { cookie: pending })
  const entries = await added(async () => {
    for (let n = 0; n < 11; n += 1) await send({ code: `x${n}` })
  })
  expect(actions(entries)).toEqual(Array(11).fill('second_factor_failed'))
  expect(entries.at(-1)).toMatchObject({
    userId,
    detail: { reason: 'account_temporarily_locked' },
  })
  expect(await added(() => send({}))).toEqual([])
  const nobody = () => auth.post('/two-factor/verify-totp', { code: '000000' })
  expect(await added(nobody)).toEqual([])
})

test('linking and unlinking an account are recorded', async () => {
  const { userId, email, cookie } = await auth.signIn()
  expect(await added(() => byGitHub(email))).toMatchObject([
    { action: 'account_linked', userId, actorId: userId, detail: { to: 'github' } },
    { action: 'sign_in', userId, ip: '203.0.113.0' },
  ])
  const { id } = await setup.db.account.findFirstOrThrow({
    where: { userId, providerId: 'github' },
  })
  const unlink = () => auth.post('/unlink-account', { accountId: id }, { cookie, ...from })
  expect(await added(unlink)).toMatchObject([
    { action: 'account_unlinked', userId, actorId: userId, detail: { from: 'github' } },
  ])
  expect(await added(unlink)).toEqual([])
})

test('an action with a session token whose successor was not used yet is recorded, too', async () => {
  const { userId, cookie } = await auth.signIn()
  expect((await auth.post('/access/refresh', {}, { cookie })).status).toBe(200)
  const change = { currentPassword: TEST_PASSWORD, newPassword: 'another long password' }
  const entries = await added(() => auth.post('/change-password', change, { cookie, ...from }))
  expect(entries).toMatchObject([{ action: 'password_changed', userId, actorId: userId }])
})

test('sessions that the host ends for their owner are recorded', async () => {
  const { userId, email, cookie } = await auth.signIn()
  const elsewhere = () => auth.post('/sign-in/email', { email, password: TEST_PASSWORD })
  const req = () => auth.request('/', { cookie, headers: from.headers })
  const phone = auth.request('/', { cookie: cookiesOf(await elsewhere()) })
  const { sessionId } = await auth.requireAuth(phone)
  const own = { action: 'session_revoked', userId, actorId: userId, ip: '203.0.113.0' }
  expect(await added(() => auth.revokeSession(req(), sessionId))).toMatchObject([
    { ...own, sessionId, detail: { reason: 'revoke-session' } },
  ])
  expect(await added(() => auth.revokeOtherSessions(req()))).toMatchObject([
    { ...own, detail: { reason: 'revoke-other-sessions' } },
  ])
  const unknown = () => expect(auth.revokeSession(req(), 'nobody’s')).rejects.toThrow()
  expect(await added(unknown)).toEqual([])
})

test('handing an organization over records two changes of role', async () => {
  const owner = await auth.signIn()
  const heir = await auth.signIn()
  const created = await auth.post('/organization/create', { name: 'Acme' }, owner)
  const { id: organizationId } = (await created.json()) as { id: string }
  const data = { id: 'heir', organizationId, userId: heir.userId, role: 'VIEWER' }
  await setup.db.member.create({ data })
  const body = { memberId: 'heir', organizationId }
  const handOver = () => auth.post('/organization/transfer-ownership', body, owner)
  const about = { action: 'role_changed', actorId: owner.userId, organizationId }
  expect(await added(handOver)).toMatchObject([
    { ...about, userId: heir.userId, detail: { from: 'VIEWER', to: 'OWNER' } },
    { ...about, userId: owner.userId, detail: { from: 'OWNER', to: 'ADMIN' } },
  ])
  expect(await added(handOver)).toEqual([])
})

test('promise 7: the whole log holds no address, code or token', async () => {
  const text = JSON.stringify(await setup.db.auditLog.findMany())
  expect(text).not.toMatch(/@|example\.com|Ada|203\.0\.113\.77|000000/)
  for (const { token } of await setup.db.session.findMany()) expect(text).not.toContain(token)
})
