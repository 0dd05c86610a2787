/** A time is the same moment for the client and for the database, whatever zone the database lives in. */

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import {
  atomically,
  createDb,
  type Database,
  forOrganization,
  Prisma,
  pipelineQuery,
  queryNamed,
} from '../index.ts'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'

/** Where the zone is said; a role's setting counts more than its database's. */
const PLACES = {
  'of the database': (name: string, zone: string) =>
    `ALTER DATABASE "${name}" SET TimeZone = '${zone}'`,
  'of the role': (name: string, zone: string) =>
    `ALTER ROLE CURRENT_USER IN DATABASE "${name}" SET TimeZone = '${zone}'`,
  'in the address': () => 'SELECT 1',
}
const CLIENTS = { directly: '', 'behind a pooler': 'true' }

/** New York skips 02:30 in the first of these nights and has 01:30 twice in the second. */
const MOMENTS = [
  '2026-03-08T02:30:00.123Z',
  '2026-11-01T05:30:00.000Z',
  '2026-11-01T06:30:00.000Z',
  '1969-12-31T23:59:59.999Z',
]

describe.each(['America/New_York', 'Asia/Kolkata', 'Pacific/Chatham'])('the zone %s', (zone) => {
  describe.each(Object.entries(PLACES))('%s', (place, statement) => {
    describe.each(Object.entries(CLIENTS))('connected %s', (_, pgbouncer) => {
      let database: TestDatabase
      let db: Database
      beforeAll(async () => {
        database = await createTestDatabase(inject('postgres'))
        const url = new URL(database.url)
        const name = url.pathname.slice(1)
        await database.db.$executeRawUnsafe(statement(name, zone))
        await database.db.$executeRawUnsafe(`ALTER DATABASE "${name}" SET DateStyle = 'SQL, DMY'`)
        if (place === 'in the address') {
          url.searchParams.set('options', `-c TimeZone=${zone} -c DateStyle=German`)
        }
        if (pgbouncer) url.searchParams.set('pgbouncer', pgbouncer)
        // A connection from before knows nothing of it.
        db = createDb(url.href)
      })
      afterAll(async () => {
        await db.$disconnect()
        await database.drop()
      })

      test('a written time is read unchanged, by Prisma and in SQL', async () => {
        for (const [index, moment] of MOMENTS.entries()) {
          const createdAt = new Date(moment)
          const id = `user ${index}`
          await db.user.create({ data: { id, name: id, email: id, createdAt } })
          const found = await db.user.findFirst({ where: { createdAt } })
          expect(found).toMatchObject({ id, createdAt })
          const [row] = await db.$queryRaw<[{ at: Date; epoch: number }]>`
            SELECT "createdAt" AS at, extract(epoch FROM "createdAt")::float8 AS epoch FROM "User"
            WHERE "createdAt" = ${createdAt}`
          expect([row.at, row.epoch * 1000]).toEqual([createdAt, createdAt.getTime()])
        }
      })

      test('the database’s present time is right, by every way of reading it', async () => {
        const sql = Prisma.sql`SELECT now() AS now, ${new Date('2026-03-08T02:30:00Z')}::timestamptz AS given`
        type Row = { now: Date; given: Date }
        const answers: Row[][] = [
          await db.$queryRaw<Row[]>(sql),
          await queryNamed<Row>(db, 'now', sql),
          await pipelineQuery<Row>(db, 'line', 'now_in_line', sql),
          await atomically(db, (tx) => tx.$queryRaw<Row[]>(sql)),
          await atomically(db, (tx) => queryNamed<Row>(tx, 'now', sql)),
        ]
        for (const [row] of answers) {
          expect(Math.abs((row?.now.getTime() ?? 0) - Date.now())).toBeLessThan(60_000)
          expect(row?.given).toEqual(new Date('2026-03-08T02:30:00Z'))
        }
        expect(await db.$queryRaw`SHOW TimeZone`).toEqual([{ TimeZone: 'UTC' }])
      })

      test('an organization reads the time that was written', async () => {
        const createdAt = new Date(MOMENTS[0] as string)
        await db.auditLog.create({ data: { organizationId: 'org', action: 'x', createdAt } })
        expect(await forOrganization(db, 'org').auditLog.findFirst()).toMatchObject({ createdAt })
      })
    })
  })
})
