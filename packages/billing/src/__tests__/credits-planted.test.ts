/** Promise 3: a fault of each kind is planted past the guards, and reconciliation finds it; so it does a guard that fell. */

import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { createLedger, type Ledger } from './credits-harness.ts'

let h: Ledger
beforeEach(async () => {
  h = await createLedger(inject('postgres'))
})
afterEach(() => h.close())

const TABLES = ['CreditAccount', 'CreditTransaction', 'CreditGrant', 'CreditHold']

/** An owner with a grant of 100, a refunded deduction, and three holds: captured in part, in whole, and open. */
async function seeded(): Promise<string> {
  const owner = await h.owner(100)
  const spent = await h.billing.deductCredits(owner, 30, 'one', { idempotencyKey: 'one' })
  const transactionId = spent.success ? spent.transactionId : ''
  await h.billing.refundCredits(owner, 10, 'some', { transactionId, idempotencyKey: 'back' })
  for (const [key, kept] of [
    ['part', 5],
    ['whole', 10],
    ['open', 0],
  ] as const) {
    const held = await h.billing.holdCredits(owner, 10, key, { idempotencyKey: key })
    if (held.success && kept > 0) await h.billing.captureHold(held.holdId, kept)
  }
  return owner
}

/** Runs the statements with every guard gone that the owner of the tables can take away, and puts them back. */
async function plant(statements: string[]): Promise<void> {
  const switched = (how: string) =>
    TABLES.map((name) => `ALTER TABLE "${name}" ${how} TRIGGER USER`)
  const checks = await h.db.$queryRaw<{ table: string; name: string; definition: string }[]>`
    SELECT conrelid::regclass::text AS "table", conname::text AS "name", pg_get_constraintdef(oid) AS "definition"
    FROM pg_constraint WHERE contype IN ('c', 'f') AND conrelid::regclass::text LIKE '"Credit%'`
  const script = [
    ...switched('DISABLE'),
    ...checks.map(({ table, name }) => `ALTER TABLE ${table} DROP CONSTRAINT "${name}"`),
    'DROP INDEX "CreditTransaction_ownerId_idempotencyKey_key"',
    ...statements,
  ]
  const restored = [
    ...switched('ENABLE'),
    ...checks.map(
      ({ table, name, definition }) =>
        `ALTER TABLE ${table} ADD CONSTRAINT "${name}" ${definition.replace(' NOT VALID', '')} NOT VALID`,
    ),
    'CREATE INDEX "CreditTransaction_ownerId_idempotencyKey_key" ON "CreditTransaction" ("ownerId", "idempotencyKey")',
  ]
  await h.db.$transaction([...script, ...restored].map((sql) => h.db.$executeRawUnsafe(sql)))
}

const copied = (owner: string, set: Record<string, string>) => {
  const columns = ['id', 'ownerId', 'creditType', 'type', 'amount', 'balanceAfter', 'debt']
  const rest = ['idempotencyKey', 'refundOf', 'lots', 'description', 'createdAt', 'held']
  const all = [...columns, ...rest]
  const values = all.map((name) => set[name] ?? `"${name}"`)
  return `INSERT INTO "CreditTransaction" (${all.map((name) => `"${name}"`).join(', ')})
    SELECT ${values.join(', ')} FROM "CreditTransaction" WHERE "ownerId" = '${owner}' AND "idempotencyKey" = 'one'`
}
const next = `nextval('"CreditTransaction_id_seq"')`

const of = (owner: string, key: string) => `"ownerId" = '${owner}' AND "idempotencyKey" = '${key}'`
const change = (owner: string, key: string, set: string) =>
  `UPDATE "CreditTransaction" SET ${set} WHERE ${of(owner, key)}`
const hold = (owner: string, key: string) =>
  `"transactionId" = (SELECT id FROM "CreditTransaction" WHERE ${of(owner, key)})`

const PLANTED: [name: string, check: string, (owner: string) => string[]][] = [
  [
    'an account that is gone',
    'accounts',
    (o) => [`DELETE FROM "CreditAccount" WHERE "ownerId" = '${o}'`],
  ],
  [
    'an account that was moved',
    'accounts',
    (o) => [`UPDATE "CreditAccount" SET "ownerId" = 'zz ${o}' WHERE "ownerId" = '${o}'`],
  ],
  [
    'an account at an older transaction',
    'accounts',
    (o) => [`UPDATE "CreditAccount" SET "lastTransactionId" = 1 WHERE "ownerId" = '${o}'`],
  ],
  [
    'an account whose time is another',
    'accounts',
    (o) => [`UPDATE "CreditAccount" SET "updatedAt" = now() WHERE "ownerId" = '${o}'`],
  ],
  [
    'an open hold that was deleted',
    'holds',
    (o) => [`DELETE FROM "CreditHold" WHERE ${hold(o, 'open')}`],
  ],
  [
    'a captured hold that was deleted',
    'holds',
    (o) => [`DELETE FROM "CreditHold" WHERE ${hold(o, 'whole')}`],
  ],
  [
    'a hold that was deleted, and its mark',
    'holds',
    (o) => [`DELETE FROM "CreditHold" WHERE ${hold(o, 'part')}`, change(o, 'part', 'held = false')],
  ],
  [
    'a hold moved to another transaction',
    'holds',
    (o) => [
      `UPDATE "CreditHold" SET "transactionId" = (SELECT id FROM "CreditTransaction" WHERE ${of(o, 'one')}) WHERE ${hold(o, 'open')}`,
    ],
  ],
  [
    'a hold moved to nowhere',
    'holds',
    (o) => [`UPDATE "CreditHold" SET "transactionId" = 999999 WHERE ${hold(o, 'open')}`],
  ],
  [
    'a hold of another owner',
    'holds',
    (o) => [`UPDATE "CreditHold" SET "ownerId" = 'zz ${o}' WHERE ${hold(o, 'open')}`],
  ],
  [
    'a hold that kept more than it held',
    'holds',
    (o) => [`UPDATE "CreditHold" SET "captured" = 99 WHERE ${hold(o, 'whole')}`],
  ],
  [
    'a hold settled and nothing given back',
    'holds',
    (o) => [
      `UPDATE "CreditHold" SET "status" = 'released', "captured" = 0, "settledAt" = now() WHERE ${hold(o, 'open')}`,
    ],
  ],
  [
    'a hold that is neither open nor settled',
    'holds',
    (o) => [`UPDATE "CreditHold" SET "status" = 'ajar' WHERE ${hold(o, 'open')}`],
  ],
  [
    'a refund of an open hold',
    'holds',
    (o) => [
      change(o, 'back', `"refundOf" = (SELECT id FROM "CreditTransaction" WHERE ${of(o, 'open')})`),
    ],
  ],
  [
    'a balance below 0 and back',
    'rows',
    (o) => [
      copied(o, { id: next, amount: '-150', balanceAfter: '-95', idempotencyKey: "'down'" }),
      copied(o, {
        id: next,
        type: "'grant'",
        amount: '150',
        balanceAfter: '55',
        idempotencyKey: "'up'",
      }),
    ],
  ],
  [
    'a balance beyond exact numbers',
    'rows',
    (o) => [change(o, 'one', '"balanceAfter" = 9007199254740993')],
  ],
  ['a deduction that gives', 'rows', (o) => [change(o, 'one', 'amount = 30')]],
  ['a grant that takes', 'rows', (o) => [change(o, 'first', 'amount = -100')]],
  ['a refund of nothing', 'rows', (o) => [change(o, 'back', '"refundOf" = NULL')]],
  ['a type there is not', 'rows', (o) => [change(o, 'one', `type = 'gift'`)]],
  ['an id below 0', 'rows', (o) => [copied(o, { id: `-${next}`, idempotencyKey: "'below'" })]],
  [
    'an account below 0',
    'rows',
    (o) => [`UPDATE "CreditAccount" SET "balance" = -1 WHERE "ownerId" = '${o}'`],
  ],
  [
    'a debt below 0',
    'rows',
    (o) => [`UPDATE "CreditAccount" SET "debt" = -1 WHERE "ownerId" = '${o}'`],
  ],
  [
    'a lot with more than came',
    'rows',
    (o) => [`UPDATE "CreditGrant" SET "remaining" = 101 WHERE "ownerId" = '${o}'`],
  ],
  [
    'a lot that is closed and holds something',
    'rows',
    (o) => [`UPDATE "CreditGrant" SET "open" = false WHERE "ownerId" = '${o}'`],
  ],
  ['a key used twice', 'keys', (o) => [copied(o, { id: next })]],
  ['a time in the year 2999', 'times', (o) => [change(o, 'open', `"createdAt" = '2999-01-01'`)]],
  ['a time without end', 'times', (o) => [change(o, 'open', `"createdAt" = 'infinity'`)]],
  [
    'an account in the year 2999',
    'times',
    (o) => [`UPDATE "CreditAccount" SET "updatedAt" = '2999-01-01' WHERE "ownerId" = '${o}'`],
  ],
  [
    'a lot of the year 2999',
    'times',
    (o) => [`UPDATE "CreditGrant" SET "createdAt" = '2999-01-01' WHERE "ownerId" = '${o}'`],
  ],
  [
    'a lot that lapses at no time',
    'times',
    (o) => [`UPDATE "CreditGrant" SET "expiresAt" = 'infinity' WHERE "ownerId" = '${o}'`],
  ],
  [
    'a hold that stays open',
    'times',
    (o) => [`UPDATE "CreditHold" SET "expiresAt" = '2999-01-01' WHERE ${hold(o, 'open')}`],
  ],
  [
    'a refund of what is gone',
    'refunds',
    (o) => [`DELETE FROM "CreditTransaction" WHERE ${of(o, 'one')}`],
  ],
  [
    'a refund of a grant',
    'refunds',
    (o) => [
      change(
        o,
        'back',
        `"refundOf" = (SELECT id FROM "CreditTransaction" WHERE ${of(o, 'first')})`,
      ),
    ],
  ],
  ['a refund of itself', 'refunds', (o) => [change(o, 'back', '"refundOf" = id')]],
  ['lots that are no lots', 'provenance', (o) => [change(o, 'one', `lots = '{"a": [1]}'`)]],
  ['lots that are no numbers', 'provenance', (o) => [change(o, 'one', `lots = '[["x", "y"]]'`)]],
  ['lots named by text', 'provenance', (o) => [change(o, 'one', `lots = '[["1", -30]]'`)]],
  [
    'a lot that is no whole number',
    'provenance',
    (o) => [change(o, 'one', `lots = '[[1.5, -30]]'`)],
  ],
  ['a lot that is a list', 'provenance', (o) => [change(o, 'one', `lots = '[[[1], -30]]'`)]],
  [
    'a lot beyond all numbers',
    'provenance',
    (o) => [change(o, 'one', `lots = '[[99999999999999999999, -30]]'`)],
  ],
  ['a lot with a third number', 'provenance', (o) => [change(o, 'one', `lots = '[[1, -30, 0]]'`)]],
  ['a lot that was taken twice', 'provenance', (o) => [change(o, 'one', `lots = lots || lots`)]],
  ['a lot that never was', 'lot', (o) => [change(o, 'one', `lots = '[[987654, -30]]'`)]],
  [
    'another owner’s lot among several',
    'lot',
    (o) => [
      `INSERT INTO "CreditGrant" ("id", "ownerId", "creditType", "amount", "remaining", "open", "priority") SELECT 777, 'zz ${o}', "creditType", 30, 15, true, 50 FROM "CreditGrant" WHERE "ownerId" = '${o}'`,
      change(
        o,
        'one',
        `lots = jsonb_build_array(jsonb_build_array(lots -> 0 -> 0, -15), '[777, -15]'::jsonb)`,
      ),
    ],
  ],
  [
    'an amount beyond all balances',
    'chain',
    (o) => [change(o, 'one', 'amount = 9223372036854775807')],
  ],
  [
    'a balance beyond all numbers',
    'chain',
    (o) => [change(o, 'one', '"balanceAfter" = 9223372036854775807')],
  ],
  [
    'two transactions that changed places',
    'chain',
    (o) => [
      change(o, 'one', 'id = -id'),
      `UPDATE "CreditTransaction" SET id = -(SELECT id FROM "CreditTransaction" WHERE ${of(o, 'one')}) WHERE ${of(o, 'back')}`,
    ],
  ],
  ['a chain that breaks', 'chain', (o) => [change(o, 'back', '"balanceAfter" = 81')]],
  [
    'a balance that is no sum',
    'balance',
    (o) => [`UPDATE "CreditAccount" SET "balance" = 56 WHERE "ownerId" = '${o}'`],
  ],
  [
    'a debt that nobody made',
    'debt',
    (o) => [`UPDATE "CreditAccount" SET "debt" = 1 WHERE "ownerId" = '${o}'`],
  ],
  [
    'a balance beside a debt',
    'owing',
    (o) => [`UPDATE "CreditAccount" SET "debt" = 1 WHERE "ownerId" = '${o}'`],
  ],
  ['a lot that is gone', 'lot', (o) => [`DELETE FROM "CreditGrant" WHERE "ownerId" = '${o}'`]],
  [
    'a lot with less in it',
    'lots',
    (o) => [`UPDATE "CreditGrant" SET "remaining" = 1 WHERE "ownerId" = '${o}'`],
  ],
]

test.each(PLANTED)('promise 3: %s is found', async (_, check, statements) => {
  const owner = await seeded()
  const before = await h.billing.reconcileCredits()
  expect(before.violations.filter((each) => each.ownerId === owner)).toEqual([])
  await plant(statements(owner))
  const { violations } = await h.billing.reconcileCredits()
  const found = violations.filter(({ ownerId }) => ownerId?.includes(owner))
  expect(found.map((each) => each.check)).toContain(check)
  expect(violations.filter(({ found: what }) => what?.includes('could not'))).toEqual([])
})

test('promise 3: a check that fails over bad rows is reported, and the other checks run', async () => {
  const owner = await seeded()
  await plant([
    change(owner, 'back', 'amount = 9223372036854775807, debt = -1'),
    `DELETE FROM "CreditHold" WHERE ${hold(owner, 'open')}`,
  ])
  const { violations } = await h.billing.reconcileCredits()
  const nowhere = { ownerId: null, creditType: null, transactionId: null, expected: null }
  expect(violations).toContainEqual({
    ...nowhere,
    check: 'refunds',
    found: 'could not be checked: 22003',
  })
  expect(violations.filter(({ found }) => found?.includes('could not'))).toHaveLength(1)
  const found = violations.filter(({ ownerId }) => ownerId === owner)
  expect(new Set(found.map(({ check }) => check))).toEqual(
    new Set(['balance', 'chain', 'debt', 'holds', 'provenance', 'rows']),
  )
})

describe('promise 3: a removed guard is named', () => {
  const trigger = (table: string, how: string, name: string) =>
    `ALTER TABLE "${table}" ${how} TRIGGER "${name}"`
  const body = 'BEGIN RETURN NULL; END'
  test.each<[string, string, string]>([
    [
      'switched off',
      'CreditTransaction_applies',
      trigger('CreditTransaction', 'DISABLE', 'CreditTransaction_applies'),
    ],
    [
      'switched off',
      'CreditAccount_follows',
      trigger('CreditAccount', 'ENABLE REPLICA', 'CreditAccount_follows'),
    ],
    ['missing', 'CreditHold_fits', 'DROP TRIGGER "CreditHold_fits" ON "CreditHold"'],
    [
      'not as it was made',
      'CreditAccount_stays',
      `CREATE OR REPLACE TRIGGER "CreditAccount_stays" AFTER DELETE ON "CreditAccount" FOR EACH ROW EXECUTE FUNCTION "CreditAccount_stays"()`,
    ],
    [
      'not as it was made',
      'CreditTransaction_append_only',
      `CREATE OR REPLACE TRIGGER "CreditTransaction_append_only" BEFORE UPDATE OR DELETE ON "CreditTransaction" FOR EACH ROW WHEN (false) EXECUTE FUNCTION "CreditTransaction_append_only"()`,
    ],
    [
      'not as it was made',
      'CreditAccount_follows',
      `CREATE OR REPLACE FUNCTION "CreditAccount_follows"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS '${body}'`,
    ],
    [
      'not as it was made',
      'CreditTransaction_applies',
      'ALTER FUNCTION "CreditTransaction_applies"() RESET search_path',
    ],
    [
      'not as it was made',
      'CreditTransaction_in_bounds',
      `ALTER FUNCTION "CreditTransaction_in_bounds" SECURITY DEFINER`,
    ],
    ['everybody may call it', 'Credit_post', 'GRANT EXECUTE ON FUNCTION "Credit_post" TO PUBLIC'],
    [
      'missing',
      'CreditTransaction_type_check',
      'ALTER TABLE "CreditTransaction" DROP CONSTRAINT "CreditTransaction_type_check"',
    ],
    [
      'not validated',
      'CreditGrant_bounds_check',
      `ALTER TABLE "CreditGrant" DROP CONSTRAINT "CreditGrant_bounds_check", ADD CONSTRAINT "CreditGrant_bounds_check" CHECK (true) NOT VALID`,
    ],
    [
      'missing',
      'CreditTransaction_ownerId_idempotencyKey_key',
      'DROP INDEX "CreditTransaction_ownerId_idempotencyKey_key"',
    ],
    [
      'not valid',
      'CreditHold_transactionId_key',
      'DROP INDEX "CreditHold_transactionId_key" | CREATE INDEX "CreditHold_transactionId_key" ON "CreditHold" ("transactionId")',
    ],
    [
      'another table inherits from it',
      'CreditAccount',
      'CREATE TABLE child () INHERITS ("CreditAccount")',
    ],
    [
      'row-level security is not forced',
      'CreditGrant',
      'ALTER TABLE "CreditGrant" NO FORCE ROW LEVEL SECURITY',
    ],
    [
      'a rule rewrites what is written to it',
      'CreditHold',
      'CREATE RULE mine AS ON DELETE TO "CreditHold" DO INSTEAD NOTHING',
    ],
    [
      'may change rows, and is not of the migrations',
      'mine',
      `CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS '${body}' | CREATE TRIGGER mine BEFORE INSERT ON "CreditTransaction" FOR EACH ROW EXECUTE FUNCTION mine()`,
    ],
  ])('%s: %s', async (found, name, statement) => {
    expect(await h.billing.reconcileCredits()).toMatchObject({ violations: [] })
    for (const sql of statement.split(' | ')) await h.db.$executeRawUnsafe(sql)
    const { violations } = await h.billing.reconcileCredits()
    const nowhere = { check: 'guards', ownerId: null, creditType: null, transactionId: null }
    expect(violations).toContainEqual({ ...nowhere, expected: name, found })
  })
})
