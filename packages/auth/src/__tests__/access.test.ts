/** Decisions: what holds of every table, policy, session and resource, and what explains them. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AccessRecord,
  createAccess,
  type Decision,
  defaultRoles,
  PERMISSIONS,
  type Permission,
  type Policy,
  type Resource,
  type Session,
} from '../index.ts'

const role = fc.constantFrom('OWNER', 'ADMIN', 'MANAGER', 'OPERATOR', 'VIEWER', 'NOBODY', null)
const user = fc.constantFrom('me', 'you')
const organization = fc.constantFrom('acme', 'other', null)
const permission: fc.Arbitrary<Permission> = fc
  .tuple(fc.constantFrom(...PERMISSIONS), fc.boolean())
  .map(([base, own]) => (own ? `${base}:own` : base) as Permission)
const session: fc.Arbitrary<Session> = fc.record({
  sessionId: fc.constant('s'),
  userId: user,
  role: fc.constantFrom('USER', 'ADMIN'),
  organizationId: organization,
  organizationRole: role,
  acr: fc.constant('aal1'),
  authenticatedAt: fc.constant(new Date()),
  expiresAt: fc.constant(new Date(0)),
})
const resource: fc.Arbitrary<Resource | null> = fc.option(
  fc.record({ organizationId: organization, ownerId: fc.option(user) }),
)
/** What a policy does when it is asked: applies, does not, or fails. */
const answer = fc.constantFrom<boolean | 'throws'>(true, false, 'throws')
const policy = (effect?: Policy['effect']): fc.Arbitrary<Policy> =>
  fc
    .record({
      effect: effect ? fc.constant(effect) : fc.constantFrom('allow' as const, 'deny' as const),
      permissions: fc.oneof(fc.constant('all' as const), fc.array(permission, { minLength: 1 })),
      answer,
      name: fc.string(),
    })
    .map(({ answer: say, ...rest }) => ({
      ...rest,
      when: () => {
        if (say === 'throws') throw new Error('a policy failed')
        return say
      },
    }))
const policies = fc.array(policy(), { maxLength: 6 })

const applies = (one: Policy) => {
  try {
    return one.when({} as never)
  } catch {
    return one.effect === 'deny'
  }
}

describe('of every decision', () => {
  test('a policy that denies wins over every role and every policy that allows', () => {
    fc.assert(
      fc.property(session, permission, resource, policies, (who, may, what, others) => {
        const deny: Policy = { name: 'no', effect: 'deny', permissions: [may], when: () => true }
        for (const list of [
          [deny, ...others],
          [...others, deny],
        ]) {
          expect(createAccess({ policies: list }).can(who, may, what)).toBe(false)
        }
      }),
    )
  })

  test('denying a permission denies its `:own` form, too', () => {
    fc.assert(
      fc.property(session, fc.constantFrom(...PERMISSIONS), resource, (who, base, what) => {
        const { can } = createAccess({
          policies: [{ name: 'no', effect: 'deny', permissions: [base], when: () => true }],
        })
        expect(can(who, base, what) || can(who, `${base}:own`, what)).toBe(false)
      }),
    )
  })

  test('one more policy that allows never takes a permission away', () => {
    fc.assert(
      fc.property(session, permission, resource, policies, policy('allow'), (...drawn) => {
        const [who, may, what, some, more] = drawn
        const before = createAccess({ policies: some }).can(who, may, what)
        const after = createAccess({ policies: [...some, more] }).can(who, may, what)
        expect(before && !after).toBe(false)
      }),
    )
  })

  test('one more policy that denies never gives a permission', () => {
    fc.assert(
      fc.property(session, permission, resource, policies, policy('deny'), (...drawn) => {
        const [who, may, what, some, more] = drawn
        const before = createAccess({ policies: some }).can(who, may, what)
        const after = createAccess({ policies: [...some, more] }).can(who, may, what)
        expect(after && !before).toBe(false)
      }),
    )
  })

  test('`:own` never grants access to another person’s resource, by role or by policy', () => {
    fc.assert(
      fc.property(
        session,
        permission,
        fc.record({ organizationId: organization, ownerId: fc.option(user) }),
        fc.array(
          policy('allow').map((one) => ({ ...one, permissions: ['calls:delete:own'] as const })),
        ),
        (who, may, what, allowOwn) => {
          fc.pre(what.ownerId !== who.userId)
          const { can } = createAccess({ policies: allowOwn })
          const wide = may.replace(/:own$/, '') as Permission
          expect(can(who, `${wide}:own` as Permission, what)).toBe(false)
          if (can(who, wide, what)) expect(defaultRoles.has(who.organizationRole, wide)).toBe(true)
        },
      ),
    )
  })

  test('nothing of another organization is ever allowed', () => {
    fc.assert(
      fc.property(session, permission, resource, policies, (who, may, what, list) => {
        fc.pre(what !== null && what.organizationId !== who.organizationId)
        const { can } = createAccess({ policies: list })
        expect(can(who, may, what, { explain: true })).toMatchObject({
          allowed: false,
          rule: { kind: 'organization' },
        })
      }),
    )
  })

  test('the explanation agrees with the answer and names a rule that could decide so', () => {
    fc.assert(
      fc.property(session, permission, resource, policies, (who, may, what, list) => {
        const { can } = createAccess({ policies: list })
        const decision: Decision = can(who, may, what, { explain: true })
        const { allowed, rule } = decision
        expect(allowed).toBe(can(who, may, what))
        if (rule.kind === 'role') {
          expect(allowed).toBe(true)
          expect(rule.name).toBe(who.organizationRole)
          expect(defaultRoles.has(rule.name, rule.permission as Permission)).toBe(true)
          expect([may, `${may}:own`]).toContain(rule.permission)
        } else if (rule.kind === 'policy') {
          expect(allowed).toBe(rule.effect === 'allow')
          const named = list.filter(
            ({ name, effect }) => name === rule.name && effect === rule.effect,
          )
          expect(named.some(applies)).toBe(true)
        } else {
          expect(allowed).toBe(false)
        }
      }),
    )
  })
})

const member = (organizationRole: string): Session => ({
  sessionId: 's',
  userId: 'me',
  role: 'USER',
  acr: 'aal1',
  authenticatedAt: new Date(),
  organizationId: 'acme',
  organizationRole,
  expiresAt: new Date(0),
})
const call = { id: 'call-7', organizationId: 'acme', ownerId: 'me', status: 'closed' }

const OFFICE: Policy[] = [
  {
    name: 'office hours',
    effect: 'deny',
    permissions: ['calls:delete', 'billing:update'],
    when: ({ now }) => now.getUTCHours() < 8 || now.getUTCHours() >= 18,
  },
  {
    name: 'billing from Germany',
    effect: 'deny',
    permissions: ['billing:update'],
    when: ({ location }) => location.country !== 'DE',
  },
  {
    name: 'read only while we migrate',
    effect: 'deny',
    permissions: ['calls:update'],
    when: ({ environment }) => environment.maintenance === true,
  },
  {
    name: 'closed calls stay',
    effect: 'deny',
    permissions: ['calls:update:own'],
    when: ({ resource }) => resource?.status === 'closed',
  },
  {
    name: 'one’s own calls can be deleted',
    effect: 'allow',
    permissions: ['calls:delete:own'],
    when: ({ session }) => session.organizationRole === 'OPERATOR',
  },
]
const noon = new Date('2026-03-02T12:00:00Z')
const night = new Date('2026-03-02T23:00:00Z')

test('a policy may read time, location, environment, owner and any field of the resource', () => {
  const { can } = createAccess({ policies: OFFICE })
  const [owner, operator] = [member('OWNER'), member('OPERATOR')]
  const germany = { location: { country: 'DE' } }
  expect(can(owner, 'billing:update', null, { now: noon, ...germany })).toBe(true)
  expect(can(owner, 'billing:update', null, { now: night, ...germany })).toBe(false)
  expect(can(owner, 'billing:update', null, { now: noon })).toBe(false)
  const migrating = { now: noon, environment: { maintenance: true } }
  expect(can(operator, 'calls:update', { ...call, status: 'open' }, { now: noon })).toBe(true)
  expect(can(operator, 'calls:update', { ...call, status: 'open' }, migrating)).toBe(false)
  expect(can(operator, 'calls:update', call, { now: noon })).toBe(false)
  expect(can(owner, 'calls:update', { ...call, ownerId: 'you' }, { now: noon })).toBe(true)
  expect(can(operator, 'calls:delete', call, { now: noon })).toBe(true)
  expect(can(operator, 'calls:delete', call, { now: night })).toBe(false)
  expect(can(operator, 'calls:delete', { ...call, ownerId: 'you' }, { now: noon })).toBe(false)
})

test('the explanation names the rule that decided', () => {
  const { can } = createAccess({ policies: OFFICE })
  const why = (who: Session | null, may: Permission, what: Resource | null, now = noon) =>
    can(who, may, what, { now, explain: true }).rule
  const operator = member('OPERATOR')
  expect(why(operator, 'calls:read', call)).toEqual({
    kind: 'role',
    name: 'OPERATOR',
    permission: 'calls:read:own',
  })
  expect(why(member('VIEWER'), 'calls:read', { ...call, ownerId: 'you' })).toEqual({
    kind: 'role',
    name: 'VIEWER',
    permission: 'calls:read',
  })
  expect(why(operator, 'calls:delete', call)).toEqual({
    kind: 'policy',
    name: 'one’s own calls can be deleted',
    effect: 'allow',
  })
  expect(why(operator, 'calls:delete', call, night)).toEqual({
    kind: 'policy',
    name: 'office hours',
    effect: 'deny',
  })
  expect(why(operator, 'calls:read:own', { ...call, ownerId: 'you' })).toEqual({ kind: 'owner' })
  expect(why(operator, 'calls:read', { ...call, organizationId: 'other' })).toEqual({
    kind: 'organization',
  })
  expect(why(operator, 'org:read', null)).toEqual({ kind: 'none' })
  expect(why(null, 'org:read', null)).toEqual({ kind: 'session' })
})

test('the clock gives the time if the caller gives none', () => {
  let now = noon
  const { can } = createAccess({ policies: OFFICE, clock: { now: () => now } })
  expect(can(member('OWNER'), 'calls:delete', call)).toBe(true)
  now = night
  expect(can(member('OWNER'), 'calls:delete', call)).toBe(false)
})

test('a policy that throws denies if it would deny, and allows nothing', () => {
  const when = () => {
    throw new Error('no such attribute')
  }
  const policies = (effect: Policy['effect']): Policy[] => [
    { name: 'broken', effect, permissions: ['org:read'], when },
  ]
  const refused = createAccess({ policies: policies('deny') })
  expect(refused.can(member('OWNER'), 'org:read', null, { explain: true })).toMatchObject({
    allowed: false,
    rule: { kind: 'policy', name: 'broken' },
  })
  const allowed = createAccess({ policies: policies('allow') })
  expect(allowed.can(member('OPERATOR'), 'org:read')).toBe(false)
  expect(allowed.can(member('OWNER'), 'org:read')).toBe(true)
})

test('a policy that returns a promise denies, and never allows', () => {
  const late = (async () => true) as unknown as Policy['when']
  const deny = createAccess({
    policies: [{ name: 'late', effect: 'deny', permissions: 'all', when: late }],
  })
  expect(deny.can(member('OWNER'), 'org:read')).toBe(false)
  const allow = createAccess({
    policies: [{ name: 'late', effect: 'allow', permissions: 'all', when: late }],
  })
  expect(allow.can(member('OPERATOR'), 'org:read')).toBe(false)
})

test('decisions are reported to the audit function, whose failure changes no decision', async () => {
  const told: AccessRecord[] = []
  const { can } = createAccess({ audit: (record) => told.push(record) })
  can(member('VIEWER'), 'calls:read', call)
  can(null, 'calls:read')
  expect(told).toEqual([
    {
      allowed: true,
      permission: 'calls:read',
      rule: { kind: 'role', name: 'VIEWER', permission: 'calls:read' },
      userId: 'me',
      organizationId: 'acme',
      resourceId: 'call-7',
    },
    {
      allowed: false,
      permission: 'calls:read',
      rule: { kind: 'session' },
      userId: null,
      organizationId: null,
      resourceId: null,
    },
  ])
  for (const audit of [
    () => {
      throw new Error('full')
    },
    () => Promise.reject(new Error('away')),
  ]) {
    expect(createAccess({ audit }).can(member('VIEWER'), 'calls:read', call)).toBe(true)
    expect(createAccess({ audit }).can(member('VIEWER'), 'calls:delete', call)).toBe(false)
  }
  await new Promise((done) => setImmediate(done))
})
