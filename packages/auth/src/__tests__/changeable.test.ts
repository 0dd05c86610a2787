/** What people may change of what is theirs: what is listed here, and nothing else, however it is sent. */

import { Prisma } from '@repo/db'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cookiesOf, createTestAuth, TEST_ORIGIN, TEST_PASSWORD, type TestAuth } from '../testing.ts'
import { createBrowser } from './browser.ts'
import { createDevice } from './device.ts'
import { type Issuer, OIDC_CLIENT, startIssuer } from './issuer.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
let issuer: Issuer
let auth: TestAuth
beforeAll(async () => {
  issuer = await startIssuer({ redirectUri: `${TEST_ORIGIN}/api/auth/callback/acme` })
  const oidc = { acme: { issuer: issuer.url, ...OIDC_CLIENT } }
  auth = createTestAuth({ db: setup.db, twoFactor: true, oidc })
})
afterAll(async () => {
  await auth.close()
  await issuer.close()
})

const PICTURE = 'https://cdn.example.com/ada.png?size=2'

/** A value that each column could hold, and that no row has. */
const VALUES: Record<string, unknown> = {
  emailVerified: true,
  twoFactorEnabled: true,
  aal: 2,
  counter: 99,
  backedUp: true,
  role: 'ADMIN',
  createdAt: '2001-01-01T00:00:00.000Z',
  updatedAt: '2001-01-01T00:00:00.000Z',
  expiresAt: '2099-01-01T00:00:00.000Z',
  successorSeenAt: '2001-01-01T00:00:00.000Z',
}
const sampleOf = (column: string) => VALUES[column] ?? 'chosen'
const columns = (columns: Record<string, string>, allowed: string[]) =>
  Object.keys(columns).filter((column) => !allowed.includes(column))

/** The row without the moment of its last change. */
const still = <Row extends { updatedAt: Date }>({ updatedAt, ...row }: Row) => row

test('a user can change name, picture and locale only', async () => {
  const { db } = setup
  const { cookie, userId } = await auth.signIn()
  const row = () => db.user.findUniqueOrThrow({ where: { id: userId } }).then(still)
  const given = await auth.post('/update-user', { name: 'Grace', image: PICTURE }, { cookie })
  expect([given.status, await row()]).toMatchObject([200, { name: 'Grace', image: PICTURE }])
  const before = await row()
  for (const column of columns(Prisma.UserScalarFieldEnum, ['name', 'image', 'locale'])) {
    for (const value of [sampleOf(column), null, '', false, 0]) {
      const answer = await auth.post('/update-user', { name: 'Eve', [column]: value }, { cookie })
      expect([column, answer.status]).toEqual([column, 400])
    }
  }
  const unknown = { aal: 2, isAdmin: true, banned: false, __proto__: { role: 'ADMIN' } }
  await auth.post('/update-user', { ...unknown, constructor: { role: 'ADMIN' } }, { cookie })
  expect(await row()).toEqual(before)
  const removed = await auth.post('/update-user', { image: null }, { cookie })
  expect([removed.status, (await row()).image]).toEqual([200, null])
})

test('a sign-up can set name, picture and locale only, beside address and password', async () => {
  const { db } = setup
  for (const column of columns(Prisma.UserScalarFieldEnum, ['name', 'image', 'email'])) {
    const email = `${column.toLowerCase()}@example.com`
    const body = { name: 'Ada', email, image: PICTURE, password: TEST_PASSWORD }
    await auth.post('/sign-up/email', { ...body, [column]: sampleOf(column) })
    const user = await db.user.findUniqueOrThrow({ where: { email } })
    expect(user).toMatchObject({
      role: 'USER',
      emailVerified: false,
      twoFactorEnabled: false,
      image: PICTURE,
    })
    expect([user.id, user.createdAt.getFullYear() > 2001]).toEqual([
      expect.not.stringMatching('chosen'),
      true,
    ])
  }
})

test('no field of a session can be changed', async () => {
  const { db } = setup
  const { cookie, userId } = await auth.signIn()
  const row = () => db.session.findFirstOrThrow({ where: { userId } }).then(still)
  const before = await row()
  for (const column of [...columns(Prisma.SessionScalarFieldEnum, []), 'unheardOf']) {
    const answer = await auth.post('/update-session', { [column]: sampleOf(column) }, { cookie })
    expect([column, answer.status]).toEqual([column, 400])
  }
  expect(await row()).toEqual(before)
})

test('an organization’s name, slug, logo and metadata can be changed, and nothing else', async () => {
  const { db } = setup
  const { cookie } = await auth.signIn()
  const extra = { id: 'chosen', createdAt: VALUES.createdAt, role: 'OWNER', members: [] }
  const body = { name: 'Acme', slug: 'acme', logo: PICTURE, metadata: { a: 1 }, ...extra }
  const made = await auth.post('/organization/create', body, { cookie })
  const { id: organizationId } = (await made.json()) as { id: string }
  expect(organizationId).not.toBe('chosen')
  const row = () => db.organization.findUniqueOrThrow({ where: { id: organizationId } })
  const { createdAt } = await row()
  expect(createdAt.getFullYear()).toBeGreaterThan(2001)
  const data = { name: 'Beta', slug: 'beta', logo: null, metadata: { b: 2 }, ...extra }
  const answer = await auth.post('/organization/update', { organizationId, data }, { cookie })
  expect([answer.status, await row()]).toMatchObject([
    200,
    { id: organizationId, name: 'Beta', slug: 'beta', logo: null, metadata: '{"b":2}', createdAt },
  ])
})

test('a member’s role and a passkey’s name can be changed, and nothing else', async () => {
  const { db } = setup
  const { cookie, userId } = await auth.signIn()
  const guest = await auth.signIn()
  const made = await auth.post('/organization/create', { name: 'Acme' }, { cookie })
  const { id: organizationId } = (await made.json()) as { id: string }
  const member = await db.member.create({
    data: { id: `m-${guest.userId}`, organizationId, userId: guest.userId, role: 'VIEWER' },
  })
  const more = Object.fromEntries(
    columns(Prisma.MemberScalarFieldEnum, ['role', 'organizationId']).map((each) => [
      each,
      sampleOf(each),
    ]),
  )
  const answer = await auth.post(
    '/organization/update-member-role',
    { ...more, memberId: member.id, organizationId, role: 'MANAGER' },
    { cookie },
  )
  expect([answer.status, await db.member.findUnique({ where: { id: member.id } })]).toEqual([
    200,
    { ...member, role: 'MANAGER' },
  ])

  await createDevice(auth).register(cookie)
  const passkey = await db.passkey.findFirstOrThrow({ where: { userId } })
  const rest = Object.fromEntries(
    columns(Prisma.PasskeyScalarFieldEnum, ['name', 'id']).map((each) => [each, sampleOf(each)]),
  )
  const named = await auth.post(
    '/passkey/update-passkey',
    { ...rest, id: passkey.id, name: 'Phone' },
    { cookie },
  )
  expect([named.status, await db.passkey.findUnique({ where: { id: passkey.id } })]).toEqual([
    200,
    { ...passkey, name: 'Phone' },
  ])
})

const NO_PICTURES = [
  'http://cdn.example.com/a.png',
  'data:image/png;base64,AAAA',
  'javascript:alert(1)',
  'https:cdn.example.com/a.png',
  '//cdn.example.com/a.png',
  '/a.png',
  'blob:https://app.example.com/x',
  'https://ada:secret@cdn.example.com/a.png',
  'https://cdn.example.com/a b.png',
  'https://cdn.example.com\\a.png',
  'https://',
  `https://cdn.example.com/${'a'.repeat(2_048)}`,
  ' https://cdn.example.com/a.png',
  '',
]

test.each(NO_PICTURES)(
  '%j is refused as a user’s picture and as an organization’s logo',
  async (url) => {
    const { db } = setup
    const { cookie, userId } = await auth.signIn()
    const made = await auth.post('/organization/create', { name: 'Acme' }, { cookie })
    const { id } = (await made.json()) as { id: string }
    const email = `pictured-${userId.toLowerCase()}@example.com`
    for (const [path, body] of [
      ['/update-user', { image: url }],
      ['/sign-up/email', { name: 'Ada', email, password: TEST_PASSWORD, image: url }],
      ['/organization/create', { name: 'Logo', logo: url }],
      ['/organization/update', { organizationId: id, data: { logo: url } }],
    ] as const) {
      const answer = await auth.post(path, body, { cookie })
      expect([path, answer.status, await answer.json()]).toMatchObject([
        path,
        400,
        { code: 'invalid_request' },
      ])
    }
    expect(await db.user.findUnique({ where: { id: userId } })).toMatchObject({ image: null })
    expect(await db.user.count({ where: { email } })).toBe(0)
    expect(await db.organization.count({ where: { logo: url } })).toBe(0)
  },
)

/** Signs in by the provider, which tells this of its user. */
async function byProvider(profile: Issuer['profile']): Promise<Response> {
  issuer.profile = profile
  const begun = await auth.post('/sign-in/social', { provider: 'acme', callbackURL: '/' })
  const { url } = (await begun.json()) as { url: string }
  const { pathname, search } = await createBrowser().until(TEST_ORIGIN, url)
  return auth.handler(auth.request(`${pathname}${search}`, { cookie: cookiesOf(begun) }))
}

test.each([
  ['https://cdn.example.com/a.png', 'https://cdn.example.com/a.png'],
  ['http://cdn.example.com/a.png', null],
  ['data:image/png;base64,AAAA', null],
  ['javascript:alert(1)', null],
])('a provider’s picture %j is stored as %j, and its user is signed in', async (picture, kept) => {
  const sub = `pictured-${picture.length}`
  const email = `${sub}@example.com`
  const answer = await byProvider({ sub, email, email_verified: true, name: 'Ada', picture })
  expect(cookiesOf(answer)).toContain('session_token')
  expect(await setup.db.user.findUnique({ where: { email } })).toMatchObject({ image: kept })
})

test.each([
  ['a name', { name: { a: 1 } }],
  ['a name of many letters', { name: '🙂'.repeat(5_000) }],
  ['a picture', { picture: ['https://cdn.example.com/a.png'] }],
  ['an address', { email: 7 }],
  ['a list of addresses', { email: ['ada@example.com'] }],
  ['an address in an object', { email: { address: 'ada@example.com' } }],
])('a provider’s nonsense for %s is not a 500', async (what, told) => {
  const sub = `nonsense-${what.replaceAll(' ', '-')}`
  const user = { sub, email: `${sub}@example.com`, email_verified: true, name: 'Ada' }
  const answer = await byProvider({ ...user, ...told })
  expect(answer.status).toBeLessThan(500)
  expect(await setup.db.user.count({ where: { email: { not: { contains: '@' } } } })).toBe(0)
})
