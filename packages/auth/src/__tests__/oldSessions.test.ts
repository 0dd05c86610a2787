/** A session whose sign-in is older than a quarter of an hour makes nothing that outlasts it or that others suffer. */

import { readFile } from 'node:fs/promises'
import { atomically } from '@repo/db'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RECENT_SECONDS } from '../account/recent.ts'
import { createTestAuth, TEST_ORIGIN, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'
import { answered } from './endpoints.ts'
import { CLIENT } from './github.ts'
import { waitForLock } from './locks.ts'
import { byPassword, codeIn } from './people.ts'
import { CALLBACK, createPrograms, RESOURCE } from './programs.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
let auth: TestAuth
let admin = ''
const programs = createPrograms(() => ({ auth, admin }))
const SCOPES = ['openid', 'offline_access', 'bookings:read']
beforeAll(async () => {
  const oauth = { scopes: ['bookings:read'] }
  auth = createTestAuth({ db: setup.db, twoFactor: true, oauth, github: CLIENT })
  admin = (await boss()).cookie
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
})

/** As if the user had last signed in a minute too long ago. */
const age = (userId: string) =>
  setup.db.session.updateMany({
    where: { userId },
    data: { createdAt: new Date(Date.now() - (RECENT_SECONDS + 60) * 1000) },
  })
/** As a thief has it: the session alone. */
const withoutAccess = (cookie: string) =>
  cookie
    .split('; ')
    .filter((one) => !one.includes('access_token='))
    .join('; ')

/** A user whose own role is ADMIN. */
async function boss() {
  const who = await auth.signIn()
  await setup.db.user.update({ where: { id: who.userId }, data: { role: 'ADMIN' } })
  return { ...who, cookie: withoutAccess(who.cookie) }
}

/** The owner of a new organization. */
async function found() {
  const owner = await auth.signIn()
  const made = await auth.post('/organization/create', { name: 'Acme' }, owner)
  const { id: organizationId } = (await made.json()) as { id: string }
  return { ...owner, organizationId }
}

async function join(organizationId: string, role: string) {
  const who = await auth.signIn()
  const memberId = `m-${who.userId}`
  await setup.db.member.create({ data: { id: memberId, organizationId, userId: who.userId, role } })
  return { ...who, memberId }
}

const refused = async (answer: Response) =>
  expect([answer.status, await codeIn(answer)]).toEqual([403, 'recent_sign_in_required'])

/** What is no GET, and reached by an old session. */
const REACHED = [
  '/access/refresh',
  '/callback/:id',
  // Asks for a field before it asks for the password.
  '/change-email',
  '/change-email/confirm',
  '/change-email/undo',
  '/change-password',
  '/confirm-email',
  '/delete-user/cancel',
  '/get-session',
  '/oauth2/authorize',
  '/oauth2/delete-consent',
  '/oauth2/end-session',
  '/oauth2/end-session/confirm',
  '/oauth2/introspect',
  '/oauth2/public-client-prelogin',
  '/oauth2/revoke',
  '/oauth2/token',
  '/oauth2/userinfo',
  '/organization/accept-invitation',
  '/organization/cancel-invitation',
  '/organization/check-slug',
  '/organization/create',
  '/organization/has-permission',
  // Goes by the role.
  '/organization/invite-member',
  '/organization/reject-invitation',
  '/organization/set-active',
  '/organization/update',
  '/passkey/update-passkey',
  '/passkey/verify-authentication',
  '/request-password-reset',
  '/reset-password',
  '/revoke-other-sessions',
  '/revoke-session',
  '/revoke-sessions',
  '/send-verification-email',
  '/sign-in/email',
  '/sign-in/magic-link',
  '/sign-in/magic-link/confirm',
  '/sign-in/social',
  '/sign-out',
  '/sign-up/email',
  '/two-factor/disable',
  '/two-factor/enable',
  '/two-factor/generate-backup-codes',
  '/two-factor/get-totp-uri',
  '/two-factor/verify-backup-code',
  '/two-factor/verify-totp',
  '/update-user',
  '/verify-password',
]

test('of all endpoints that change something, an old session may use only these', async () => {
  const { email, userId } = await auth.signIn()
  const reached = new Set<string>()
  const closed = new Set<string>()
  const endpoints = answered(auth).filter(({ method }) => method !== 'GET')
  expect(endpoints.length).toBeGreaterThan(60)
  for (const { path, method } of endpoints) {
    const cookie = await byPassword(auth, email)
    await age(userId)
    const answer = await auth.handler(
      auth.request(`/api/auth${path.replace(/:\w+/, 'github')}`, {
        method,
        cookie,
        headers: { origin: TEST_ORIGIN, 'content-type': 'application/json' },
        body: '{"response":{"id":"x"}}',
      }),
    )
    const isClosed = (await codeIn(answer)) === 'recent_sign_in_required'
    if (isClosed) closed.add(path)
    else if (answer.status !== 404) reached.add(path)
  }
  expect([...reached].sort()).toEqual(REACHED)
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  const [, table = ''] = readme.split('### What needs a recent sign-in')
  expect(closed.size).toBeGreaterThan(12)
  for (const path of closed) expect(table.split('\n## ')[0]).toContain(`\`${path}\``)
})

test('everyday actions work with an old session', async () => {
  const { cookie, userId, organizationId } = await found()
  await age(userId)
  const friend = 'friend@example.com'
  for (const [path, body] of [
    ['/update-user', { name: 'Grace' }],
    ['/organization/create', { name: 'Second' }],
    ['/organization/set-active', { organizationId }],
    ['/organization/update', { organizationId, data: { name: 'Acme 2' } }],
    ['/organization/invite-member', { email: friend, role: 'VIEWER', organizationId }],
    ['/organization/invite-member', { email: `a-${friend}`, role: 'MANAGER', organizationId }],
    ['/access/refresh', {}],
    ['/revoke-other-sessions', {}],
  ] as const) {
    const answer = await auth.post(path, body, { cookie })
    expect([path, answer.status]).toEqual([path, 200])
  }
  for (const path of ['/get-session', '/organization/list', '/oauth2/get-consents']) {
    const answer = await auth.handler(auth.request(`/api/auth${path}`, { cookie }))
    expect([path, answer.status]).toEqual([path, 200])
  }
  expect(await auth.listSessions(auth.request('/', { cookie }))).toHaveLength(1)
  expect((await auth.post('/sign-out', {}, { cookie })).status).toBe(200)
})

test('server code can read with the headers of an old session, and cannot add a member', async () => {
  const { cookie, userId, organizationId } = await found()
  const other = await auth.signIn()
  await age(userId)
  const { headers } = auth.request('/', { cookie })
  const { api } = auth
  expect(await api.listOrganizations({ headers })).toHaveLength(1)
  const body = { userId: other.userId, role: 'VIEWER' as never, organizationId }
  await expect(api.addMember({ headers, body })).rejects.toMatchObject({
    statusCode: 403,
    body: { code: 'recent_sign_in_required' },
  })
})

describe('in an organization an old session', () => {
  test.each(['OWNER', 'ADMIN', ['OWNER']])('invites no %s', async (role) => {
    const { cookie, userId, organizationId } = await found()
    await age(userId)
    const invitation = { email: 'thief@example.com', role, organizationId }
    await refused(await auth.post('/organization/invite-member', invitation, { cookie }))
    await refused(
      await auth.post('/organization/invite-member', { ...invitation, resend: true }, { cookie }),
    )
    expect(await setup.db.invitation.count({ where: { organizationId } })).toBe(0)
  })

  test('prolongs no invitation to a role that it could not give, whatever role the request names', async () => {
    const { cookie, userId, organizationId } = await found()
    const invitation = { email: 'lasting@example.com', role: 'ADMIN', organizationId }
    expect((await auth.post('/organization/invite-member', invitation, { cookie })).status).toBe(
      200,
    )
    const rows = () => setup.db.invitation.findMany({ where: { organizationId } })
    const before = await rows()
    await age(userId)
    const again = { ...invitation, role: 'VIEWER', resend: true }
    await refused(await auth.post('/organization/invite-member', again, { cookie }))
    expect(await rows()).toEqual(before)
  })

  test.each<[string, string, (member: { memberId: string }) => object]>([
    ['hands nothing over', 'transfer-ownership', ({ memberId }) => ({ memberId })],
    ['deletes nothing', 'delete', () => ({})],
    ['removes nobody', 'remove-member', ({ memberId }) => ({ memberIdOrEmail: memberId })],
    [
      'makes nobody an OWNER',
      'update-member-role',
      ({ memberId }) => ({ memberId, role: 'OWNER' }),
    ],
    ['leaves nothing', 'leave', () => ({})],
  ])('%s', async (_, path, bodyFor) => {
    const { cookie, userId, organizationId } = await found()
    const member = await join(organizationId, 'OWNER')
    const rows = () =>
      setup.db.member.findMany({ where: { organizationId }, orderBy: { id: 'asc' } })
    const before = await rows()
    await age(userId)
    const body = { ...bodyFor(member), organizationId }
    await refused(await auth.post(`/organization/${path}`, body, { cookie }))
    expect(await rows()).toEqual(before)
    const again = await auth.post(`/organization/${path}`, body, {
      cookie: await byPassword(
        auth,
        (await setup.db.user.findUniqueOrThrow({ where: { id: userId } })).email,
      ),
    })
    expect(again.status).toBe(200)
  })

  test('gets the refusal’s code in a form', async () => {
    const { cookie, userId, organizationId } = await found()
    await age(userId)
    const req = auth.request('/team/delete', {
      method: 'POST',
      cookie,
      headers: { origin: TEST_ORIGIN, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ organizationId }).toString(),
    })
    const action = { path: '/organization/delete', success: '/', failure: '/team' }
    const answer = await auth.formAction(req, action)
    expect(answer.headers.get('location')).toBe('/team?error=recent_sign_in_required')
  })
})

describe('an invitation', () => {
  const invite = async ({ cookie, organizationId }: { cookie: string; organizationId: string }) => {
    const guest = await auth.signIn()
    const body = { email: guest.email, role: 'OWNER', organizationId }
    const invited = await auth.post('/organization/invite-member', body, { cookie })
    const { id: invitationId } = (await invited.json()) as { id: string }
    return { invitationId, guest }
  }
  const accept = ({ invitationId, guest }: Awaited<ReturnType<typeof invite>>) =>
    auth.post('/organization/accept-invitation', { invitationId }, guest)

  test.each<[string, (owner: { email: string; cookie: string }) => Promise<Response>]>([
    [
      'a reset of the password',
      async ({ email }) => {
        await auth.post('/request-password-reset', { email })
        await auth.settled()
        const token = tokenOf(auth.outbox, 'PasswordResetEmail')
        return auth.post('/reset-password', { token, newPassword: 'a new one of the owner' })
      },
    ],
    [
      'a change of address that is taken back',
      async ({ email, cookie }) => {
        const change = { newEmail: `new-${email}`, password: TEST_PASSWORD }
        expect((await auth.post('/change-email', change, { cookie })).status).toBe(200)
        await auth.settled()
        const link = auth.outbox.sent
          .filter(({ to }) => to === email)
          .map(({ text }) => /undo-email-change\?token=([^\s&]+)/.exec(text)?.[1])
          .at(-1)
        return auth.post('/change-email/undo', { token: decodeURIComponent(link ?? '') })
      },
    ],
  ])('ends with its sender’s access: %s', async (_, recover) => {
    const owner = await found()
    const sent = await invite(owner)
    expect((await recover(owner)).status).toBe(200)
    const accepted = await accept(sent)
    expect([accepted.status, await codeIn(accepted)]).toEqual([400, 'invitation_not_found'])
    const detail = { reason: 'sessions_ended', count: 1 }
    const entries = await setup.db.auditLog.findMany({
      where: { userId: owner.userId, action: 'invitation_canceled' },
    })
    expect(entries).toMatchObject([{ detail }])
    const members = await setup.db.member.count({ where: { organizationId: owner.organizationId } })
    expect(members).toBe(1)
  })

  test('outlasts a sign-out of its sender', async () => {
    const owner = await found()
    const sent = await invite(owner)
    await auth.post('/sign-out', {}, owner)
    expect((await accept(sent)).status).toBe(200)
  })

  test('is not sent by a session that ended while the request waited', async () => {
    const { userId, cookie, organizationId } = await found()
    let asked: Promise<Response> | undefined
    await atomically(setup.db, async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM "Organization" WHERE "id" = ${organizationId} FOR UPDATE`
      const body = { email: 'late@example.com', role: 'OWNER', organizationId }
      asked = auth.post('/organization/invite-member', body, { cookie })
      await waitForLock(setup.db, 1)
      await tx.session.deleteMany({ where: { userId } })
    })
    expect((await asked)?.status).toBe(401)
    expect(await setup.db.invitation.count({ where: { organizationId } })).toBe(0)
  })
})

describe('programs: an old session', () => {
  test('of an ADMIN registers no program, by the function and by the endpoint', async () => {
    const { cookie, userId } = await boss()
    await age(userId)
    await expect(
      programs.make({ name: 'Backup', scopes: ['bookings:read'] }, cookie),
    ).rejects.toMatchObject({ status: 403, code: 'recent_sign_in_required' })
    const body = { redirect_uris: ['https://evil.example/cb'] }
    await refused(await auth.post('/oauth2/create-client', body, { cookie }))
    expect(await setup.db.oauthClient.count({ where: { userId } })).toBe(0)
  })

  test('of an ADMIN changes neither its redirect addresses nor its secret', async () => {
    const { cookie, userId } = await boss()
    const known = { name: 'Known', scopes: SCOPES, redirectUris: [CALLBACK] }
    const { clientId } = await programs.make(known, cookie)
    const row = () => setup.db.oauthClient.findUniqueOrThrow({ where: { clientId } })
    const before = await row()
    await age(userId)
    const client = { client_id: clientId }
    const update = { redirect_uris: ['https://evil.example/cb'] }
    await refused(await auth.post('/oauth2/update-client', { ...client, update }, { cookie }))
    await refused(await auth.post('/oauth2/client/rotate-secret', client, { cookie }))
    await refused(await auth.post('/oauth2/delete-client', client, { cookie }))
    expect(await row()).toEqual(before)
  })

  test('consents to no program, and is told where to sign in', async () => {
    const { clientId } = await phone()
    const { cookie, userId } = await auth.signIn()
    const { location } = await programs.authorize(clientId, cookie)
    await age(userId)
    const oauth_query = new URL(location, TEST_ORIGIN).search.slice(1)
    const say = (accept: boolean) =>
      auth.post('/oauth2/consent', { accept, oauth_query }, { cookie })
    const answer = await say(true)
    const { code, url } = (await answer.json()) as { code: string; url: string }
    expect([answer.status, code]).toEqual([403, 'recent_sign_in_required'])
    expect(new URL(url).pathname).toBe('/sign-in')
    expect(new URL(url).searchParams.get('client_id')).toBe(clientId)
    expect(await setup.db.oauthConsent.count({ where: { userId } })).toBe(0)
    expect((await say(false)).status).toBe(200)
  })

  test('gets a grant that ends when the session runs out', async () => {
    const { clientId } = await phone()
    const { cookie, userId } = await auth.signIn()
    await programs.grant(clientId, cookie)
    await age(userId)
    const late = await programs.grant(clientId, cookie)
    const next = await programs.refresh(clientId, late.refresh_token)
    expect(next.status).toBe(200)
    const expiresAt = new Date(Date.now() - 1_000)
    await setup.db.session.updateMany({ where: { userId }, data: { expiresAt } })
    expect(await programs.refresh(clientId, next.refresh_token)).toMatchObject({
      status: 400,
      error: 'invalid_grant',
    })
  })

  test('gets a grant that does not pass to the next session', async () => {
    const { clientId } = await phone()
    const { cookie, userId, email } = await auth.signIn()
    const early = await programs.grant(clientId, cookie)
    await age(userId)
    // No question is asked, because the program was allowed before.
    const late = await programs.grant(clientId, cookie)
    expect(late.status).toBe(200)
    // As if it were as old as the session.
    const [first] = await setup.db.oauthRefreshToken.findMany({
      where: { userId },
      orderBy: { createdAt: 'asc' },
    })
    const grantedAt = new Date(Date.now() - RECENT_SECONDS * 1000)
    await setup.db.oauthRefreshToken.update({ where: { id: first?.id ?? '' }, data: { grantedAt } })
    await byPassword(auth, email, cookie)
    expect((await programs.refresh(clientId, late.refresh_token)).status).toBe(400)
    const next = await programs.refresh(clientId, early.refresh_token)
    expect(next.status).toBe(200)
    const rows = await setup.db.oauthRefreshToken.findMany({ where: { userId } })
    expect(rows.map((row) => row.grantedAt)).toEqual([grantedAt, grantedAt])
  })
})

const phone = () =>
  programs.make({ name: 'Phone', scopes: SCOPES, redirectUris: [CALLBACK], isConfidential: false })

describe('a program', () => {
  test('with another redirect address needs every consent again', async () => {
    const { cookie } = await boss()
    const app = { name: 'Known', scopes: SCOPES, redirectUris: [CALLBACK], isConfidential: false }
    const { clientId } = await programs.make(app, cookie)
    const user = await auth.signIn()
    const { refresh_token } = await programs.grant(clientId, user.cookie)
    const move = (redirect_uris: string[]) =>
      auth.post(
        '/oauth2/update-client',
        { client_id: clientId, update: { redirect_uris } },
        { cookie },
      )
    const elsewhere = 'https://elsewhere.example/cb'
    expect((await move([CALLBACK, elsewhere])).status).toBe(200)
    const asked = await programs.authorize(clientId, user.cookie, { redirect_uri: elsewhere })
    expect(asked.location).toContain('/consent?')
    expect((await programs.refresh(clientId, refresh_token)).status).toBe(400)
    // One address less is nothing to ask about.
    const { refresh_token: second } = await programs.grant(clientId, user.cookie)
    expect((await move([CALLBACK])).status).toBe(200)
    expect((await programs.refresh(clientId, second)).status).toBe(200)
  })

  test('gets tokens for as long as its maker is an ADMIN', async () => {
    const maker = await boss()
    const service = await programs.make(
      { name: 'Reports', scopes: ['bookings:read'] },
      maker.cookie,
    )
    const app = { name: 'App', scopes: SCOPES, redirectUris: [CALLBACK], isConfidential: false }
    const { clientId } = await programs.make(app, maker.cookie)
    const user = await auth.signIn()
    let { refresh_token } = await programs.grant(clientId, user.cookie)
    const ask = async () => {
      const body = { grant_type: 'client_credentials', scope: 'bookings:read', resource: RESOURCE }
      const own = await programs.token(body, [service.clientId, service.clientSecret])
      const refreshed = await programs.refresh(clientId, refresh_token)
      const { location } = await programs.authorize(clientId, user.cookie)
      refresh_token = refreshed.refresh_token ?? refresh_token
      return [
        own.status === 200,
        refreshed.status === 200,
        location.startsWith(`${CALLBACK}?code=`),
      ]
    }
    const make = (role: string) =>
      setup.db.user.update({ where: { id: maker.userId }, data: { role } })
    expect(await ask()).toEqual([true, true, true])
    await make('USER')
    expect(await ask()).toEqual([false, false, false])
    await make('ADMIN')
    expect(await ask()).toEqual([true, true, true])
    await setup.db.user.delete({ where: { id: maker.userId } })
    expect(await ask()).toEqual([false, false, false])
  })
})
