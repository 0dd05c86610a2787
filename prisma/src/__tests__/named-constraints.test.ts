/**
 * What Prisma cannot express is SQL in a migration, and the comments of the models name it: each name has its SQL, and
 * each check, partial index and constraint of this kind has its name.
 */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'

const SCHEMA = fileURLToPath(new URL('../../schema', import.meta.url))

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
})
afterAll(() => database.drop())

/** The names in comments of the schema, such as "Order_status_check", with their files. */
async function namesInComments(texts?: Record<string, string>): Promise<Map<string, string>> {
  const files = texts ?? {}
  if (!texts) {
    for (const file of await readdir(SCHEMA)) {
      files[file] = await readFile(join(SCHEMA, file), 'utf8')
    }
  }
  const names = new Map<string, string>()
  for (const [file, text] of Object.entries(files)) {
    const comments = [...text.matchAll(/^\s*\/\/\/(.*)$/gm)].map(([, line]) => line).join('\n')
    for (const [, name = ''] of comments.matchAll(/"([A-Za-z]+_\w+)"/g)) names.set(name, file)
  }
  return names
}

/** The names of everything in the database that is written in SQL. */
async function namesInDatabase(): Promise<Set<string>> {
  const rows = await database.db.$queryRaw<{ name: string }[]>`
    SELECT conname::text AS "name" FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'i'
    UNION SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal
    UNION SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace`
  return new Set(rows.map(({ name }) => name))
}

async function withoutSql(names: ReadonlyMap<string, string>): Promise<string[]> {
  const existing = await namesInDatabase()
  return [...names]
    .filter(([name]) => !existing.has(name))
    .map(
      ([name, file]) =>
        `prisma/schema/${file} names "${name}", which no migration creates: write its SQL into a migration (CONTRIBUTING, "Add a table or a column"), or correct the name.`,
    )
}

async function withoutName(names: ReadonlyMap<string, string>): Promise<string[]> {
  const rows = await database.db.$queryRaw<{ table: string; name: string; kind: string }[]>`
    SELECT conrelid::regclass::text AS "table", conname::text AS "name", 'check' AS "kind"
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'x')
    UNION ALL
    SELECT indrelid::regclass::text, indexrelid::regclass::text, 'index'
    FROM pg_index JOIN pg_class c ON c.oid = indexrelid
    WHERE relnamespace = 'public'::regnamespace AND (indpred IS NOT NULL OR indexprs IS NOT NULL)
    ORDER BY 1, 2`
  return rows
    .map((row) => ({ ...row, name: row.name.replaceAll('"', '') }))
    .filter(({ name }) => !names.has(name))
    .map(
      ({ table, name, kind }) =>
        `A migration gives ${table} the ${kind} "${name}", which Prisma cannot express: name it in the comment of its model or field in prisma/schema.`,
    )
}

test('each constraint, index and trigger that a model names has its SQL in a migration', async () => {
  const names = await namesInComments()
  expect(names.size).toBeGreaterThan(60)
  expect(await withoutSql(names)).toEqual([])
})

test('each check and partial index of a migration is named in the schema', async () => {
  expect(await withoutName(await namesInComments())).toEqual([])
})

test('a name without SQL, a check without a name and a partial index without a name are found', async () => {
  const names = await namesInComments({
    'a.prisma':
      '  /// Greater than zero: CHECK "Order_nothing_check".\n  amount BigInt // "Not_here"',
  })
  expect(await withoutSql(names)).toEqual([
    expect.stringContaining('prisma/schema/a.prisma names "Order_nothing_check"'),
  ])
  await database.db
    .$executeRaw`ALTER TABLE "Order" ADD CONSTRAINT "Order_astray_check" CHECK (true)`
  await database.db.$executeRaw`CREATE INDEX "Order_astray" ON "Order" ("sku") WHERE "sku" IS NULL`
  const found = await withoutName(await namesInComments())
  expect(found.map((text) => /the (\w+ "\w+")/.exec(text)?.[1])).toEqual([
    'index "Order_astray"',
    'check "Order_astray_check"',
  ])
})
