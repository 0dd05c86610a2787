/** A person's sessions: to look at and to end, one or all others. */

import { expect, test } from 'vitest'
import { cookiesOf, TEST_PASSWORD } from '../testing.ts'
import { withoutAccess } from './cookies.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

/** Someone with a laptop and a phone. */
async function twoSessions() {
  const laptop = await setup.auth.signIn()
  const headers = { 'user-agent': 'Phone', 'x-forwarded-for': '203.0.113.9' }
  const credentials = { email: laptop.email, password: TEST_PASSWORD }
  const signedIn = await setup.auth.post('/sign-in/email', credentials, { headers })
  const of = (cookie: string) => setup.auth.request('/', { cookie })
  const phone = cookiesOf(signedIn)
  return { ...laptop, laptop: of(laptop.cookie), phone: of(phone), phoneCookie: phone }
}

test('the sessions of a person, the newest first, without their tokens', async () => {
  const { laptop, phone, userId } = await twoSessions()
  await setup.auth.signIn()
  const listed = await setup.auth.listSessions(laptop)
  expect(listed).toEqual([
    {
      sessionId: (await setup.auth.requireAuth(phone)).sessionId,
      isCurrent: false,
      createdAt: expect.any(Date),
      lastUsedAt: expect.any(Date),
      expiresAt: expect.any(Date),
      browser: null,
      system: null,
      device: null,
      ipAddress: '203.0.113.9',
      network: '203.0.113.0',
      userAgent: 'Phone',
    },
    expect.objectContaining({ isCurrent: true, userAgent: null }),
  ])
  const rows = await setup.db.session.findMany({ where: { userId } })
  for (const { token } of rows) expect(JSON.stringify(listed)).not.toContain(token)
})

test('promise 5: a revoked session is over at once, and the others live on', async () => {
  const { laptop, phone, phoneCookie } = await twoSessions()
  const { sessionId } = await setup.auth.requireAuth(phone)
  await setup.auth.revokeSession(laptop, sessionId)
  expect(await setup.auth.getSession(phone)).toBeNull()
  expect(await setup.auth.getUser(phone)).toBeNull()
  const cookie = withoutAccess(phoneCookie)
  expect(await setup.auth.getSession(setup.auth.request('/', { cookie }))).toBeNull()
  expect(await setup.auth.getSession(laptop)).not.toBeNull()
})

test('all others are ended at once', async () => {
  const { laptop, phone, email } = await twoSessions()
  await setup.auth.post('/sign-in/email', { email, password: TEST_PASSWORD })
  expect(await setup.auth.revokeOtherSessions(laptop)).toBe(2)
  expect(await setup.auth.getSession(phone)).toBeNull()
  expect(await setup.auth.listSessions(laptop)).toHaveLength(1)
  expect(await setup.auth.revokeOtherSessions(laptop)).toBe(0)
})

test("another person's session, and an unknown one, cannot be ended", async () => {
  const { laptop } = await twoSessions()
  const other = await setup.auth.signIn()
  const theirs = setup.auth.request('/', { cookie: other.cookie })
  const { sessionId } = await setup.auth.requireAuth(theirs)
  for (const id of [sessionId, 'never-was']) {
    await expect(setup.auth.revokeSession(laptop, id)).rejects.toMatchObject({
      code: 'unknown_session',
      status: 404,
    })
  }
  expect(await setup.auth.getSession(theirs)).not.toBeNull()
})

test('an ended session cannot end others, although its access token has not expired', async () => {
  const { laptop, phone, userId } = await twoSessions()
  const { sessionId } = await setup.auth.requireAuth(phone)
  // Behind the back of this process, which may not have heard yet.
  await setup.db.session.delete({ where: { id: sessionId } })
  await expect(setup.auth.revokeOtherSessions(phone)).rejects.toMatchObject({ status: 401 })
  await expect(setup.auth.listSessions(phone)).rejects.toMatchObject({ status: 401 })
  expect(await setup.db.session.count({ where: { userId } })).toBe(1)
  expect(await setup.auth.getSession(laptop)).not.toBeNull()
})

test('a request without a session lists no sessions', async () => {
  const nobody = setup.auth.request('/')
  await expect(setup.auth.listSessions(nobody)).rejects.toMatchObject({ status: 401 })
  await expect(setup.auth.revokeSession(nobody, 'x')).rejects.toMatchObject({ status: 401 })
  await expect(setup.auth.revokeOtherSessions(nobody)).rejects.toMatchObject({ status: 401 })
})
