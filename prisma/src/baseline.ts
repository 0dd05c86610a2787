/**
 * The baseline: the SQL that makes in an empty database what all migrations together make. A host that has a Prisma
 * schema and migrations of its own gets it as one migration among them. For development only.
 *
 * It names what it creates. A migration of this package may change each function of the schema, but the baseline runs
 * in a database with functions, tables and rights of the host.
 *
 * @module
 */

import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { connectionStringOf } from './connection.ts'
import { functionDiff } from './functions.ts'
import { schemaDiff } from './schema-engine.ts'
import { policyDiff } from './tenancy/policies.ts'

/** The file with the baseline. */
const baselineFile = (): string =>
  join(dirname(fileURLToPath(import.meta.url)), '..', 'baseline.sql')

/** The SQL of the file. Empty: the file does not exist. */
export const readBaseline = (): Promise<string> => readFile(baselineFile(), 'utf8').catch(() => '')

/** Writes the file. True if it changed. */
export async function writeBaseline(sql: string): Promise<boolean> {
  if (sql === (await readBaseline())) return false
  await writeFile(baselineFile(), sql)
  return true
}

/**
 * The SQL that makes the database at `emptyUrl` like the migrated one at `migratedUrl`. Runs that SQL in the empty
 * database.
 */
export async function baselineOf(migratedUrl: string, emptyUrl: string): Promise<string> {
  const done: string[] = []
  const empty = await open(emptyUrl)
  const migrated = await open(migratedUrl)
  const add = async (sql: string | null) => {
    if (!sql) return
    await empty.query(sql)
    done.push(sql.trim())
  }
  try {
    await add(await schemaDiff(emptyUrl))
    await add(await sequences(migrated))
    await add((await functionDiff(emptyUrl)).sql)
    await add(await policyDiff(emptyUrl))
    await add(await what(migrated, empty, STORAGE))
    await add(await what(migrated, empty, CONSTRAINTS))
    await add(await what(migrated, empty, INDEXES))
    await add(await rights(migrated))
  } finally {
    await Promise.all([empty.end(), migrated.end()])
  }
  return `${done.join('\n\n')}\n`
}

async function open(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: connectionStringOf(url) })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** The statements of `query` that the migrated database has and the other one lacks. */
async function what(migrated: pg.Client, empty: pg.Client, query: string): Promise<string> {
  const [wanted, has] = await Promise.all(
    [migrated, empty].map(async (client) =>
      (await client.query<{ sql: string }>(query)).rows.map(({ sql }) => sql),
    ),
  )
  return (wanted ?? []).filter((sql) => !has?.includes(sql)).join('\n')
}

const STORAGE = `
  SELECT format('ALTER TABLE %I SET (%s);', relname, array_to_string(reloptions, ', ')) AS sql
  FROM pg_class
  WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND reloptions IS NOT NULL
  ORDER BY relname`

/** A foreign key of the schema that a migration made anew, with columns to empty, is dropped first. */
const CONSTRAINTS = `
  SELECT CASE contype WHEN 'c' THEN '' ELSE
      format('ALTER TABLE %I DROP CONSTRAINT IF EXISTS %I;', relname, conname) || E'\\n' END ||
    format('ALTER TABLE %I ADD CONSTRAINT %I %s;', relname, conname, pg_get_constraintdef(k.oid)) AS sql
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
  WHERE c.relnamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'x')
    AND relname <> '_prisma_migrations'
  ORDER BY relname, conname`

const INDEXES = `
  SELECT replace(indexdef, ' ON public.', ' ON ') || ';' AS sql FROM pg_indexes
  WHERE schemaname = 'public' AND tablename <> '_prisma_migrations' ORDER BY tablename, indexname`

/** Sequences that belong to no column. */
async function sequences(migrated: pg.Client): Promise<string> {
  const { rows } = await migrated.query<{ sql: string }>(`
    SELECT format('CREATE SEQUENCE %I AS %s;', relname, format_type(seqtypid, NULL)) AS sql
    FROM pg_class c JOIN pg_sequence s ON s.seqrelid = c.oid
    WHERE relnamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i'))
    ORDER BY relname`)
  return rows.map(({ sql }) => sql).join('\n')
}

/** Nobody but the owner may call a function until `db:grant` says so. */
async function rights(migrated: pg.Client): Promise<string> {
  const { rows } = await migrated.query<{ sql: string }>(`
    SELECT format('REVOKE ALL ON ROUTINE %s FROM PUBLIC;', oid::regprocedure) AS sql
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY oid::regprocedure::text`)
  return rows.map(({ sql }) => sql).join('\n')
}
