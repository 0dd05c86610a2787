/** `baseline.sql` makes what the migrations make, and is up to date. */

import pg from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { baselineOf, readBaseline } from '../baseline.ts'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'

let migrated: TestDatabase
let empty: TestDatabase
beforeAll(async () => {
  migrated = await createTestDatabase(inject('postgres'))
  empty = await createTestDatabase(inject('postgres'))
  await withClient(empty.url, (client) =>
    client.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public'),
  )
})
afterAll(async () => {
  await migrated.drop()
  await empty.drop()
})

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** All that a database has, as lines. The order of columns does not count. */
const CATALOGUE = `
  SELECT 'column ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) ||
    CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END || a.attidentity::text || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '')
  AS line FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'S', 'v') AND c.relname <> '_prisma_migrations'
  UNION ALL SELECT 'table ' || relname || ' ' || relrowsecurity || relforcerowsecurity || coalesce(reloptions::text, '')
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> '_prisma_migrations'
  UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
      AND conrelid <> coalesce(to_regclass('_prisma_migrations'), 0)
  UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> '_prisma_migrations'
  UNION ALL SELECT 'function ' || pg_get_functiondef(oid) || coalesce(proacl::text, '')
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT 'trigger ' || tgenabled::text || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT 'policy ' || tablename || policyname || permissive || roles::text || cmd || coalesce(qual, '') || coalesce(with_check, '')
    FROM pg_policies WHERE schemaname = 'public'
  ORDER BY 1`

const catalogueOf = (url: string) =>
  withClient(url, async (client) =>
    (await client.query<{ line: string }>(CATALOGUE)).rows.map(({ line }) => line),
  )

test('the baseline makes what the migrations make, and baseline.sql is up to date; if not, run db:diff', async () => {
  const sql = await baselineOf(migrated.url, empty.url)
  const catalogue = await catalogueOf(migrated.url)
  expect(catalogue.length).toBeGreaterThan(900)
  expect(await catalogueOf(empty.url)).toEqual(catalogue)
  expect(await readBaseline()).toBe(sql)
})
