/** Every endpoint that changes something leaves an entry in the audit log, or is excepted by name with a reason. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { AUDITED, UNAUDITED } from '../audit/audit-endpoints.ts'
import { createTestAuth, TEST_ORIGIN, type TestAuth } from '../testing.ts'
import { CLIENT } from './github.ts'
import { CALLBACK, createPrograms } from './programs.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
let auth: TestAuth
let boss: { userId: string; cookie: string }
const programs = createPrograms(() => ({ auth, admin: boss.cookie }))
beforeAll(async () => {
  const oauth = { scopes: ['bookings:read'] }
  auth = createTestAuth({ db: setup.db, twoFactor: true, oauth, github: CLIENT })
  boss = await auth.signIn()
  await setup.db.user.update({ where: { id: boss.userId }, data: { role: 'ADMIN' } })
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
})

interface Endpoint {
  path?: string
  options?: { method?: string | string[] }
}

test('each endpoint of the running handler that is not a GET is listed once', () => {
  const endpoints = Object.values(auth.api as unknown as Record<string, Endpoint>)
  const changing = endpoints.flatMap(({ path, options }) =>
    path && [options?.method ?? 'GET'].flat().some((method) => method !== 'GET') ? [path] : [],
  )
  expect(changing.length).toBeGreaterThan(60)
  const named = [...Object.keys(AUDITED), ...Object.keys(UNAUDITED)]
  expect(named.sort()).toEqual([...new Set(changing)].sort())
  for (const reason of Object.values(UNAUDITED)) expect(reason).toMatch(/^[A-Z].{20,}\.$/)
})

/** What was added since, the oldest first. */
async function added(work: () => Promise<unknown>) {
  const before = await setup.db.auditLog.count()
  const answer = await work()
  if (answer instanceof Response) expect(answer.status).toBeLessThan(300)
  await auth.settled()
  return setup.db.auditLog.findMany({ orderBy: { id: 'asc' }, skip: before })
}
const from = () => ({ cookie: boss.cookie, headers: { 'x-forwarded-for': '203.0.113.77' } })

test('an ADMIN’s changes of a program are recorded, by the function and by the endpoints', async () => {
  const about = (clientId: string) => ({
    userId: boss.userId,
    actorId: boss.userId,
    detail: { to: clientId },
  })
  const app = { name: 'App', scopes: ['openid', 'bookings:read'], redirectUris: [CALLBACK] }
  let client = { client_id: '' }
  const made = await added(async () => {
    client = { client_id: (await programs.make(app)).clientId }
  })
  expect(made).toMatchObject([{ action: 'program_created', ...about(client.client_id) }])
  const redirect_uris = [CALLBACK]
  const body = { client_name: 'Second', redirect_uris }
  let second = ''
  const alsoMade = await added(async () => {
    const answer = await auth.post('/oauth2/create-client', body, from())
    second = ((await answer.json()) as { client_id: string }).client_id
  })
  expect(alsoMade).toMatchObject([
    { action: 'program_created', ...about(second), ip: '203.0.113.0' },
  ])
  for (const [path, more, action] of [
    ['/oauth2/update-client', { update: { client_name: 'New' } }, 'program_changed'],
    ['/oauth2/client/rotate-secret', {}, 'program_secret_replaced'],
    ['/oauth2/delete-client', {}, 'program_deleted'],
  ] as const) {
    const entries = await added(() => auth.post(path, { ...client, ...more }, from()))
    expect(entries).toMatchObject([{ action, ...about(client.client_id), ip: '203.0.113.0' }])
  }
})

test('a consent and its withdrawal are recorded', async () => {
  const { userId, cookie } = await auth.signIn()
  const scopes = ['openid', 'offline_access', 'bookings:read']
  const app = { name: 'Phone', scopes, redirectUris: [CALLBACK], isConfidential: false }
  const { clientId } = await programs.make(app)
  const about = { userId, actorId: userId, detail: { to: clientId } }
  const allowed = await added(() => programs.grant(clientId, cookie))
  expect(allowed).toMatchObject([{ action: 'program_allowed', ...about }])
  const { id } = await setup.db.oauthConsent.findFirstOrThrow({ where: { userId } })
  const update = { scopes: ['openid'] }
  const narrowed = await added(() =>
    auth.post('/oauth2/update-consent', { id, update }, { cookie }),
  )
  expect(narrowed).toMatchObject([{ action: 'program_consent_changed', ...about }])
  const withdrawn = await added(() => auth.post('/oauth2/delete-consent', { id }, { cookie }))
  expect(withdrawn).toMatchObject([{ action: 'program_consent_withdrawn', ...about }])
})

test('an owner’s changes of an organization are recorded', async () => {
  const { userId: actorId } = boss
  const create = await added(() => auth.post('/organization/create', { name: 'Acme' }, from()))
  const { organizationId } = create[0] ?? {}
  const about = { userId: null, actorId, organizationId }
  expect(organizationId).toEqual(expect.any(String))
  expect(create).toMatchObject([{ action: 'organization_created', ...about, ip: '203.0.113.0' }])
  const rename = { organizationId, data: { name: 'Acme 2' } }
  expect(await added(() => auth.post('/organization/update', rename, from()))).toMatchObject([
    { action: 'organization_changed', ...about },
  ])
  const invitation = { email: 'x@example.com', role: 'OWNER', organizationId }
  const invite = () => auth.post('/organization/invite-member', invitation, from())
  expect(await added(invite)).toMatchObject([
    { action: 'member_invited', ...about, detail: { to: 'OWNER' } },
  ])
  const { id: invitationId } = await setup.db.invitation.findFirstOrThrow({
    where: { email: 'x@example.com' },
  })
  const cancel = () => auth.post('/organization/cancel-invitation', { invitationId }, from())
  expect(await added(cancel)).toMatchObject([
    { action: 'invitation_canceled', ...about, detail: { to: 'OWNER' } },
  ])
  const remove = () => auth.post('/organization/delete', { organizationId }, from())
  expect(await added(remove)).toMatchObject([{ action: 'organization_deleted', ...about }])
})

test('a member that the host’s own code adds is recorded', async () => {
  const { userId } = await auth.signIn()
  const made = await auth.post('/organization/create', { name: 'Acme' }, from())
  const { id: organizationId } = (await made.json()) as { id: string }
  const body = { userId, role: 'VIEWER' as never, organizationId }
  expect(await added(() => auth.api.addMember({ body }))).toMatchObject([
    { action: 'member_added', userId, actorId: null, organizationId, detail: { to: 'VIEWER' } },
  ])
})

test('a declined invitation is recorded', async () => {
  const guest = await auth.signIn()
  const made = await auth.post('/organization/create', { name: 'Acme' }, from())
  const { id: organizationId } = (await made.json()) as { id: string }
  const body = { email: guest.email, role: 'VIEWER', organizationId }
  const invited = await auth.post('/organization/invite-member', body, from())
  const { id: invitationId } = (await invited.json()) as { id: string }
  const reject = () => auth.post('/organization/reject-invitation', { invitationId }, guest)
  expect(await added(reject)).toMatchObject([
    { action: 'invitation_rejected', userId: guest.userId, actorId: guest.userId, organizationId },
  ])
})

test('a confirmed address and a changed name are recorded', async () => {
  const entries = await added(() => auth.signIn('new@example.com'))
  expect(entries).toMatchObject([
    { action: 'address_confirmed', userId: expect.any(String), actorId: null },
    { action: 'sign_in' },
  ])
  const rename = () => auth.post('/update-user', { name: 'Grace' }, from())
  expect(await added(rename)).toMatchObject([{ action: 'profile_changed', userId: boss.userId }])
})

test('a refused request leaves no entry', async () => {
  const { cookie } = await auth.signIn()
  const client = { client_id: 'unknown', redirect_uris: [CALLBACK] }
  const refused = async () => {
    for (const path of ['/oauth2/create-client', '/oauth2/delete-client', '/organization/delete']) {
      const body = path.startsWith('/organization') ? { organizationId: 'unknown' } : client
      const answer = await auth.handler(
        auth.request(`/api/auth${path}`, {
          ...{ method: 'POST', cookie, body: JSON.stringify(body) },
          headers: { origin: TEST_ORIGIN, 'content-type': 'application/json' },
        }),
      )
      expect(answer.status).toBeGreaterThanOrEqual(400)
    }
  }
  expect(await added(refused)).toEqual([])
})
