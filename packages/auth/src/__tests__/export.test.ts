/** Everything that is kept about a person, for the person to take along. */

import { expect, test } from 'vitest'
import { EXPORTED } from '../account/export.ts'
import { audit } from '../audit/audit.ts'
import { cookiesOf, TEST_PASSWORD } from '../testing.ts'
import { setUpAuth } from './setup.ts'
import { createTeam } from './team.ts'

const setup = setUpAuth()
const { found, join, act } = createTeam(setup)

/** Tables that name a user and are not in the document, each with its reason. */
const EXCEPTIONS: Record<string, string> = {
  NurtureEnrollment: 'The host writes it, and knows what its sequences keep about a person.',
}

test('every table that refers to a user is in the export, or excepted with a reason', async () => {
  const tables = await setup.db.$queryRaw<{ name: string }[]>`
    SELECT DISTINCT c.table_name AS "name" FROM information_schema.columns c
    WHERE c.table_schema = 'public' AND c.column_name ~ '^(user|actor|inviter)Id$'
    UNION SELECT conrelid::regclass::text FROM pg_constraint
    WHERE contype = 'f' AND confrelid = '"User"'::regclass
    ORDER BY 1`
  const names = tables.map(({ name }) => name.replaceAll('"', ''))
  expect(names.length).toBeGreaterThan(10)
  const known = { ...EXPORTED, ...EXCEPTIONS }
  expect(names.filter((name) => !Object.hasOwn(known, name))).toEqual([])
  const { cookie } = await setup.auth.signIn()
  const document = await setup.auth.exportUser(setup.auth.request('/', { cookie }))
  for (const section of Object.values(EXPORTED)) expect(document).toHaveProperty(section)
})

/** Somebody of whom every table has a row. */
async function complete() {
  const { organizationId, owner } = await found()
  const guest = await join((await found()).organizationId, 'ADMIN', owner)
  const { db } = setup
  const { userId, email } = owner
  const secret = (name: string) => `secret-${name}-${userId}`
  const soon = new Date(Date.now() + 86_400_000)
  await db.account.create({
    data: {
      ...{ id: `gh-${userId}`, userId, accountId: userId, providerId: 'github', scope: 'user' },
      ...{ accessToken: secret('access'), refreshToken: secret('refresh') },
    },
  })
  await db.passkey.create({
    data: {
      ...{ id: `pk-${userId}`, userId, name: 'Laptop', deviceType: 'multiDevice' },
      ...{
        publicKey: secret('key'),
        credentialID: secret('credential'),
        counter: 0,
        backedUp: true,
      },
    },
  })
  await db.twoFactor.create({
    data: { id: `tf-${userId}`, userId, secret: secret('totp'), backupCodes: secret('codes') },
  })
  await db.emailChange.create({
    data: { userId, oldEmail: 'before@example.com', newEmail: email },
  })
  await db.userDeletion.create({ data: { userId, dueAt: soon } })
  const client = { clientId: `app-${userId}`, clientSecret: secret('client'), name: 'Reports' }
  await db.oauthClient.create({ data: { id: `app-${userId}`, userId, ...client } })
  const grant = {
    userId,
    clientId: client.clientId,
    scopes: ['bookings:read'],
    createdAt: new Date(),
  }
  await db.oauthConsent.create({ data: { id: `c-${userId}`, ...grant, updatedAt: new Date() } })
  const token = { ...grant, expiresAt: soon }
  await db.oauthRefreshToken.create({ data: { id: `r-${userId}`, token: secret('r'), ...token } })
  await db.oauthAccessToken.create({ data: { id: `a-${userId}`, token: secret('a'), ...token } })
  await act(owner, 'invite-member', { email: 'friend@example.com', role: 'VIEWER', organizationId })
  const host = await found()
  await act(host.owner, 'invite-member', {
    ...{ email, role: 'VIEWER', organizationId: host.organizationId },
  })
  return { ...owner, guest, organizationId }
}

test('one document holds all data of the user, and no token, hash or secret', async () => {
  const { userId, email, cookie } = await complete()
  const document = await setup.auth.exportUser(setup.auth.request('/', { cookie }))
  expect(document).toMatchObject({
    user: { id: userId, email, name: 'Ada', emailVerified: true },
    accounts: expect.arrayContaining([
      expect.objectContaining({ providerId: 'github', accountId: userId }),
      expect.objectContaining({ providerId: 'credential' }),
    ]),
    sessions: [expect.objectContaining({ isCurrent: true })],
    passkeys: [expect.objectContaining({ name: 'Laptop' })],
    twoFactor: { verified: true },
    invitationsReceived: [expect.objectContaining({ role: 'VIEWER', status: 'pending' })],
    invitationsSent: [expect.objectContaining({ email: 'friend@example.com' })],
    emailChanges: [expect.objectContaining({ oldEmail: 'before@example.com' })],
    deletion: { dueAt: expect.any(Date) },
    lastOrganization: { organizationId: expect.any(String) },
    allowedPrograms: [expect.objectContaining({ client: { name: 'Reports' } })], // #oauth-server
    ownPrograms: [expect.objectContaining({ name: 'Reports' })], // #oauth-server
  })
  expect(document.memberships).toHaveLength(2)
  expect(document.programTokens).toHaveLength(2) // #oauth-server
  const actions = document.auditLog.map(({ action }) => action)
  expect(actions).toContain('sign_in')

  const text = JSON.stringify(document)
  expect(text).not.toContain('secret-')
  const { db } = setup
  const hidden = [
    ...(await db.session.findMany()).flatMap(({ token, predecessorHash }) => [
      token,
      predecessorHash,
    ]),
    ...(await db.account.findMany()).map(({ password }) => password),
  ]
  for (const value of hidden) if (value) expect(text).not.toContain(value)
})

test('the export holds no data of other people', async () => {
  const stranger = await complete()
  const { cookie, userId } = await setup.auth.signIn()
  const text = JSON.stringify(await setup.auth.exportUser(setup.auth.request('/', { cookie })))
  expect(text).toContain(userId)
  for (const part of [stranger.userId, stranger.email, stranger.organizationId]) {
    expect(text).not.toContain(part)
  }
})

test('for actions of others the export shows neither network nor browser nor session', async () => {
  const { organizationId, owner } = await found()
  const member = await join(organizationId, 'VIEWER')
  const headers = { 'x-forwarded-for': '198.51.100.77', 'user-agent': FIREFOX }
  const change = { memberId: member.memberId, role: 'MANAGER', organizationId }
  const from = { cookie: owner.cookie, headers }
  const changed = await setup.auth.post('/organization/update-member-role', change, from)
  expect(changed.status).toBe(200)
  await setup.auth.post('/update-user', { name: 'Grace' }, { cookie: member.cookie, headers: OWN })
  await setup.auth.post('/sign-in/email', { email: member.email, password: 'a wrong one' }, from)
  const fields = { actorId: owner.userId, sessionId: 'session-of-another', ip: '198.51.100.9' }
  await audit(setup.db, { action: 'impersonation_started', userId: member.userId, ...fields })
  const { auditLog } = await setup.auth.exportUser(
    setup.auth.request('/', { cookie: member.cookie }),
  )
  const seen = (action: string) => auditLog.find((entry) => entry.action === action)
  const nothing = { ip: null, userAgent: null, sessionId: null }
  expect(seen('role_changed')).toMatchObject({ actorId: owner.userId, ...nothing })
  expect(seen('impersonation_started')).toMatchObject(nothing)
  expect(seen('profile_changed')).toMatchObject({ ip: '203.0.113.0' })
  // Nobody knows whose it was, and the person has to see it.
  expect(seen('sign_in_failed')).toMatchObject({ ip: '198.51.100.0', userAgent: 'Firefox' })
})
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
const OWN = { 'x-forwarded-for': '203.0.113.77' }

test('over HTTP the export is a download that is not cached, and is recorded', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const req = setup.auth.request('/api/auth/export-user', { cookie })
  const answer = await setup.auth.handler(req)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('cache-control')).toContain('no-store')
  expect(answer.headers.get('content-disposition')).toContain('attachment')
  expect(await answer.json()).toMatchObject({ user: { id: userId } })
  expect(await setup.db.auditLog.count({ where: { userId, action: 'user_exported' } })).toBe(1)
})

test('the export needs a recent sign-in, with its second factor', async () => {
  const { cookie, userId, email } = await setup.auth.signIn()
  const page = () => setup.auth.request('/api/auth/export-user', { cookie })
  await setup.db.session.updateMany({
    where: { userId },
    data: { createdAt: new Date(Date.now() - 16 * 60_000) },
  })
  const stale = await setup.auth.handler(page())
  expect([stale.status, await stale.json()]).toMatchObject([
    403,
    { code: 'recent_sign_in_required' },
  ])
  await expect(setup.auth.exportUser(page())).rejects.toMatchObject({
    code: 'recent_sign_in_required',
    status: 403,
  })
  const again = cookiesOf(
    await setup.auth.post('/sign-in/email', { email, password: TEST_PASSWORD }),
  )
  await setup.db.user.update({ where: { id: userId }, data: { twoFactorEnabled: true } })
  const pending = setup.auth.request('/api/auth/export-user', { cookie: again })
  expect((await setup.auth.handler(pending)).status).toBe(403)
  await expect(setup.auth.exportUser(pending)).rejects.toMatchObject({ code: 'mfa_required' })
  const nobody = setup.auth.request('/api/auth/export-user')
  expect((await setup.auth.handler(nobody)).status).toBe(401)
  await expect(setup.auth.exportUser(nobody)).rejects.toMatchObject({ status: 401 })
  expect(await setup.db.auditLog.count({ where: { userId, action: 'user_exported' } })).toBe(0)
})

test('an export with thousands of log entries is complete', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  await setup.db.auditLog.createMany({
    data: Array.from({ length: 2_500 }, () => ({ action: 'sign_in', userId })),
  })
  const { auditLog } = await setup.auth.exportUser(setup.auth.request('/', { cookie }))
  const kept = await setup.db.auditLog.count({ where: { userId, action: 'sign_in' } })
  expect(auditLog.filter(({ action }) => action === 'sign_in')).toHaveLength(kept)
  expect(new Set(auditLog.map(({ id }) => id)).size).toBe(auditLog.length)
})
