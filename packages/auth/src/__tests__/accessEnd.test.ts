/**
 * What ends access to an account takes along what is under way: a request that has shown a password, a passkey or a
 * session before that writes nothing after it. Each request is held at the user's row, where the end overtakes it.
 */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { endAccess } from '../account/end-access.ts'
import { cookiesOf, createTestAuth, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'
import { codeOf, secretIn } from './authenticator.ts'
import { createDevice } from './device.ts'
import { CLIENT, type GitHub, startGitHub } from './github.ts'
import { waitForLock } from './locks.ts'
import { byLink, byPassword } from './people.ts'
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

interface Person {
  userId: string
  email: string
  cookie: string
}
let person: Person
let last = 0
beforeEach(async () => {
  last += 1
  person = await auth.signIn()
})

/** What somebody could come in by, or has begun. */
async function facts({ userId }: Person) {
  const { accounts, passkeys, twoFactor, ...user } = await setup.db.user.findUniqueOrThrow({
    where: { id: userId },
    select: {
      ...{ email: true, twoFactorEnabled: true, accounts: true, passkeys: true, twoFactor: true },
    },
  })
  const mine = { userId }
  return {
    ...user,
    accounts: accounts.map(({ providerId, password }) => [providerId, password]),
    passkeys: passkeys.length,
    hasFactor: twoFactor?.verified ?? false,
    sessions: await setup.db.session.count({ where: mine }),
    changes: await setup.db.emailChange.count({ where: mine }),
    deletions: await setup.db.userDeletion.count({ where: mine }),
    challenges: await setup.db.verificationToken.count({ where: { value: userId } }),
  }
}

/** Ends access once `work` waits for the user's row, having looked at everything before. Returns its answer. */
async function overtaken({ userId }: Person, work: () => Promise<Response>): Promise<Response> {
  let answer: Promise<Response> | undefined
  await setup.db.$transaction(
    async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM "User" WHERE "id" = ${userId} FOR UPDATE`
      answer = work()
      await waitForLock(setup.db, 1)
      await endAccess(tx, userId)
      await tx.session.deleteMany({ where: { userId } })
    },
    { timeout: 120_000 },
  )
  return answer as Promise<Response>
}

/** Where the browser goes to GitHub and comes back; the result brings the answer home. */
async function atGitHub(path: string, id: number): Promise<() => Promise<Response>> {
  github.profile = { id, email: person.email, verified: true }
  const body = { provider: 'github', callbackURL: '/account' }
  const begun = await auth.post(path, body, { cookie: person.cookie })
  const { url } = (await begun.json()) as { url: string }
  const consent = await fetch(url, { redirect: 'manual' })
  const { pathname, search } = new URL(consent.headers.get('location') as string)
  const cookie = [person.cookie, cookiesOf(begun)].join('; ')
  return () => auth.handler(auth.request(`${pathname}${search}`, { cookie }))
}

/** Each way: what is prepared, and the request that is then under way. */
const UNDER_WAY: { [what: string]: () => Promise<() => Promise<Response>> } = {
  'a sign-in by password': async () => () =>
    auth.post('/sign-in/email', { email: person.email, password: TEST_PASSWORD }),
  'a sign-in by a mailed link': async () => {
    await auth.post('/sign-in/magic-link', { email: person.email })
    await auth.settled()
    const token = tokenOf(auth.outbox, 'MagicLinkEmail')
    return () => auth.post('/sign-in/magic-link/confirm', { token })
  },
  'a sign-in by a passkey': async () => {
    const device = createDevice(auth)
    expect((await device.register(person.cookie)).status).toBe(200)
    return () => device.signIn()
  },
  'a sign-in by a provider': () => atGitHub('/sign-in/social', 1_000 + last),
  'a passkey that is added': async () => () => createDevice(auth).register(person.cookie),
  'a provider that is linked': () => atGitHub('/link-social', 2_000 + last),
  'a first password': async () => {
    await setup.db.account.deleteMany({ where: { userId: person.userId } })
    const { headers } = auth.request('/', { cookie: person.cookie })
    return () => auth.api.setPassword({ body: { newPassword: NEW }, headers, asResponse: true })
  },
  'a changed password': async () => () => {
    const body = { currentPassword: TEST_PASSWORD, newPassword: NEW }
    return auth.post('/change-password', body, { cookie: person.cookie })
  },
  'a second factor that is set up': async () => () =>
    auth.post('/two-factor/enable', { password: TEST_PASSWORD }, { cookie: person.cookie }),
  'the first code of a second factor': async () => {
    const body = { password: TEST_PASSWORD }
    const enabled = await auth.post('/two-factor/enable', body, { cookie: person.cookie })
    const { totpURI } = (await enabled.json()) as { totpURI: string }
    const code = await codeOf(secretIn(totpURI), 0)
    return () => auth.post('/two-factor/verify-totp', { code }, { cookie: person.cookie })
  },
  'a change of address': async () => () => {
    const body = { newEmail: `moved-${last}@example.com`, password: TEST_PASSWORD }
    return auth.post('/change-email', body, { cookie: person.cookie })
  },
  'a confirmed address': async () => {
    const body = { newEmail: `moved-${last}@example.com`, password: TEST_PASSWORD }
    await auth.post('/change-email', body, { cookie: person.cookie })
    await auth.settled()
    const token = tokenOf(auth.outbox, 'NewAddressEmail')
    return () => auth.post('/change-email/confirm', { token }, { cookie: person.cookie })
  },
  'a deletion': async () => () =>
    auth.post('/delete-user', { password: TEST_PASSWORD }, { cookie: person.cookie }),
}

test.each(Object.entries(UNDER_WAY))('promise 5: %s is refused', async (_, prepare) => {
  const work = await prepare()
  const before = await facts(person)
  const answer = await overtaken(person, work)
  const text = await answer.text()
  expect(`${answer.status} ${answer.headers.get('location')} ${text}`).toMatch(/access_ended/)
  expect(cookiesOf(answer)).not.toContain('session_token=')
  expect(await facts(person)).toEqual({ ...before, sessions: 0 })
})

test.each(Object.entries(UNDER_WAY))(
  'an end of access before %s does not affect that request',
  async (_, prepare) => {
    await endAccess(setup.db, person.userId)
    const work = await prepare()
    const answer = await work()
    expect(await answer.text()).not.toMatch(/access_ended/)
    expect(answer.status).toBeLessThan(400)
  },
)

describe('access and the requests under way end', () => {
  const endedBy = async () =>
    (await setup.db.user.findUniqueOrThrow({ where: { id: person.userId } })).accessEndedBy

  const ENDS: { [what: string]: () => Promise<Response | undefined> } = {
    'when a change of address is taken back': async () => {
      const body = { newEmail: `taken-${last}@example.com`, password: TEST_PASSWORD }
      await auth.post('/change-email', body, { cookie: person.cookie })
      await auth.settled()
      return auth.post('/change-email/undo', { token: tokenOf(auth.outbox, 'AddressChangeEmail') })
    },
    'when the password is reset': async () => {
      await auth.post('/request-password-reset', { email: person.email })
      await auth.settled()
      const token = tokenOf(auth.outbox, 'PasswordResetEmail')
      return auth.post('/reset-password', { token, newPassword: NEW })
    },
    'when the password is changed': () => {
      const body = { currentPassword: TEST_PASSWORD, newPassword: NEW }
      return auth.post('/change-password', body, { cookie: person.cookie })
    },
    'when all sessions are ended': () =>
      auth.post('/revoke-sessions', {}, { cookie: person.cookie }),
    'when the others are ended': () =>
      auth.post('/revoke-other-sessions', {}, { cookie: person.cookie }),
    'when the host’s page ends the others': async () => {
      await auth.revokeOtherSessions(auth.request('/', { cookie: person.cookie }))
      return undefined
    },
    'when the host’s page ends one': async () => {
      const other = await byPassword(auth, person.email)
      const { sessionId } = await auth.requireAuth(auth.request('/', { cookie: other }))
      await auth.revokeSession(auth.request('/', { cookie: person.cookie }), sessionId)
      return undefined
    },
    'when the deletion is asked for': () =>
      auth.post('/delete-user', { password: TEST_PASSWORD }, { cookie: person.cookie }),
    'when a way in is taken away': async () => {
      expect((await createDevice(auth).register(person.cookie)).status).toBe(200)
      const { id } = await setup.db.passkey.findFirstOrThrow({ where: { userId: person.userId } })
      return auth.post('/passkey/delete-passkey', { id }, { cookie: person.cookie })
    },
  }

  test.each(Object.entries(ENDS))('%s', async (_, end) => {
    expect(await endedBy()).toBeNull()
    const answer = await end()
    if (answer) expect(answer.status).toBe(200)
    expect(await endedBy()).not.toBeNull()
    // The person comes in again at once.
    expect(await byLink(auth, person.email)).toContain('session_token')
  })
})

test('a change of password is refused if the password was replaced while the change waited', async () => {
  const { userId, cookie, email } = person
  const hash = (await setup.db.account.findFirstOrThrow({ where: { userId } })).password
  let changing: Promise<Response> | undefined
  await setup.db.$transaction(
    async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM "User" WHERE "id" = ${userId} FOR UPDATE`
      const body = { currentPassword: TEST_PASSWORD, newPassword: NEW }
      changing = auth.post('/change-password', body, { cookie })
      await waitForLock(setup.db, 1)
      // As a reset has just written it, and has not yet ended access.
      await tx.account.updateMany({ where: { userId }, data: { password: `${hash}x` } })
    },
    { timeout: 120_000 },
  )
  expect((await changing)?.status).toBe(409)
  const stored = await setup.db.account.findFirstOrThrow({ where: { userId } })
  expect(stored.password).toBe(`${hash}x`)
  expect((await auth.post('/sign-in/email', { email, password: NEW })).status).toBe(401)
})

test('a link to choose a new password is not mailed to an address that the account no longer has', async () => {
  const { userId, email } = person
  await auth.post('/request-password-reset', { email })
  let sending: Promise<void> | undefined
  await setup.db.$transaction(
    async (tx) => {
      await tx.user.update({
        where: { id: userId },
        data: { email: `moved-away-${last}@example.com` },
      })
      sending = auth.settled()
      await waitForLock(setup.db, 1)
    },
    { timeout: 120_000 },
  )
  await sending
  expect(auth.outbox.to(email).filter(({ template }) => template === 'PasswordResetEmail')).toEqual(
    [],
  )
  expect(await setup.db.verificationToken.count({ where: { value: userId } })).toBe(0)
})
