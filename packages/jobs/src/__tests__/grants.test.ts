/**
 * Promise 3, and what the audit log keeps: an app may work as a role that owns nothing, with what it needs
 * and no more. Here, because the queue's tables belong to it.
 */

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { grantRole, migrate } from '@repo/db'
import {
  createTestDatabase,
  createTestRole,
  type TestDatabase,
  type TestRole,
} from '@repo/db/testing'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { migrateJobs } from '../index.ts'

const postgres = inject('postgres')
let database: TestDatabase
let role: TestRole
const roles: TestRole[] = []
/** The role's own connection, as the system. */
let app: pg.Client
let owner: pg.Client

beforeAll(async () => {
  database = await createTestDatabase(postgres)
  await migrateJobs(database.url)
  role = await makeRole()
  await grantRole(database.url, role.name)
  app = await connect(role.url(database.url))
  owner = await connect(database.url)
  await owner.query(`INSERT INTO "AuditLog" (id, action) VALUES ('1', 'sign_in')`)
  await owner.query(`SELECT "Credit_post"('ada', 'credits', 'grant', 5, 'k', '', p_priority => 50)`)
})
afterAll(async () => {
  await app.end()
  await owner.end()
  await database.drop()
  for (const made of roles) await made.drop()
})

async function makeRole(options?: string): Promise<TestRole> {
  const made = await createTestRole(postgres, options)
  roles.push(made)
  return made
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query("SELECT set_config('tollgate.system', 'on', false)")
  return client
}

const id = (name: string) => pg.escapeIdentifier(name)

/** What the role may do with each table and view, and with the columns where the table says no. */
async function rights(name = role.name): Promise<Record<string, string>> {
  const { rows } = await owner.query(
    `SELECT c.relname AS table, (
       SELECT string_agg(lower(p), ' ') FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p
       WHERE has_table_privilege($1, c.oid, p)) AS rights, (
       SELECT string_agg(a.attname, ' ') FROM pg_attribute a
       WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT has_table_privilege($1, c.oid, 'UPDATE')
         AND has_column_privilege($1, c.oid, a.attnum, 'UPDATE')) AS columns
     FROM pg_class c WHERE c.relnamespace IN ('public'::regnamespace, 'graphile_worker'::regnamespace)
       AND c.relkind IN ('r', 'v')`,
    [name],
  )
  return Object.fromEntries(
    rows.map((row) => [
      row.table,
      row.columns ? `${row.rights}, update ${row.columns}` : row.rights,
    ]),
  )
}

const EVERYTHING = 'select insert update delete'
const LESS = {
  _prisma_migrations: 'select',
  migrations: 'select',
  jobs: 'select',
  AuditLog: 'select insert',
  CreditTransaction: 'select insert',
  CreditAccount: 'select insert, update createdAt',
}

test('the role may read and write all tables, and only add to append-only tables', async () => {
  const all = await rights()
  expect(Object.keys(all).length).toBeGreaterThan(40)
  const less = Object.entries(all).filter(([, granted]) => granted !== EVERYTHING)
  expect(Object.fromEntries(less)).toEqual(LESS)
})

test('every table with a trigger called append-only is an append-only table', async () => {
  const { rows } = await owner.query(
    `SELECT tgrelid::regclass::text AS table FROM pg_trigger WHERE tgname LIKE '%append_only' ORDER BY 1`,
  )
  expect(rows).toEqual([{ table: '"AuditLog"' }, { table: '"CreditTransaction"' }])
})

const REFUSED = [
  'UPDATE "CreditTransaction" SET amount = 100',
  'UPDATE "CreditTransaction" SET description = description',
  'DELETE FROM "CreditTransaction"',
  'TRUNCATE "CreditTransaction" CASCADE',
  'SELECT 1 FROM "CreditTransaction" FOR UPDATE',
  `INSERT INTO "CreditTransaction" SELECT * FROM "CreditTransaction" ON CONFLICT (id) DO UPDATE SET amount = 100`,
  `MERGE INTO "CreditTransaction" t USING "CreditTransaction" s ON s.id = t.id WHEN MATCHED THEN DELETE`,
  'UPDATE "AuditLog" SET action = \'sign_out\'',
  'DELETE FROM "AuditLog"',
  `DELETE FROM "AuditLog" WHERE "createdAt" < now() - interval '1 year'`,
  'TRUNCATE "AuditLog"',
  'UPDATE "CreditAccount" SET balance = 100',
  'UPDATE "CreditAccount" SET debt = 0',
  `UPDATE "CreditAccount" SET "ownerId" = 'mallory'`,
  `UPDATE "CreditAccount" SET "updatedAt" = 'infinity'`,
  'DELETE FROM "CreditAccount"',
  'TRUNCATE "User" CASCADE',
  'ALTER TABLE "CreditTransaction" DISABLE TRIGGER ALL',
  'ALTER TABLE "CreditTransaction" DISABLE TRIGGER "CreditTransaction_append_only"',
  'ALTER TABLE "AuditLog" DISABLE TRIGGER USER',
  'ALTER TABLE "AuditLog" DISABLE ROW LEVEL SECURITY',
  'ALTER TABLE "Member" NO FORCE ROW LEVEL SECURITY',
  'DROP TRIGGER "AuditLog_append_only" ON "AuditLog"',
  'DROP POLICY "as_system" ON "User"',
  'CREATE POLICY "more" ON "Member" USING (true)',
  'DROP TABLE "AuditLog"',
  'ALTER FUNCTION "CreditTransaction_applies"() SECURITY INVOKER',
  `CREATE OR REPLACE FUNCTION "AuditLog_append_only"() RETURNS trigger LANGUAGE sql AS 'SELECT NULL'`,
  `CREATE TRIGGER mine BEFORE INSERT ON "User" FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
  'CREATE TABLE mine ("user" text REFERENCES "User")',
  'CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
  'SET session_replication_role = replica',
  "SELECT setval('sync_ticket', 1)",
  'DELETE FROM _prisma_migrations',
  'DELETE FROM graphile_worker.migrations',
  'TRUNCATE graphile_worker._private_jobs',
  'DROP POLICY as_granted ON graphile_worker._private_jobs',
  'SET ROLE tollgate',
]

test('promise 3: changing the past, or switching off its guards, is refused', async () => {
  const everything = async () => {
    const { rows } =
      await owner.query(`SELECT (SELECT json_agg(t) FROM "CreditTransaction" t) AS ledger,
      (SELECT json_agg(a) FROM "CreditAccount" a) AS accounts, (SELECT json_agg(l) FROM "AuditLog" l) AS log`)
    expect(rows[0].ledger).toHaveLength(1)
    expect(rows[0].log).toHaveLength(1)
    return rows
  }
  const before = await everything()
  for (const statement of REFUSED) {
    const sql = statement.replace('tollgate', id(postgres.owner))
    const code = await app.query(sql).then(
      () => 'done',
      (error) => error.code,
    )
    expect([statement, code]).toEqual([statement, '42501'])
  }
  expect(await everything()).toEqual(before)
})

test('promise 3: the role cannot get around that with tables and triggers of its own', async () => {
  await app.query('CREATE TEMP TABLE mine (n int)')
  await app.query(`CREATE FUNCTION pg_temp.around() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE public."CreditAccount" SET balance = 1000; RETURN NULL; END $$`)
  await app.query(
    'CREATE TRIGGER around AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION pg_temp.around()',
  )
  await expect(app.query('INSERT INTO mine VALUES (1)')).rejects.toMatchObject({ code: '42501' })
  // A table that stands before ours does not get what is meant for ours.
  await app.query('CREATE TEMP TABLE "CreditAccount" (LIKE public."CreditAccount")')
  await app.query(`INSERT INTO pg_temp."CreditAccount" SELECT * FROM public."CreditAccount"`)
  await app.query(`INSERT INTO "CreditTransaction" ("ownerId", "creditType", type, amount, "balanceAfter",
    "idempotencyKey", lots, description) VALUES ('ada', 'credits', 'grant', 3, 8, 'by hand', '[]', '')`)
  const balance = async (schema: string) => {
    const { rows } = await app.query(`SELECT balance FROM ${schema}."CreditAccount"`)
    return rows.map((row) => Number(row.balance))
  }
  expect(await balance('pg_temp')).toEqual([5])
  expect(await balance('public')).toEqual([8])
  await app.query('DISCARD TEMP')
})

test('granting again changes nothing, and revokes other rights', async () => {
  const acls = async () => {
    const { rows } = await owner.query(
      'SELECT relname, relacl::text FROM pg_class WHERE relacl IS NOT NULL UNION ALL SELECT polname, polroles::text FROM pg_policy ORDER BY 1, 2',
    )
    return rows
  }
  const before = await acls()
  expect(await grantRole(database.url, role.name)).toEqual({
    tables: expect.any(Number),
    appendOnly: ['AuditLog', 'CreditTransaction'],
  })
  expect(await acls()).toEqual(before)
  await owner.query(`GRANT ALL ON "AuditLog", "User" TO ${id(role.name)}`)
  await owner.query(`GRANT UPDATE ("amount") ON "CreditTransaction" TO ${id(role.name)}`)
  await owner.query(`GRANT CREATE ON SCHEMA graphile_worker TO ${id(role.name)}`)
  await grantRole(database.url, role.name)
  expect(await acls()).toEqual(before)
  expect(await rights()).toMatchObject(LESS)
})

test('a table of a later migration is granted at once, and with the rights of its triggers after the next migration', async () => {
  await owner.query('CREATE TABLE "Later" (id serial)')
  await owner.query('CREATE TABLE "Fact" (id serial)')
  expect(await rights()).toMatchObject({ Later: EVERYTHING, Fact: EVERYTHING })
  await app.query('INSERT INTO "Later" DEFAULT VALUES')
  await owner.query(
    'CREATE TRIGGER "Fact_append_only" BEFORE UPDATE ON "Fact" FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
  )
  await owner.query('CREATE TABLE graphile_worker.later (id int)')
  await owner.query('ALTER TABLE graphile_worker.later ENABLE ROW LEVEL SECURITY')
  const insert = () => app.query('INSERT INTO graphile_worker.later VALUES (1)')
  await expect(insert()).rejects.toMatchObject({ code: '42501' })
  await migrate(database.url)
  expect(await rights()).toMatchObject({ ...LESS, Later: EVERYTHING, Fact: 'select insert' })
  await insert()
  await owner.query('DROP TABLE "Later", "Fact", graphile_worker.later')
})

test('a second role gets the same rights, beside the first', async () => {
  const second = await makeRole()
  await grantRole(database.url, second.name)
  expect(await rights(second.name)).toEqual(await rights())
  for (const each of [second, role]) {
    const client = await connect(each.url(database.url))
    const { rows } = await client.query("SELECT id::text FROM graphile_worker.add_job('some')")
    expect(rows).toHaveLength(1)
    await client.end()
  }
  await owner.query('DELETE FROM graphile_worker._private_jobs')
})

test('a role that could do more is refused, with the reason, and gets nothing', async () => {
  const admin = await connect(postgres.adminUrl)
  const refused = async (name: string, code: string, reason: string) => {
    const given = await grantRole(database.url, name).catch((error) => error)
    expect([name, given.code, given.message]).toEqual([name, code, expect.stringContaining(reason)])
  }
  await refused('nobody here', 'unknown_role', 'CREATE ROLE "nobody here"')
  await refused('"; DROP TABLE "User"; --', 'unknown_role', 'does not exist')
  await refused('public', 'unknown_role', 'does not exist')
  await refused(postgres.owner, 'role_refused', 'is the role that owns the tables')
  for (const [options, reason] of [
    ['SUPERUSER', 'is a superuser'],
    ['BYPASSRLS', 'is a role that bypasses row-level security'],
    ['CREATEROLE', 'is a role that makes and changes roles'],
  ] as const) {
    const made = await makeRole(options)
    await refused(made.name, 'role_refused', reason)
    const member = await makeRole('NOINHERIT')
    await admin.query(`GRANT ${id(made.name)} TO ${id(member.name)}`)
    await refused(member.name, 'role_refused', `is a member of ${made.name}`)
    expect((await rights(member.name)).User).toBeNull()
  }
  const heir = await makeRole('NOINHERIT')
  await admin.query(`GRANT ${id(postgres.owner)} TO ${id(heir.name)}`)
  await refused(heir.name, 'role_refused', `is a member of ${postgres.owner}`)
  const writer = await makeRole()
  await admin.query(`GRANT pg_write_all_data TO ${id(writer.name)}`)
  await refused(writer.name, 'role_refused', 'by another way')
  await admin.end()

  const other = await makeRole()
  for (const [open, close] of [
    ['GRANT DELETE ON "AuditLog" TO PUBLIC', 'REVOKE DELETE ON "AuditLog" FROM PUBLIC'],
    [
      'GRANT UPDATE (lots) ON "CreditTransaction" TO PUBLIC',
      'REVOKE UPDATE (lots) ON "CreditTransaction" FROM PUBLIC',
    ],
    ['GRANT CREATE ON SCHEMA public TO PUBLIC', 'REVOKE CREATE ON SCHEMA public FROM PUBLIC'],
  ] as const) {
    await owner.query(open)
    await refused(other.name, 'role_refused', 'by another way')
    expect((await rights(other.name)).User).toBeNull()
    await owner.query(close)
  }
  await grantRole(database.url, other.name)
})

test('only the owner can grant, and only where the tables exist', async () => {
  const made = await makeRole()
  for (const name of [made.name, role.name]) {
    await expect(grantRole(role.url(database.url), name)).rejects.toMatchObject({
      code: 'not_the_owner',
      message: expect.stringContaining(postgres.owner),
    })
  }
  const empty = await createTestDatabase(postgres)
  await expect(grantRole(empty.url, made.name)).rejects.toMatchObject({ code: 'not_migrated' })
  await empty.drop()
  // What an app does that looks after its tables itself: there is nothing to be done, and nothing happens.
  await migrateJobs(role.url(database.url))
  await expect(migrate(role.url(database.url))).rejects.toMatchObject({ code: '42501' })
})

const run = promisify(execFile)
const CLI = fileURLToPath(new URL('../../../../prisma/src/cli.ts', import.meta.url))

async function cli(
  command: string,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { PATH: process.env.PATH ?? '', DATABASE_URL: database.url }
  const all = ['--conditions=source', '--import', 'tsx', CLI, command, ...args]
  return run(process.execPath, all, { env }).then(
    (done) => ({ code: 0, ...done }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  )
}

test('db:grant prints what it did, or why it refused', async () => {
  const made = await makeRole()
  const done = await cli('grant', made.name)
  expect(done).toEqual({ code: 0, stdout: '', stderr: expect.stringContaining('may work with') })
  expect(done.stderr).toContain('to AuditLog and CreditTransaction it may only add')
  expect(await rights(made.name)).toEqual(await rights())
  expect(await cli('grant')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('db:grant app'),
  })
  const unknown = await cli('grant', 'nobody here')
  expect(unknown).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('The role nobody here does not exist'),
  })
  expect(unknown.stderr).not.toContain('    at ')
})

test('db:reset keeps the role’s rights', async () => {
  const before = await rights()
  expect(await cli('reset', '--force')).toMatchObject({ code: 0 })
  expect(await rights()).toEqual(before)
  await app.query(`INSERT INTO "AuditLog" (id, action) VALUES ('1', 'sign_in')`)
})
