/**
 * Promise 3: no row of the ledger breaks its bounds, whoever writes it and however: a role of db:grant, and the owner
 * by a table that inherits or by a trigger of its own.
 */

import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { migrate } from '../migrate.ts'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'

const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url))

let database: TestDatabase
let client: pg.Client
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  client = new pg.Client({ connectionString: database.url })
  await client.connect()
  await client.query(`SELECT set_config('tollgate.system', 'on', false);
    SELECT "Credit_post"('ada', 'credits', 'grant', 100, 'came', '', p_priority => 50);
    SELECT "Credit_post"('ada', 'credits', 'deduction', -10, 'went', '');
    SELECT "Credit_post"('ada', 'credits', 'deduction', -10, 'held', '', p_hold_seconds => 900);
    SELECT "Credit_post"('ada', 'credits', 'deduction', -10, 'kept', '', p_hold_seconds => 900);
    SELECT "Credit_settle"((SELECT max(id) FROM "CreditHold"), 4);
    SELECT "Credit_post"('bob', 'credits', 'grant', 50, 'came', '', p_priority => 50);
    SELECT "Credit_claim_top_up"('ada', 'credits', 2, 1)`)
})
afterAll(async () => {
  await client.end()
  await database.drop()
})

/** Everything there is, to see that nothing changed. */
async function everything(): Promise<unknown[]> {
  const tables = ['CreditAccount', 'CreditTransaction', 'CreditGrant', 'CreditHold', 'CreditTopUp']
  const rows: unknown[] = []
  for (const table of tables) {
    rows.push((await client.query(`SELECT t FROM "${table}" t ORDER BY t::text`)).rows)
  }
  return rows
}

interface Row {
  type?: string
  amount: number
  after: number
  debt?: number
  id?: string
  of?: string
  at?: string
  expires?: string
  lots?: string
}

let count = 0

/** Rows of ada, which has 76, in one statement. */
const insert = (...rows: Row[]) => `
  INSERT INTO "CreditTransaction" ("id", "ownerId", "creditType", "type", "amount", "balanceAfter", "debt",
    "idempotencyKey", "refundOf", "lots", "description", "createdAt", "expiresAt") VALUES ${rows
      .map(
        ({
          type = 'adjustment',
          amount,
          after,
          debt = 0,
          id,
          of,
          at = 'now()',
          expires = 'NULL',
        }) => {
          count += 1
          const next = id ?? `nextval('"CreditTransaction_id_seq"')`
          const refunded = of
            ? `(SELECT id FROM "CreditTransaction" WHERE "idempotencyKey" = '${of}' AND "ownerId" = 'ada')`
            : 'NULL'
          return `(${next}, 'ada', 'credits', '${type}', ${amount}, ${after}, ${debt}, 'key ${count}', ${refunded}, '[]', '', ${at}, ${expires})`
        },
      )
      .join(', ')}`

const OPEN = `FROM "CreditHold" WHERE "status" = 'open'`
const hold = (key: string, expires = `now() + interval '1 minute'`, owner = 'ada') => `
  INSERT INTO "CreditHold" ("ownerId", "creditType", "transactionId", "expiresAt")
  SELECT '${owner}', 'credits', "id", ${expires} FROM "CreditTransaction" WHERE "ownerId" = 'ada' AND "idempotencyKey" = '${key}'`
const settle = (set: string) => `UPDATE "CreditHold" SET ${set} WHERE "status" = 'open'`
const lot = (columns: string, values: string) => `
  INSERT INTO "CreditGrant" ("ownerId", "creditType", "amount", "remaining", "priority", ${columns})
  VALUES ('ada', 'credits', 1, 1, 50, ${values})`

test.each<[string, string]>([
  ['a balance below 0 and back', insert({ amount: -150, after: -74 }, { amount: 150, after: 76 })],
  [
    'a debt below 0 and back',
    insert({ amount: 0, after: 76, debt: -5 }, { amount: 0, after: 76, debt: 5 }),
  ],
  [
    'a balance beyond exact numbers and back',
    insert(
      { amount: 9e15, after: 9e15 + 76 },
      { amount: 9e15, after: 18e15 + 76 },
      { amount: -18e15, after: 76 },
    ),
  ],
  ['an id below 0', insert({ amount: 1, after: 77, id: '-1' })],
  ['an id of 0', insert({ amount: 1, after: 77, id: '0' })],
  [
    'an id before the newest',
    `SELECT setval('"CreditTransaction_id_seq"', 1000); ${insert({ amount: 1, after: 77, id: '999' })}; ${insert({ amount: 1, after: 78, id: '998' })}`,
  ],
  ['ids around the newest', insert({ amount: 1, after: 77, id: '-5' }, { amount: -1, after: 76 })],
  ['a time without end', insert({ amount: 1, after: 77, at: "'infinity'" })],
  ['a time before all', insert({ amount: 1, after: 77, at: "'-infinity'" })],
  ['a time in the year 20000', insert({ amount: 1, after: 77, at: "'20000-01-01'" })],
  ['an expiry without end', insert({ amount: 1, after: 77, expires: "'infinity'" })],
  ['a refund of an open hold', insert({ type: 'refund', amount: 1, after: 77, of: 'held' })],
  ['a lot that never lapses twice over', lot('"expiresAt"', "'infinity'")],
  ['a lot from before all', lot('"createdAt"', "'-infinity'")],
  ['a lot with an id below 0', lot('"id"', '-1')],
  [
    'a lot of somebody else’s',
    `UPDATE "CreditGrant" SET "ownerId" = 'bob' WHERE "ownerId" = 'ada'`,
  ],
  ['a lot of more', `UPDATE "CreditGrant" SET "amount" = "amount" + 1`],
  ['a lot deleted', 'DELETE FROM "CreditGrant"'],
  ['lots emptied', 'TRUNCATE "CreditGrant"'],
  [
    'an account in the future',
    `INSERT INTO "CreditAccount" ("ownerId", "updatedAt") VALUES ('eve', '9999-01-01')`,
  ],
  [
    'an account without an end',
    `INSERT INTO "CreditAccount" ("ownerId", "createdAt") VALUES ('eve', 'infinity')`,
  ],
  [
    'an account that stands at a transaction',
    `INSERT INTO "CreditAccount" ("ownerId", "lastTransactionId") VALUES ('eve', 1)`,
  ],
  ['an account begun without an end', `UPDATE "CreditAccount" SET "createdAt" = 'infinity'`],
  ['an account moved', `UPDATE "CreditAccount" SET "ownerId" = 'eve' WHERE "ownerId" = 'bob'`],
  [
    'an account whose time runs on',
    `UPDATE "CreditAccount" SET "updatedAt" = now() + interval '1 year'`,
  ],
  [
    'an account that stands at another transaction',
    `UPDATE "CreditAccount" SET "lastTransactionId" = 1000`,
  ],
  [
    'more captured than held',
    settle(`"status" = 'captured', "captured" = 99, "settledAt" = now()`),
  ],
  [
    'a part captured and nothing given back',
    settle(`"status" = 'captured', "captured" = 1, "settledAt" = now()`),
  ],
  [
    'a hold released and nothing given back',
    settle(`"status" = 'released', "captured" = 0, "settledAt" = now()`),
  ],
  [
    'a hold settled at the end of time',
    settle(`"status" = 'captured', "captured" = 10, "settledAt" = 'infinity'`),
  ],
  ['a hold without an end', settle(`"expiresAt" = 'infinity'`)],
  ['a hold of another transaction', settle(`"transactionId" = 1`)],
  ['a hold with an id below 0', settle('"id" = -1')],
  ['a hold moved', settle(`"ownerId" = 'bob'`)],
  ['an open hold deleted', `DELETE ${OPEN}`],
  ['holds emptied', 'TRUNCATE "CreditHold" CASCADE'],
  ['a hold of a grant', hold('came')],
  ['a hold of another account’s deduction', hold('went', undefined, 'bob')],
  ['a new hold without an end', hold('went', "'infinity'")],
  [
    'a hold of what was given back',
    `${insert({ type: 'refund', amount: 1, after: 77, of: 'went' })}; ${hold('went')}`,
  ],
  ['a top-up deleted', 'DELETE FROM "CreditTopUp"'],
  ['a top-up of another day', `UPDATE "CreditTopUp" SET "day" = "day" - 1`],
  ['top-ups emptied', 'TRUNCATE "CreditTopUp"'],
  [
    'a top-up of no day',
    `INSERT INTO "CreditTopUp" ("transactionId", "ownerId", "creditType", "day", "number") VALUES (3, 'ada', 'credits', 'infinity', 1)`,
  ],
])('promise 3: %s is refused', async (_, statement) => {
  const before = await everything()
  // 23001: a trigger refuses; 23514: a check does.
  const work = client.query(`BEGIN; ${statement}; COMMIT`)
  await expect(work).rejects.toMatchObject({ code: expect.stringMatching(/^(23001|23514)$/) })
  await client.query('ROLLBACK')
  expect(await everything()).toEqual(before)
})

test('promise 3: a trigger that the database’s owner makes cannot move an account', async () => {
  const attempts = [
    'balance = 1000000',
    'debt = 5',
    `balance = 100, "lastTransactionId" = 1, "updatedAt" = (SELECT "createdAt" FROM "CreditTransaction" WHERE id = 1)`,
    `balance = 50, "lastTransactionId" = (SELECT max(id) FROM "CreditTransaction")`,
  ]
  for (const set of attempts) {
    const moved = client.query(`BEGIN;
      CREATE TEMP TABLE mine (n int);
      CREATE FUNCTION pg_temp.around() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        UPDATE public."CreditAccount" SET ${set} WHERE "ownerId" = 'ada'; RETURN NULL; END $$;
      CREATE TRIGGER around AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION pg_temp.around();
      INSERT INTO mine VALUES (1);
      COMMIT`)
    await expect(moved).rejects.toThrow('CreditAccount_follows')
    await client.query('ROLLBACK')
  }
  const changed = client.query(`BEGIN;
    CREATE FUNCTION pg_temp.richer() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      NEW.balance := 1000000; RETURN NEW; END $$;
    CREATE TRIGGER zz BEFORE UPDATE ON "CreditAccount" FOR EACH ROW EXECUTE FUNCTION pg_temp.richer();
    UPDATE "CreditAccount" SET "createdAt" = now()`)
  await expect(changed).rejects.toThrow('CreditAccount_follows')
  await client.query('ROLLBACK')
})

test.each([
  ['CreditAccount', `("ownerId", "balance") VALUES ('ada', 1000000)`],
  [
    'CreditTransaction',
    `SELECT 1000, "ownerId", "creditType", "type", "amount", "balanceAfter", "debt", 'more', "refundOf", "lots", "expiresAt", "priority", "description", "actor", "createdAt" FROM "CreditTransaction" WHERE "idempotencyKey" = 'came' AND "ownerId" = 'ada'`,
  ],
  [
    'CreditGrant',
    `("ownerId", "creditType", "amount", "remaining", "priority") VALUES ('ada', 'credits', 5, 5, 50)`,
  ],
  [
    'CreditHold',
    `("ownerId", "creditType", "transactionId", "expiresAt") VALUES ('ada', 'credits', 2, now())`,
  ],
])('promise 3: a table that inherits from %s cannot hold rows', async (table, row) => {
  for (const create of [
    `CREATE TABLE child () INHERITS ("${table}")`,
    `CREATE TEMP TABLE child () INHERITS ("${table}")`,
  ]) {
    const work = client.query(`BEGIN; ${create}; INSERT INTO child ${row}`)
    await expect(work).rejects.toThrow(`${table}_bounds_check`)
    await client.query('ROLLBACK')
  }
})

test('promise 3: operators of another schema do not change the bounds', async () => {
  const work = client.query(`BEGIN;
    CREATE SCHEMA bent;
    CREATE FUNCTION bent.always(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true';
    CREATE OPERATOR bent.>= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = bent.always);
    CREATE OPERATOR bent.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = bent.always);
    SET LOCAL search_path = bent, pg_catalog, public;
    ${insert({ amount: -150, after: -74 })}`)
  await expect(work).rejects.toThrow('check')
  await client.query('ROLLBACK')
})

test('the migration succeeds although old rows break the bounds, and new rows must keep them', async () => {
  const all = (await readdir(MIGRATIONS)).sort()
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'))
  const old = await createTestDatabase({ ...inject('postgres'), template: 'template1' })
  try {
    for (const name of all.slice(
      0,
      all.findIndex((each) => each.endsWith('_ledger_bounds')),
    )) {
      await cp(join(MIGRATIONS, name), join(folder, name), { recursive: true })
    }
    await migrate(old.url, folder)
    const run = (statement: string) => old.db.$executeRawUnsafe(statement)
    await run(
      `INSERT INTO "CreditAccount" ("ownerId", "updatedAt") VALUES ('ada', to_timestamp(0))`,
    )
    await run(insert({ amount: 100, after: 100 }))
    const below = () => insert({ amount: -150, after: -50 }, { amount: 150, after: 100 })
    await run(below())

    await migrate(old.url)
    const unproven = await old.db.$queryRaw`
      SELECT conname::text AS name FROM pg_constraint WHERE conname LIKE 'Credit%' AND NOT convalidated`
    expect(unproven).toEqual([{ name: 'CreditTransaction_bounds_check' }])
    await expect(run(below())).rejects.toThrow('CreditTransaction_bounds_check')
    await run(insert({ amount: 1, after: 101 }))
    expect(await old.db.creditAccount.findFirst()).toMatchObject({ balance: 101n })
  } finally {
    await old.drop()
    await rm(folder, { recursive: true })
  }
})
