/**
 * What is left out never means everything: each public function refuses an id that is missing, empty or not text,
 * and changes nothing then.
 */

import { isTollgateError } from '@repo/core'
import { checksums } from '@repo/db/testing'
import { beforeAll, describe, expect, test } from 'vitest'
import * as entry from '../index.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const integrations = () => entry.createIntegrations({ db: setup.db, keys: ['0f'.repeat(32)] })

/** What a form that lacks a field, or JSON, can put where something else should stand. */
const WRONG = {
  id: [undefined, null, '', ' ', {}, { not: '' }, [], ['x'], 0, Number.NaN, true, 'a\0'],
  /** Beside an id, null is one: nobody's. */
  idOrNone: ['', {}, { not: '' }, [], ['x'], 0, Number.NaN, true],
  object: [undefined, null, '', 'x', [], 0, Number.NaN, true],
  number: [undefined, null, '', '5', {}, [], Number.NaN],
  date: [undefined, null, '', '2026-01-01', {}, [], 0, new Date(Number.NaN)],
  cursor: [null, '', {}, { gt: '' }, [], 0, Number.NaN],
  words: [undefined, null, '', {}, { not: '' }, 0, [undefined], [{ not: '' }], ['']],
  /** A permission or a role that nobody can have. */
  right: [undefined, null, '', {}, [], 0, Number.NaN],
}

interface Place {
  at: number
  key?: string
  kind: keyof typeof WRONG
}
interface Call {
  f: (...given: never[]) => unknown
  args: () => unknown[]
  places: Place[]
}

let req: Request
const id = (at: number, key?: string): Place => ({ at, kind: 'id', ...(key ? { key } : {}) })
const call = (f: unknown, args: Call['args'], ...places: Place[]): Call => ({
  f: f as Call['f'],
  args,
  places,
})
/** Of the instance, with the request of somebody who is signed in. */
const asked = (name: string, more: unknown[], ...places: Place[]) =>
  call(
    (...given: unknown[]) => Reflect.get(setup.auth, name)(...given),
    () => [req, ...more],
    ...places,
  )
const ofIntegrations = (name: string, more: unknown[], ...places: Place[]) =>
  call(
    (...given: unknown[]) => Reflect.get(integrations(), name)(...given),
    () => more,
    id(0),
    ...places,
  )

const filter = {
  userId: 'x',
  actorId: 'x',
  organizationId: 'x',
  action: 'sign_in',
  from: new Date(0),
  to: new Date(),
  cursor: 'x',
  limit: 5,
}

/** Null: it looks nothing up by an argument, or takes options of the host's own code. */
const CALLS: Record<string, Call | null> = {
  revokeSession: asked('revokeSession', ['some id'], id(1)),
  requirePermission: asked('requirePermission', ['users:read'], { at: 1, kind: 'right' }),
  requireRole: asked('requireRole', ['ADMIN'], { at: 1, kind: 'right' }),
  listAuditLog: call(
    entry.listAuditLog,
    () => [setup.db, filter],
    { at: 1, kind: 'object' },
    id(1, 'userId'),
    id(1, 'actorId'),
    id(1, 'organizationId'),
    { at: 1, key: 'action', kind: 'words' },
    { at: 1, key: 'from', kind: 'date' },
    { at: 1, key: 'to', kind: 'date' },
    { at: 1, key: 'cursor', kind: 'cursor' },
  ),
  pruneAuditLog: call(entry.pruneAuditLog, () => [setup.db, 90], { at: 1, kind: 'number' }),
  audit: call(
    entry.audit,
    () => [setup.db, { action: 'sign_in' }],
    { at: 1, kind: 'object' },
    id(1, 'action'),
    { at: 1, key: 'userId', kind: 'idOrNone' },
    { at: 1, key: 'organizationId', kind: 'idOrNone' },
    { at: 1, key: 'sessionId', kind: 'idOrNone' },
  ),
  forOrganization: call(entry.forOrganization, () => [setup.db, 'org'], id(1)),
  saveIntegration: ofIntegrations('saveIntegration', ['org', 'crm', { key: 'x' }], id(1)),
  listIntegrations: ofIntegrations('listIntegrations', ['org']),
  getCredentials: ofIntegrations('getCredentials', ['org', 'crm'], id(1)),
  deleteIntegration: ofIntegrations('deleteIntegration', ['org', 'crm'], id(1)),
  deleteUser: call(
    (userId: string) => setup.auth.deleteUser(userId),
    () => ['some id'],
    id(0),
  ),
  authFromEnv: null,
  confirmation: null,
  isLinkOpen: null,
  exportUser: null,
  requireAal2: null,
  requireRecentSignIn: null,
  reencryptIntegrations: null,
  getSession: null,
  requireAuth: null,
  requireOrganization: null,
  renewCookies: null,
  listSessions: null,
  revokeOtherSessions: null,
  can: null,
  handler: null,
  getUser: null,
  getProfile: null,
  errorText: null,
  importUsers: null,
  rateLimit: null,
  createOAuthClient: null,
  formAction: null,
  settled: null,
  checks: null,
  load: null,
  errorCodes: null,
  close: null,
  createAccess: null,
  createAuth: null,
  createEdge: null,
  createIntegrations: null,
  defineRoles: null,
  safePath: null,
  sameSiteRedirect: null,
  toNodeHandler: null,
}

const isClass = (value: unknown) => /^class\b/.test(String(value))

test('each function of the package and of its instance says which of its arguments are ids', () => {
  const secret = 'x'.repeat(32)
  const instance = entry.createAuth({ db: setup.db, baseURL: 'http://localhost', secret })
  const names = [
    ...Object.entries(entry),
    ...Object.entries(instance),
    ...Object.entries(integrations()),
  ]
    .filter(([, value]) => typeof value === 'function' && !isClass(value))
    .map(([name]) => name)
  expect(Object.keys(CALLS).sort()).toEqual([...new Set(names)].sort())
})

describe('with rows of two people', () => {
  beforeAll(async () => {
    for (let n = 0; n < 2; n += 1) {
      const { cookie, userId } = await setup.auth.signIn()
      await setup.auth.post('/organization/create', { name: `Acme ${n}` }, { cookie })
      req = setup.auth.request('/', { cookie })
      await entry.audit(setup.db, { action: 'sign_in', userId, organizationId: `org ${n}` })
    }
    await integrations().saveIntegration(
      (await setup.db.organization.findFirstOrThrow()).id,
      'crm',
      { key: 'x' },
    )
    await setup.auth.settled()
  })

  const places = Object.entries(CALLS).flatMap(([name, call]) =>
    (call?.places ?? []).map((place): [string, string, Call, Place] => [
      name,
      place.key ?? `argument ${place.at + 1}`,
      call as Call,
      place,
    ]),
  )

  test.each(places)(
    '%s does not treat a missing %s as everything',
    async (_, __, { f, args }, place) => {
      const { at, key, kind } = place
      const before = await checksums(setup.db)
      for (const value of WRONG[kind]) {
        const wrong = key === undefined ? value : { ...(args()[at] as object), [key]: value }
        const given = args().map((each, index) => (index === at ? wrong : each)) as never[]
        const answer = await (async () => f(...given))().catch((error) => error)
        const status = kind === 'right' ? expect.toBeOneOf([400, 403]) : 400
        expect([value, answer]).toEqual([value, expect.objectContaining({ status })])
        expect(isTollgateError(answer)).toBe(true)
      }
      await setup.auth.settled()
      expect(await checksums(setup.db)).toEqual(before)
    },
  )

  test('no permission at all, and an unknown filter, are refused', async () => {
    const guard = setup.auth.requirePermission as (req: Request) => Promise<unknown>
    await expect(guard(req)).rejects.toMatchObject({ code: 'insufficient_permission' })
    const unknown = { organisationId: 'org' } as entry.AuditFilter
    await expect(entry.listAuditLog(setup.db, unknown)).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('organisationId is an unknown filter'),
    })
  })

  test('without a filter, entries of all organizations are listed, as operators ask for it', async () => {
    const { entries } = await entry.listAuditLog(setup.db)
    expect(entries.length).toBeGreaterThan(2)
    expect(await entry.listAuditLog(setup.db, {})).toEqual(await entry.listAuditLog(setup.db))
    const one = await entry.listAuditLog(setup.db, { organizationId: 'org 1' })
    expect(one.entries).toHaveLength(1)
  })
})
