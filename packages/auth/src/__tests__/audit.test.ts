/** The audit log: what goes in, what does not, and that nothing comes out again. */

import { expect, test } from 'vitest'
import { type AuditEntry, audit, listAuditLog, pruneAuditLog } from '../index.ts'
import { createTestAuth, TEST_PASSWORD, tokenOf } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
const from = { headers: { 'x-forwarded-for': '203.0.113.77', 'user-agent': FIREFOX } }
const seen = { ip: '203.0.113.0', userAgent: 'Firefox' }

/** What was added since, the oldest first. */
async function added(work: () => Promise<unknown>) {
  const before = await setup.db.auditLog.count()
  await work()
  await setup.auth.settled()
  return setup.db.auditLog.findMany({ orderBy: { id: 'asc' }, skip: before })
}

test('a sign-in, a failed sign-in and a sign-out are recorded, with ids, network and browser', async () => {
  const { userId, email, cookie } = await setup.auth.signIn()
  const signIn = (password: string) => setup.auth.post('/sign-in/email', { email, password }, from)
  expect(await added(() => signIn('not the password'))).toMatchObject([
    {
      action: 'sign_in_failed',
      userId,
      actorId: null,
      subject: null,
      detail: { reason: 'invalid_email_or_password' },
      ...seen,
    },
  ])
  const [signedIn, ...more] = await added(() => signIn(TEST_PASSWORD))
  expect(more).toEqual([])
  expect(signedIn).toMatchObject({ action: 'sign_in', userId, actorId: userId, ...seen })
  expect(await setup.db.session.count({ where: { id: signedIn?.sessionId ?? '' } })).toBe(1)
  const { sessionId } = await setup.auth.requireAuth(setup.auth.request('/', { cookie }))
  const out = await added(() => setup.auth.post('/sign-out', {}, { ...from, cookie }))
  expect(out).toMatchObject([{ action: 'sign_out', userId, actorId: userId, sessionId, ...seen }])
})

test('a failed sign-in with an unknown address is recorded by a hash of the address', async () => {
  const fail = (email: string) =>
    setup.auth.post('/sign-in/email', { email, password: 'not the password' }, from)
  const entries = await added(async () => {
    for (const email of ['ghost@example.com', 'GHOST@example.com', 'other@example.com']) {
      await fail(email)
    }
  })
  expect(entries.map(({ userId }) => userId)).toEqual([null, null, null])
  const [first, again, other] = entries.map(({ subject }) => subject)
  expect(first).toMatch(/^[0-9a-f]{24}$/)
  expect(again).toBe(first)
  expect(other).not.toBe(first)
})

test('requesting a reset, resetting and changing a password are recorded', async () => {
  const { userId, email, cookie } = await setup.auth.signIn()
  const entries = await added(async () => {
    const change = { currentPassword: TEST_PASSWORD, newPassword: 'another password' }
    const changed = await setup.auth.post('/change-password', change, { ...from, cookie })
    expect(changed.status).toBe(200)
    await setup.auth.post('/request-password-reset', { email: 'ghost@example.com' })
    await setup.auth.post('/request-password-reset', { email })
    await setup.auth.settled()
    const token = tokenOf(setup.auth.outbox, 'PasswordResetEmail')
    const reset = { token, newPassword: 'the newest password' }
    expect((await setup.auth.post('/reset-password', reset, from)).status).toBe(200)
    expect((await setup.auth.post('/reset-password', reset, from)).status).toBe(400)
  })
  expect(entries).toMatchObject([
    { action: 'password_changed', userId, actorId: userId, ...seen },
    { action: 'password_reset_requested', userId, ip: null },
    { action: 'password_reset', userId, actorId: null, ...seen },
  ])
})

test('revoking sessions is recorded once it has happened', async () => {
  const { userId, cookie } = await setup.auth.signIn()
  const entries = await added(async () => {
    await setup.auth.post('/revoke-sessions', {})
    await setup.auth.post('/revoke-other-sessions', {}, { ...from, cookie })
    await setup.auth.post('/revoke-sessions', {}, { ...from, cookie })
    await setup.auth.post('/revoke-sessions', {}, { ...from, cookie })
  })
  expect(entries).toMatchObject([
    { action: 'session_revoked', userId, detail: { reason: 'revoke-other-sessions' } },
    { action: 'session_revoked', userId, detail: { reason: 'revoke-sessions' } },
  ])
})

test('a change of role is recorded with actor, member, organization and former role', async () => {
  const owner = await setup.auth.signIn()
  const member = await setup.auth.signIn()
  const created = await setup.auth.post(
    '/organization/create',
    { name: 'Acme', slug: 'acme' },
    owner,
  )
  const { id: organizationId } = (await created.json()) as { id: string }
  const invitation = { email: member.email, role: 'VIEWER', organizationId }
  const invited = await setup.auth.post('/organization/invite-member', invitation, owner)
  const { id: invitationId } = (await invited.json()) as { id: string }
  const about = { userId: member.userId, organizationId }
  const accept = { invitationId }
  expect(
    await added(() => setup.auth.post('/organization/accept-invitation', accept, member)),
  ).toMatchObject([
    {
      action: 'member_added',
      actorId: member.userId,
      ...about,
      detail: { to: 'VIEWER', by: owner.userId },
    },
  ])

  const row = await setup.db.member.findFirstOrThrow({ where: about })
  const change = { memberId: row.id, role: 'ADMIN', organizationId }
  const set = (who: { cookie: string }) =>
    setup.auth.post('/organization/update-member-role', change, { ...from, ...who })
  expect(await added(() => set(member))).toEqual([])
  expect(await added(() => set(owner))).toMatchObject([
    {
      action: 'role_changed',
      actorId: owner.userId,
      ...about,
      detail: { from: 'VIEWER', to: 'ADMIN' },
    },
  ])
  // An empty id means the active organization, and the entry names that one.
  const removal = { memberIdOrEmail: member.email, organizationId: '' }
  expect(
    await added(() => setup.auth.post('/organization/remove-member', removal, owner)),
  ).toMatchObject([{ action: 'member_removed', actorId: owner.userId, ...about }])
})

test('promise 7: the whole log holds no address, name or token', async () => {
  const rows = await setup.db.auditLog.findMany()
  expect(rows.length).toBeGreaterThan(10)
  const text = JSON.stringify(rows)
  expect(text).not.toMatch(/@|example\.com|Ada|203\.0\.113\.77|Mozilla/)
  for (const { token } of await setup.db.session.findMany()) expect(text).not.toContain(token)
})

const OLD = new Date(Date.now() - 91 * 24 * 60 * 60 * 1000)

test('the database lets nobody change an entry, nor delete one of the last 90 days', async () => {
  await audit(setup.db, { action: 'sign_in', userId: 'kept' })
  const where = { userId: 'kept' }
  const changed = setup.db.auditLog.updateMany({ where, data: { userId: 'other' } })
  await expect(changed).rejects.toThrow('only added to')
  await expect(setup.db.auditLog.deleteMany({ where })).rejects.toThrow('only added to')
  await expect(setup.db.$executeRaw`TRUNCATE "AuditLog"`).rejects.toThrow('only added to')
  expect(await setup.db.auditLog.count({ where })).toBe(1)

  await setup.db.auditLog.create({ data: { action: 'sign_in', userId: 'old', createdAt: OLD } })
  const young = await setup.db.auditLog.count()
  expect(await pruneAuditLog(setup.db, 1)).toBe(1)
  expect(await setup.db.auditLog.count()).toBe(young - 1)
  await setup.db.auditLog.create({ data: { action: 'sign_in', userId: 'old', createdAt: OLD } })
  expect(await pruneAuditLog(setup.db, 365)).toBe(0)
})

test('an entry joins its transaction', async () => {
  const undone = setup.db.$transaction(async (tx) => {
    await audit(tx, { action: 'role_changed', userId: 'undone' })
    throw new Error('undone')
  })
  await expect(undone).rejects.toThrow('undone')
  expect(await setup.db.auditLog.count({ where: { userId: 'undone' } })).toBe(0)
})

test('pages neither skip nor repeat an entry while others are added', async () => {
  const entry = (n: number): AuditEntry => ({
    action: n % 2 ? 'sign_in' : 'sign_out',
    userId: 'reader',
    organizationId: `org-${n % 3}`,
  })
  for (let n = 0; n < 25; n += 1) await audit(setup.db, entry(n))
  const expected = await setup.db.auditLog.findMany({
    where: { userId: 'reader' },
    orderBy: { id: 'desc' },
  })
  const read: string[] = []
  let cursor: string | null | undefined
  do {
    const page = await listAuditLog(setup.db, {
      userId: 'reader',
      limit: 10,
      ...(cursor ? { cursor } : {}),
    })
    read.push(...page.entries.map(({ id }) => id))
    cursor = page.nextCursor
    await audit(setup.db, entry(0))
  } while (cursor)
  expect(read).toEqual(expected.map(({ id }) => id))

  const some = await listAuditLog(setup.db, {
    userId: 'reader',
    action: ['sign_in'],
    organizationId: 'org-1',
    limit: 500,
  })
  expect(some.entries).toHaveLength(4)
  expect((await listAuditLog(setup.db, { userId: 'reader', to: OLD })).entries).toEqual([])
  expect((await listAuditLog(setup.db, { userId: 'old', to: new Date() })).entries).toHaveLength(1)
})

test('guesses from many addresses lock nobody out of a network that they have signed in from', async () => {
  const auth = createTestAuth({ db: setup.db, rateLimit: true })
  const { email } = await setup.auth.signIn()
  const signIn = (address: string, password: string) =>
    auth.post('/sign-in/email', { email, password }, { headers: { 'x-forwarded-for': address } })
  expect((await signIn('192.0.2.10', TEST_PASSWORD)).status).toBe(200)
  // Too long, and so refused without being hashed; it counts all the same.
  await Promise.all(Array.from({ length: 60 }, (_, n) => signIn(`198.51.${n}.1`, 'x'.repeat(129))))
  expect((await signIn('198.51.100.200', TEST_PASSWORD)).status).toBe(429)
  expect((await signIn('192.0.2.99', TEST_PASSWORD)).status).toBe(200)
})
