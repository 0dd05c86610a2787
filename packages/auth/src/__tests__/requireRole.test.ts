/** requireRole: 403 for the wrong role, and no role is ever taken from input. */

import { expect, test } from 'vitest'
import type { OrganizationRole } from '../index.ts'
import { cookiesOf, TEST_PASSWORD, tokenOf } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

const insufficient = { code: 'insufficient_role', status: 403 }

test('401 without a session, whatever the role', async () => {
  await expect(setup.auth.requireRole(setup.auth.request('/'), 'USER')).rejects.toMatchObject({
    status: 401,
  })
})

test('403 for another role, the session for the right one or one of several', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const req = setup.auth.request('/', { cookie })
  await expect(setup.auth.requireRole(req, 'ADMIN')).rejects.toMatchObject(insufficient)
  expect(await setup.auth.requireRole(req, ['ADMIN', 'USER'])).toMatchObject({ userId })
  await setup.db.user.update({ where: { id: userId }, data: { role: 'ADMIN' } })
  await expect
    .poll(() => setup.auth.requireRole(req, 'ADMIN'))
    .toMatchObject({ userId, role: 'ADMIN' })
})

test('in an organization the member’s role counts, not the user’s own', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  await setup.db.user.update({ where: { id: userId }, data: { role: 'ADMIN' } })
  const created = await setup.auth.post(
    '/organization/create',
    { name: 'Acme', slug: `acme-${userId}` },
    { cookie },
  )
  expect(created.status).toBe(200)
  const { id } = (await created.json()) as { id: string }
  const req = setup.auth.request('/', { cookie })
  expect(await setup.auth.requireRole(req, 'OWNER')).toMatchObject({
    organizationId: id,
    organizationRole: 'OWNER',
  })
  await expect(setup.auth.requireRole(req, 'ADMIN')).rejects.toMatchObject(insufficient)

  const { userId: other } = await setup.auth.signIn()
  await setup.db.member.create({
    data: { id: 'other', organizationId: id, userId: other, role: 'OWNER' },
  })
  await setup.db.member.updateMany({ where: { userId }, data: { role: 'VIEWER' } })
  const refusal = (role: OrganizationRole | OrganizationRole[]) =>
    setup.auth.requireRole(req, role).catch((error: unknown) => error)
  await expect.poll(() => refusal('OWNER')).toMatchObject(insufficient)

  await setup.db.member.deleteMany({ where: { userId } })
  await expect.poll(() => refusal(['OWNER', 'VIEWER'])).toMatchObject(insufficient)
  expect(await setup.auth.getSession(req)).toMatchObject({
    organizationId: null,
    organizationRole: null,
  })
})

test('a role in a sign-up or an update is ignored', async () => {
  const email = 'eve@example.com'
  const body = { name: 'Eve', email, password: TEST_PASSWORD, role: 'ADMIN', emailVerified: true }
  await setup.auth.post('/sign-up/email', body)
  await setup.auth.settled()
  const row = await setup.db.user.findUnique({ where: { email } })
  expect(row === null || (row.role === 'USER' && !row.emailVerified)).toBe(true)

  await setup.auth.post('/sign-up/email', { name: 'Eve', email, password: TEST_PASSWORD })
  await setup.auth.settled()
  await setup.auth.post('/confirm-email', { token: tokenOf(setup.auth.outbox, 'WelcomeEmail') })
  const cookie = cookiesOf(
    await setup.auth.post('/sign-in/email', { email, password: TEST_PASSWORD }),
  )
  await setup.auth.post('/update-user', { role: 'ADMIN' }, { cookie })
  const after = await setup.db.user.findUniqueOrThrow({ where: { email } })
  expect(after).toMatchObject({ role: 'USER', emailVerified: true })
})

test('an invitation is mailed, and only a member of the right role may send one', async () => {
  const owner = await setup.auth.signIn()
  const created = await setup.auth.post(
    '/organization/create',
    { name: 'Beta', slug: `beta-${owner.userId}` },
    { cookie: owner.cookie },
  )
  const { id: organizationId } = (await created.json()) as { id: string }
  const invited = await setup.auth.post(
    '/organization/invite-member',
    { email: 'bob@example.com', role: 'OPERATOR', organizationId },
    { cookie: owner.cookie },
  )
  expect(invited.status).toBe(200)
  await setup.auth.settled()
  expect(setup.auth.outbox.last('TeamInviteEmail')).toMatchObject({
    to: 'bob@example.com',
    subject: 'Ada invites you to Beta',
  })

  const stranger = await setup.auth.signIn()
  const refused = await setup.auth.post(
    '/organization/invite-member',
    { email: 'eve@example.com', role: 'OWNER', organizationId },
    { cookie: stranger.cookie },
  )
  expect(refused.status).toBeGreaterThanOrEqual(400)
  expect(await setup.db.invitation.count({ where: { email: 'eve@example.com' } })).toBe(0)
})
