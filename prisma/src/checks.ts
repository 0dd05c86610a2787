/**
 * The checks of the database: its role, its migrations, and whether its tables, functions and guards are those of the
 * schema. They only read.
 *
 * @module
 */

import { type Check, type CheckResult, failed, passed, skipped } from '@repo/core/checks'
import { type Database, databaseUrlOf } from './client.ts'
import { functionSums } from './function-sums.ts'
import { Prisma } from './generated/client.ts'
import { pendingMigrations } from './migrate.ts'

type Reader = Pick<Database, '$queryRaw'>

/** The checks of the database behind `db`. */
export const databaseChecks = (db: Database): Check[] => [
  { id: 'database.role', run: () => role(db) },
  { id: 'database.migrations', run: () => migrations(databaseUrlOf(db)) },
  { id: 'database.schema', run: () => schema(db) },
  { id: 'database.guards', run: () => guards(db) },
]

async function role(db: Reader): Promise<CheckResult> {
  const [found] = await db.$queryRaw<[{ name: string; version: string; isAbove: boolean }]>`
    SELECT rolname::text AS "name", current_setting('server_version') AS "version",
      rolsuper OR rolbypassrls AS "isAbove"
    FROM pg_roles WHERE rolname = current_user`
  const { name, version, isAbove } = found
  const about = `PostgreSQL ${version} answers, and the role is ${name}`
  if (!isAbove) return passed(`${about}, to which row-level security applies.`)
  return failed(
    `${about}, which passes row-level security: it sees the rows of every organization.`,
    'Connect as a role that is neither a superuser nor has BYPASSRLS, such as one of db:grant.',
  )
}

async function migrations(url: string | null): Promise<CheckResult> {
  if (url === null)
    return skipped('The client was not made by createDb, so its address is not known.')
  const pending = await pendingMigrations(url)
  if (pending.length === 0) return passed('Every migration is applied.')
  const first = pending.slice(0, 3).join(', ')
  const more = pending.length > 3 ? ` and ${pending.length - 3} more` : ''
  return failed(
    `${pending.length} migrations are not applied: ${first}${more}.`,
    'Run db:migrate before you start the new version.',
  )
}

/** The columns of each table, as the client knows them. */
function expectedColumns(): { table: string; column: string }[] {
  const enums = Prisma as unknown as Record<string, Record<string, string>>
  return Object.values(Prisma.ModelName).flatMap((table) =>
    Object.values(enums[`${table}ScalarFieldEnum`] ?? {}).map((column) => ({ table, column })),
  )
}

async function schema(db: Reader): Promise<CheckResult> {
  const expected = expectedColumns()
  const missing = await db.$queryRaw<{ name: string }[]>`
    SELECT DISTINCT CASE WHEN c.oid IS NULL THEN e."table" ELSE e."table" || '.' || e."column" END AS "name"
    FROM jsonb_to_recordset(${JSON.stringify(expected)}::jsonb) AS e("table" text, "column" text)
      LEFT JOIN pg_class c ON c.relname = e."table" AND c.relnamespace = current_schema()::regnamespace
      LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = e."column" AND NOT a.attisdropped
    WHERE a.attname IS NULL ORDER BY 1`
  const functions = await db.$queryRaw<{ name: string }[]>`
    SELECT f."name" FROM jsonb_to_recordset(${JSON.stringify(
      Object.entries(functionSums).map(([name, sum]) => ({ name, sum })),
    )}::jsonb) AS f("name" text, "sum" text)
    WHERE NOT EXISTS (SELECT FROM pg_proc p WHERE p.proname = f."name"
      AND p.pronamespace = current_schema()::regnamespace AND md5(p.prosrc) = f."sum") ORDER BY 1`
  const wrong = [
    ...missing.map(({ name }) => `${name} is missing`),
    ...functions.map(({ name }) => `the function ${name} is missing or changed`),
  ]
  if (wrong.length === 0) {
    const tables = Object.keys(Prisma.ModelName).length
    return passed(
      `The ${tables} tables with their ${expected.length} columns, and the ${Object.keys(functionSums).length} functions are as the schema says.`,
    )
  }
  return failed(
    `The database differs from the schema: ${listed(wrong)}.`,
    'Run db:migrate. If nothing is pending, somebody changed the database by hand: restore what is missing.',
  )
}

async function guards(db: Reader): Promise<CheckResult> {
  const tables = Object.values(Prisma.ModelName)
  const wrong = await db.$queryRaw<{ says: string }[]>`
    WITH ours AS (SELECT oid, relname, relrowsecurity, relforcerowsecurity FROM pg_class
      WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(${tables}))
    SELECT 'the trigger ' || t.tgname || ' is switched off' AS "says"
      FROM pg_trigger t JOIN ours ON ours.oid = t.tgrelid
      WHERE NOT t.tgisinternal AND t.tgenabled = 'D'
    UNION ALL SELECT 'row-level security of ' || relname || CASE WHEN relrowsecurity
        THEN ' does not bind the owner' ELSE ' is switched off' END
      FROM ours WHERE NOT relforcerowsecurity AND (relrowsecurity
        OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = ours.oid))
    UNION ALL SELECT 'row-level security of ' || relname || ' is switched off'
      FROM ours WHERE relforcerowsecurity AND NOT relrowsecurity
    ORDER BY 1`
  if (wrong.length === 0)
    return passed('All triggers are on, and row-level security binds the owner of the tables, too.')
  return failed(
    `Guards of the database are off: ${listed(wrong.map(({ says }) => says))}.`,
    'Switch them on again: ALTER TABLE … ENABLE TRIGGER …, ALTER TABLE … FORCE ROW LEVEL SECURITY.',
  )
}

const MOST_NAMED = 5

const listed = (all: readonly string[]): string =>
  all.length <= MOST_NAMED
    ? all.join(', ')
    : `${all.slice(0, MOST_NAMED).join(', ')} and ${all.length - MOST_NAMED} more`
