/** Statements with names: prepared where they can be, and the same rows and errors where they cannot. */

import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import {
  atomically,
  createDb,
  type Database,
  forOrganization,
  Prisma,
  queryNamed,
  sqlErrorOf,
} from '../index.ts'
import { shareAdapter } from '../query-named.ts'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'
import { ALPHA, seedTwoOrganizations } from './two-organizations.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  await seedTwoOrganizations(database.db)
})
afterAll(() => database.drop())
beforeEach(async () => {
  await db?.$disconnect()
  // One connection, so that what is prepared is seen by whoever asks.
  db = createDb(database.url, { maxConnections: 1 })
})

const EVERY_TYPE = Prisma.sql`SELECT ${2}::int AS "int", ${2n ** 60n}::bigint AS "bigint",
  ${'x'}::text AS "text", ${true}::boolean AS "boolean", ${null}::text AS "null",
  ${new Date(1)}::timestamptz AS "time", ${'{"a":[1]}'}::jsonb AS "json"`

const everyType = {
  int: 2,
  bigint: 2n ** 60n,
  text: 'x',
  boolean: true,
  null: null,
  time: new Date(1),
  json: { a: [1] },
}

const ask = (client: Parameters<typeof queryNamed>[0]) =>
  queryNamed(client, 'every_type', EVERY_TYPE)

const prepared = async () => {
  const rows = await db.$queryRaw<{ name: string }[]>`SELECT name FROM pg_prepared_statements`
  return rows.map(({ name }) => name)
}

test('a client of createDb prepares a repeated statement once, and the rows are like Prisma’s', async () => {
  for (let again = 0; again < 3; again += 1) expect(await ask(db)).toEqual([everyType])
  expect(await prepared()).toEqual(['every_type'])
  expect(await db.$queryRaw(EVERY_TYPE)).toEqual([everyType])
})

test.each([
  { named: true, by: 'a named statement' },
  { named: false, by: 'a statement of Prisma' },
])(
  'a transaction whose callback catches the error of $by is an error, and nothing is kept',
  async ({ named }) => {
    const id = `caught_${named}`
    const caught = atomically(db, async (tx) => {
      await tx.user.create({ data: { id, email: `${id}@example.com`, name: 'Ada' } })
      const fails = Prisma.sql`SELECT 1 / ${0}::int`
      await (named ? queryNamed(tx, 'fails', fails) : tx.$queryRaw(fails)).catch(() => null)
    })
    await expect(caught).rejects.toThrow('PostgreSQL rolled the transaction back')
    expect(await db.user.findUnique({ where: { id } })).toBeNull()
    // The only connection is free again.
    expect(await ask(db)).toEqual([everyType])
  },
)

test('a statement in a transaction uses its connection, and is undone with it', async () => {
  const undone = atomically(db, async (tx) => {
    expect(await ask(tx)).toEqual([everyType])
    await queryNamed(tx, 'job', Prisma.sql`DELETE FROM "Member" RETURNING id`)
    throw new Error('undone')
  })
  await expect(undone).rejects.toThrow('undone')
  expect(await prepared()).toEqual(['every_type', 'job'])
  expect(await db.member.count()).toBeGreaterThan(0)
})

test('a transaction that has ended accepts no more statements', async () => {
  let left: Parameters<typeof queryNamed>[0] | undefined
  const late = () => queryNamed(left as Parameters<typeof queryNamed>[0], 'late', EVERY_TYPE)
  await atomically(db, async (tx) => {
    left = tx
    expect(await late()).toEqual([everyType])
  })
  await expect(late()).rejects.toThrow('The transaction has ended')
  const undone = atomically(db, async (tx) => {
    left = tx
    throw new Error('undone')
  })
  await expect(undone).rejects.toThrow('undone')
  await expect(late()).rejects.toThrow('The transaction has ended')
  const slow = atomically(
    db,
    async (tx) => {
      left = tx
      await expect.poll(() => late().then(() => 'runs', String)).toContain('has ended')
    },
    { timeoutMs: 50 },
  )
  await expect(slow).rejects.toThrow('expired transaction')
  expect(await prepared()).toEqual(['late'])
})

test('concurrent transactions use their own connections', async () => {
  await db.$disconnect()
  db = createDb(database.url, { maxConnections: 8 })
  const ids = await Promise.all(
    Array.from({ length: 8 }, () =>
      atomically(db, async (tx) => {
        const [ours] = await tx.$queryRaw<[{ pid: number }]>`SELECT pg_backend_pid() AS pid`
        const sql = Prisma.sql`SELECT pg_backend_pid() AS pid`
        const [named] = await queryNamed<{ pid: number }>(tx, 'pid', sql)
        return [ours.pid, named?.pid]
      }),
    ),
  )
  for (const [ours, named] of ids) expect(named).toBe(ours)
  expect(new Set(ids.map(([pid]) => pid)).size).toBeGreaterThan(1)
})

test('promise 6: a client of one organization cannot bypass its limits', async () => {
  await ask(db)
  const held = forOrganization(db, ALPHA) as unknown as Parameters<typeof queryNamed>[0]
  await expect(
    queryNamed(held, 'members', Prisma.sql`SELECT id FROM "Member"`),
  ).rejects.toMatchObject({ code: 'unscoped_query' })
})

test('a client that the host extended runs the statement through its extension', async () => {
  await ask(db)
  const seen: string[] = []
  const extended = db.$extends({
    query: {
      $queryRaw({ args, query }) {
        seen.push(args.sql)
        return query(args)
      },
    },
  })
  expect(await ask(extended as never)).toEqual([everyType])
  expect(seen).toHaveLength(1)
})

test('a proxy that passes everything on to a client works like the client', async () => {
  const alias = new Proxy(db, {})
  await ask(alias)
  expect(await prepared()).toEqual([])
  shareAdapter(db, alias)
  await ask(alias)
  expect(await prepared()).toEqual(['every_type'])
})

test('nothing is prepared on a connection that a pooler shares out', async () => {
  const shared = createDb(`${database.url}?pgbouncer=true`, { maxConnections: 1 })
  for (let again = 0; again < 3; again += 1) expect(await ask(shared)).toEqual([everyType])
  const rows = await shared.$queryRaw`SELECT name FROM pg_prepared_statements`
  expect(rows).toEqual([])
  await shared.$disconnect()
})

test('a disconnected client connects again', async () => {
  await ask(db)
  await db.$disconnect()
  expect(await ask(db)).toEqual([everyType])
  expect(await prepared()).toEqual(['every_type'])
})

const connections = async () => {
  const [row] = await database.db.$queryRaw<[{ count: number }]>`
    SELECT count(*)::int AS "count" FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`
  return row.count
}

test('disconnecting ends the connections of a client that only ever ran named statements', async () => {
  for (const address of [database.url, `${database.url}?pgbouncer=true`]) {
    const client = createDb(address)
    await Promise.all(Array.from({ length: 3 }, () => ask(client)))
    expect(await connections()).toBeGreaterThan(0)
    await client.$disconnect()
    await client.$disconnect()
    await expect.poll(connections).toBe(0)
  }
})

test('Prisma and named statements share one pool, whichever comes first', async () => {
  for (const first of ['named', 'prisma'] as const) {
    await db.$disconnect()
    db = createDb(database.url, { maxConnections: 1 })
    if (first === 'named') await ask(db)
    await db.user.count()
    await ask(db)
    await expect.poll(connections).toBe(1)
  }
})

test('both ways fail with PostgreSQL’s error, without the statement’s text', async () => {
  const wrong = Prisma.sql`SELECT 1 / ${0}::int, ${'secret'}::text`
  await ask(db)
  for (const way of [() => queryNamed(db, 'wrong', wrong), () => db.$queryRaw(wrong)]) {
    const error = await way().catch((thrown: unknown) => thrown)
    expect(sqlErrorOf(error)).toEqual({ state: '22012', message: 'division by zero' })
    expect(JSON.stringify(error)).not.toContain('secret')
  }
  expect(sqlErrorOf(new Error('other'))).toEqual({ state: null, message: 'other' })
  expect(sqlErrorOf(null)).toEqual({ state: null, message: '' })
})

test('a cut connection fails its own statement only', async () => {
  await ask(db)
  const asleep = queryNamed(db, 'asleep', Prisma.sql`SELECT pg_sleep(${3_600}::int)`)
  const cut = async () => {
    const [row] = await database.db.$queryRaw<[{ cut: number }]>`
      SELECT count(pg_terminate_backend(pid))::int AS cut FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%pg_sleep%'`
    return row.cut > 0
  }
  const failed = expect(asleep).rejects.toThrow()
  await expect.poll(cut).toBe(true)
  await failed
  expect(await ask(db)).toEqual([everyType])
})
