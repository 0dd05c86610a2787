/** requirePermission with tables, policies and tokens of all kinds. */

import { createTestLogger } from '@repo/core/testing'
import type { JSONWebKeySet } from 'jose'
import { beforeAll, expect, test } from 'vitest'
import { createAccess, createAuth, createEdge, defineRoles, PERMISSIONS, ROLES } from '../index.ts'
import { TEST_ORIGIN } from '../testing.ts'
import { setUpAuth } from './setup.ts'
import { createTeam, type Person } from './team.ts'

const roles = defineRoles([...PERMISSIONS, 'reports:read'], {
  ...ROLES,
  AUDITOR: ['org:read', 'reports:read'],
})
const access = createAccess({
  roles,
  policies: [
    {
      name: 'reports stay in the country',
      effect: 'deny',
      permissions: ['reports:read'],
      when: ({ location }) => location.country !== 'CH',
    },
  ],
  circumstances: (req) => ({ location: { country: req.headers.get('x-country') ?? '' } }),
})
const setup = setUpAuth()
const { found, person } = createTeam(setup)
const build = () =>
  createAuth({
    db: setup.db,
    access,
    baseURL: TEST_ORIGIN,
    secret: 'a-secret-for-tests-of-32-characters',
    sender: setup.auth.outbox.sender,
    logger: createTestLogger(),
  })
let own: ReturnType<typeof build>
beforeAll(async () => {
  // What a host's own migration does for a role of its own.
  for (const table of ['Member', 'Invitation']) {
    await setup.db.$executeRawUnsafe(`
      ALTER TABLE "${table}" DROP CONSTRAINT "${table}_role_check",
        ADD CONSTRAINT "${table}_role_check" CHECK ("role" IN (${roles.names.map((name) => `'${name}'`).join()}))`)
  }
  own = build()
})

async function post(who: Person, path: string, body: object): Promise<{ id: string }> {
  const headers = { 'content-type': 'application/json', origin: TEST_ORIGIN }
  const options = { method: 'POST', cookie: who.cookie, headers, body: JSON.stringify(body) }
  const answer = await own.handler(setup.auth.request(`/api/auth/organization/${path}`, options))
  expect(answer.status).toBe(200)
  return answer.json() as Promise<{ id: string }>
}

test('a host’s own role is given by invitation and has its permissions in that organization only', async () => {
  const { organizationId, owner } = await found()
  const bob = await person()
  const asked = { email: bob.email, role: 'AUDITOR', organizationId }
  const { id: invitationId } = await post(owner, 'invite-member', asked)
  await post(bob, 'accept-invitation', { invitationId })
  await own.settled()
  const from = (country: string) =>
    setup.auth.request('/', { cookie: bob.cookie, headers: { 'x-country': country } })
  expect(await own.requirePermission(from('CH'), 'reports:read')).toMatchObject({
    organizationRole: 'AUDITOR',
  })
  await expect(own.requirePermission(from('DE'), 'reports:read')).rejects.toMatchObject({
    status: 403,
    message: 'reports:read is required, but a policy denies it.',
  })
  await expect(own.requirePermission(from('CH'), 'calls:read')).rejects.toMatchObject({
    status: 403,
    message: 'calls:read is required, but the role is AUDITOR.',
  })
  // The default table does not know the role.
  await expect(setup.auth.requirePermission(from('CH'), 'org:read')).rejects.toMatchObject({
    status: 403,
  })
})

test('the edge decides like Node', async () => {
  const { organizationId, owner } = await found()
  const keys = await setup.auth.handler(setup.auth.request('/api/auth/jwks'))
  const access = createAccess()
  const jwks = (await keys.json()) as JSONWebKeySet
  const edge = createEdge({ baseURL: TEST_ORIGIN, jwks, access })
  const asked = await setup.auth.post(
    '/organization/set-active',
    { organizationId },
    { cookie: owner.cookie },
  )
  const token = /access_token=([^;]+)/.exec(asked.headers.getSetCookie().join(' '))?.[1]
  const req = new Request(TEST_ORIGIN, { headers: { authorization: `Bearer ${token}` } })
  const session = await edge.requireOrganization(req)
  expect(session).toMatchObject({ organizationId, organizationRole: 'OWNER' })
  expect(await edge.requirePermission(req, 'org:delete')).toEqual(session)
  const without = createEdge({ baseURL: TEST_ORIGIN, jwks })
  await expect(without.requirePermission(req, 'org:delete')).rejects.toMatchObject({
    code: 'invalid_options',
  })
  await expect(edge.requirePermission(new Request(TEST_ORIGIN), 'org:read')).rejects.toMatchObject({
    status: 401,
  })
})
