/**
 * Promise 3: no function of the schema works for somebody else. Every function that PostgreSQL lists is tried from
 * outside: by a login without a grant, by a role of `db:grant` and by the owner. A function that comes later is
 * tried unasked.
 */

import pg from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { grantRole, repeatGrants } from '../grants.ts'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'
import { createTestRole, type TestRole } from '../testing/role.ts'

const postgres = inject('postgres')

let database: TestDatabase
const roles: TestRole[] = []
/** Connections, each as the system: that is a setting which any login may make. */
let owner: pg.Client
let granted: pg.Client
let stranger: pg.Client

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query("SELECT set_config('tollgate.system', 'on', false)")
  return client
}

interface Routine {
  name: string
  call: string
  isTrigger: boolean
  isDefiner: boolean
  isPublic: boolean
  isFixed: boolean
}

interface Hung {
  name: string
  table: string
  definition: string
}

let routines: Routine[]
let triggers: Hung[]

beforeAll(async () => {
  // The queue is not migrated here: its tables and functions belong to @repo/jobs.
  database = await createTestDatabase(postgres)
  for (let n = 0; n < 2; n += 1) roles.push(await createTestRole(postgres))
  const [first, second] = roles as [TestRole, TestRole]
  owner = await connect(database.url)
  await owner.query(
    `CREATE SCHEMA graphile_worker; CREATE TABLE graphile_worker.migrations (id int)`,
  )
  await owner.query(`CREATE TABLE graphile_worker._private_jobs (id int)`)
  await owner.query(`ALTER TABLE graphile_worker._private_jobs ENABLE ROW LEVEL SECURITY`)
  await grantRole(database.url, first.name)
  granted = await connect(first.url(database.url))
  stranger = await connect(second.url(database.url))
  await owner.query(
    `SELECT "Credit_post"('ada', 'credits', 'grant', 100, 'k', '', p_priority => 50)`,
  )
  routines = await read()
  triggers = (
    await owner.query<Hung>(
      `SELECT t.tgname AS name, c.relname AS table, pg_get_triggerdef(t.oid) AS definition
       FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
       WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace`,
    )
  ).rows
})
afterAll(async () => {
  for (const client of [owner, granted, stranger]) await client.end()
  await database.drop()
  for (const role of roles) await role.drop()
})

async function read(): Promise<Routine[]> {
  const { rows } = await owner.query<Routine>(
    `SELECT p.proname AS name, p.prorettype = 'trigger'::regtype AS "isTrigger", p.prosecdef AS "isDefiner",
       has_function_privilege('public', p.oid, 'EXECUTE') AS "isPublic",
       p.prosqlbody IS NOT NULL OR 'search_path=public, pg_temp' = ANY (coalesce(p.proconfig, '{}')) AS "isFixed",
       format('SELECT %s(%s)', p.oid::regproc, (SELECT string_agg('NULL::' || format_type(a, NULL), ', ' ORDER BY n)
         FROM unnest(p.proargtypes) WITH ORDINALITY q(a, n))) AS call
     FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace`,
  )
  return rows
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    ({ code, message }) => `${code} ${message}`,
  )

/** Hangs a function on a temporary table, as anybody might. */
const hang = (client: pg.Client, name: string) =>
  client.query(`CREATE TEMP TABLE IF NOT EXISTS mine (n int);
    CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH STATEMENT EXECUTE FUNCTION public.${pg.escapeIdentifier(name)}();
    DROP TABLE mine`)

test('a login without grants can call no function, and attach none to a table of its own', async () => {
  expect(routines.length).toBeGreaterThan(30)
  for (const { name, call, isTrigger } of routines) {
    const code = await codeOf(isTrigger ? hang(stranger, name) : stranger.query(call))
    expect([name, code]).toEqual([name, expect.stringContaining('42501 permission denied')])
  }
})

test('a role of db:grant can attach no function to a table of its own', async () => {
  const hung = routines.filter(({ isTrigger }) => isTrigger)
  expect(hung.length).toBeGreaterThan(15)
  for (const { name } of hung) {
    const code = await codeOf(hang(granted, name))
    expect([name, code]).toEqual([name, expect.stringContaining('42501 permission denied')])
  }
})

test('PUBLIC may call no function, each has a fixed search path, and few run as the owner', async () => {
  const names = (which: (routine: Routine) => boolean) =>
    routines.filter(which).map(({ name }) => name)
  expect(names(({ isPublic }) => isPublic)).toEqual([])
  expect(names(({ isFixed }) => !isFixed)).toEqual([])
  // A function that works as its owner says here why a role of db:grant may set it off.
  expect(names(({ isDefiner }) => isDefiner).sort()).toEqual([
    'AuditLog_prune', // It deletes what the trigger of the table lets it delete.
    'CreditTransaction_applies', // It moves an account by transactions that follow it.
  ])
})

/** A trigger's function hung elsewhere, on whatever the trigger waits for. */
async function refusalsOf({ definition, table }: Hung, schema: string): Promise<string[]> {
  const where = `${schema}.copy`
  const at = ` ON public.${/^[a-z_]+$/.test(table) ? table : pg.escapeIdentifier(table)} `
  expect(definition).toContain(at)
  const made = definition
    .replace(/ UPDATE OF .*? ON public/, ' UPDATE ON public')
    .replace(/ WHEN \(.*\) EXECUTE/, ' EXECUTE')
    .replace(at, ` ON ${where} `)
  const refusals: string[] = []
  await owner.query('BEGIN')
  await owner.query(
    `CREATE ${schema === 'public' ? '' : 'TEMP'} TABLE copy AS SELECT * FROM public.${pg.escapeIdentifier(table)} LIMIT 0`,
  )
  await owner.query(`INSERT INTO ${where} DEFAULT VALUES`)
  const { rows } = await owner.query(`SELECT * FROM ${where}`)
  const column = pg.escapeIdentifier(Object.keys(rows[0])[0] as string)
  await owner.query(made)
  for (const statement of [
    `INSERT INTO ${where} DEFAULT VALUES`,
    `UPDATE ${where} SET ${column} = ${column}`,
    `DELETE FROM ${where}`,
    `TRUNCATE ${where}`,
  ]) {
    await owner.query('SAVEPOINT s')
    const code = await codeOf(owner.query(`${statement}; SET CONSTRAINTS ALL IMMEDIATE`))
    if (code !== 'done') refusals.push(code)
    await owner.query('ROLLBACK TO s')
  }
  await owner.query('ROLLBACK')
  return refusals
}

test.each(['pg_temp', 'public'])(
  'promise 3: the owner cannot attach a function either, to a copy in %s',
  async (schema) => {
    expect(triggers.length).toBeGreaterThan(20)
    for (const trigger of triggers) {
      const refusals = await refusalsOf(trigger, schema)
      const own = `42501 ${/FUNCTION "?(\w+)/.exec(trigger.definition)?.[1]}: it works for its own table alone`
      expect([trigger.name, refusals.length]).not.toEqual([trigger.name, 0])
      for (const refusal of refusals) {
        expect([trigger.name, refusal]).toEqual([trigger.name, expect.stringContaining(own)])
      }
    }
  },
)

test('promise 3: a transaction in a table of one’s own moves no balance', async () => {
  const balance = async () => {
    const { rows } = await owner.query(
      `SELECT balance FROM "CreditAccount" WHERE "ownerId" = 'ada'`,
    )
    return Number(rows[0].balance)
  }
  for (const client of [stranger, granted, owner]) {
    await client.query(`CREATE TEMP TABLE "CreditTransaction" (id bigint, "ownerId" text, "creditType" text,
      type text, amount bigint, "balanceAfter" bigint, debt bigint, "refundOf" bigint, "createdAt" timestamptz)`)
    const moved = client.query(`BEGIN;
      CREATE TRIGGER mine AFTER INSERT ON pg_temp."CreditTransaction" REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION public."CreditTransaction_applies"();
      INSERT INTO pg_temp."CreditTransaction"
        VALUES (1, 'ada', 'credits', 'grant', 999900, 1000000, 0, NULL, now() + interval '1 hour');
      COMMIT`)
    await expect(moved).rejects.toMatchObject({ code: '42501' })
    await client.query('ROLLBACK; DISCARD TEMP')
  }
  expect(await balance()).toBe(100)
})

test('a later function is closed to PUBLIC, too', async () => {
  await owner.query(
    `CREATE FUNCTION "later"() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'`,
  )
  await owner.query(
    `CREATE FUNCTION "later_trigger"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
  )
  await repeatGrants(database.url)
  const denied = expect.stringContaining('42501 permission denied')
  expect(await codeOf(stranger.query('SELECT public."later"()'))).toEqual(denied)
  expect(await codeOf(hang(stranger, 'later_trigger'))).toEqual(denied)
  expect(await codeOf(hang(granted, 'later_trigger'))).toEqual(denied)
  expect(await codeOf(granted.query('SELECT "later"()'))).toBe('done')
  const later = (await read()).filter(({ name }) => name.startsWith('later'))
  expect(later.map(({ isFixed }) => isFixed)).toEqual([false, false])
  await owner.query('DROP FUNCTION "later"(), "later_trigger"()')
})

test('a role of db:grant can still use the ledger', async () => {
  const post = (key: string, amount: number) =>
    granted.query(
      `SELECT status, balance FROM "Credit_post"('ada', 'credits', 'deduction', ${amount}, '${key}', '')`,
    )
  expect((await post('d', -1)).rows).toEqual([{ status: 'posted', balance: '99' }])
  const all = `[{"ownerId": "ada", "creditType": "credits", "changes": [
    {"number": 0, "type": "deduction", "amount": -1, "key": "e", "description": ""},
    {"number": 1, "type": "deduction", "amount": -1, "key": "f", "description": ""}]}]`
  const { rows } = await granted.query(`SELECT balance FROM "Credit_post_all"('${all}')`)
  expect(rows).toEqual([{ balance: '98' }, { balance: '97' }])
})
