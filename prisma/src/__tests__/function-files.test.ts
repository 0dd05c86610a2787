/**
 * `prisma/sql` is the present text of the functions and triggers: the migrated database agrees with it, and any
 * difference is named, with the SQL that removes it.
 */

import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { functionDiff, functionSumsModule, sqlFolder } from '../functions.ts'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'

let database: TestDatabase
let client: pg.Client
let folder: string
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  client = new pg.Client({ connectionString: database.url })
  await client.connect()
})
afterAll(async () => {
  await client.end()
  await database.drop()
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sql-'))
  await cp(sqlFolder(), folder, { recursive: true })
  return () => rm(folder, { recursive: true })
})

const change = async (file: string, from: string | RegExp, to: string) => {
  const path = join(folder, file)
  const text = await readFile(path, 'utf8')
  expect(text).toMatch(from)
  await writeFile(path, text.replace(from, to))
}

const names = async () =>
  (await functionDiff(database.url, folder)).differences.map((each) => each.name)

test('every function and trigger of the migrations is the one in prisma/sql, and the other way round', async () => {
  const { differences, sql } = await functionDiff(database.url)
  expect(differences).toEqual([])
  expect(sql).toBe('')
})

test('function-sums.ts agrees with prisma/sql; if not, run db:diff, which writes it', async () => {
  const path = join(sqlFolder(), '../src/function-sums.ts')
  expect(await readFile(path, 'utf8')).toBe(await functionSumsModule())
})

test('the sums agree with the database', async () => {
  const { rows } = await client.query(
    `SELECT proname AS name, md5(prosrc) AS sum FROM pg_proc
     WHERE pronamespace = 'public'::regnamespace ORDER BY proname`,
  )
  expect(rows.length).toBeGreaterThan(40)
  const module = await functionSumsModule()
  for (const { name, sum } of rows) expect(module).toContain(`  ${name}: '${sum}',\n`)
})

test('a function or trigger that the migrations create without a file is named', async () => {
  await client.query(`CREATE FUNCTION "Astray"(n int) RETURNS int LANGUAGE sql AS 'SELECT n'`)
  await client.query(
    `CREATE TRIGGER astray BEFORE INSERT ON "User" FOR EACH ROW EXECUTE FUNCTION "User_tells"()`,
  )
  const { differences, sql } = await functionDiff(database.url)
  const message = expect.stringContaining('prisma/sql/<domain>/<Function>.sql')
  expect(differences).toEqual([
    { name: '"Astray"(integer)', message },
    { name: 'astray on "User"', message },
  ])
  await client.query(sql)
  expect(await names()).toEqual([])
})

const DIFFERENCES: [what: string, found: string[], make: () => Promise<void>][] = [
  [
    'a body',
    [
      '"Credit_post"(text,text,text,bigint,text,text,text,timestamp with time zone,integer,bigint,boolean,text,integer,bigint,timestamp with time zone,text,bigint)',
    ],
    () => change('credits/Credit_post.sql', 'constant int := 10000', 'constant int := 20000'),
  ],
  [
    'a body that is bound to its tables',
    ['"Credit_lot_in_turn"(text,text,timestamp with time zone)'],
    () => change('credits/Credit_lot_in_turn.sql', '"id" LIMIT 1', '"id" DESC LIMIT 1'),
  ],
  [
    'whose rights a function has',
    ['"AuditLog_prune"(timestamp with time zone)'],
    () => change('audit/AuditLog_prune.sql', 'SECURITY DEFINER ', ''),
  ],
  [
    'a result',
    ['"AuditLog_prune"(timestamp with time zone)'],
    () => change('audit/AuditLog_prune.sql', 'RETURNS bigint', 'RETURNS numeric'),
  ],
  [
    "an argument's name",
    ['"AuditLog_prune"(timestamp with time zone)'],
    () => change('audit/AuditLog_prune.sql', /p_before/g, 'p_until'),
  ],
  [
    "an argument's type",
    ['"AuditLog_prune"(timestamp with time zone)', '"AuditLog_prune"(date)'],
    () => change('audit/AuditLog_prune.sql', 'p_before timestamptz', 'p_before date'),
  ],
  [
    'the condition of a trigger',
    ['"TwoFactor_dates_secret" on "TwoFactor"'],
    () => change('auth/TwoFactor_dates_secret.sql', / WHEN \(.*\)/, ''),
  ],
  [
    'a constraint trigger',
    ['"Organization_keeps_an_owner" on "Member"'],
    () =>
      change('auth/Organization_keeps_an_owner.sql', 'INITIALLY DEFERRED', 'INITIALLY IMMEDIATE'),
  ],
  [
    'one trigger less',
    ['"CreditTopUp_no_truncate" on "CreditTopUp"'],
    () => change('credits/CreditTopUp_is_kept.sql', /CREATE .*no_truncate[^;]*;/, ''),
  ],
  [
    'a function less',
    ['"Member_tells"()', '"Member_tells" on "Member"', '"Member_tells_of_role" on "Member"'],
    () => rm(join(folder, 'auth/Member_tells.sql')),
  ],
  [
    'a function more, with its trigger',
    ['"User_waits"()', '"User_waits" on "User"'],
    () =>
      writeFile(
        join(folder, 'auth/User_waits.sql'),
        `CREATE OR REPLACE FUNCTION "User_waits"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  RETURN NULL;
END $$;

-- After all others.
CREATE OR REPLACE TRIGGER "User_waits" AFTER INSERT ON "User"
  FOR EACH ROW EXECUTE FUNCTION "User_waits"();
`,
      ),
  ],
]

test.each(DIFFERENCES)(
  'a difference is named, and the SQL removes it: %s',
  async (_, found, make) => {
    await make()
    const { differences, sql } = await functionDiff(database.url, folder)
    expect(differences.map(({ name }) => name)).toEqual(found)
    for (const { message } of differences) expect(message).toContain('`db:diff --name x`')
    await client.query(sql)
    expect(await names()).toEqual([])
    // The way back, so that the next case begins with what the migrations make.
    await client.query((await functionDiff(database.url)).sql)
    expect((await functionDiff(database.url)).differences).toEqual([])
  },
)

test.each([
  ['another name', 'audit/AuditLog_prune.sql', '"AuditLog_prune"', '"AuditLog_trim"'],
  ['a schema', 'audit/AuditLog_prune.sql', '"AuditLog_prune"', 'public."AuditLog_prune"'],
  ['no replacement', 'audit/AuditLog_prune.sql', 'CREATE OR REPLACE', 'CREATE'],
])('a file with %s is refused', async (_, file, from, to) => {
  await change(file, from, to)
  await expect(functionDiff(database.url, folder)).rejects.toMatchObject({
    code: 'function_file_malformed',
    message: expect.stringContaining(file),
  })
})

test('a file that PostgreSQL refuses is named with its reason, and nothing changes', async () => {
  await change('audit/AuditLog_prune.sql', 'DECLARE', 'DECLAIR')
  await expect(functionDiff(database.url, folder)).rejects.toMatchObject({
    code: 'function_file_refused',
    message: expect.stringMatching(/prisma\/sql\/audit\/AuditLog_prune\.sql: syntax error/),
  })
  expect((await functionDiff(database.url)).differences).toEqual([])
})
