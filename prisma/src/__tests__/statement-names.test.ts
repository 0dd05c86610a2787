import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { atomically, createDb, type Database, Prisma, queryNamed } from '../index.ts'
import { createStatementNames } from '../statement-names.ts'
import { createTestDatabase } from '../testing/index.ts'

describe('a statement', () => {
  test('has a name from its fifth use on, and no other statement has that name', () => {
    const { of } = createStatementNames()
    const uses = Array.from({ length: 6 }, () => of({ sql: 'SELECT 1' }))
    expect(uses.slice(0, 4)).toEqual([undefined, undefined, undefined, undefined])
    expect(uses[4]).toBeDefined()
    expect(uses[5]).toBe(uses[4])
    const other = Array.from({ length: 5 }, () => of({ sql: 'SELECT 2' })).at(-1)
    expect(other).toBeDefined()
    expect(other).not.toBe(uses[4])
  })

  test('gets another name when the names are renewed', () => {
    const { of, renew } = createStatementNames()
    const often = () => Array.from({ length: 5 }, () => of({ sql: 'SELECT 1' })).at(-1)
    const before = often()
    renew()
    expect(of({ sql: 'SELECT 1' })).toBeUndefined()
    expect(often()).not.toBe(before)
  })

  test('beyond the 256th has no name', () => {
    const { of } = createStatementNames()
    const names = Array.from({ length: 300 }, (_, n) =>
      Array.from({ length: 5 }, () => of({ sql: `SELECT ${n}` })).at(-1),
    )
    expect(new Set(names.filter((name) => name !== undefined)).size).toBe(256)
    expect(names[299]).toBeUndefined()
  })
})

describe('a client that runs while a migration changes the type of a result', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>
  let db: Database
  beforeAll(async () => {
    database = await createTestDatabase(inject('postgres'))
    db = createDb(database.url, { maxConnections: 1 })
    await db.$executeRaw`CREATE TABLE "Changing" (n int)`
    await db.$executeRaw`INSERT INTO "Changing" VALUES (1)`
  })
  afterAll(async () => {
    await db.$disconnect()
    await database.drop()
  })

  const sql = Prisma.sql`SELECT n FROM "Changing"`
  test.each<[string, string, string, () => Promise<unknown>]>([
    ['in a transaction', 'int', 'bigint', () => db.$transaction((tx) => tx.$queryRaw(sql))],
    ['alone', 'bigint', 'int', () => db.$queryRaw(sql)],
    ['by its own name', 'int', 'bigint', () => queryNamed(db, 'changing', sql)],
    [
      'by its own name in a transaction',
      'bigint',
      'int',
      () => atomically(db, (tx) => queryNamed(tx, 'changing', sql)),
    ],
  ])('fails once %s and then goes on', async (_, before, after, read) => {
    const become = (type: string) =>
      db.$executeRaw`${Prisma.raw(`ALTER TABLE "Changing" ALTER COLUMN n TYPE ${type}`)}`
    await become(before)
    // The type has changed before, so a plan of the test before may be refused first.
    for (let use = 0; use < 8; use += 1) await read().catch(() => {})
    await read()
    await become(after)
    await expect(read()).rejects.toThrow('cached plan must not change result type')
    for (let use = 0; use < 8; use += 1) await read()
  })
})
