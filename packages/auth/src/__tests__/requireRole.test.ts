/** requireRole: 403 for the wrong role, and no role is ever taken from input. */

import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { cookiesOf, createTestAuth, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'

let database: TestDatabase
let auth: TestAuth
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  auth = createTestAuth({ db: database.db })
})
afterAll(async () => {
  await auth.settled()
  await database.drop()
})

const insufficient = { code: 'insufficient_role', status: 403 }

test('401 without a session, whatever the role', async () => {
  await expect(auth.requireRole(auth.request('/'), 'USER')).rejects.toMatchObject({ status: 401 })
})

test('403 for another role, the session for the right one or one of several', async () => {
  const { cookie, userId } = await auth.signIn()
  const req = auth.request('/', { cookie })
  await expect(auth.requireRole(req, 'ADMIN')).rejects.toMatchObject(insufficient)
  expect(await auth.requireRole(req, ['ADMIN', 'USER'])).toMatchObject({ userId })
  await database.db.user.update({ where: { id: userId }, data: { role: 'ADMIN' } })
  expect(await auth.requireRole(req, 'ADMIN')).toMatchObject({ userId, role: 'ADMIN' })
})

test('in an organization the role there counts, not the own one', async () => {
  const { cookie, userId } = await auth.signIn()
  await database.db.user.update({ where: { id: userId }, data: { role: 'ADMIN' } })
  const created = await auth.post(
    '/organization/create',
    { name: 'Acme', slug: `acme-${userId}` },
    { cookie },
  )
  expect(created.status).toBe(200)
  const { id } = (await created.json()) as { id: string }
  const req = auth.request('/', { cookie })
  expect(await auth.requireRole(req, 'OWNER')).toMatchObject({
    organizationId: id,
    organizationRole: 'OWNER',
  })
  await expect(auth.requireRole(req, 'ADMIN')).rejects.toMatchObject(insufficient)

  await database.db.member.updateMany({ where: { userId }, data: { role: 'USER' } })
  await expect(auth.requireRole(req, 'OWNER')).rejects.toMatchObject(insufficient)

  await database.db.member.deleteMany({ where: { userId } })
  await expect(auth.requireRole(req, ['OWNER', 'ADMIN', 'USER'])).rejects.toMatchObject(
    insufficient,
  )
})

test('a role in the sign-up or in an update is not taken', async () => {
  const email = 'eve@example.com'
  const body = { name: 'Eve', email, password: TEST_PASSWORD, role: 'ADMIN', emailVerified: true }
  await auth.post('/sign-up/email', body)
  await auth.settled()
  const row = await database.db.user.findUnique({ where: { email } })
  expect(row === null || (row.role === 'USER' && !row.emailVerified)).toBe(true)

  await auth.post('/sign-up/email', { name: 'Eve', email, password: TEST_PASSWORD })
  await auth.settled()
  await auth.post('/confirm-email', { token: tokenOf(auth.outbox, 'WelcomeEmail') })
  const cookie = cookiesOf(await auth.post('/sign-in/email', { email, password: TEST_PASSWORD }))
  await auth.post('/update-user', { role: 'ADMIN' }, { cookie })
  const after = await database.db.user.findUniqueOrThrow({ where: { email } })
  expect(after).toMatchObject({ role: 'USER', emailVerified: true })
})

test('an invitation is mailed, and only a member of the right role may send one', async () => {
  const owner = await auth.signIn()
  const created = await auth.post(
    '/organization/create',
    { name: 'Beta', slug: `beta-${owner.userId}` },
    { cookie: owner.cookie },
  )
  const { id: organizationId } = (await created.json()) as { id: string }
  const invited = await auth.post(
    '/organization/invite-member',
    { email: 'bob@example.com', role: 'USER', organizationId },
    { cookie: owner.cookie },
  )
  expect(invited.status).toBe(200)
  await auth.settled()
  expect(auth.outbox.last('TeamInviteEmail')).toMatchObject({
    to: 'bob@example.com',
    subject: 'Ada invites you to Beta',
  })

  const stranger = await auth.signIn()
  const refused = await auth.post(
    '/organization/invite-member',
    { email: 'eve@example.com', role: 'OWNER', organizationId },
    { cookie: stranger.cookie },
  )
  expect(refused.status).toBeGreaterThanOrEqual(400)
  expect(await database.db.invitation.count({ where: { email: 'eve@example.com' } })).toBe(0)
})
