/**
 * The second wall: row-level security, forced, so that it binds the owner of the tables, too. The settings
 * decide which rows a transaction sees: an organization's rows if it names one, all rows if the connection is
 * the system's, else none. A trigger limits foreign keys to visible rows, because PostgreSQL checks foreign
 * keys without the policies. `db:diff` writes the SQL into migrations.
 *
 * @module
 */

import { TollgateError } from '@repo/core'
import pg from 'pg'
import { connectionStringOf, ORGANIZATION_SETTING, SYSTEM_SETTING } from '../connection.ts'
import { models } from './generated/models.ts'
import type { Model, ModelName } from './model.ts'
import { columnOf } from './scope.ts'

// In a subquery, so that the setting is read once per query and not for each row. Written out, because a
// function of the database would be planned anew for each query.
const ORGANIZATION = `(SELECT nullif(current_setting('${ORGANIZATION_SETTING}', true), ''))`
const SYSTEM =
  `(SELECT current_setting('${SYSTEM_SETTING}', true) = 'on' ` +
  `AND coalesce(current_setting('${ORGANIZATION_SETTING}', true), '') = '')`

/** The statements that enable row-level security on a table and create its policies and triggers. */
export function policiesOf(name: ModelName): string {
  const model = models[name]
  const table = quote(model.table)
  const own = ownRows(name, model)
  return [
    `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;`,
    `CREATE POLICY "as_system" ON ${table} USING (${SYSTEM});`,
    ...(own ? [`CREATE POLICY "of_organization" ON ${table}${own.for} USING (${own.using});`] : []),
    ...triggersOf(name, model),
  ].join('\n')
}

/**
 * A function of the migrations. In a transaction of an organization it looks up the row that a foreign key
 * names.
 */
const CHECK = 'Tenancy_refers_inside'

/** One trigger for each foreign key of an organization's table that could lead out of the organization. */
function triggersOf(name: ModelName, model: Model): string[] {
  if (model.tenancy !== 'organization') return []
  return Object.entries(model.relations).flatMap(([relation, { model: other, from, to }]) => {
    const carried = from.indexOf(columnOf(name))
    const isHeld = carried >= 0 && (to[carried] === ownColumnOf(other) || from.length === 1)
    if (from.length === 0 || isHeld) return []
    const table = quote(model.table)
    const given = [
      models[other].table,
      ...from.flatMap((column, index) => [column, to[index] ?? '']),
    ]
    // BEFORE, because the write itself could make the row visible: a user who becomes a member is visible.
    // AFTER for an organization's own table, because one statement may insert rows together with the rows
    // they refer to.
    const time = models[other].tenancy === 'organization' ? 'AFTER' : 'BEFORE'
    return [
      `CREATE TRIGGER ${quote(`${model.table}_${relation}_is_inside`)} ${time} INSERT OR UPDATE OF ` +
        `${from.map(quote).join(', ')} ON ${table} FOR EACH ROW ` +
        `WHEN (current_setting('${ORGANIZATION_SETTING}', true) <> '') ` +
        `EXECUTE FUNCTION ${quote(CHECK)}(${given.map(literal).join(', ')});`,
    ]
  })
}

const ownColumnOf = (name: ModelName) =>
  models[name].tenancy === 'organization' ? columnOf(name) : null

/** The rows that the organization has and the commands it may run on them; null for none. Matches `scopeOf`. */
function ownRows(name: ModelName, model: Model): { for: string; using: string } | null {
  if (model.tenancy === 'global') {
    return model.by.includes('readable') ? { for: READ, using: 'true' } : null
  }
  const using = conditionOf(name)
  return using === null ? null : { for: model.tenancy === 'organization' ? '' : READ, using }
}

/** The condition that makes a row the organization's; null if no row is. */
function conditionOf(name: ModelName): string | null {
  const model = models[name]
  const { tenancy, by, relations } = model
  const column = (of: string) => `${quote(model.table)}.${quote(of)}`
  if (tenancy === 'organization') return `${column(columnOf(name))} = ${ORGANIZATION}`
  if (by.includes('ownerId')) {
    const own = `${column('ownerId')} = ${ORGANIZATION}`
    const isTyped = model.columns.includes('ownerType')
    return isTyped ? `${own} AND ${column('ownerType')} = 'organization'` : own
  }
  const ways = by.flatMap((way) => {
    const relation = relations[way]
    const condition = relation && conditionOf(relation.model)
    if (!condition) return []
    const other = models[relation.model]
    // For a list the other model refers to this one, through the relation with the same columns.
    const back = Object.values(other.relations).find(
      (candidate) => candidate.model === name && `${candidate.from}` === `${relation.backwards}`,
    )
    const here = (relation.list ? back?.to : relation.from) ?? []
    const there = relation.list ? relation.backwards : relation.to
    const theirs = there.map((each) => `${quote(other.table)}.${quote(each)}`)
    // Evaluated once per query, with an index, and not at all for the system. PostgreSQL would turn a look-up
    // per row into a scan of the whole table.
    const rows = `FROM ${quote(other.table)} WHERE ${condition}`
    if (theirs.length === 1)
      return `${column(here[0] ?? '')} = ANY (ARRAY(SELECT ${theirs[0]} ${rows}))`
    const match = theirs.map((each, index) => `${each} = ${column(here[index] ?? '')}`)
    return `(${ORGANIZATION} IS NOT NULL AND EXISTS (SELECT ${rows} AND ${match.join(' AND ')}))`
  })
  return ways.length === 0 ? null : ways.join(' OR ')
}

const READ = ' FOR SELECT'
const quote = (identifier: string) => `"${identifier.replaceAll('"', '""')}"`
const literal = (text: string) => `'${text.replaceAll("'", "''")}'`

interface TableRow {
  table: string
  forced: boolean
  policies: [name: string, ...rest: unknown[]][] | null
  triggers: [name: string, ...rest: unknown[]][] | null
}

/**
 * The SQL that would bring the policies and their triggers in the database at `url` in line with the schema;
 * null if they agree. Changes nothing.
 *
 * @throws `tenancy_undeclared`, which names every table without a `@tenancy` line
 */
export async function policyDiff(url: string): Promise<string | null> {
  const client = new pg.Client({ connectionString: connectionStringOf(url) })
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
    for (const { table, policies, triggers } of before) {
      const name = declared.get(table) as ModelName
      const drop = (kind: string, rows: TableRow['policies']) =>
        (rows ?? []).map(([each]) => `DROP ${kind} ${quote(each)} ON ${quote(table)};\n`)
      const drops = [...drop('POLICY', policies), ...drop('TRIGGER', triggers)]
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
            FROM pg_policies WHERE schemaname = 'public' AND tablename = relname) AS policies,
           (SELECT json_agg(json_build_array(tgname, tgenabled, pg_get_triggerdef(oid)) ORDER BY tgname)
            FROM pg_trigger WHERE tgrelid = pg_class.oid AND tgfoid = to_regproc('"${CHECK}"')) AS triggers
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
    `${tables.join(', ')}: the owner of the rows is not declared. Put a line \`/// @tenancy …\` above ` +
      'the model (schema/schema.prisma lists the forms), then run ' +
      '`npx -y pnpm@10.34.9 db:diff --name x`, which writes the policies into a migration.',
  )
