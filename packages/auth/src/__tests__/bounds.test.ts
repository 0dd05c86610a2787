/** How much one user can have, also where requests come at the same time. */

import { expect, test } from 'vitest'
import { createAuth } from '../index.ts'
import { cookiesOf, createTestAuth, TEST_PASSWORD } from '../testing.ts'
import { createDevice } from './device.ts'
import { CLIENT, startGitHub } from './github.ts'
import { setUpAuth } from './setup.ts'

const bounds = { organizations: 3, invitations: 4, sessions: 3, passkeys: 2, accounts: 2 }
const setup = setUpAuth({ bounds })

const statuses = (answers: Response[]) => answers.map(({ status }) => status).sort()
const times = <T>(count: number, work: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => work(n))

async function owner() {
  const { cookie, userId } = await setup.auth.signIn()
  const made = await setup.auth.post('/organization/create', { name: 'Acme' }, { cookie })
  return { cookie, userId, organizationId: ((await made.json()) as { id: string }).id }
}

test('three of eight organizations that are created at the same time are made', async () => {
  const { auth, db } = setup
  const { cookie, userId } = await auth.signIn()
  const answers = await Promise.all(
    times(8, (n) => auth.post('/organization/create', { name: `Acme ${n}` }, { cookie })),
  )
  expect(statuses(answers)).toEqual([200, 200, 200, 403, 403, 403, 403, 403])
  const refused = answers.find(({ status }) => status === 403)
  expect(await refused?.json()).toMatchObject({ code: 'too_many_organizations' })
  expect(await db.member.count({ where: { userId, role: 'OWNER' } })).toBe(3)
  expect(await db.organization.count()).toBe(3)
})

test('nobody becomes the owner of a fourth organization, by a hand-over, a role or an invitation', async () => {
  const { auth, db } = setup
  const rich = await auth.signIn()
  await Promise.all(
    times(3, (n) => auth.post('/organization/create', { name: `R ${n}` }, { cookie: rich.cookie })),
  )
  const { cookie, organizationId } = await owner()
  const member = await db.member.create({
    data: { id: 'rich-member', organizationId, userId: rich.userId, role: 'ADMIN' },
  })
  const named = { memberId: member.id, organizationId }
  const handed = await auth.post('/organization/transfer-ownership', named, { cookie })
  const raised = await auth.post(
    '/organization/update-member-role',
    { ...named, role: 'OWNER' },
    { cookie },
  )
  await db.member.delete({ where: { id: member.id } })
  const invited = await auth.post(
    '/organization/invite-member',
    { email: rich.email, role: 'OWNER', organizationId },
    { cookie },
  )
  const { id: invitationId } = (await invited.json()) as { id: string }
  const accepted = await auth.post(
    '/organization/accept-invitation',
    { invitationId },
    { cookie: rich.cookie },
  )
  for (const answer of [handed, raised, accepted]) {
    expect([answer.status, await answer.json()]).toMatchObject([
      403,
      { code: 'too_many_organizations' },
    ])
  }
  expect(await db.member.count({ where: { userId: rich.userId, role: 'OWNER' } })).toBe(3)
})

test('four of eight invitations at the same time are sent; a withdrawn or expired one makes room', async () => {
  const { auth, db } = setup
  const { cookie, organizationId } = await owner()
  const invite = (email: string, more = {}) =>
    auth.post(
      '/organization/invite-member',
      { email, role: 'VIEWER', organizationId, ...more },
      { cookie },
    )
  const answers = await Promise.all(times(8, (n) => invite(`guest-${n}@example.com`)))
  expect(statuses(answers)).toEqual([200, 200, 200, 200, 403, 403, 403, 403])
  const refused = answers.find(({ status }) => status === 403)
  expect(await refused?.json()).toMatchObject({ code: 'too_many_invitations' })
  const waiting = await db.invitation.findMany({ where: { organizationId } })
  expect(waiting).toHaveLength(4)
  const [first, second] = waiting as [(typeof waiting)[0], (typeof waiting)[0]]
  // To send one again adds none.
  expect((await invite(first.email, { resend: true })).status).toBe(200)
  await db.invitation.update({ where: { id: second.id }, data: { expiresAt: new Date(0) } })
  expect((await invite('fifth@example.com')).status).toBe(200)
  expect((await invite('sixth@example.com')).status).toBe(403)
  await auth.post('/organization/cancel-invitation', { invitationId: first.id }, { cookie })
  expect((await invite('sixth@example.com')).status).toBe(200)
})

test('a fourth session ends the session that was used least recently, also for six at the same time', async () => {
  const { auth, db } = setup
  const { email, userId, cookie: first } = await auth.signIn()
  const signIn = async () =>
    cookiesOf(await auth.post('/sign-in/email', { email, password: TEST_PASSWORD }))
  const isIn = async (cookie: string) =>
    (await auth.getSession(auth.request('/', { cookie }), { fresh: true })) !== null
  const second = await signIn()
  const third = await signIn()
  // The first was used just now.
  await db.session.updateMany({ where: { userId }, data: { createdAt: new Date(0) } })
  await db.$executeRaw`UPDATE "Session" SET "updatedAt" = now() - interval '1 day'
    WHERE "userId" = ${userId} AND "id" NOT IN (
      SELECT "id" FROM "Session" WHERE "userId" = ${userId} ORDER BY "updatedAt" LIMIT 1)`
  const fourth = await signIn()
  expect([await isIn(first), await isIn(fourth)]).toEqual([true, true])
  expect([await isIn(second), await isIn(third)].filter(Boolean)).toHaveLength(1)
  await Promise.all(times(6, signIn))
  expect(await db.session.count({ where: { userId } })).toBe(3)
})

test('two of four passkeys at the same time are added', async () => {
  const { auth, db } = setup
  const { cookie, userId } = await auth.signIn()
  const answers = await Promise.all(times(4, () => createDevice(auth).register(cookie)))
  expect(statuses(answers)).toEqual([200, 200, 403, 403])
  const refused = answers.find(({ status }) => status === 403)
  expect(await refused?.json()).toMatchObject({ code: 'too_many_passkeys' })
  expect(await db.passkey.count({ where: { userId } })).toBe(2)
})

test('one of four accounts that are linked at the same time joins the password', async () => {
  const { db } = setup
  const github = await startGitHub()
  const auth = createTestAuth({ db, bounds, github: { ...CLIENT, endpoint: github.endpoint } })
  const { cookie, email, userId } = await auth.signIn('linker@example.com')
  // Each that asks is another account.
  let id = 0
  Object.defineProperty(github, 'profile', { get: () => ({ id: ++id, email, verified: true }) })
  const returns = await Promise.all(
    times(4, async () => {
      const body = { provider: 'github', callbackURL: '/' }
      const begun = await auth.post('/link-social', body, { cookie })
      const { url } = (await begun.json()) as { url: string }
      const back = new URL((await fetch(url, { redirect: 'manual' })).headers.get('location') ?? '')
      const path = `${back.pathname}${back.search}`
      return auth.request(path, { cookie: `${cookie}; ${cookiesOf(begun)}` })
    }),
  )
  const answers = await Promise.all(returns.map(auth.handler))
  expect(statuses(answers)).toEqual([200, 403, 403, 403])
  const refused = answers.find(({ status }) => status === 403)
  expect(await refused?.json()).toMatchObject({ code: 'too_many_accounts' })
  expect(await db.account.count({ where: { userId } })).toBe(2)
  await auth.close()
  await github.close()
})

test.each([0, -1, 1.5, Number.NaN, 10_001])('a bound of %d is refused', (sessions) => {
  const options = { baseURL: 'https://app.example.com', secret: 'x'.repeat(32), db: setup.db }
  expect(() => createAuth({ ...options, bounds: { sessions } })).toThrow(
    Number.isNaN(sessions)
      ? 'bounds.sessions is the number NaN.'
      : 'bounds.sessions must be a whole number from 1 to 10,000.',
  )
})
