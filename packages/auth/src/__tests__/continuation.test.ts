/** A person who changes what is theirs stays who they are: the second factor, the organization, the age. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { cookiesOf, createTestAuth, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'
import { codeOf } from './authenticator.ts'
import { withoutAccess } from './cookies.ts'
import { createDevice } from './device.ts'
import { CLIENT, type GitHub, startGitHub } from './github.ts'
import { byLink, byPassword, codeIn, personWithFactor } from './people.ts'
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

const NEW = 'another long password'
const sessionOf = (cookie: string) =>
  auth.getSession(auth.request('/', { cookie: withoutAccess(cookie) }))

/** Somebody with a second factor who acts for an organization, and signed in ten minutes ago. */
async function member() {
  const person = await personWithFactor(auth)
  const created = await auth.post(
    '/organization/create',
    { name: 'Acme' },
    { cookie: person.cookie },
  )
  const { id: organizationId } = (await created.json()) as { id: string }
  const createdAt = new Date(Date.now() - 600_000)
  const { userId } = person
  await setup.db.session.updateMany({ where: { userId }, data: { createdAt } })
  const before = await sessionOf(person.cookie)
  expect(before).toMatchObject({ acr: 'aal2', organizationId, organizationRole: 'OWNER' })
  return { ...person, before, organizationId, createdAt }
}
type Member = Awaited<ReturnType<typeof member>>

/** Another session, in everything else as the one before it, which has ended. */
async function expectContinued(
  { before, cookie, createdAt }: Member,
  answer: Response,
  acr = 'aal2',
) {
  expect(answer.status).toBe(200)
  const after = await sessionOf(cookiesOf(answer))
  const { userId, organizationId, organizationRole } = before ?? {}
  expect(after).toMatchObject({ userId, organizationId, organizationRole, acr })
  expect(after?.authenticatedAt).toEqual(createdAt)
  expect(after?.expiresAt).toEqual(before?.expiresAt)
  expect(after?.sessionId).not.toBe(before?.sessionId)
  expect(await sessionOf(cookie)).toBeNull()
  // The access token says the same.
  const claims = await auth.requireAuth(auth.request('/', { cookie: cookiesOf(answer) }))
  expect(claims).toMatchObject({ acr, organizationId, sessionId: after?.sessionId })
}

test('a changed password keeps the second factor, the organization and the age, and ends all other sessions', async () => {
  const person = await member()
  const elsewhere = await byLink(auth, person.email)
  const body = { currentPassword: TEST_PASSWORD, newPassword: NEW }
  const answer = await auth.post('/change-password', body, { cookie: person.cookie })
  await expectContinued(person, answer)
  expect(await setup.db.session.count({ where: { userId: person.userId } })).toBe(1)
  const pending = await auth.getSession(auth.request('/', { cookie: elsewhere }), { fresh: true })
  expect(pending).toBeNull()
})

test('without a second factor there is none after the change either', async () => {
  const { cookie, userId } = await auth.signIn()
  const body = { currentPassword: TEST_PASSWORD, newPassword: NEW }
  const answer = await auth.post('/change-password', body, { cookie })
  expect(await sessionOf(cookiesOf(answer))).toMatchObject({ userId, acr: 'aal1' })
  expect((await sessionOf(cookiesOf(answer)))?.mfaRequired).toBeUndefined()
})

test('a refused change leaves the session as it is', async () => {
  const person = await member()
  for (const body of [
    { currentPassword: 'not the password', newPassword: NEW },
    { currentPassword: TEST_PASSWORD, newPassword: 'short' },
  ]) {
    expect((await auth.post('/change-password', body, { cookie: person.cookie })).status).toBe(400)
    expect(await sessionOf(person.cookie)).toEqual(person.before)
  }
})

/** Holds what `lock` locks until `work` has been done, and then waits for what was kept waiting. */
async function whileLocked<T>(
  lock: (tx: Pick<typeof setup.db, '$queryRaw'>) => Promise<unknown>,
  begin: () => Promise<T>,
  work: () => Promise<unknown>,
): Promise<T> {
  let begun: Promise<T> | undefined
  await setup.db.$transaction(
    async (tx) => {
      await lock(tx)
      begun = begin()
      await expect
        .poll(
          async () => {
            const [row] = await setup.db.$queryRaw<[{ waiting: number }]>`
              SELECT count(*)::int AS waiting FROM pg_stat_activity
              WHERE datname = current_database() AND wait_event_type = 'Lock'`
            return row.waiting
          },
          { timeout: 60_000 },
        )
        .toBeGreaterThan(0)
      await work()
    },
    { timeout: 120_000 },
  )
  return begun as Promise<T>
}

test('a sign-in with the old password while the new one is being stored does not stay', async () => {
  const { email, userId, cookie } = await auth.signIn()
  const body = { currentPassword: TEST_PASSWORD, newPassword: NEW }
  const changed = await whileLocked(
    (tx) => tx.$queryRaw`SELECT 1 FROM "Account" WHERE "userId" = ${userId} FOR UPDATE`,
    () => auth.post('/change-password', body, { cookie }),
    async () => expect(await sessionOf(await byPassword(auth, email))).toMatchObject({ userId }),
  )
  expect(changed.status).toBe(200)
  const left = await setup.db.session.findMany({ where: { userId } })
  expect(left.map(({ id }) => id)).toEqual([(await sessionOf(cookiesOf(changed)))?.sessionId])
})

test('a sign-in that waits for its code ends with the password that began it', async () => {
  const person = await personWithFactor(auth)
  const { email } = person
  const byCode = async (cookie: string) => {
    const code = person.backupCodes.pop()
    return (await auth.post('/two-factor/verify-backup-code', { code }, { cookie })).status
  }
  const waiting = await byPassword(auth, email)
  const body = { currentPassword: TEST_PASSWORD, newPassword: NEW }
  expect((await auth.post('/change-password', body, { cookie: person.cookie })).status).toBe(200)
  expect(await byCode(waiting)).toBe(401)

  const again = await auth.post('/sign-in/email', { email, password: NEW })
  await auth.post('/request-password-reset', { email })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'PasswordResetEmail')
  await auth.post('/reset-password', { token, newPassword: TEST_PASSWORD })
  expect(await byCode(cookiesOf(again))).toBe(401)
  expect(await byCode(await byPassword(auth, email))).toBe(200)
})

test('adding a passkey that signs in at once keeps second factor and organization', async () => {
  const person = await member()
  const answer = await createDevice(auth).register(person.cookie, { createSession: true })
  await expectContinued(person, answer)
})

test('adding a passkey that does not sign in changes nothing about the session', async () => {
  const person = await member()
  expect((await createDevice(auth).register(person.cookie)).status).toBe(200)
  expect(await sessionOf(person.cookie)).toEqual(person.before)
})

test('turning the second factor off keeps the organization and the age', async () => {
  const person = await member()
  const body = { password: TEST_PASSWORD }
  const answer = await auth.post('/two-factor/disable', body, { cookie: person.cookie })
  await expectContinued(person, answer, 'aal1')
})

test('linking a provider changes nothing about the session', async () => {
  const person = await member()
  github.profile = { id: 7, email: person.email, verified: true }
  const body = { provider: 'github', callbackURL: '/settings' }
  const begun = await auth.post('/link-social', body, { cookie: person.cookie })
  const { url } = (await begun.json()) as { url: string }
  const consent = await fetch(url, { redirect: 'manual' })
  const { pathname, search } = new URL(consent.headers.get('location') as string)
  const cookie = cookiesOf(begun)
  const answer = await auth.handler(auth.request(`${pathname}${search}`, { cookie }))
  expect(await answer.text()).toContain('url=/settings')
  expect(cookiesOf(answer)).not.toContain('session_token')
  expect(await setup.db.account.count({ where: { userId: person.userId } })).toBe(2)
  expect(await sessionOf(person.cookie)).toEqual(person.before)
})

test('setting a first password changes nothing about the session', async () => {
  const person = await member()
  await setup.db.account.deleteMany({ where: { userId: person.userId } })
  const { headers } = auth.request('/', { cookie: person.cookie })
  await auth.api.setPassword({ body: { newPassword: NEW }, headers })
  expect(await sessionOf(person.cookie)).toEqual(person.before)
  const short = auth.api.setPassword({ body: { newPassword: '😀😁😂🤣😃' }, headers })
  await expect(short).rejects.toMatchObject({ body: { code: 'password_too_short' } })
})

test('a reset ends the session of the signed-in person, who then signs in anew', async () => {
  const person = await member()
  await auth.post('/request-password-reset', { email: person.email }, { cookie: person.cookie })
  await auth.settled()
  const body = { token: tokenOf(auth.outbox, 'PasswordResetEmail'), newPassword: TEST_PASSWORD }
  const reset = await auth.post('/reset-password', body, { cookie: person.cookie })
  expect([reset.status, cookiesOf(reset)]).toEqual([200, ''])
  expect(await sessionOf(person.cookie)).toBeNull()
  const waiting = await byPassword(auth, person.email, person.cookie)
  const code = await codeOf(person.secret, 0)
  const again = await auth.post('/two-factor/verify-totp', { code }, { cookie: waiting })
  const session = await sessionOf(cookiesOf(again))
  // Every sign-in acts for the organization of the last one.
  expect(session).toMatchObject({ acr: 'aal2', organizationId: person.organizationId })
  expect(session?.authenticatedAt.getTime()).toBeGreaterThan(person.createdAt.getTime())
  expect(session?.expiresAt.getTime()).toBeGreaterThan(person.before?.expiresAt.getTime() ?? 0)
})

test('the session of another person hands nothing on', async () => {
  const person = await member()
  const other = await auth.signIn()
  const answer = await auth.post(
    '/sign-in/email',
    { email: other.email, password: TEST_PASSWORD },
    { cookie: person.cookie },
  )
  const session = await sessionOf(cookiesOf(answer))
  expect(session).toMatchObject({ userId: other.userId, acr: 'aal1', organizationId: null })
})

test('a session that lacks its second factor changes no password', async () => {
  const person = await personWithFactor(auth)
  const cookie = await byLink(auth, person.email)
  const body = { currentPassword: TEST_PASSWORD, newPassword: NEW }
  const answer = await auth.post('/change-password', body, { cookie })
  expect([answer.status, await codeIn(answer)]).toEqual([403, 'mfa_required'])
})
