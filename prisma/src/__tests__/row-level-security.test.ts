/**
 * Promise 6, the second wall: the database itself, asked without the extension. Raw connections, one
 * setting or another, and every table there is.
 */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createDb } from '../client.ts'
import { asSystem } from '../connection.ts'
import { forOrganization } from '../index.ts'
import { models } from '../tenancy/generated/models.ts'
import { policyDiff } from '../tenancy/policies.ts'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'
import { ALPHA, BETA, seedTwoOrganizations } from './two-organizations.ts'

let database: TestDatabase
/** The owner of the tables, with nothing said. */
let plain: pg.Client
const tables = Object.values(models)

beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  await seedTwoOrganizations(database.db)
  plain = await connect(database.url)
})
afterAll(async () => {
  await plain.end()
  await database.drop()
})

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return client
}

/** Runs `work` in a transaction that names the organization and is taken back. */
async function as<T>(client: pg.Client, organizationId: string, work: () => Promise<T>) {
  await client.query('BEGIN')
  try {
    await client.query("SELECT set_config('tollgate.organization', $1, true)", [organizationId])
    return await work()
  } finally {
    await client.query('ROLLBACK')
  }
}

const count = async (client: pg.Client, table: string): Promise<number> => {
  const { rows } = await client.query(`SELECT count(*)::int AS count FROM "${table}"`)
  return rows[0].count
}

test('promise 6: every table has the policies that the schema declares', async () => {
  const missing = await policyDiff(database.url)
  expect(
    missing,
    `Let \`db:diff --name x\` write what is missing into a migration:\n${missing}`,
  ).toBe(null)
})

test('promise 6: a table without a declaration, or without its policies, is reported', async () => {
  const { db, url } = database
  await db.$executeRaw`CREATE TABLE "Stray" (id text)`
  await expect(policyDiff(url)).rejects.toMatchObject({
    code: 'tenancy_undeclared',
    message: expect.stringContaining('Stray'),
  })
  await db.$executeRaw`DROP TABLE "Stray"`
  for (const statement of [
    'ALTER TABLE "Member" NO FORCE ROW LEVEL SECURITY',
    'ALTER TABLE "Member" DISABLE ROW LEVEL SECURITY',
    'DROP POLICY "of_organization" ON "Member"',
    'ALTER POLICY "of_organization" ON "Member" USING (true)',
    'ALTER POLICY "of_organization" ON "Member" WITH CHECK (true)',
    'CREATE POLICY "more" ON "Member" USING (true)',
    'DROP TRIGGER "Member_user_is_inside" ON "Member"',
    'ALTER TABLE "Member" DISABLE TRIGGER "Member_user_is_inside"',
    `CREATE OR REPLACE TRIGGER "Member_user_is_inside" BEFORE INSERT ON "Member" FOR EACH ROW
       EXECUTE FUNCTION "Tenancy_refers_inside"('User', 'userId', 'id')`,
  ]) {
    await db.$executeRawUnsafe(statement)
    const missing = (await policyDiff(url)) ?? ''
    expect(missing, statement).toContain('CREATE POLICY "of_organization" ON "Member"')
    expect(missing, statement).not.toContain('"Invitation" ')
    await db.$transaction(
      missing
        .split(';\n')
        .filter(Boolean)
        .map((part) => db.$executeRawUnsafe(part)),
    )
    expect(await policyDiff(url), statement).toBeNull()
  }
})

test('promise 6: a connection without a setting sees only rows that everybody may read, and writes nothing', async () => {
  const seen = []
  for (const { table } of tables) if ((await count(plain, table)) > 0) seen.push(table)
  expect(seen.sort()).toEqual(['Price', 'Product'])
  for (const { table, columns } of tables) {
    const column = `"${columns[0]}"`
    const changed = await plain.query(`UPDATE "${table}" SET ${column} = ${column}`)
    const deleted = await plain.query(`DELETE FROM "${table}"`)
    expect([table, changed.rowCount, deleted.rowCount]).toEqual([table, 0, 0])
  }
  const insert = plain.query(`INSERT INTO "Member" VALUES ('x', $1, 'user_both', 'x')`, [ALPHA])
  await expect(insert).rejects.toThrow('row-level security')
})

test('promise 6: in SQL, too, an organization sees the rows that the extension shows, in every table', async () => {
  const shown = forOrganization(database.db, ALPHA)
  for (const [name, { table, tenancy }] of Object.entries(models)) {
    const delegate = Reflect.get(
      shown,
      name.replace(/^./, (letter) => letter.toLowerCase()),
    )
    const expected = await delegate.count().catch(() => 0)
    const inSql = await as(plain, ALPHA, () => count(plain, table))
    expect([table, inSql]).toEqual([table, expected])
    if (tenancy === 'organization')
      expect(inSql, `seed a row of ${table} in host-seed.ts`).toBeGreaterThan(0)
  }
})

test('promise 6: in SQL, an organization finds no other row, in any query', async () => {
  for (const sql of [
    `SELECT * FROM "Member" WHERE "organizationId" = '${BETA}'`,
    `SELECT * FROM "Organization" o JOIN "Member" m ON m."organizationId" = o.id WHERE o.id <> '${ALPHA}'`,
    `SELECT * FROM "User" WHERE id = 'user_BETA'`,
    `SELECT * FROM "Subscription" WHERE "customerId" = 'customer_${BETA}'`,
    `SELECT * FROM "Customer" WHERE "ownerId" = 'user_alpha'`,
    `UPDATE "Member" SET role = 'X' WHERE "organizationId" = '${BETA}' RETURNING *`,
    `DELETE FROM "Invitation" WHERE id = 'invitation_BETA' RETURNING *`,
    `UPDATE "Subscription" SET status = 'canceled' RETURNING *`,
    `DELETE FROM "Refund" RETURNING *`,
    `UPDATE "User" SET role = 'ADMIN' RETURNING *`,
    `SELECT * FROM "Member" WHERE "organizationId" = '${BETA}' FOR UPDATE`,
  ]) {
    const { rows } = await as(plain, ALPHA, () => plain.query(sql))
    expect([sql, rows]).toEqual([sql, []])
  }
  for (const sql of [
    `INSERT INTO "Member" VALUES ('x', '${BETA}', 'user_alpha', 'x')`,
    `UPDATE "Member" SET "organizationId" = '${BETA}' WHERE id = 'member_alpha_alpha'`,
    `INSERT INTO "Member" VALUES ('member_BETA_BETA', '${ALPHA}', 'user_BETA', 'X')
       ON CONFLICT (id) DO UPDATE SET role = 'X'`,
    `INSERT INTO "Member" VALUES ('x', '${ALPHA}', 'user_BETA', 'X')`,
    `INSERT INTO "Member" VALUES ('x', '${ALPHA}', 'user_nobody', 'X')`,
    `UPDATE "Member" SET "userId" = 'user_BETA' WHERE id = 'member_alpha_alpha'`,
    `UPDATE "Invitation" SET "inviterId" = 'user_BETA'`,
    `MERGE INTO "Invitation" USING (SELECT 1) AS one ON true
       WHEN MATCHED THEN UPDATE SET "inviterId" = 'user_BETA'`,
    `INSERT INTO "Product" (id, "stripeProductId", name, active, "updatedAt") VALUES ('x', 'x', 'x', true, now())`,
    `INSERT INTO "WebhookEvent" (provider, "eventId", type, payload) VALUES ('stripe', 'x', 'x', 'x')`,
  ]) {
    await expect(
      as(plain, ALPHA, () => plain.query(sql)),
      sql,
    ).rejects.toThrow('row-level security')
  }
})

test('promise 6: the system sees all rows, and its transaction for an organization only that organization’s', async () => {
  const system = await connect(asSystem(database.url))
  expect(await count(system, 'Member')).toBe(4)
  expect(await as(system, ALPHA, () => count(system, 'Member'))).toBe(2)
  expect(await as(system, 'org_none', () => count(system, 'Member'))).toBe(0)
  expect(await count(system, 'Member')).toBe(4)
  await system.end()
  for (const off of ['off', 'ON', 'true', '']) {
    await plain.query("SELECT set_config('tollgate.system', $1, false)", [off])
    expect([off, await count(plain, 'Member')]).toEqual([off, 0])
  }
})

/** Under forced policies an `UPDATE` of a migration meets no row, and nobody is told. */
const forgetsTheSystem = (sql: string) =>
  /^\s*(UPDATE|DELETE|INSERT|MERGE)\b/im.test(sql) &&
  !sql.includes("set_config('tollgate.system', 'on', true)")

test('a migration that changes rows declares itself as the system', async () => {
  expect(forgetsTheSystem('-- why\n\nUPDATE "User" SET name = name;')).toBe(true)
  expect(forgetsTheSystem('DELETE FROM "User";')).toBe(true)
  expect(
    forgetsTheSystem("SELECT set_config('tollgate.system', 'on', true);\nDELETE FROM \"User\";"),
  ).toBe(false)
  const folder = fileURLToPath(new URL('../../migrations', import.meta.url))
  const names = (await readdir(folder)).filter((name) => !name.endsWith('.toml')).sort()
  const since = names.findIndex((name) => name.endsWith('_row_level_security'))
  expect(since).toBeGreaterThan(0)
  const forgetful = []
  for (const name of names.slice(since)) {
    const sql = await readFile(join(folder, name, 'migration.sql'), 'utf8')
    if (forgetsTheSystem(sql)) forgetful.push(name)
  }
  expect(forgetful, "Begin these with SELECT set_config('tollgate.system', 'on', true);").toEqual(
    [],
  )
})

test('options in the address are kept beside our setting', async () => {
  const url = new URL(database.url)
  url.searchParams.set('options', '-c statement_timeout=4321')
  const db = createDb(url.href)
  expect(await db.$queryRaw`SELECT current_setting('statement_timeout') AS kept`).toEqual([
    { kept: '4321ms' },
  ])
  expect(await db.member.count()).toBe(4)
  await db.$disconnect()
  expect(() => createDb('not a password: hunter2')).toThrow(
    expect.objectContaining({ code: 'invalid_database_url' }),
  )
})

test('promise 6: a connection belongs to the system again after a transaction for an organization', async () => {
  const db = createDb(database.url, { maxConnections: 1 })
  const alpha = forOrganization(db, ALPHA)
  for (let round = 0; round < 3; round++) {
    expect(await alpha.member.count()).toBe(2)
    expect(await db.member.count()).toBe(4)
    await alpha.member.update({ where: { id: 'none' }, data: { role: 'X' } }).catch(() => {})
    expect(await db.member.count()).toBe(4)
    await alpha.$transaction((tx) => tx.member.create({ data: {} as never })).catch(() => {})
    expect(await db.member.count()).toBe(4)
    expect(await forOrganization(db, BETA).member.count()).toBe(2)
  }
  await db.$disconnect()
})

test('promise 6: a role that owns nothing is limited like the owner', async () => {
  const admin = await connect(inject('postgres').adminUrl)
  const humble = `humble_${process.pid}`
  try {
    const { rows } = await admin.query(
      'SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user',
    )
    if (!rows[0].rolcreaterole) return
    await admin.query(`CREATE ROLE ${humble} LOGIN PASSWORD '${humble}'`)
    const tx = database.db
    await tx.$executeRawUnsafe(
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${humble}`,
    )
    const url = new URL(database.url)
    url.username = humble
    url.password = humble
    const client = await connect(url.href)
    expect(await count(client, 'Member')).toBe(0)
    expect(await as(client, ALPHA, () => count(client, 'Member'))).toBe(2)
    await client.end()
    const db = createDb(url.href)
    expect(await forOrganization(db, BETA).member.count()).toBe(2)
    expect(await db.member.count()).toBe(4)
    await db.$disconnect()
    await tx.$executeRawUnsafe(`REVOKE ALL ON ALL TABLES IN SCHEMA public FROM ${humble}`)
  } finally {
    await admin.query(`DROP ROLE IF EXISTS ${humble}`).catch(() => {})
    await admin.end()
  }
})
