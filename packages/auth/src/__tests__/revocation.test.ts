/** What a command on an organization sets off: access that ends with it, and a record of it. */

import { betterAuth } from 'better-auth/minimal'
import { expect, test } from 'vitest'
import { adapterOf } from '../database/adapter.ts'
import { boundsOf } from '../database/bounds.ts'
import { createKeys } from '../database/keys.ts'
import { defaultRoles } from '../index.ts'
import { type OrganizationRecord, organizations } from '../organization/plugin.ts'
import { createCookieKeys } from '../session/cookie-keys.ts'
import { COOKIE_PREFIX } from '../session/cookies.ts'
import { TEST_ORIGIN } from '../testing.ts'
import { setUpAuth } from './setup.ts'
import { createTeam, type Person } from './team.ts'

const setup = setUpAuth()
const { found, join, person, roleOf } = createTeam(setup)

const revoked: string[] = []
const records: OrganizationRecord[] = []
let failing = false

const keys = createKeys('a-secret-for-tests-of-32-characters')
const cookies = createCookieKeys(keys, TEST_ORIGIN)

/** The same users and cookies, with the plugin's own seams in reach. */
async function run(who: Person, path: string, body: object): Promise<number> {
  revoked.length = 0
  records.length = 0
  await setup.db.accessDenial.deleteMany()
  const auth = betterAuth({
    baseURL: TEST_ORIGIN,
    secret: keys.betterAuth,
    database: adapterOf(setup.db),
    telemetry: { enabled: false },
    verification: { modelName: 'verificationToken' },
    advanced: { useSecureCookies: false, cookiePrefix: COOKIE_PREFIX },
    logger: { disabled: true },
    onAPIError: { throw: true },
    plugins: [
      organizations({
        db: setup.db,
        mailLimits: null,
        bounds: boundsOf(),
        roles: defaultRoles,
        invite: () => {},
        async record(entry) {
          if (failing) throw new Error('the record cannot be written')
          records.push(entry)
        },
      }),
    ],
  })
  const asked = setup.auth.request(`/api/auth/organization/${path}`, {
    method: 'POST',
    cookie: who.cookie,
    headers: { 'content-type': 'application/json', origin: TEST_ORIGIN },
    body: JSON.stringify(body),
  })
  const answer = auth.handler(new Request(asked, { headers: await cookies.inward(asked.headers) }))
  const status = await answer.then(
    (given) => given.status,
    () => 500,
  )
  const denied = await setup.db.accessDenial.findMany()
  revoked.push(...new Set(denied.map(({ subject }) => subject)))
  return status
}

test('a changed role, a removal, a hand-over and a deletion end the access of the members concerned', async () => {
  const { organizationId, owner } = await found()
  const bob = await join(organizationId, 'VIEWER')
  const eve = await join(organizationId, 'VIEWER')
  const change = { memberId: bob.memberId, role: 'ADMIN' }
  expect(await run(owner, 'update-member-role', change)).toBe(200)
  expect(revoked).toEqual([bob.userId])
  expect(records).toEqual([
    {
      action: 'organization.update-member-role',
      organizationId,
      actorId: owner.userId,
      userId: bob.userId,
      role: 'ADMIN',
    },
  ])
  expect(await run(owner, 'transfer-ownership', { memberId: bob.memberId })).toBe(200)
  expect(revoked.sort()).toEqual([owner.userId, bob.userId].sort())
  expect(records).toMatchObject([{ action: 'organization.transfer-ownership', userId: bob.userId }])
  expect(await run(bob, 'remove-member', { memberIdOrEmail: eve.memberId })).toBe(200)
  expect(revoked).toEqual([eve.userId])
  expect(records).toMatchObject([{ userId: eve.userId, role: null }])
  expect(await run(owner, 'leave', { organizationId })).toBe(200)
  expect(revoked).toEqual([owner.userId])
  expect(await run(bob, 'delete', { organizationId })).toBe(200)
  expect(revoked).toEqual([bob.userId])
  expect(records).toMatchObject([{ action: 'organization.delete', organizationId }])
})

test('a refused command ends no access and is not recorded as done', async () => {
  const { organizationId, owner } = await found()
  expect(await run(owner, 'leave', { organizationId })).toBe(400)
  expect(await run(await person(), 'delete', { organizationId })).toBeGreaterThanOrEqual(400)
  expect([...revoked, ...records]).toEqual([])
})

test('a command and its record happen together or not at all', async () => {
  const { organizationId, owner } = await found()
  const bob = await join(organizationId, 'ADMIN')
  failing = true
  const status = await run(owner, 'update-member-role', { memberId: bob.memberId, role: 'VIEWER' })
  failing = false
  expect(status).toBe(500)
  expect(await roleOf(bob.memberId)).toBe('ADMIN')
})

test('a new organization is recorded with its creator', async () => {
  const ada = await person()
  expect(await run(ada, 'create', { name: 'Recorded' })).toBe(200)
  const { id } = await setup.db.organization.findFirstOrThrow({ where: { name: 'Recorded' } })
  expect(records).toMatchObject([
    { action: 'organization.create', organizationId: id, actorId: ada.userId },
  ])
})
