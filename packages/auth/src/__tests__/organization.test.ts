/** Organizations: made, switched, left and handed over, and who may do what to whom. */

import { expect, test } from 'vitest'
import { cookiesOf } from '../testing.ts'
import { setUpAuth } from './setup.ts'
import { createTeam } from './team.ts'

const setup = setUpAuth()
const { person, act, read, found, join, sessionOf, roleOf, owners } = createTeam(setup)

test('a person who creates an organization owns it and acts for it', async () => {
  const { organizationId, owner } = await found()
  expect(await sessionOf(owner)).toMatchObject({ organizationId, organizationRole: 'OWNER' })
  const req = setup.auth.request('/', { cookie: owner.cookie })
  expect(await setup.auth.requireOrganization(req)).toMatchObject({ organizationId })
  expect(await setup.auth.requirePermission(req, 'org:delete', 'calls:read:own')).toMatchObject({
    organizationRole: 'OWNER',
  })
})

test('401 without a session, 403 without the permission, 400 without an organization', async () => {
  const nobody = setup.auth.request('/')
  await expect(setup.auth.requirePermission(nobody, 'org:read')).rejects.toMatchObject({
    status: 401,
  })
  await expect(setup.auth.requireOrganization(nobody)).rejects.toMatchObject({ status: 401 })

  const { cookie } = await person()
  const alone = setup.auth.request('/', { cookie })
  await expect(setup.auth.requirePermission(alone, 'org:read')).rejects.toMatchObject({
    status: 403,
    code: 'insufficient_permission',
  })
  await expect(setup.auth.requireOrganization(alone)).rejects.toMatchObject({
    status: 400,
    code: 'organization_required',
    title: 'Organization not set up',
  })

  const { organizationId } = await found()
  const viewer = await join(organizationId, 'VIEWER')
  const req = setup.auth.request('/', { cookie: viewer.cookie })
  expect(await setup.auth.requirePermission(req, 'org:read', 'calls:read')).toBeTruthy()
  await expect(setup.auth.requirePermission(req, 'org:read', 'calls:update')).rejects.toMatchObject(
    { status: 403, message: 'calls:update is required, but the role is VIEWER.' },
  )
})

test('the access token names the new organization at once', async () => {
  const who = await person()
  const created = await setup.auth.post(
    '/organization/create',
    { name: 'Token' },
    { cookie: who.cookie },
  )
  const claims = (answer: Response) => {
    const token = /access_token=([^;]+)/.exec(cookiesOf(answer))?.[1] ?? ''
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  }
  const { id } = (await created.clone().json()) as { id: string }
  expect(claims(created)).toMatchObject({ org: id, orgRole: 'OWNER' })
  const away = await setup.auth.post(
    '/organization/set-active',
    { organizationId: null },
    { cookie: who.cookie },
  )
  expect(claims(away).org).toBeUndefined()
})

test('a member of two organizations switches between them; a stranger cannot switch to either', async () => {
  const { organizationId: first, owner } = await found()
  const { organizationId: second } = await found()
  await join(second, 'VIEWER', owner)
  expect(await sessionOf(owner)).toMatchObject({
    organizationId: second,
    organizationRole: 'VIEWER',
  })
  expect((await act(owner, 'set-active', { organizationId: first })).status).toBe(200)
  expect(await sessionOf(owner)).toMatchObject({ organizationId: first, organizationRole: 'OWNER' })

  const stranger = await person()
  expect((await act(stranger, 'set-active', { organizationId: first })).status).toBe(403)
  expect(await sessionOf(stranger)).toMatchObject({ organizationId: null })
})

test('the slug is made from the name, and a taken slug is refused, also for two requests at once', async () => {
  const { owner } = await found()
  const made = await act(owner, 'create', { name: 'Müller & Söhne' })
  expect(made.body.slug).toMatch(/^muller-sohne-[a-z0-9]{6}$/)
  expect((await act(owner, 'create', { name: '数据' })).body.slug).toMatch(/^[a-z0-9]{6}$/)

  const people = await Promise.all([1, 2, 3, 4].map(() => person()))
  const same = { name: 'Same', slug: 'the-same-slug' }
  const answers = await Promise.all(people.map((who) => act(who, 'create', same)))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400])
  for (const { status, body } of answers) {
    if (status === 400) expect(body.code).toBe('organization_already_exists')
  }
  expect(await setup.db.organization.count({ where: { slug: same.slug } })).toBe(1)
})

test('thirty organizations at once are created with fewer connections', async () => {
  const { owner } = await found()
  const made = await Promise.all(
    Array.from({ length: 30 }, (_, at) => act(owner, 'create', { name: `Many ${at}` })),
  )
  expect(new Set(made.map(({ status }) => status))).toEqual(new Set([200]))
})

test.each([
  ['an empty name', { name: '' }],
  ['a name of blanks', { name: '  ' }],
  ['a long name', { name: 'x'.repeat(101) }],
  ['a name that is no text', { name: 7 }],
  ['an address with a path in it', { name: 'A', slug: '../a' }],
  ['a long address', { name: 'A', slug: 'a'.repeat(64) }],
])('%s makes no organization', async (_, body) => {
  const who = await person()
  const before = await setup.db.organization.count()
  expect((await act(who, 'create', body)).status).toBe(400)
  expect(await setup.db.organization.count()).toBe(before)
})

const ROLES = ['OWNER', 'ADMIN', 'MANAGER', 'OPERATOR', 'VIEWER'] as const

test('names and addresses of members are shown only with the permission to read users', async () => {
  const { organizationId, owner } = await found()
  const statuses: Record<string, number[]> = {}
  for (const role of ROLES) {
    const who = role === 'OWNER' ? owner : await join(organizationId, role)
    statuses[role] = await Promise.all(
      ['get-organization', 'list-members', 'list-invitations', 'get-full-organization'].map(
        async (path) => (await read(who, path)).status,
      ),
    )
  }
  expect(statuses).toEqual({
    OWNER: [200, 200, 200, 200],
    ADMIN: [200, 200, 200, 200],
    MANAGER: [200, 200, 403, 200],
    OPERATOR: [403, 403, 403, 403],
    VIEWER: [200, 403, 403, 403],
  })
  const other = await found()
  for (const path of ['get-organization', 'list-members', 'get-full-organization']) {
    expect((await read(other.owner, `${path}?organizationId=${organizationId}`)).status).toBe(403)
  }
})

test.each(['organizationId=', 'organizationSlug=', 'organizationSlug=&organizationId='])(
  'a list requested by %s is the active organization’s list, with its permissions',
  async (query) => {
    const { organizationId, owner } = await found()
    const statuses: Record<string, number[]> = {}
    for (const role of ['OPERATOR', 'VIEWER'] as const) {
      const who = await join(organizationId, role)
      const about = `get-active-member-role?userId=${owner.userId}&${query}`
      statuses[role] = await Promise.all(
        [
          `get-organization?${query}`,
          `list-members?${query}`,
          `get-full-organization?${query}`,
          about,
        ].map(async (path) => (await read(who, path)).status),
      )
    }
    expect(statuses).toEqual({ OPERATOR: [403, 403, 403, 403], VIEWER: [200, 403, 403, 403] })
    expect((await read(owner, `list-members?${query}`)).body.total).toBe(3)
  },
)

test.each([
  'list-members?filterField=nope&filterValue=1',
  'list-members?filterField=role&filterOperator=in&filterValue=1',
  'list-members?sortBy=nope',
  'list-members?limit=x',
  'list-members?offset=-1',
  'list-members?limit=-5',
  'list-members?limit=1e400',
  'get-full-organization?membersLimit=99999999999999999999',
  'get-full-organization?membersLimit=-1',
  'get-full-organization?membersLimit=ten',
])('a list requested by %s is refused', async (path) => {
  const { owner } = await found()
  expect((await read(owner, path)).status).toBe(400)
  const plain = 'limit=10&offset=0&sortBy=role&filterField=role&filterValue=OWNER'
  expect((await read(owner, `list-members?${plain}`)).body.total).toBe(1)
})

test('the rules about who may change whose role to which role', async () => {
  const { organizationId, owner } = await found()
  const members = Object.fromEntries(
    await Promise.all(
      (['ADMIN', 'MANAGER', 'OPERATOR', 'VIEWER'] as const).map(async (role) => [
        role,
        await join(organizationId, role),
      ]),
    ),
  )
  const target = await join(organizationId, 'VIEWER')
  const change = (who: typeof owner, memberId: string, role: unknown) =>
    act(who, 'update-member-role', { memberId, role })

  for (const role of ['MANAGER', 'OPERATOR', 'VIEWER'] as const) {
    expect((await change(members[role], target.memberId, 'VIEWER')).status).toBe(403)
  }
  expect((await change(members.ADMIN, target.memberId, 'ADMIN')).status).toBe(200)
  expect((await change(members.ADMIN, target.memberId, 'OWNER')).status).toBe(403)
  expect((await change(members.ADMIN, owner.memberId, 'VIEWER')).status).toBe(403)
  expect(await roleOf(target.memberId)).toBe('ADMIN')
  for (const role of ['owner', 'member', 'USER', 'ADMIN,VIEWER', ['ADMIN', 'VIEWER'], '', [], 7]) {
    expect((await change(owner, target.memberId, role)).status).toBe(400)
  }
  expect(await roleOf(target.memberId)).toBe('ADMIN')
  expect((await change(owner, target.memberId, 'OPERATOR')).body.role).toBe('OPERATOR')
  expect(await sessionOf(target)).toMatchObject({ organizationRole: 'OPERATOR' })

  const elsewhere = await found()
  expect((await change(elsewhere.owner, target.memberId, 'ADMIN')).status).toBe(403)
  expect(await roleOf(target.memberId)).toBe('OPERATOR')
})

test('the rules about who may remove whom; a removed member has no access at once', async () => {
  const { organizationId, owner } = await found()
  const [admin, manager, operator] = await Promise.all(
    (['ADMIN', 'MANAGER', 'OPERATOR'] as const).map((role) => join(organizationId, role)),
  )
  const remove = (who: typeof owner | undefined, memberIdOrEmail: string) =>
    act(who ?? null, 'remove-member', { memberIdOrEmail, organizationId })
  expect((await remove(manager, operator?.memberId ?? '')).status).toBe(403)
  expect((await remove(admin, owner.memberId)).status).toBe(403)
  expect((await remove(undefined, owner.memberId)).status).toBe(401)
  const elsewhere = await found()
  expect((await remove(elsewhere.owner, owner.memberId)).status).toBe(400)

  expect((await remove(admin, (operator?.email ?? '').toUpperCase())).status).toBe(200)
  expect(operator && (await sessionOf(operator))).toMatchObject({
    organizationId: null,
    organizationRole: null,
  })
  const req = setup.auth.request('/', { cookie: operator?.cookie ?? '' })
  await expect(setup.auth.requireOrganization(req)).rejects.toMatchObject({ status: 400 })
  expect(await setup.db.member.count({ where: { organizationId } })).toBe(3)
})

test('the last owner cannot leave, be removed or step down', async () => {
  const { organizationId, owner } = await found()
  await join(organizationId, 'ADMIN')
  const only = /owner/
  const { memberId } = owner
  for (const [path, body] of [
    ['leave', { organizationId }],
    ['remove-member', { memberIdOrEmail: memberId }],
    ['update-member-role', { memberId, role: 'ADMIN' }],
  ] as const) {
    const { status, body: refused } = await act(owner, path, body)
    expect([path, status]).toEqual([path, 400])
    expect(refused.code).toMatch(only)
  }
  expect(await owners(organizationId)).toBe(1)
})

test('one of two owners stays, however many attempts of all kinds there are at once', async () => {
  for (let round = 0; round < 3; round += 1) {
    const { organizationId, owner } = await found()
    const second = await join(organizationId, 'OWNER')
    const attempts = Array.from({ length: 20 }, (_, at) => {
      const who = at % 2 === 0 ? owner : second
      const other = who === owner ? second : owner
      if (at % 5 === 0) return act(who, 'leave', { organizationId })
      if (at % 5 === 1) {
        return act(who, 'remove-member', { memberIdOrEmail: other.memberId, organizationId })
      }
      const memberId = at % 5 === 2 ? other.memberId : who.memberId
      return act(who, 'update-member-role', { memberId, role: 'VIEWER', organizationId })
    })
    const answers = await Promise.all(attempts)
    expect(await owners(organizationId)).toBe(1)
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter((status) => ![200, 400, 403].includes(status))).toEqual([])
    expect(statuses).toContain(200)
  }
})

test('twenty attempts of a lone owner to leave all fail', async () => {
  const { organizationId, owner } = await found()
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => act(owner, 'leave', { organizationId })),
  )
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400]))
  expect(await owners(organizationId)).toBe(1)
})

test('an owner hands over to a member, both roles change, and nobody else can', async () => {
  const { organizationId, owner } = await found()
  const heir = await join(organizationId, 'OPERATOR')
  const admin = await join(organizationId, 'ADMIN')
  const stranger = await found()
  const transfer = (who: typeof owner | null, memberId: unknown) =>
    act(who, 'transfer-ownership', { memberId, organizationId })
  expect((await transfer(null, heir.memberId)).status).toBe(401)
  expect((await transfer(admin, heir.memberId)).body.code).toBe('owner_required')
  expect((await transfer(stranger.owner, heir.memberId)).status).toBe(403)
  expect((await transfer(owner, stranger.owner.memberId)).body.code).toBe('member_not_found')
  expect((await transfer(owner, owner.memberId)).status).toBe(400)
  expect((await transfer(owner, 7)).status).toBe(400)
  expect(await owners(organizationId)).toBe(1)

  const { status, body } = await transfer(owner, heir.memberId)
  expect(status).toBe(200)
  expect(body).toMatchObject({ member: { role: 'OWNER' }, formerOwner: { role: 'ADMIN' } })
  expect(await sessionOf(heir)).toMatchObject({ organizationRole: 'OWNER' })
  expect(await sessionOf(owner)).toMatchObject({ organizationRole: 'ADMIN' })
  expect((await act(owner, 'leave', { organizationId })).status).toBe(200)
})

test('handing over to several members at once leaves one owner', async () => {
  const { organizationId, owner } = await found()
  const heirs = await Promise.all([1, 2, 3, 4].map(() => join(organizationId, 'VIEWER')))
  const answers = await Promise.all(
    heirs.map(({ memberId }) => act(owner, 'transfer-ownership', { memberId, organizationId })),
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 403, 403, 403])
  expect(await owners(organizationId)).toBe(1)
})

test('only an owner deletes the organization, with everything in it', async () => {
  const { organizationId, owner } = await found()
  const admin = await join(organizationId, 'ADMIN')
  await act(owner, 'invite-member', { email: 'late@example.com', role: 'VIEWER' })
  expect((await act(admin, 'delete', { organizationId })).status).toBe(403)
  expect((await act(owner, 'delete', { organizationId })).status).toBe(200)
  expect(await setup.db.organization.count({ where: { id: organizationId } })).toBe(0)
  expect(await setup.db.member.count({ where: { organizationId } })).toBe(0)
  expect(await setup.db.invitation.count({ where: { organizationId } })).toBe(0)
  expect(await sessionOf(admin)).toMatchObject({ organizationId: null })
})

test('server code creates an organization for a user, without a session', async () => {
  const { userId } = await person()
  const made = await setup.auth.api.createOrganization({
    body: { name: 'Made by us', slug: 'made-by-us', userId },
  })
  expect(made?.members[0]).toMatchObject({ userId, role: 'OWNER' })
})

test('all organization commands work by forms without script', async () => {
  const { cookie } = await person()
  const send = (path: string, fields: Record<string, string>) =>
    setup.auth.formAction(
      setup.auth.request('/team', {
        method: 'POST',
        cookie,
        headers: {
          origin: 'https://localhost:3000',
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: new URLSearchParams(fields).toString(),
      }),
      { path, success: '/team', failure: '/team' },
    )
  const made = await send('/organization/create', { name: 'By form' })
  expect(made.headers.get('location')).toBe('/team')
  expect(cookiesOf(made)).toContain('access_token')
  const organization = await setup.db.organization.findFirstOrThrow({ where: { name: 'By form' } })
  const invited = await send('/organization/invite-member', {
    email: 'form@example.com',
    role: 'MANAGER',
  })
  expect(invited.headers.get('location')).toBe('/team')
  const left = await send('/organization/leave', { organizationId: organization.id })
  expect(left.headers.get('location')).toMatch(/\?error=you_cannot_leave/)
})
