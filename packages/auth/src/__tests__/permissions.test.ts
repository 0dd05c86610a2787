/** The table of roles and permissions, whole, and tables of a host's own. */

import { expect, test } from 'vitest'
import {
  can,
  createAccess,
  createAuth,
  defaultRoles,
  defineRoles,
  PERMISSIONS,
  type Policy,
  ROLES,
  type Session,
} from '../index.ts'

/** As the specification has it, word for word. */
const TABLE = {
  OWNER:
    'org:read org:update org:delete users:read users:create users:update users:delete calls:read calls:update calls:delete ai:read ai:update analytics:read billing:read billing:update integrations:read integrations:create integrations:delete',
  ADMIN:
    'org:read org:update users:read users:create users:update users:delete calls:read calls:update ai:read ai:update analytics:read integrations:read integrations:create integrations:delete',
  MANAGER: 'org:read users:read calls:read calls:update ai:read analytics:read',
  OPERATOR: 'calls:read:own calls:update:own',
  VIEWER: 'org:read calls:read analytics:read',
} as const

const session = (organizationRole: string | null): Session => ({
  sessionId: 's',
  userId: 'me',
  role: 'USER',
  acr: 'aal1',
  authenticatedAt: new Date(),
  organizationId: 'acme',
  organizationRole,
  expiresAt: new Date(0),
})
const mine = { organizationId: 'acme', ownerId: 'me' }
const theirs = { organizationId: 'acme', ownerId: 'you' }

const roles = Object.keys(TABLE) as (keyof typeof TABLE)[]
const cases = roles.flatMap((role) => PERMISSIONS.map((permission) => ({ role, permission })))

test.each(cases)('$role and $permission', ({ role, permission }) => {
  const given = TABLE[role].split(' ')
  const all = given.includes(permission)
  const own = all || given.includes(`${permission}:own`)
  const who = session(role)
  expect(can(who, permission)).toBe(all)
  expect(can(who, permission, theirs)).toBe(all)
  expect(can(who, permission, mine)).toBe(own)
  expect(can(who, `${permission}:own`)).toBe(own)
  expect(can(who, `${permission}:own`, mine)).toBe(own)
  expect(can(who, `${permission}:own`, theirs)).toBe(false)
  expect(can(who, permission, { ...mine, organizationId: 'other' })).toBe(false)
  expect(can({ ...who, organizationId: null, organizationRole: null }, permission)).toBe(false)
})

test('the table lists no permission that the specification does not', () => {
  expect([...PERMISSIONS].sort()).toEqual(TABLE.OWNER.split(' ').sort())
  expect(defaultRoles.names).toEqual(roles)
})

test.each([null, '', 'owner', 'USER', 'OWNER,ADMIN', 'toString', '__proto__'])(
  'the role %j may do nothing',
  (role) => {
    for (const permission of PERMISSIONS) expect(can(session(role), permission, mine)).toBe(false)
  },
)

test('a request without a session may do nothing, and the explanation says so', () => {
  expect(can(null, 'org:read')).toBe(false)
  expect(can(null, 'org:read', null, { explain: true })).toEqual({
    allowed: false,
    permission: 'org:read',
    rule: { kind: 'session' },
  })
})

test('an owner may give any role, and others no role above their own', () => {
  const grants = (role: string | null) =>
    defaultRoles.names.filter((name) => defaultRoles.mayGrant(role, name))
  expect(grants('OWNER')).toEqual(['OWNER', 'ADMIN', 'MANAGER', 'OPERATOR', 'VIEWER'])
  expect(grants('ADMIN')).toEqual(['ADMIN', 'MANAGER', 'OPERATOR', 'VIEWER'])
  expect(grants('MANAGER')).toEqual(['MANAGER', 'OPERATOR', 'VIEWER'])
  expect(grants('OPERATOR')).toEqual(['OPERATOR'])
  expect(grants('VIEWER')).toEqual(['VIEWER'])
  expect(grants(null)).toEqual([])
  expect(defaultRoles.mayGrant('OWNER', 'ROOT')).toBe(false)
})

test('a host’s own table: more permissions, another role', () => {
  const own = defineRoles([...PERMISSIONS, 'reports:read'], {
    ...ROLES,
    AUDITOR: ['org:read', 'reports:read', 'calls:read:own'],
  })
  const access = createAccess({
    roles: own,
    policies: [{ name: 'never', effect: 'deny', permissions: ['reports:read'], when: () => false }],
  })
  expect(access.can(session('AUDITOR'), 'reports:read')).toBe(true)
  expect(access.can(session('AUDITOR'), 'calls:read', mine)).toBe(true)
  expect(access.can(session('ADMIN'), 'reports:read')).toBe(false)
  expect(own.isRole('AUDITOR')).toBe(true)
  expect(defaultRoles.isRole('AUDITOR')).toBe(false)
})

test.each([
  ['a permission of another form', () => defineRoles(['read'], { OWNER: [] })],
  ['a permission in the list that ends in own', () => defineRoles(['a:own'], { OWNER: [] })],
  ['a role in small letters', () => defineRoles(['a:b'], { OWNER: [], admin: [] })],
  ['no owner', () => defineRoles(['a:b'], { ADMIN: [] } as never)],
  ['an unlisted permission', () => defineRoles(['a:b'], { OWNER: ['a:c' as 'a:b'] })],
])('a table with %s is refused', (_, make) => {
  expect(make).toThrow(expect.objectContaining({ code: 'invalid_options' }))
})

/** Never run: that it compiles is the test. */
export function compiles(req: Request) {
  const who = session('OWNER')
  can(who, 'calls:update:own', mine)
  // @ts-expect-error misspelt
  can(who, 'call:update', mine)
  // @ts-expect-error an action there is not
  can(who, 'billing:delete')
  // @ts-expect-error a resource that does not say whose it is
  can(who, 'calls:update', { id: 'c' })
  // @ts-expect-error misspelt in a table
  defineRoles(['a:b'], { OWNER: ['a:b'], ADMIN: ['a:bb'] })
  // @ts-expect-error a table without an owner
  defineRoles(['a:b'], { ADMIN: ['a:b'] })
  // @ts-expect-error misspelt in a policy
  const policy: Policy = { name: '', effect: 'deny', permissions: ['cals:read'], when: () => true }

  const options = { baseURL: 'https://app.example.com', secret: '' }
  const auth = createAuth(options)
  auth.requirePermission(req, 'calls:read', 'users:delete')
  // @ts-expect-error misspelt at a guard
  auth.requirePermission(req, 'calls:read', 'user:delete')
  // @ts-expect-error no permission at all
  auth.requirePermission(req)
  // @ts-expect-error a role there is not
  auth.requireRole(req, 'OWNR')

  const roles = defineRoles(['a:b'], { OWNER: ['a:b'], CLERK: ['a:b:own'] })
  const own = createAuth({ ...options, access: createAccess({ roles }) })
  own.requirePermission(req, 'a:b:own')
  own.requireRole(req, ['CLERK', 'USER'])
  own.can(who, 'a:b', mine)
  // @ts-expect-error of another table
  own.can(who, 'calls:read')
  // @ts-expect-error of another table
  own.requireRole(req, 'MANAGER')
  // @ts-expect-error a policy about what is not in the table
  const foreign: Policy<'a:b' | 'a:b:own'>['permissions'] = ['a:c']
  return [policy, foreign]
}
