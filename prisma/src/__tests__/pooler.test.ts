/** `?pgbouncer=true`: each transaction says that it is the system's, and nothing stays on the connection. */

import pg from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { connectionTo } from '../connection.ts'
import { createDb, type Database, forOrganization } from '../index.ts'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'
import { ALPHA, BETA, seedTwoOrganizations } from './two-organizations.ts'

let database: TestDatabase
let pooled: string
let db: Database
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  await seedTwoOrganizations(database.db)
  pooled = `${database.url}?pgbouncer=true`
  db = createDb(pooled, { maxConnections: 2 })
})
afterAll(async () => {
  await db.$disconnect()
  await database.drop()
})

/** What the connection itself would say of whoever gets it next. */
async function leftOn(client: pg.Client): Promise<string> {
  const query = pg.Client.prototype.query.bind(client)
  const { rows } = await query("SELECT coalesce(current_setting('tollgate.system', true), '') AS s")
  return rows[0].s
}

async function connected<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const { Client, connectionString } = connectionTo(pooled)
  const client = new Client({ connectionString })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
const COUNT = 'SELECT count(*)::int AS count FROM "Member" WHERE "organizationId" = $1'

test('promise 6: a query outside a transaction sees all rows, and leaves no setting on the connection', () =>
  connected(async (client) => {
    expect((await client.query(COUNT, [BETA])).rows).toEqual([{ count: 2 }])
    expect(await leftOn(client)).toBe('')
  }))

test('a transaction declares itself once, at every isolation level', () =>
  connected(async (client) => {
    await client.query('BEGIN')
    await client.query('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE')
    expect((await client.query(COUNT, [BETA])).rows).toEqual([{ count: 2 }])
    await client.query('ROLLBACK')
    expect(await leftOn(client)).toBe('')
  }))

test('a failure leaves a usable connection', () =>
  connected(async (client) => {
    await expect(client.query('SELECT 1 / $1::int', [0])).rejects.toMatchObject({ code: '22012' })
    await expect(client.query('nonsense')).rejects.toMatchObject({ code: '42601' })
    expect((await client.query(COUNT, [BETA])).rows).toEqual([{ count: 2 }])
  }))

test('a deferred check that fails at the commit is the error of the query', async () => {
  const orphan = db.organization.create({ data: { id: 'orphan', name: 'Orphan', slug: 'orphan' } })
  await database.db
    .$executeRaw`ALTER TABLE "Organization" ENABLE TRIGGER "Organization_has_an_owner"`
  await expect(orphan).rejects.toThrow('must have an owner')
  expect(await database.db.organization.count({ where: { id: 'orphan' } })).toBe(0)
})

test('concurrent queries on few connections do not affect each other', async () => {
  const counts = await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      n % 4 === 0
        ? db.$transaction((tx) => tx.member.count({ where: { organizationId: BETA } }))
        : db.member.count({ where: { organizationId: BETA } }),
    ),
  )
  expect(counts).toEqual(counts.map(() => 2))
})

test('promise 6: an organization sees its own rows only', async () => {
  const alpha = forOrganization(db, ALPHA)
  expect(await alpha.member.count()).toBe(2)
  expect(await alpha.member.count({ where: { organizationId: BETA } })).toBe(0)
})
