/** A session that is ended by its token ends, whatever a refresh makes of the token meanwhile. */

import { expect, test } from 'vitest'
import { cookiesOf, TEST_PASSWORD } from '../testing.ts'
import { waitForLock } from './locks.ts'
import { byPassword } from './people.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

interface Two {
  email: string
  cookie: string
  /** The session on another device. */
  other: string
  otherId: string
}

async function twoDevices(): Promise<Two> {
  const { email, cookie } = await setup.auth.signIn()
  const other = await byPassword(setup.auth, email)
  const { sessionId } = await setup.auth.requireAuth(setup.auth.request('/', { cookie: other }))
  return { email, cookie, other, otherId: sessionId }
}

const lives = async (id: string) => (await setup.db.session.count({ where: { id } })) === 1

async function tokenIn(cookie: string, id: string): Promise<string> {
  const listed = await setup.auth.handler(setup.auth.request('/api/auth/list-sessions', { cookie }))
  const rows = (await listed.json()) as { id: string; token: string }[]
  return (rows.find((row) => row.id === id) as { token: string }).token
}

/** Exchanges the token as a refresh does, while `work` waits to end the session. */
async function duringRefresh(id: string, work: () => Promise<Response>): Promise<Response> {
  let answer: Promise<Response> | undefined
  await setup.db.$transaction(
    async (tx) => {
      await tx.$executeRaw`
        UPDATE "Session" SET "token" = "id" || '-exchanged',
          "predecessorHash" = encode(sha256("token"::bytea), 'hex'), "successorSeenAt" = NULL
        WHERE "id" = ${id}`
      answer = work()
      await waitForLock(setup.db, 1)
    },
    { timeout: 60_000 },
  )
  return answer as Promise<Response>
}

test('promise 5: a session that was refreshed after it was listed can be ended', async () => {
  const { cookie, other, otherId } = await twoDevices()
  const token = await tokenIn(cookie, otherId)
  expect((await setup.auth.post('/access/refresh', {}, { cookie: other })).status).toBe(200)
  const answer = await setup.auth.post('/revoke-session', { token }, { cookie })
  expect([answer.status, await answer.json()]).toEqual([200, { status: true }])
  expect(await lives(otherId)).toBe(false)
})

test.each<[string, (two: Two) => Promise<Response>]>([
  [
    'ended by its token',
    async ({ cookie, otherId }) => {
      const { token } = await setup.db.session.findUniqueOrThrow({ where: { id: otherId } })
      return setup.auth.post('/revoke-session', { token }, { cookie })
    },
  ],
  [
    'ended with the others',
    ({ cookie }) => setup.auth.post('/revoke-other-sessions', {}, { cookie }),
  ],
  ['signed out', ({ other }) => setup.auth.post('/sign-out', {}, { cookie: other })],
  [
    'replaced by a sign-in',
    ({ email, other }) =>
      setup.auth.post('/sign-in/email', { email, password: TEST_PASSWORD }, { cookie: other }),
  ],
])('promise 5: a session that is %s while it is refreshed ends', async (_, end) => {
  const two = await twoDevices()
  const answer = await duringRefresh(two.otherId, () => end(two))
  expect(answer.status).toBe(200)
  expect(await lives(two.otherId)).toBe(false)
})

test('promise 5: a sign-in ends the session of its browser that was refreshed while the password was checked', async () => {
  const { email, cookie, otherId, other } = await twoDevices()
  const { userId } = await setup.auth.requireAuth(setup.auth.request('/', { cookie }))
  let signingIn: Promise<Response> | undefined
  await setup.db.$transaction(
    async (tx) => {
      // The new session waits for the user's row, when the token has been read from the cookie.
      await tx.$queryRaw`SELECT 1 FROM "User" WHERE "id" = ${userId} FOR UPDATE`
      const body = { email, password: TEST_PASSWORD }
      signingIn = setup.auth.post('/sign-in/email', body, { cookie: other })
      await waitForLock(setup.db, 1)
      await setup.db.$executeRaw`
        UPDATE "Session" SET "token" = "id" || '-exchanged',
          "predecessorHash" = encode(sha256("token"::bytea), 'hex'), "successorSeenAt" = NULL
        WHERE "id" = ${otherId}`
    },
    { timeout: 60_000 },
  )
  expect((await signingIn)?.status).toBe(200)
  expect(await lives(otherId)).toBe(false)
})

test('a person cannot end another’s session by its token, and gets the same answer for an unknown token', async () => {
  const { cookie } = await setup.auth.signIn()
  const theirs = await setup.auth.signIn()
  const row = await setup.db.session.findFirstOrThrow({ where: { userId: theirs.userId } })
  const answers = []
  for (const token of [row.token, `${row.id}-made-up`, 'never-was', '']) {
    const answer = await setup.auth.post('/revoke-session', { token }, { cookie })
    answers.push([answer.status, await answer.json()])
  }
  expect(answers[0]).toMatchObject([404, { code: 'unknown_session' }])
  for (const answer of answers) expect(answer).toEqual(answers[0])
  expect(await lives(row.id)).toBe(true)
})

test('ending one’s own session deletes the cookie', async () => {
  const { cookie, other, otherId } = await twoDevices()
  const token = await tokenIn(cookie, otherId)
  const answer = await setup.auth.post('/revoke-session', { token }, { cookie: other })
  expect(answer.status).toBe(200)
  expect(cookiesOf(answer)).not.toContain(otherId)
  expect(answer.headers.getSetCookie().join()).toContain('session_token=; Max-Age=0')
  expect(await lives(otherId)).toBe(false)
})

test('the session that ends all others stays', async () => {
  const { cookie, otherId } = await twoDevices()
  const { sessionId } = await setup.auth.requireAuth(setup.auth.request('/', { cookie }))
  expect((await setup.auth.post('/revoke-other-sessions', {}, { cookie })).status).toBe(200)
  expect([await lives(sessionId), await lives(otherId)]).toEqual([true, false])
})
