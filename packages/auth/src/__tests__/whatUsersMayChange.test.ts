/**
 * What users may change of their own row, their session's and their organization's: every column is sent to
 * every endpoint that writes the row, one at a time, and only those change that are on the list.
 */

import { describe, expect, test } from 'vitest'
import { TEST_PASSWORD } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth({ twoFactor: true })

/** Something of the column's own kind that nobody had. */
const otherThan = (value: unknown): unknown => {
  if (value instanceof Date) return new Date('2031-02-03T04:05:06Z')
  if (typeof value === 'boolean') return !value
  if (typeof value === 'number') return value + 1
  return value === 'USER' ? 'ADMIN' : 'other'
}

/** What Prisma would write through, if it were passed on. */
const RELATIONS = ['user', 'members', 'sessions', 'accounts', 'organization', 'invitations', 'AND']

/** What differs between two rows, times of change left out. */
const changed = (before: object, after: object) =>
  Object.keys(after).filter(
    (key) =>
      key !== 'updatedAt' &&
      JSON.stringify(Reflect.get(before, key)) !== JSON.stringify(Reflect.get(after, key)),
  )

interface Writing {
  path: string
  table: 'user' | 'session' | 'organization' | 'member' | 'invitation'
  /** What the endpoint needs. */
  body(row: Record<string, unknown>): object
  /** Where the columns are put. */
  within?: string
  allowed: string[]
}

const WRITINGS: Writing[] = [
  { path: '/update-user', table: 'user', body: () => ({}), allowed: ['name', 'image'] },
  { path: '/update-session', table: 'session', body: () => ({}), allowed: [] },
  {
    path: '/organization/update',
    table: 'organization',
    body: ({ id }) => ({ organizationId: id }),
    within: 'data',
    allowed: ['name', 'slug', 'logo', 'metadata'],
  },
]

describe.each(WRITINGS)('$path', ({ path, table, body, within, allowed }) => {
  test(`changes ${allowed.join(', ') || 'nothing'} and no other column`, async () => {
    const { cookie } = await setup.auth.signIn()
    await setup.auth.post('/organization/create', { name: 'Acme' }, { cookie })
    const session = await setup.auth.requireAuth(setup.auth.request('/', { cookie }), {
      fresh: true,
    })
    const id = {
      user: session.userId,
      session: session.sessionId,
      organization: session.organizationId,
    }[table as 'user'] as string
    const find = () =>
      (setup.db[table] as typeof setup.db.user).findUniqueOrThrow({ where: { id } })
    const columns = [...Object.keys(await find()), ...RELATIONS]
    const found = new Set<string>()
    for (const column of columns) {
      const before = await find()
      const value = otherThan(Reflect.get(before, column))
      for (const sent of [value, { set: value }, [value]]) {
        const fields = { [column]: sent }
        const given = within ? { [within]: fields } : fields
        const answer = await setup.auth.post(
          path,
          { ...body(before as never), ...given },
          { cookie },
        )
        expect([column, sent, answer.status]).toEqual([column, sent, expect.any(Number)])
        for (const each of changed(before, await find())) found.add(each)
      }
    }
    expect([...found].sort()).toEqual([...allowed].sort())
  })
})

/** Every column of the row as something else, and what relations could be written through. */
const everything = (row: object) =>
  Object.fromEntries(
    [...Object.entries(row), ...RELATIONS.map((name) => [name, null])].map(([key, value]) => [
      key,
      otherThan(value),
    ]),
  )

test('a sign-up takes a name, an address, a password and a picture, and nothing else', async () => {
  const { userId } = await setup.auth.signIn()
  const row = await setup.db.user.findUniqueOrThrow({ where: { id: userId } })
  const asked = { name: 'Eve', email: 'eve@example.com', password: TEST_PASSWORD }
  const image = 'https://x.example/a.png'
  await setup.auth.post('/sign-up/email', { ...everything(row), role: 'ADMIN', ...asked, image })
  await setup.auth.settled()
  const user = await setup.db.user.findUniqueOrThrow({ where: { email: asked.email } })
  expect(user).toMatchObject({
    name: 'Eve',
    emailVerified: false,
    role: 'USER',
    twoFactorEnabled: false,
  })
  expect(user.id).not.toBe('other')
  expect(Math.abs(Date.now() - user.createdAt.getTime())).toBeLessThan(600_000)
})

test('a new organization and an invitation take no ids, times or states from outside', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  await setup.auth.post('/organization/create', { name: 'Acme' }, { cookie })
  const organization = await setup.db.organization.findFirstOrThrow()
  const create = { ...everything(organization), name: 'Beta', slug: 'beta', metadata: {} }
  await setup.auth.post('/organization/create', { ...create, userId: 'other' }, { cookie })
  const made = await setup.db.organization.findUniqueOrThrow({
    where: { slug: 'beta' },
    include: { members: true },
  })
  expect(made).toMatchObject({ name: 'Beta', members: [{ userId, role: 'OWNER' }] })
  expect(made.id).not.toBe('other')
  expect(Math.abs(Date.now() - made.createdAt.getTime())).toBeLessThan(600_000)

  const invite = { email: 'guest@example.com', role: 'VIEWER', organizationId: made.id }
  const extra = {
    id: 'other',
    status: 'accepted',
    inviterId: 'other',
    expiresAt: new Date('2031-01-01'),
    createdAt: new Date(0),
  }
  await setup.auth.post('/organization/invite-member', { ...extra, ...invite }, { cookie })
  const invitation = await setup.db.invitation.findFirstOrThrow({ where: { email: invite.email } })
  expect(invitation).toMatchObject({ ...invite, status: 'pending', inviterId: userId })
  expect(invitation.id).not.toBe('other')
  const days = (invitation.expiresAt.getTime() - Date.now()) / 86_400_000
  expect(days).toBeGreaterThan(1.9)
  expect(days).toBeLessThan(2.1)
})
