/**
 * The second wall: row-level security, forced, so that it binds the owner of the tables, too. The
 * database shows a transaction what the settings say: an organization's rows where one is named, all
 * where the connection is the system's, and else none. Written into migrations by `db:diff`.
 *
 * @module
 */

import { TollgateError } from '@repo/core'
import pg from 'pg'
import { ORGANIZATION_SETTING, SYSTEM_SETTING } from '../connection.ts'
import { models } from './generated/models.ts'
import type { Model, ModelName } from './model.ts'
import { columnOf } from './scope.ts'

// In a subquery, so that a setting is asked once and not for each row; written out, because a function
// of the database would be read anew for each query.
const ORGANIZATION = `(SELECT nullif(current_setting('${ORGANIZATION_SETTING}', true), ''))`
const SYSTEM =
  `(SELECT current_setting('${SYSTEM_SETTING}', true) = 'on' ` +
  `AND coalesce(current_setting('${ORGANIZATION_SETTING}', true), '') = '')`

/**
 * The statements that put a table behind its policies. PostgreSQL asks them in the order of their
 * names, and the system's first, so that its queries look nothing up.
 */
export function policiesOf(name: ModelName): string {
  const model = models[name]
  const table = quote(model.table)
  const own = ownRows(name, model)
  return [
    `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;`,
    `CREATE POLICY "as_system" ON ${table} USING (${SYSTEM});`,
    ...(own ? [`CREATE POLICY "of_organization" ON ${table}${own.for} USING (${own.using});`] : []),
  ].join('\n')
}

/** Which rows are the organization's, and for which commands; null for none. As `scopeOf`. */
function ownRows(name: ModelName, model: Model): { for: string; using: string } | null {
  const { tenancy, by, relations } = model
  if (tenancy === 'organization') {
    return { for: '', using: `${quote(columnOf(name))} = ${ORGANIZATION}` }
  }
  if (tenancy === 'global') return by.includes('readable') ? { for: READ, using: 'true' } : null
  if (by.includes('ownerId')) {
    const own = `"ownerId" = ${ORGANIZATION}`
    const isTyped = model.columns.includes('ownerType')
    return { for: READ, using: isTyped ? `${own} AND "ownerType" = 'organization'` : own }
  }
  const ways = by.flatMap((way) => {
    const relation = relations[way]
    if (!relation) return []
    const other = models[relation.model]
    // A list is pointed at from the other side, by the relation that has the same columns.
    const back = Object.values(other.relations).find(
      (candidate) => candidate.model === name && `${candidate.from}` === `${relation.backwards}`,
    )
    const here = relation.list ? back?.to : relation.from
    const there = relation.list ? relation.backwards : relation.to
    const match = there.map(
      (column, index) =>
        `${quote(other.table)}.${quote(column)} = ${quote(model.table)}.${quote(here?.[index] ?? '')}`,
    )
    // A look-up for each row that the query has already found; the policies of the other table hold.
    // In a function, whose plan is kept, it would be made for rows that the query throws away.
    return `EXISTS (SELECT FROM ${quote(other.table)} WHERE ${match.join(' AND ')})`
  })
  return ways.length === 0 ? null : { for: READ, using: ways.join(' OR ') }
}

const READ = ' FOR SELECT'
const quote = (identifier: string) => `"${identifier.replaceAll('"', '""')}"`

interface TableRow {
  table: string
  forced: boolean
  policies: unknown
}

/**
 * SQL that would bring the policies of the database at `url` in line with the schema; null when they
 * agree. Changes nothing.
 *
 * @throws `tenancy_undeclared`, naming every table that has not said whose its rows are
 */
export async function policyDiff(url: string): Promise<string | null> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    const before = await readTables(client)
    const declared = new Map(
      Object.entries(models).map(([name, model]) => [model.table, name as ModelName]),
    )
    const undeclared = before.filter(({ table }) => {
      const name = declared.get(table)
      return !name || models[name].tenancy === 'undeclared'
    })
    if (undeclared.length > 0) throw silent(undeclared.map(({ table }) => table))
    await client.query('BEGIN')
    const statements = new Map<string, string>()
    for (const { table } of before) {
      const name = declared.get(table) as ModelName
      const { rows } = await client.query(
        'SELECT policyname FROM pg_policies WHERE tablename = $1',
        [table],
      )
      const drops = rows.map((row) => `DROP POLICY ${quote(row.policyname)} ON ${quote(table)};\n`)
      const sql = `${drops.join('')}${policiesOf(name)}`
      statements.set(table, sql)
      await client.query(sql)
    }
    const after = await readTables(client)
    await client.query('ROLLBACK')
    const changed = after.filter(
      (row, index) => JSON.stringify(row) !== JSON.stringify(before[index]),
    )
    if (changed.length === 0) return null
    return changed.map(({ table }) => `${statements.get(table)}\n`).join('\n')
  } finally {
    await client.end()
  }
}

async function readTables(client: pg.Client): Promise<TableRow[]> {
  const { rows } = await client.query<TableRow>(`
    SELECT relname AS table, relrowsecurity AND relforcerowsecurity AS forced,
           (SELECT json_agg(json_build_array(policyname, permissive, roles, cmd, qual, with_check)
                            ORDER BY policyname)
            FROM pg_policies WHERE schemaname = 'public' AND tablename = relname) AS policies
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
      AND relname <> '_prisma_migrations'
    ORDER BY relname`)
  return rows
}

const silent = (tables: string[]) =>
  new TollgateError(
    'tenancy_undeclared',
    500,
    `${tables.join(', ')}: nobody has said whose the rows are. Put a line \`/// @tenancy …\` above ` +
      'the model (schema/schema.prisma lists the forms), then run `prisma generate` in prisma/ ' +
      'and `db:diff --name x`, which writes the policies into a migration.',
  )
