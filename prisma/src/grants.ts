/**
 * Lets an app work as a role that owns nothing. The role may read and write rows. It can neither change nor
 * delete rows of append-only tables, nor switch off the triggers and policies that guard them.
 *
 * Triggers in the migrations mark such tables: a table with a trigger `…_append_only` gets no UPDATE and no
 * DELETE, a table with `…_stays` gets no DELETE, and rows of a table with `…_follows` are updated by triggers
 * alone.
 *
 * @module
 */

import { TollgateError } from '@repo/core'
import pg from 'pg'
import { connectionStringOf } from './connection.ts'

/** The schema of our tables, and the schema of the queue's tables, which @repo/jobs creates. */
const SCHEMAS = ['public', 'graphile_worker']

/**
 * The advisory lock of Prisma's own engine. Migrations and grants take it, so that they never run at the same
 * time.
 */
export const PRISMA_LOCK = 72707369

/**
 * The queue's tables show no rows without a policy. This policy lists the roles that were granted rights, so
 * it also records which roles they are.
 */
const POLICY = 'as_granted'

/** Locking a row needs the right to update at least one column; changing this column does no harm. */
const LOCKED_BY = 'createdAt'

/** The result of {@link grantRole}. */
export interface Granted {
  /** The number of tables that the role may write to. */
  tables: number
  /** The names of the tables that the role may only add to. */
  appendOnly: string[]
}

/**
 * Gives the role exactly the rights that the app needs and revokes all others, also for future tables.
 * Connects as the owner. Can be repeated; `migrate` and `migrateJobs` do so.
 *
 * @throws `unknown_role`; `role_refused` for a role that could do more, with the reason; `not_the_owner` and
 *   `not_migrated`. Nothing is changed then.
 */
export function grantRole(databaseUrl: string, role: string): Promise<Granted> {
  return asOwner(databaseUrl, (client) => grant(client, role))
}

/** Repeats `grantRole` after a migration for every role it was called with. Skips tables of other owners. */
export async function repeatGrants(databaseUrl: string): Promise<void> {
  await asOwner(databaseUrl, async (client) => {
    for (const role of await grantedRoles(client)) await grant(client, role)
  })
}

/** Runs `work` in a transaction as the owner; only one such transaction runs at a time. */
async function asOwner<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: connectionStringOf(url) })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query('BEGIN')
    await client.query('SELECT pg_advisory_xact_lock($1)', [PRISMA_LOCK])
    // CREATE POLICY waits for the users of the table, and every later query would wait behind it.
    await client.query("SET LOCAL lock_timeout = '5s'")
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } finally {
    await client.end()
  }
}

async function grant(client: pg.Client, role: string): Promise<Granted> {
  const tables = await readTables(client)
  await refuseMightyRole(client, role)
  const name = client.escapeIdentifier(role)
  const statements = [
    ...(await forSchemas(client, name)),
    ...tables.flatMap((table) => forTable(table, name)),
    ...(await forSequencesAndFunctions(client, name)),
    ...(await forQueue(client, role)),
  ]
  await client.query(statements.join(';\n'))
  await refuseOtherRights(client, role, tables)
  const named = tables.filter(({ schema, isReadOnly }) => schema === 'public' && !isReadOnly)
  return {
    tables: named.length,
    appendOnly: named.filter(({ isAppendOnly }) => isAppendOnly).map(({ table }) => table),
  }
}

/** Refuses a role that has more rights than the app needs, by itself or through another role. */
async function refuseMightyRole(client: pg.Client, role: string): Promise<void> {
  const { rows } = await client.query<Record<string, string | boolean>>(
    `SELECT current_user AS owner, r.rolname AS role, r.rolsuper AS "a superuser",
       r.rolname = current_user AS "the role that owns the tables",
       r.rolbypassrls AS "a role that bypasses row-level security",
       r.rolcreaterole AS "a role that makes and changes roles"
     FROM pg_roles given, pg_roles r
     WHERE given.rolname = $1 AND (given.oid = r.oid
       OR NOT given.rolsuper AND pg_has_role(given.oid, r.oid, 'MEMBER'))
     ORDER BY given.oid <> r.oid, r.rolname`,
    [role],
  )
  if (rows.length === 0) {
    throw new TollgateError(
      'unknown_role',
      404,
      `The role ${role} does not exist. Create it first: CREATE ROLE ${client.escapeIdentifier(role)} LOGIN PASSWORD '…'`,
    )
  }
  for (const { owner, role: other, ...rights } of rows) {
    const reason = Object.keys(rights).find((right) => rights[right])
    if (!reason) continue
    const way = other === role ? 'is' : `is a member of ${other}, and that is`
    throw new TollgateError(
      'role_refused',
      422,
      `${role} ${way} ${reason}: it could change everything. Use a separate role for the app.`,
    )
  }
}

interface Table {
  schema: string
  table: string
  /** The quoted name with its schema. */
  name: string
  /** True for views and for the tables in which migrations are recorded. */
  isReadOnly: boolean
  isAppendOnly: boolean
  stays: boolean
  follows: boolean
}

/** The owner's own tables. Tables of an extension or of another owner are left out. */
async function readTables(client: pg.Client): Promise<Table[]> {
  const has = (ending: string) => `EXISTS (SELECT FROM pg_trigger t
    WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgname = c.relname || '_${ending}')`
  const { rows } = await client.query<Table & { owner: string; isOwned: boolean }>(
    `SELECT n.nspname AS schema, c.relname AS table, format('%I.%I', n.nspname, c.relname) AS name,
       c.relkind IN ('v', 'm') OR c.relname = '_prisma_migrations'
         OR c.relname = 'migrations' AND n.nspname = 'graphile_worker' AS "isReadOnly",
       ${has('append_only')} AS "isAppendOnly", ${has('stays')} AS stays, ${has('follows')} AS follows,
       pg_get_userbyid(c.relowner) AS owner, pg_get_userbyid(c.relowner) = current_user AS "isOwned"
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p', 'v', 'm') ORDER BY n.nspname, c.relname`,
    [SCHEMAS],
  )
  for (const own of ['public._prisma_migrations', 'graphile_worker.migrations']) {
    const found = rows.find(({ name }) => name === own)
    if (!found) {
      throw new TollgateError(
        'not_migrated',
        409,
        `Run db:migrate first, with this DATABASE_URL: ${own} is missing.`,
      )
    }
    if (!found.isOwned) {
      throw new TollgateError(
        'not_the_owner',
        403,
        `Connect as ${found.owner}, the role that owns the tables: DATABASE_URL names another role.`,
      )
    }
  }
  return rows.filter(({ isOwned }) => isOwned)
}

/** The rights to a whole table; UPDATE may be limited to one column. */
function rightsTo({ isReadOnly, isAppendOnly, stays, follows }: Table): string[] {
  if (isReadOnly) return ['SELECT']
  if (isAppendOnly) return ['SELECT', 'INSERT']
  const update = follows ? `UPDATE ("${LOCKED_BY}")` : 'UPDATE'
  return ['SELECT', 'INSERT', update, ...(stays ? [] : ['DELETE'])]
}

const forTable = (table: Table, role: string): string[] => [
  `REVOKE ALL ON ${table.name} FROM ${role}`,
  `GRANT ${rightsTo(table).join(', ')} ON ${table.name} TO ${role}`,
]

/**
 * Grants the use of the schemas and, by default privileges, rights on future tables. What the triggers of
 * those tables forbid is not known yet.
 */
async function forSchemas(client: pg.Client, role: string): Promise<string[]> {
  const rights = {
    TABLES: 'SELECT, INSERT, UPDATE, DELETE',
    SEQUENCES: 'USAGE',
    ROUTINES: 'EXECUTE',
  }
  const defaults = `ALTER DEFAULT PRIVILEGES IN SCHEMA ${SCHEMAS.join(', ')}`
  // Only the owner of a schema can grant it; by default everybody may use `public`.
  const { rows } = await client.query<{ schema: string }>(
    `SELECT nspname AS schema FROM pg_namespace
     WHERE nspname = ANY ($1) AND pg_has_role(nspowner, 'USAGE')`,
    [SCHEMAS],
  )
  return [
    ...rows.flatMap(({ schema }) => [
      `REVOKE ALL ON SCHEMA ${schema} FROM ${role}`,
      `GRANT USAGE ON SCHEMA ${schema} TO ${role}`,
    ]),
    ...Object.entries(rights).flatMap(([what, granted]) => [
      `${defaults} REVOKE ALL ON ${what} FROM ${role}`,
      `${defaults} GRANT ${granted} ON ${what} TO ${role}`,
    ]),
  ]
}

async function forSequencesAndFunctions(client: pg.Client, role: string): Promise<string[]> {
  // A trigger function needs no right to fire. With the right, the role could attach it to its own table.
  const { rows } = await client.query<{ name: string; right: string | null }>(
    `SELECT format('SEQUENCE %I.%I', n.nspname, c.relname) AS name, 'USAGE' AS right
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'S' AND n.nspname = ANY ($1) AND pg_get_userbyid(c.relowner) = current_user
     UNION ALL
     SELECT format('ROUTINE %I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
       CASE WHEN p.prorettype <> 'trigger'::regtype THEN 'EXECUTE' END
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = ANY ($1)
       AND pg_get_userbyid(p.proowner) = current_user`,
    [SCHEMAS],
  )
  return rows.flatMap(({ name, right }) => [
    `REVOKE ALL ON ${name} FROM ${role}`,
    ...(right === null ? [] : [`GRANT ${right} ON ${name} TO ${role}`]),
  ])
}

const GUARDED = `
  SELECT format('%I.%I', n.nspname, c.relname) AS name,
    ARRAY(SELECT r.rolname::text FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles)
      WHERE p.polrelid = c.oid AND p.polname = '${POLICY}') AS roles
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = 'graphile_worker' AND c.relrowsecurity AND pg_get_userbyid(c.relowner) = current_user`

interface Guarded {
  name: string
  /** The roles that the policy admits. */
  roles: string[]
}

/** Changes policies only where needed, because a change stops the queue for a moment. */
async function forQueue(client: pg.Client, role: string): Promise<string[]> {
  const { rows } = await client.query<Guarded>(GUARDED)
  return rows
    .filter(({ roles }) => !roles.includes(role))
    .map(({ name, roles }) => {
      const all = [...roles, role].map((each) => client.escapeIdentifier(each)).join(', ')
      if (roles.length > 0) return `ALTER POLICY ${POLICY} ON ${name} TO ${all}`
      return `CREATE POLICY ${POLICY} ON ${name} TO ${all} USING (true)`
    })
}

async function grantedRoles(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<Guarded>(GUARDED)
  return [...new Set(rows.flatMap(({ roles }) => roles))].sort()
}

/**
 * Refuses a role that has further rights through PUBLIC or another role, which the owner cannot revoke from
 * it.
 */
async function refuseOtherRights(client: pg.Client, role: string, tables: Table[]): Promise<void> {
  const asked = tables.map((table) => {
    const rights = rightsTo(table)
    const refused = ['DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'INSERT', 'UPDATE']
    return { ...table, refused: refused.filter((right) => !rights.includes(right)) }
  })
  const { rows } = await client.query<{ right: string; what: string }>(
    `WITH roles AS (
       SELECT r.oid FROM pg_roles r WHERE pg_has_role($1::name, r.oid, 'MEMBER')
     )
     SELECT wrong AS right, t.name AS what
     FROM jsonb_to_recordset($2) AS t(name text, follows boolean, refused text[]),
       unnest(t.refused) wrong, roles
     WHERE has_table_privilege(roles.oid, t.name, wrong)
       OR wrong = 'UPDATE' AND NOT t.follows AND has_any_column_privilege(roles.oid, t.name, wrong)
     UNION ALL
     SELECT 'CREATE', format('schema %s', n.nspname) FROM pg_namespace n, roles
     WHERE n.nspname = ANY ($3) AND has_schema_privilege(roles.oid, n.oid, 'CREATE')
     LIMIT 1`,
    [role, JSON.stringify(asked), SCHEMAS],
  )
  const [found] = rows
  if (!found) return
  throw new TollgateError(
    'role_refused',
    422,
    `${role} has ${found.right} on ${found.what} by another way: through PUBLIC, through a role that it is a member of, or from somebody who is not the owner. Revoke that right first.`,
  )
}
