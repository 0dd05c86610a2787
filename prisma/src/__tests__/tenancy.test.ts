/** Promise 6: a held client has no way out, keeps to its transactions and leaves connections as they were. */

import { describe, expect, test } from 'vitest'
import { atomically } from '../client.ts'
import { forOrganization } from '../index.ts'
import { models } from '../tenancy/generated/models.ts'
import type { ModelName } from '../tenancy/model.ts'
import { OPERATIONS } from '../tenancy/operations.ts'
import { columnOf } from '../tenancy/scope.ts'
import { ALPHA, BETA } from './two-organizations.ts'
import { outcome, setUpWalls, type Untyped, WALLS } from './walls.ts'

/** Neither wall sees where a foreign key leads: PostgreSQL checks it past the policies. */
test('promise 6: a foreign key cannot lead from one organization into another', () => {
  const loose: string[] = []
  for (const [name, model] of Object.entries(models)) {
    if (model.tenancy !== 'organization') continue
    for (const [field, { model: target, from }] of Object.entries(model.relations)) {
      if (from.length === 0 || from.includes(columnOf(name as ModelName))) continue
      const { tenancy } = models[target]
      if (tenancy === 'organization' || (tenancy === 'owner' && target !== 'User')) {
        loose.push(`${name}.${field}`)
      }
    }
  }
  expect(
    loose,
    'Give these relations the organization: @relation(fields: [organizationId, xId], references: ' +
      '[organizationId, id]) with @@unique([organizationId, id]) there. What belongs to an owner is ' +
      'found by the owner, and not by a foreign key.',
  ).toEqual([])
})

describe.each(WALLS)('with %s', (walls) => {
  const setup = setUpWalls(walls)

  test('promise 6: every table declares to whom its rows belong', async () => {
    const tables = await setup.db.$queryRaw<{ name: string }[]>`
      SELECT relname AS name FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        AND relname <> '_prisma_migrations'`
    const silent = tables
      .map(({ name }) => name)
      .filter((name) => {
        const model = Object.values(models).find(({ table }) => table === name)
        if (!model || model.tenancy === 'undeclared') return true
        const known = ['readable', ...model.columns, ...Object.keys(model.relations)]
        const named = model.tenancy === 'organization' ? [columnOf(name as ModelName)] : model.by
        return named.some((by) => !known.includes(by))
      })
    expect(
      silent,
      'Add a line `/// @tenancy …` to these models (prisma/schema/schema.prisma lists the forms), ' +
        'run `prisma generate`, and let `db:diff --name x` write their policies.',
    ).toEqual([])
  })

  test('promise 6: every operation of the Prisma client is limited or refused', async () => {
    const { db, alpha } = setup
    for (const [name, { tenancy }] of Object.entries(models)) {
      const model = name.replace(/^./, (letter) => letter.toLowerCase())
      const operations = Object.keys(Reflect.get(db, model)).filter(
        (key) => typeof Reflect.get(Reflect.get(db, model), key) === 'function',
      )
      expect(operations.length).toBeGreaterThan(15)
      for (const operation of operations) {
        if (Object.hasOwn(OPERATIONS, operation)) continue
        const refused = () => (alpha as Untyped)[model][operation]({})
        expect(refused, `${name}.${operation}`).toThrow(
          expect.objectContaining({ code: 'unscoped_query' }),
        )
        expect(['findRaw', 'aggregateRaw'], `${name} (${tenancy}) has a new operation`).toContain(
          operation,
        )
      }
    }
  })

  test('promise 6: every member of the client is a model, the transaction, or refused', () => {
    const { db, alpha } = setup
    const members = new Set<string>()
    for (let at: object | null = db; at; at = Object.getPrototypeOf(at)) {
      for (const key of Reflect.ownKeys(at)) if (typeof key === 'string') members.add(key)
    }
    for (const key of ['$queryRaw', '$executeRawUnsafe', '$extends', '$parent']) members.add(key)
    expect(members.size).toBeGreaterThan(40)
    const passed: string[] = []
    for (const key of members) {
      const value = (alpha as Untyped)[key]
      if (value === undefined) continue
      if (typeof value === 'function' && key !== '$transaction') {
        expect(() => value([]), key).toThrow(expect.objectContaining({ code: 'unscoped_query' }))
      } else passed.push(key)
    }
    const names = Object.keys(models).map((name) => name.replace(/^./, (l) => l.toLowerCase()))
    expect(passed.sort()).toEqual(['$transaction', ...names].sort())
  })

  test.each(['$queryRaw', '$queryRawUnsafe', '$executeRaw', '$executeRawUnsafe', '$queryRawTyped'])(
    'promise 6: %s is refused, in transactions, too',
    async (method) => {
      const { db, alpha } = setup
      for (const hold of [
        (raw: (tx: Untyped) => unknown) => raw(alpha),
        (raw: (tx: Untyped) => unknown) => alpha.$transaction(async (tx) => raw(tx)),
        (raw: (tx: Untyped) => unknown) =>
          db.$transaction(async (tx) => raw(forOrganization(tx, ALPHA))),
      ]) {
        const answer = outcome(async () => hold((tx) => tx[method](['SELECT * FROM "Member"'])))
        expect(await answer).toBe('unscoped_query')
      }
    },
  )

  test('the queries of one array are one transaction, all or nothing', async () => {
    const { db, alpha } = setup
    const [count, named] = await alpha.$transaction([
      alpha.member.count(),
      alpha.organization.findFirst({ select: { id: true } }),
    ])
    expect([count, named]).toEqual([2, { id: ALPHA }])
    const failing = alpha.$transaction([
      alpha.organization.update({ where: { id: ALPHA }, data: { name: 'half' } }),
      alpha.member.update({ where: { id: 'member_BETA_BETA' }, data: { role: 'X' } }),
    ])
    await expect(failing).rejects.toMatchObject({ code: 'P2025' })
    expect(await db.organization.count({ where: { name: 'half' } })).toBe(0)
    for (const stranger of [db.member.count(), forOrganization(db, BETA).member.count()]) {
      expect(await outcome(() => alpha.$transaction([stranger]))).toBe('unscoped_query')
    }
  })

  test('a transaction of an organization commits all or nothing, and concurrent look-ups in it stay separate', async () => {
    const { db, alpha } = setup
    const found = await alpha.$transaction((tx) =>
      Promise.all(
        ['member_alpha_alpha', 'member_BETA_BETA', 'member_alpha_both', 'member_BETA_both'].map(
          (id) => tx.member.findUnique({ where: { id } }),
        ),
      ),
    )
    expect(found.map((row) => row?.id)).toEqual([
      'member_alpha_alpha',
      undefined,
      'member_alpha_both',
      undefined,
    ])
    const work = alpha.$transaction(async (tx) => {
      await tx.organization.update({ where: { id: ALPHA }, data: { name: 'half' } })
      throw new Error('after the write')
    })
    await expect(work).rejects.toThrow('after the write')
    expect(await db.organization.count({ where: { name: 'half' } })).toBe(0)
  })

  test("the caller's transaction is joined, and has its former settings afterwards", async () => {
    const { db } = setup
    const work = atomically(db, async (tx) => {
      const mine = forOrganization(tx, ALPHA)
      const theirs = forOrganization(tx, BETA)
      await mine.organization.update({ where: { id: ALPHA }, data: { name: 'half' } })
      expect(await tx.member.count()).toBe(4)
      const both = await Promise.all([
        mine.member.count(),
        theirs.member.count(),
        mine.user.count(),
      ])
      expect(both).toEqual([2, 2, 2])
      await outcome(() => mine.member.update({ where: { id: 'none' }, data: { role: 'X' } }))
      expect(await tx.member.count()).toBe(4)
      throw new Error('after the write')
    })
    await expect(work).rejects.toThrow('after the write')
    expect(await db.organization.count({ where: { name: 'half' } })).toBe(0)
  })

  test('concurrent organizations do not mix, and a connection is returned with its former settings', async () => {
    const { db, alpha } = setup
    const beta = forOrganization(db, BETA)
    const rounds = Array.from({ length: 40 }, async (_, round) => {
      if (round % 3 === 0) return expect(await db.member.count()).toBe(4)
      const [held, id] = round % 3 === 1 ? [alpha, ALPHA] : [beta, BETA]
      const rows = await held.member.findMany()
      expect(rows.map((row) => row.organizationId)).toEqual([id, id])
    })
    await Promise.all(rounds)
  })

  test('an empty id, and a second organization for a client of one, are refused', () => {
    const { db, alpha } = setup
    for (const nobody of ['', undefined, null, 7, { not: '' }]) {
      expect(() => forOrganization(db, nobody as Untyped)).toThrow(
        expect.objectContaining({ code: 'organization_required', status: 400 }),
      )
    }
    expect(() => forOrganization(alpha as Untyped, BETA)).toThrow(
      expect.objectContaining({ code: 'foreign_organization', status: 403 }),
    )
    expect(forOrganization(alpha as Untyped, ALPHA)).toBe(alpha)
  })
})
