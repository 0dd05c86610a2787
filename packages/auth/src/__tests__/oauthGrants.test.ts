/** What a user has granted a program: tokens good once, and the ends of a grant. */

import { atomically, createDb } from '@repo/db'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRequireScope, type RequireScope } from '../scopes.ts'
import {
  cookiesOf,
  createTestAuth,
  TEST_ORIGIN,
  TEST_PASSWORD,
  type TestAuth,
  tokenOf,
} from '../testing.ts'
import { waitForLock } from './locks.ts'
import { CALLBACK, createPrograms } from './programs.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const oauth = { scopes: ['bookings:read', 'bookings:write'] }
const SCOPES = ['openid', 'offline_access', 'bookings:read']

let auth: TestAuth
let elsewhere: TestAuth
let requireScope: RequireScope
let admin: string
let phone: string
beforeAll(async () => {
  auth = createTestAuth({ db: setup.db, oauth })
  elsewhere = createTestAuth({ db: setup.db, oauth })
  const { cookie, userId } = await auth.signIn()
  await setup.db.user.update({ where: { id: userId }, data: { role: 'ADMIN' } })
  admin = cookie
  const jwks = await (await auth.handler(auth.request('/api/auth/jwks'))).json()
  requireScope = createRequireScope({ baseURL: TEST_ORIGIN, jwks: jwks as never })
  phone = await publicClient()
})
afterAll(async () => {
  for (const each of [auth, elsewhere]) await each.close()
})

const { make, token, grant, refresh, bearing, codeFor } = createPrograms(() => ({ auth, admin }))
const other = createPrograms(() => ({ auth: elsewhere, admin }))

const publicClient = async () =>
  (await make({ name: 'Phone', scopes: SCOPES, redirectUris: [CALLBACK], isConfidential: false }))
    .clientId

const tokensOf = (userId: string) => setup.db.oauthRefreshToken.findMany({ where: { userId } })
const isGood = async (clientId: string, refreshToken: string | undefined) =>
  (await refresh(clientId, refreshToken)).status === 200
const reuses = (userId: string) =>
  setup.db.auditLog.findMany({ where: { userId, action: 'refresh_token_reused' } })

const asked = (path: string, fields: Record<string, string>, basic?: string) =>
  auth.handler(
    auth.request(`/api/auth/oauth2/${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        ...(basic ? { authorization: `Basic ${btoa(basic)}` } : {}),
      },
      body: new URLSearchParams(fields).toString(),
    }),
  )

test.each<[string, Record<string, string>]>([
  ['no hint', {}],
  ['the hint that it is a refresh token', { token_type_hint: 'refresh_token' }],
  ['the wrong hint', { token_type_hint: 'access_token' }],
  ['a hint that nobody knows', { token_type_hint: 'x' }],
])('a refresh token that is revoked with %s is revoked', async (_, hint) => {
  const { cookie } = await auth.signIn()
  const { refresh_token = '' } = await grant(phone, cookie)
  const fields = { client_id: phone, token: refresh_token, ...hint }
  expect((await asked('revoke', fields)).status).toBe(200)
  expect(await isGood(phone, refresh_token)).toBe(false)
  // Once more there is nothing to do (RFC 7009, 2.2).
  expect((await asked('revoke', fields)).status).toBe(200)
})

test.each(['access_token', 'refresh_token'])(
  'introspection finds a token of either kind with the hint %s',
  async (token_type_hint) => {
    const { cookie } = await auth.signIn()
    const redirect = { redirectUris: [CALLBACK] }
    const { clientId, clientSecret } = await make({ name: 'Web', scopes: SCOPES, ...redirect })
    const basic = `${clientId}:${clientSecret}`
    const code = await codeFor(clientId, cookie)
    const { access_token, refresh_token = '' } = await token(code, [clientId, clientSecret])
    for (const each of [access_token, refresh_token]) {
      const answer = await asked('introspect', { token: each, token_type_hint }, basic)
      expect(await answer.json()).toMatchObject({ active: true })
    }
  },
)

test('a refresh token works once, and each use returns the next one, an access token and an id token', async () => {
  const { cookie, userId } = await auth.signIn()
  const first = await grant(phone, cookie)
  expect(first.scope?.split(' ').sort()).toEqual([...SCOPES].sort())
  let latest = first.refresh_token
  for (let n = 0; n < 3; n += 1) {
    const given = await refresh(phone, latest)
    expect(given.status).toBe(200)
    expect(given.refresh_token).toMatch(/^\w{20,}$/)
    expect(given.refresh_token).not.toBe(latest)
    expect(decodeJwt(given.id_token ?? '')).toMatchObject({ sub: userId, aud: phone })
    expect(await requireScope(bearing(given.access_token), 'bookings:read')).toMatchObject({
      clientId: phone,
      userId,
    })
    latest = given.refresh_token
  }
  expect(await reuses(userId)).toEqual([])
  expect((await tokensOf(userId)).filter(({ revoked }) => revoked === null)).toHaveLength(1)
})

test('reusing a token ends the whole grant, and that is recorded', async () => {
  const { cookie, userId } = await auth.signIn()
  const first = await grant(phone, cookie)
  const tablet = await grant(phone, cookie)
  const second = await refresh(phone, first.refresh_token)
  const again = await refresh(phone, first.refresh_token)
  expect([again.status, again.error, again.access_token]).toEqual([400, 'invalid_grant', undefined])
  for (const { refresh_token } of [first, second]) {
    expect(await isGood(phone, refresh_token)).toBe(false)
  }
  expect(await reuses(userId)).toMatchObject([{ detail: { from: phone }, actorId: null }])
  // Another device of the same person has a grant of its own.
  expect(await isGood(phone, tablet.refresh_token)).toBe(true)
  // What is a JWT lives on for the rest of its five minutes.
  const { exp = 0, iat = 0 } = decodeJwt(second.access_token)
  expect(exp - iat).toBe(300)
})

test('reusing a token from days ago ends the grant, too', async () => {
  const { cookie, userId } = await auth.signIn()
  const first = await grant(phone, cookie)
  const second = await refresh(phone, first.refresh_token)
  await setup.db.oauthRefreshToken.updateMany({
    where: { userId, revoked: { not: null } },
    data: { revoked: new Date(Date.now() - 3 * 86_400_000) },
  })
  expect(await isGood(phone, first.refresh_token)).toBe(false)
  expect(await isGood(phone, second.refresh_token)).toBe(false)
  expect(await reuses(userId)).toHaveLength(1)
})

test('many reused tokens at once end the grant once', async () => {
  const { cookie, userId } = await auth.signIn()
  const used = [await grant(phone, cookie)]
  for (let n = 0; n < 4; n += 1) used.push(await refresh(phone, used[n]?.refresh_token))
  const answers = await Promise.all(
    used
      .slice(0, 4)
      .flatMap(({ refresh_token }) => [
        refresh(phone, refresh_token),
        other.refresh(phone, refresh_token),
      ]),
  )
  expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(400))
  expect(await tokensOf(userId)).toEqual([])
})

test('requesting fewer scopes narrows the access token only, and neither the grant nor the next refresh token', async () => {
  const { cookie, userId } = await auth.signIn()
  const { refresh_token } = await grant(phone, cookie)
  const narrow = await refresh(phone, refresh_token, { scope: 'bookings:read' })
  expect([narrow.status, narrow.scope]).toEqual([200, 'bookings:read'])
  const wide = await refresh(phone, narrow.refresh_token)
  expect([wide.status, wide.scope?.split(' ').sort()]).toEqual([200, [...SCOPES].sort()])
  expect(await isGood(phone, narrow.refresh_token)).toBe(false)
  expect(await reuses(userId)).toHaveLength(1)
  const { refresh_token: another } = await grant(phone, cookie)
  const more = await refresh(phone, another, { scope: 'bookings:write' })
  expect([more.status, more.error]).toEqual([400, 'invalid_scope'])
  expect(await isGood(phone, another)).toBe(true)
})

test('concurrent requests with one token get one answer, over all processes; a later request counts as reuse', async () => {
  const { cookie, userId } = await auth.signIn()
  const { refresh_token } = await grant(phone, cookie)
  // Held until all have begun.
  const waiting: Promise<Awaited<ReturnType<typeof refresh>>>[] = []
  await atomically(setup.db, async (tx) => {
    await tx.$queryRaw`SELECT 1 FROM "User" WHERE "id" = ${userId} FOR UPDATE`
    for (let n = 0; n < 6; n += 1) {
      waiting.push((n % 2 ? other : { refresh }).refresh(phone, refresh_token))
    }
    await waitForLock(setup.db, 6)
  })
  const answers = await Promise.all(waiting)
  expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200))
  const [next, ...rest] = new Set(answers.map((answer) => answer.refresh_token))
  expect(rest).toEqual([])
  expect(await tokensOf(userId)).toHaveLength(2)
  const after = await refresh(phone, next)
  expect(after.status).toBe(200)
  expect(await isGood(phone, refresh_token)).toBe(false)
  expect(await isGood(phone, after.refresh_token)).toBe(false)
  expect(await reuses(userId)).toHaveLength(1)
})

test('a grant that ends during an exchange leaves no token behind', async () => {
  const { cookie, userId } = await auth.signIn()
  const first = await grant(phone, cookie)
  const second = await refresh(phone, first.refresh_token)
  const pending: Promise<unknown>[] = []
  await atomically(setup.db, async (tx) => {
    await tx.$queryRaw`SELECT 1 FROM "OauthRefreshToken" WHERE "userId" = ${userId} AND "revoked" IS NULL FOR UPDATE`
    pending.push(refresh(phone, second.refresh_token))
    await waitForLock(setup.db, 1)
    pending.push(refresh(phone, first.refresh_token))
    await waitForLock(setup.db, 2)
  })
  await Promise.all(pending)
  expect(await tokensOf(userId)).toEqual([])
})

test.each(['first', 'last'])(
  'a session that ends during an exchange, the exchange %s, leaves no token behind',
  async (exchange) => {
    const { cookie, userId } = await auth.signIn()
    const { refresh_token } = await grant(phone, cookie)
    const pending: Promise<unknown>[] = []
    const steps = [
      () => refresh(phone, refresh_token),
      () => auth.post('/revoke-sessions', {}, { cookie }),
    ]
    if (exchange === 'last') steps.reverse()
    await atomically(setup.db, async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM "OauthRefreshToken" WHERE "userId" = ${userId} FOR UPDATE`
      for (const [n, step] of steps.entries()) {
        pending.push(step())
        await waitForLock(setup.db, n + 1)
      }
    })
    const answers = (await Promise.all(pending)) as { status: number }[]
    for (const { status } of answers) expect([200, 400]).toContain(status)
    expect(await setup.db.session.count({ where: { userId } })).toBe(0)
    expect(await tokensOf(userId)).toEqual([])
  },
)

test('more exchanges at once than there are connections all succeed, also in a new process', async () => {
  const { cookie } = await auth.signIn()
  const grants: Awaited<ReturnType<typeof grant>>[] = []
  for (let n = 0; n < 8; n += 1) grants.push(await grant(phone, cookie))
  const db = createDb(setup.url, { maxConnections: 3 })
  const fresh = createTestAuth({ db, oauth })
  const programs = createPrograms(() => ({ auth: fresh, admin }))
  const answers = await Promise.all(
    grants.map(({ refresh_token }) => programs.refresh(phone, refresh_token)),
  )
  expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200))
  await fresh.close()
  await db.$disconnect()
})

test('a code whose session ends meanwhile gives no tokens', async () => {
  const { cookie, userId } = await auth.signIn()
  const exchange = await codeFor(phone, cookie)
  await setup.db.session.deleteMany({ where: { userId } })
  expect((await token(exchange)).status).toBe(400)
  expect(await tokensOf(userId)).toEqual([])
})

describe('a grant ends with', () => {
  /** Somebody with a session here, one elsewhere, and a grant given in each. */
  async function person() {
    const { cookie, email, userId } = await auth.signIn()
    const signedIn = await auth.post('/sign-in/email', { email, password: TEST_PASSWORD })
    const away = cookiesOf(signedIn)
    const sessions = await auth.listSessions(auth.request('/', { cookie: away }))
    const awayId = sessions.find(({ isCurrent }) => isCurrent)?.sessionId ?? ''
    const clientId = await publicClient()
    const here = (await grant(clientId, cookie)).refresh_token
    const there = (await grant(clientId, away)).refresh_token
    return { cookie, away, awayId, email, userId, clientId, here, there }
  }
  type Person = Awaited<ReturnType<typeof person>>

  const NEITHER = { here: false, there: false }
  const HERE = { here: true, there: false }
  test.each<[string, (who: Person) => Promise<unknown>, { here: boolean; there: boolean }]>([
    ['its session, signed out', ({ away }) => auth.post('/sign-out', {}, { cookie: away }), HERE],
    [
      'its session, ended from elsewhere',
      ({ cookie, awayId }) => auth.revokeSession(auth.request('/', { cookie }), awayId),
      HERE,
    ],
    [
      'all other sessions',
      ({ cookie }) => auth.revokeOtherSessions(auth.request('/', { cookie })),
      HERE,
    ],
    [
      'all other sessions, by the endpoint',
      ({ cookie }) => auth.post('/revoke-other-sessions', {}, { cookie }),
      HERE,
    ],
    [
      'all other sessions, also when its own has run out',
      async ({ cookie, awayId }) => {
        const expiresAt = new Date(Date.now() - 60_000)
        await setup.db.session.update({ where: { id: awayId }, data: { expiresAt } })
        await auth.post('/revoke-other-sessions', {}, { cookie })
      },
      HERE,
    ],
    ['all sessions', ({ cookie }) => auth.post('/revoke-sessions', {}, { cookie }), NEITHER],
    [
      'a changed password',
      ({ cookie }) =>
        auth.post(
          '/change-password',
          { currentPassword: TEST_PASSWORD, newPassword: 'another good password' },
          { cookie },
        ),
      NEITHER,
    ],
    [
      'a reset password',
      async ({ email }) => {
        await auth.post('/request-password-reset', { email })
        await auth.settled()
        const reset = tokenOf(auth.outbox, 'PasswordResetEmail')
        await auth.post('/reset-password', { token: reset, newPassword: 'another good password' })
      },
      NEITHER,
    ],
    ['its user', ({ userId }) => setup.db.user.delete({ where: { id: userId } }), NEITHER],
    [
      'its consent',
      async ({ cookie, userId }) => {
        const { id } = await setup.db.oauthConsent.findFirstOrThrow({ where: { userId } })
        expect((await auth.post('/oauth2/delete-consent', { id }, { cookie })).status).toBe(200)
      },
      NEITHER,
    ],
    [
      'a part of its consent',
      async ({ cookie, userId }) => {
        const { id } = await setup.db.oauthConsent.findFirstOrThrow({ where: { userId } })
        const update = { scopes: ['openid', 'offline_access'] }
        const answer = await auth.post('/oauth2/update-consent', { id, update }, { cookie })
        expect(answer.status).toBe(200)
      },
      NEITHER,
    ],
    [
      'its program',
      ({ clientId }) => setup.db.oauthClient.delete({ where: { clientId } }),
      NEITHER,
    ],
  ])('%s', async (_, act, left) => {
    const who = await person()
    await act(who)
    expect({
      here: await isGood(who.clientId, who.here),
      there: await isGood(who.clientId, who.there),
    }).toEqual(left)
  })

  test('no action that keeps its session, and not with the mere expiry of the session', async () => {
    const { cookie, away, awayId, userId, clientId, here, there } = await person()
    await auth.post('/access/refresh', {}, { cookie })
    const expiresAt = new Date(Date.now() - 60_000)
    await setup.db.session.update({ where: { id: awayId }, data: { expiresAt } })
    expect(await auth.getSession(auth.request('/', { cookie: away }), { fresh: true })).toBeNull()
    expect([await isGood(clientId, here), await isGood(clientId, there)]).toEqual([true, true])
    expect(await tokensOf(userId)).toHaveLength(4)
  })

  test('no new sign-in of the same person in the same browser', async () => {
    const { cookie, email, userId, clientId, here } = await person()
    const signedIn = await auth.post(
      '/sign-in/email',
      { email, password: TEST_PASSWORD },
      { cookie },
    )
    expect(await auth.getSession(auth.request('/', { cookie }), { fresh: true })).toBeNull()
    expect(await isGood(clientId, here)).toBe(true)
    await auth.post('/sign-out', {}, { cookie: cookiesOf(signedIn) })
    const tokens = await tokensOf(userId)
    expect(tokens.filter(({ revoked }) => revoked === null)).toHaveLength(1)
  })

  test('a sign-in of somebody else in the same browser', async () => {
    const { cookie, clientId, here } = await person()
    const { email } = await auth.signIn()
    await auth.post('/sign-in/email', { email, password: TEST_PASSWORD }, { cookie })
    expect(await isGood(clientId, here)).toBe(false)
  })
})

test('the same rules hold for a program with a secret', async () => {
  const { clientId, clientSecret } = await make({
    name: 'Web',
    scopes: SCOPES,
    redirectUris: [CALLBACK],
  })
  const { cookie, userId } = await auth.signIn()
  const basic: [string, string | null] = [clientId, clientSecret]
  const { client_id: _, ...exchange } = await codeFor(clientId, cookie)
  const first = await token(exchange, basic)
  const use = (refresh_token = '', as = basic) =>
    token({ grant_type: 'refresh_token', refresh_token }, as)
  const stranger = await use(first.refresh_token, [clientId, 'not the secret'])
  expect(stranger.status).toBe(401)
  const second = await use(first.refresh_token)
  expect(second.status).toBe(200)
  expect((await use(first.refresh_token)).status).toBe(400)
  expect((await use(second.refresh_token)).status).toBe(400)
  expect(await reuses(userId)).toHaveLength(1)
})
