/** Migrations: ours and Prisma's take turns on one table, the schema has not drifted, the role is humble. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { migrate, pendingMigrations } from '../migrate.ts'
import { applyWithPrisma, schemaDiff } from '../schema-engine.ts'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
})
afterAll(() => database.drop())

test('the migrations make exactly the tables that the schema describes', async () => {
  expect(await schemaDiff(database.url)).toBeNull()
})

test('a second deploy applies nothing', async () => {
  expect(await migrate(database.url)).toEqual([])
  expect(await pendingMigrations(database.url)).toEqual([])
})

test("Prisma's own engine finds nothing to apply after ours", async () => {
  expect(await applyWithPrisma(database.url)).toEqual([])
})

test('a schema that lacks a column is reported as drift', async () => {
  await database.db.$executeRaw`ALTER TABLE "NurtureSequence" DROP COLUMN "name"`
  expect(await schemaDiff(database.url)).toContain('"name"')
  await database.db.$executeRaw`ALTER TABLE "NurtureSequence" ADD COLUMN "name" TEXT NOT NULL`
  expect(await schemaDiff(database.url)).toBeNull()
})

test('an edited migration is refused and nothing is applied', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'))
  const fresh = await createTestDatabase({ ...inject('postgres'), template: 'template1' })
  const write = async (name: string, sql: string) => {
    await mkdir(join(folder, name), { recursive: true })
    await writeFile(join(folder, name, 'migration.sql'), sql)
  }
  try {
    await write('1_first', "CREATE TABLE first (id int); SELECT ';';")
    expect(await migrate(fresh.url, folder)).toEqual(['1_first'])
    await write('1_first', 'CREATE TABLE first (id bigint);')
    await write('2_second', 'CREATE TABLE second (id int);')
    await expect(migrate(fresh.url, folder)).rejects.toMatchObject({ code: 'migration_edited' })
    const found = await fresh.db.$queryRaw`SELECT to_regclass('second')::text AS found`
    expect(found).toEqual([{ found: null }])
  } finally {
    await fresh.drop()
    await rm(folder, { recursive: true })
  }
})

test('a migration that fails half-way leaves nothing behind', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'))
  const fresh = await createTestDatabase({ ...inject('postgres'), template: 'template1' })
  try {
    await mkdir(join(folder, '1_half'))
    await writeFile(join(folder, '1_half/migration.sql'), 'CREATE TABLE half (id int); SELECT 1/0;')
    await expect(migrate(fresh.url, folder)).rejects.toThrow('division by zero')
    expect(await pendingMigrations(fresh.url, folder)).toEqual(['1_half'])
    const found = await fresh.db.$queryRaw`SELECT to_regclass('half')::text AS found`
    expect(found).toEqual([{ found: null }])
  } finally {
    await fresh.drop()
    await rm(folder, { recursive: true })
  }
})

test('two deployers at once apply each migration once', async () => {
  const fresh = await createTestDatabase({ ...inject('postgres'), template: 'template1' })
  try {
    const applied = await Promise.all([migrate(fresh.url), migrate(fresh.url), migrate(fresh.url)])
    const names = applied.flat()
    expect(names.length).toBeGreaterThan(0)
    expect(new Set(names).size).toBe(names.length)
  } finally {
    await fresh.drop()
  }
})

test('the role owns its database, is no superuser and cannot bypass row-level security', async () => {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  const { rows } = await client.query(`
    SELECT rolsuper, rolbypassrls, rolcreaterole, pg_get_userbyid(datdba) = current_user AS owns
    FROM pg_roles, pg_database
    WHERE rolname = current_user AND datname = current_database()`)
  await client.end()
  expect(rows).toEqual([{ rolsuper: false, rolbypassrls: false, rolcreaterole: false, owns: true }])
})
