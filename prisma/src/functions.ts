/**
 * `sql/<domain>/<Function>.sql` is the present text of every SQL function of the schema, with the triggers that
 * call it. Databases are made by the migrations: `db:diff` compares them with the files and writes the difference
 * into the new migration. The triggers of `Tenancy_refers_inside` come from the schema; see
 * `tenancy/policies.ts`.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TollgateError } from '@repo/core'
import pg from 'pg'
import { connectionStringOf } from './connection.ts'

/** The folder `sql/`. A function and no module-level URL, which bundlers take for a file to bundle. */
export const sqlFolder = (): string => join(dirname(fileURLToPath(import.meta.url)), '..', 'sql')

/** One file of `sql/`. */
interface FunctionFile {
  name: string
  /** The path below `prisma/`. */
  path: string
  /** The statement that creates the function, with the comment above it. */
  definition: string
  /** The statements that create its triggers; empty if there are none. */
  triggers: string
}

/** A function or trigger that the database and the files disagree about. */
export interface FunctionDifference {
  /** The function with the types of its arguments, or the trigger with its table. */
  name: string
  /** What differs, and what to do. */
  message: string
}

/** The differences between a database and the files, and the SQL that brings the database in line with the files. */
export interface FunctionDiff {
  differences: FunctionDifference[]
  sql: string
}

const TRIGGERS_BEGIN = /^(?:--.*\n)*(?:DROP TRIGGER|CREATE (?:OR REPLACE |CONSTRAINT )*TRIGGER)\b/m

/**
 * Reads the files, ordered by name.
 *
 * @throws `function_file_malformed` if a file does not create the function that it is named after
 */
async function readFunctionFiles(folder: string): Promise<FunctionFile[]> {
  const entries = await readdir(folder, { recursive: true })
  const paths = entries.filter((path) => path.endsWith('.sql'))
  const files = await Promise.all(
    paths.map(async (path) => parse(path, await readFile(join(folder, path), 'utf8'))),
  )
  return files.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function parse(path: string, text: string): FunctionFile {
  const [domain, file, ...deeper] = path.split(/[/\\]/)
  const name = file?.replace(/\.sql$/, '') ?? ''
  const created = [...text.matchAll(/^CREATE OR REPLACE FUNCTION "?(\w+)"?\(/gm)].map(
    ([, it]) => it,
  )
  if (deeper.length > 0 || created.length !== 1 || created[0] !== name) {
    throw new TollgateError(
      'function_file_malformed',
      500,
      `sql/${path} must be called sql/<domain>/<Function>.sql and contain one statement CREATE OR REPLACE FUNCTION, ` +
        'without a schema, of the function that it is named after.',
    )
  }
  const at = text.search(TRIGGERS_BEGIN)
  return {
    name,
    path: `sql/${domain}/${file}`,
    definition: `${(at < 0 ? text : text.slice(0, at)).trim()}\n`,
    triggers: at < 0 ? '' : `${text.slice(at).trim()}\n`,
  }
}

const SUMS = join('src', 'function-sums.ts')

/**
 * The module `function-sums.ts` as the files say: the MD5 sum of each function's body, as PostgreSQL's
 * `md5(prosrc)` returns it for a database that agrees with the files.
 */
export async function functionSumsModule(folder: string = sqlFolder()): Promise<string> {
  const files = await readFunctionFiles(folder)
  const sums = files.map(({ name, definition }) => {
    const [, , body = ''] = /AS (\$\w*\$)([\s\S]*)\1;\s*$/.exec(definition) ?? []
    return `  ${name}: '${createHash('md5').update(body).digest('hex')}',\n`
  })
  return `/**
 * The MD5 sums of the bodies of the SQL functions in \`sql/\`, by which a database is checked. \`db:diff\` writes this
 * file.
 *
 * @module
 */

/** The MD5 sum of each SQL function's body, in hex. */
export const functionSums = {
${sums.join('')}} as const
`
}

/** Writes `function-sums.ts`. True if it changed. */
export async function writeFunctionSums(): Promise<boolean> {
  const path = join(sqlFolder(), '..', SUMS)
  const text = await functionSumsModule()
  if (text === (await readFile(path, 'utf8').catch(() => ''))) return false
  await writeFile(path, text)
  return true
}

interface Found {
  /** The function with the types of its arguments, or the trigger with its table. */
  name: string
  /** The name of the function, or of the function that the trigger calls. */
  of: string
  drop: string
  definition: string
  /** The transaction that created it. */
  version: string
}

interface State {
  functions: Found[]
  triggers: Found[]
}

/** Compares the database at `url` with the files. Changes nothing: it applies the files and rolls back. */
export async function functionDiff(
  url: string,
  folder: string = sqlFolder(),
): Promise<FunctionDiff> {
  const files = await readFunctionFiles(folder)
  const client = new pg.Client({ connectionString: connectionStringOf(url) })
  client.on('error', () => {})
  await client.connect()
  try {
    const before = await readState(client)
    await client.query('BEGIN')
    for (const { drop } of before.triggers) await client.query(drop)
    const dropped: Found[] = []
    for (const file of files) dropped.push(...(await create(client, file, before)))
    for (const { path, triggers } of files) await run(client, path, triggers)
    const after = await readState(client)
    await client.query('ROLLBACK')
    return difference(files, before, after, dropped)
  } finally {
    await client.end()
  }
}

async function run(client: pg.Client, path: string, sql: string): Promise<void> {
  try {
    await client.query(sql)
  } catch (error) {
    const { message, code } = error as { message: string; code?: string }
    const refused = `PostgreSQL refuses prisma/${path}: ${message}`
    throw Object.assign(new TollgateError('function_file_refused', 500, refused), {
      sqlState: code,
    })
  }
}

const CANNOT_REPLACE = '42P13'

/**
 * Creates the function of a file and returns the functions that had to be dropped for that: PostgreSQL refuses to
 * replace a function whose result or names of arguments changed.
 */
async function create(client: pg.Client, file: FunctionFile, before: State): Promise<Found[]> {
  await client.query('SAVEPOINT before_file')
  try {
    await run(client, file.path, file.definition)
    return []
  } catch (error) {
    if ((error as { sqlState?: string }).sqlState !== CANNOT_REPLACE) throw error
    await client.query('ROLLBACK TO SAVEPOINT before_file')
    const old = before.functions.filter(({ of }) => of === file.name)
    for (const { drop } of old) await run(client, file.path, drop)
    await run(client, file.path, file.definition)
    return old
  }
}

const WRITE = '`db:diff --name x` writes the migration'

function difference(
  files: FunctionFile[],
  before: State,
  after: State,
  dropped: Found[],
): FunctionDiff {
  const same = (a: Found) => (b: Found) => a.name === b.name
  // A function that no file created has its old version still.
  const isOrphan = (found: Found) =>
    after.functions.some((now) => now.name === found.name && now.version === found.version)
  const functions = before.functions.filter(isOrphan)
  const triggers = before.triggers.filter((found) => !after.triggers.some(same(found)))
  const changed = (kind: keyof State, { name }: FunctionFile) =>
    after[kind].filter((found) => {
      const old = before[kind].find(same(found))
      return found.of === name && old?.definition !== found.definition
    })

  const differences: FunctionDifference[] = [...functions, ...triggers].map(({ name }) => ({
    name,
    message:
      'The migrations create it and no file in prisma/sql does. Put a function into ' +
      `prisma/sql/<domain>/<Function>.sql and a trigger below its function. To drop it instead, ${WRITE}.`,
  }))
  const statements = [...triggers, ...functions, ...dropped].map(({ drop }) => drop)
  const created: string[] = []
  for (const file of files) {
    const ofFunction = changed('functions', file)
    const ofTriggers = changed('triggers', file)
    if (ofFunction.length > 0) statements.push(file.definition)
    if (ofTriggers.length > 0) created.push(file.triggers)
    for (const { name } of [...ofFunction, ...ofTriggers]) {
      const message = `The migrations and prisma/${file.path} differ. Change the file alone; ${WRITE}.`
      differences.push({ name, message })
    }
  }
  return { differences, sql: [...statements, ...created].join('\n') }
}

async function readState(client: pg.Client): Promise<State> {
  const functions = await client.query<Found>(`
    SELECT p.oid::regprocedure::text AS name, p.proname AS of, p.xmin::text AS version,
      format('DROP ROUTINE %s;', p.oid::regprocedure) AS drop, pg_get_functiondef(p.oid) AS definition
    FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace AND p.prokind <> 'a'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    ORDER BY 1`)
  const triggers = await client.query<Found>(`
    SELECT format('%I on %s', t.tgname, t.tgrelid::regclass) AS name, p.proname AS of, t.xmin::text AS version,
      format('DROP TRIGGER %I ON %s;', t.tgname, t.tgrelid::regclass) AS drop,
      t.tgenabled::text || pg_get_triggerdef(t.oid) AS definition
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace
      AND p.proname <> 'Tenancy_refers_inside'
    ORDER BY 1`)
  return { functions: functions.rows, triggers: triggers.rows }
}
