/** A way in is added by somebody who signed in just now: a session that was left open or stolen makes none. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { RECENT_SECONDS } from '../account/recent.ts'
import { cookiesOf, createTestAuth, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'
import { codeOf } from './authenticator.ts'
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

/** As if everybody's last sign-in were a second too old. */
const age = (userId: string) =>
  setup.db.session.updateMany({
    where: { userId },
    data: { createdAt: new Date(Date.now() - (RECENT_SECONDS + 1) * 1000) },
  })

/** The ways in of an account, and what stands beside them. */
const waysOf = (userId: string) =>
  setup.db.user.findUniqueOrThrow({
    where: { id: userId },
    select: { twoFactorEnabled: true, twoFactor: true, accounts: true, passkeys: true },
  })

type Ask = (cookie: string) => Promise<Response>
const setPassword: Ask = async (cookie) => {
  const { headers } = auth.request('/', { cookie })
  const body = { newPassword: 'another long password' }
  return auth.api.setPassword({ body, headers, asResponse: true })
}
const linkProvider: Ask = (cookie) =>
  auth.post('/link-social', { provider: 'github', callbackURL: '/' }, { cookie })
const beginPasskey: Ask = (cookie) =>
  auth.handler(auth.request('/api/auth/passkey/generate-register-options', { cookie }))
const ADDS: { [way: string]: Ask } = {
  passkey: beginPasskey,
  'the answer of a device': (cookie) => createDevice(auth).register(cookie),
  provider: linkProvider,
  'first password': setPassword,
  'second factor': (cookie) => auth.post('/two-factor/enable', {}, { cookie }),
  'backup codes': (cookie) => auth.post('/two-factor/generate-backup-codes', {}, { cookie }),
}

test.each(Object.entries(ADDS))('%s: refused in an old session', async (_way, ask) => {
  const { userId, email } = await auth.signIn()
  await setup.db.account.deleteMany({ where: { userId } })
  const cookie = await byLink(auth, email)
  await age(userId)
  const before = await waysOf(userId)
  const answer = await ask(cookie)
  expect([answer.status, await codeIn(answer)]).toEqual([403, 'recent_sign_in_required'])
  expect(await waysOf(userId)).toEqual(before)
})

test('a passkey that was begun in time cannot be finished later', async () => {
  const { userId, cookie } = await auth.signIn()
  const device = createDevice(auth)
  const begun = await beginPasskey(cookie)
  expect(begun.status).toBe(200)
  await age(userId)
  expect((await device.register(cookie)).status).toBe(403)
  expect((await waysOf(userId)).passkeys).toEqual([])
})

test('a code of the app does not make a session recent, because an old session could have turned the app on', async () => {
  const { userId, email, cookie } = await auth.signIn()
  await age(userId)
  const enabled = await auth.post('/two-factor/enable', {}, { cookie })
  expect(enabled.status).toBe(400)
  const change = await auth.post('/change-email', { newEmail: `new-${email}` }, { cookie })
  expect([change.status, await codeIn(change)]).toEqual([403, 'recent_sign_in_required'])
})

test('each is added with the password, or after another sign-in', async () => {
  const { userId, email, cookie: old } = await auth.signIn()
  await age(userId)
  const body = { password: TEST_PASSWORD }
  expect((await auth.post('/two-factor/enable', body, { cookie: old })).status).toBe(200)
  const cookie = await byPassword(auth, email)
  expect((await createDevice(auth).register(cookie)).status).toBe(200)
  expect((await linkProvider(await byPassword(auth, email))).status).toBe(200)
})

test('a sign-in that lacks its second factor does not learn of a deletion', async () => {
  const person = await personWithFactor(auth)
  const { email, userId, cookie } = person
  const body = { password: TEST_PASSWORD }
  expect((await auth.post('/delete-user', body, { cookie })).status).toBe(200)
  await auth.post('/sign-in/magic-link', { email })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'MagicLinkEmail')
  const pending = await auth.post('/sign-in/magic-link/confirm', { token })
  expect(pending.status).toBe(200)
  expect(await pending.json()).not.toHaveProperty('deletionDueAt')
  const code = await codeOf(person.secret, 0)
  const done = await auth.post('/two-factor/verify-totp', { code }, { cookie: cookiesOf(pending) })
  const due = await setup.db.userDeletion.findUniqueOrThrow({ where: { userId } })
  expect(await done.json()).toHaveProperty('deletionDueAt', due.dueAt.toISOString())
})
