/** Promise 3: whoever writes, by whatever way, the database keeps the ledger whole. */

import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  await run(
    `INSERT INTO "CreditAccount" ("ownerId", "updatedAt") VALUES ('ada', to_timestamp(0)), ('bob', now())`,
  )
  await run(insert({ key: 'came', type: 'grant', amount: 10, after: 10 }))
  await run(insert({ key: 'went', type: 'deduction', amount: -4, after: 6 }))
})
afterAll(() => database.drop())

const run = (sql: string) => database.db.$executeRawUnsafe(sql)

interface Row {
  key: string
  type: string
  amount: number
  after: number
  of?: string
  debt?: number
  owner?: string
  at?: string
}

const values = ({ key, type, amount, after, of, debt = 0, owner = 'ada', at = 'now()' }: Row) => `
  ('${owner}', 'credits', '${type}', ${amount}, ${after}, ${debt}, '${key}',
    (SELECT id FROM "CreditTransaction" WHERE "idempotencyKey" = '${of}'), '[]', '', ${at})`

const insert = (...rows: Row[]) => `
  INSERT INTO "CreditTransaction" ("ownerId", "creditType", type, amount, "balanceAfter", debt,
    "idempotencyKey", "refundOf", lots, description, "createdAt")
  VALUES ${rows.map(values)}`

const lot = (amount: number, remaining: number, open = true) => `
  INSERT INTO "CreditGrant" ("ownerId", "creditType", amount, remaining, open, priority)
  VALUES ('ada', 'credits', ${amount}, ${remaining}, ${open}, 50)`

const hold = (status: string, captured: string, settled: string) => `
  INSERT INTO "CreditHold" ("ownerId", "creditType", "transactionId", status, captured, "settledAt", "expiresAt")
  SELECT 'ada', 'credits', id, '${status}', ${captured}, ${settled}, now()
  FROM "CreditTransaction" WHERE "idempotencyKey" = 'went'`

const next = { key: 'next', after: 6 }

test.each<[string, string, string]>([
  ['a changed transaction', `UPDATE "CreditTransaction" SET description = 'x'`, 'append_only'],
  ['a deleted transaction', `DELETE FROM "CreditTransaction"`, 'append_only'],
  ['an emptied ledger', `TRUNCATE "CreditTransaction" CASCADE`, 'append_only'],
  ['emptied accounts', `TRUNCATE "CreditAccount" CASCADE`, 'stays'],
  ['an account without its ledger', `DELETE FROM "CreditAccount" WHERE "ownerId" = 'ada'`, 'stays'],
  ['another balance', `UPDATE "CreditAccount" SET balance = 7`, 'CreditAccount_follows'],
  ['another debt', `UPDATE "CreditAccount" SET debt = 7`, 'CreditAccount_follows'],
  [
    'a balance from nowhere',
    `INSERT INTO "CreditAccount" ("ownerId", balance) VALUES ('eve', 1)`,
    'CreditAccount_follows',
  ],
  [
    'a debt from nowhere',
    `INSERT INTO "CreditAccount" ("ownerId", debt) VALUES ('eve', 1)`,
    'CreditAccount_follows',
  ],
  ['a balance below 0', insert({ ...next, type: 'deduction', amount: -7, after: -1 }), 'check'],
  ['a debt below 0', insert({ ...next, type: 'adjustment', amount: 0, debt: -1 }), 'bounds_check'],
  [
    'a balance beyond exact numbers',
    insert({ ...next, type: 'grant', amount: 2 ** 53, after: 2 ** 53 + 6 }),
    'bounds_check',
  ],
  [
    'a balance that does not follow',
    insert({ ...next, type: 'grant', amount: 1, after: 8 }),
    'does not follow',
  ],
  [
    'a time before the last',
    insert({ ...next, type: 'grant', amount: 1, after: 7, at: 'to_timestamp(1)' }),
    'does not follow',
  ],
  [
    'an owner without an account',
    insert({ ...next, type: 'grant', amount: 1, after: 1, owner: 'eve' }),
    'does not follow',
  ],
  [
    'a key used twice',
    insert({ ...next, key: 'went', type: 'grant', amount: 1, after: 7 }),
    'idempotencyKey',
  ],
  ['a grant that takes', insert({ ...next, type: 'grant', amount: -1, after: 5 }), 'type_check'],
  ['a purchase of nothing', insert({ ...next, type: 'purchase', amount: 0 }), 'type_check'],
  [
    'a deduction that gives',
    insert({ ...next, type: 'deduction', amount: 1, after: 7 }),
    'type_check',
  ],
  ['an expiry that gives', insert({ ...next, type: 'expiry', amount: 1, after: 7 }), 'type_check'],
  ['an adjustment of nothing', insert({ ...next, type: 'adjustment', amount: 0 }), 'type_check'],
  [
    'a deduction that makes debt',
    insert({ ...next, type: 'deduction', amount: -1, after: 5, debt: 1 }),
    'type_check',
  ],
  ['a type there is not', insert({ ...next, type: 'gift', amount: 1, after: 7 }), 'type_check'],
  [
    'a refund of nothing in particular',
    insert({ ...next, type: 'refund', amount: 1, after: 7 }),
    'type_check',
  ],
  [
    'a refund of more than was taken',
    insert({ ...next, type: 'refund', amount: 5, after: 11, of: 'went' }),
    'more than was taken',
  ],
  [
    'a refund of a grant',
    insert({ ...next, type: 'refund', amount: 1, after: 7, of: 'came' }),
    'more than was taken',
  ],
  [
    'a refund of another’s deduction',
    insert({ ...next, type: 'refund', amount: 1, after: 1, of: 'went', owner: 'bob' }),
    'more than was taken',
  ],
  [
    'an adjustment that takes a deduction back',
    insert({ ...next, type: 'adjustment', amount: 1, after: 7, of: 'went' }),
    'more than was taken',
  ],
  ['a lot with more than came', lot(1, 2), 'bounds_check'],
  ['a lot with less than nothing', lot(1, -1, false), 'bounds_check'],
  ['an open lot with nothing in it', lot(1, 0), 'bounds_check'],
  ['a hold that is ajar', hold('ajar', 'NULL', 'NULL'), 'status_check'],
  ['an open hold that was captured', hold('open', '1', 'now()'), 'status_check'],
  ['a released hold that kept something', hold('released', '1', 'now()'), 'status_check'],
])('promise 3: %s is refused', async (_, statement, reason) => {
  const before = await database.db.creditAccount.findMany({ orderBy: { ownerId: 'asc' } })
  await expect(run(statement)).rejects.toThrow(reason)
  expect(await database.db.creditAccount.findMany({ orderBy: { ownerId: 'asc' } })).toEqual(before)
})

test('promise 3: refunds are summed, and the last refund that fits is accepted', async () => {
  const { db } = database
  await run(insert({ key: 'back', type: 'refund', amount: 3, after: 9, of: 'went' }))
  const more = insert({ key: 'more', type: 'refund', amount: 2, after: 11, of: 'went' })
  await expect(run(more)).rejects.toThrow('more than was taken')
  await run(insert({ key: 'rest', type: 'refund', amount: 1, after: 10, of: 'went' }))
  const account = await db.creditAccount.findFirstOrThrow({ where: { ownerId: 'ada' } })
  expect(account.balance).toBe(10n)
})

test('promise 3: an insert with a used key changes nothing', async () => {
  const { db } = database
  const again = insert({ key: 'came', type: 'grant', amount: 10, after: 20 })
  expect(await run(`${again} ON CONFLICT DO NOTHING`)).toBe(0)
  const account = await db.creditAccount.findFirstOrThrow({ where: { ownerId: 'ada' } })
  expect(account.balance).toBe(10n)
})

test('a settled hold is never changed', async () => {
  await run(hold('released', '0', 'now()'))
  for (const statement of [
    `UPDATE "CreditHold" SET status = 'open', captured = NULL, "settledAt" = NULL`,
    `DELETE FROM "CreditHold"`,
  ]) {
    await expect(run(statement)).rejects.toThrow('CreditHold_settled_is_final')
  }
})

test('promise 3: the rows of one statement must follow each other, and their refunds are summed', async () => {
  const { db } = database
  const more: Row = { key: 'more', type: 'grant', amount: 2, after: 12 }
  const less: Row = { key: 'less', type: 'deduction', amount: -5, after: 7 }
  const wrong: [Row[], string][] = [
    [[more, { ...less, after: 8 }], 'does not follow'],
    [[less, more], 'does not follow'],
    [[{ ...more, at: "now() + interval '1 hour'" }, less], 'does not follow'],
    [[more, { ...less, owner: 'bob' }], 'does not follow'],
  ]
  for (const [rows, reason] of wrong) {
    await expect(run(insert(...rows))).rejects.toThrow(reason)
  }
  await run(insert(more, less))
  const back: Row = { key: 'back 1', type: 'refund', amount: 3, after: 10, of: 'less' }
  const again: Row = { ...back, key: 'back 2', after: 13 }
  await expect(run(insert(back, again))).rejects.toThrow('more than was taken')
  await run(insert(back, { ...again, amount: 2, after: 12 }))
  const account = await db.creditAccount.findFirstOrThrow({ where: { ownerId: 'ada' } })
  expect(account).toMatchObject({ balance: 12n, debt: 0n })
  const none = `INSERT INTO "CreditTransaction" SELECT * FROM "CreditTransaction" WHERE false`
  expect(await run(none)).toBe(0)
})

test('a refund without a transaction searches the newest 10,000', async () => {
  const { db } = database
  const post = async (type: string, amount: number, key: string, of = 'NULL') => {
    const [row] = await db.$queryRawUnsafe<[{ status: string }]>(
      `SELECT status FROM "Credit_post"('old', 'credits', '${type}', ${amount}, '${key}', '',
        p_priority => 50, p_refund_of => ${of})`,
    )
    return row.status
  }
  const others = (from: number, count: number, balance: number) =>
    run(`INSERT INTO "CreditTransaction" ("ownerId", "creditType", type, amount, "balanceAfter",
        "idempotencyKey", lots, description, "createdAt")
      SELECT 'old', 'credits', 'adjustment', 1 - n % 2 * 2, ${balance} - n % 2, 'other ' || n, '[]', '', now()
      FROM generate_series(${from}, ${from + count - 1}) n`)
  await post('grant', 100, 'came')
  await post('deduction', -5, 'went')
  await others(1, 9_998, 95)
  expect(await post('refund', 1, 'found')).toBe('posted')
  await others(9_999, 2, 96)
  expect(await post('refund', 1, 'too old')).toBe('nothing_to_refund')
  const { id } = await db.creditTransaction.findFirstOrThrow({
    where: { ownerId: 'old', idempotencyKey: 'went' },
  })
  expect(await post('refund', 1, 'named', `${id}`)).toBe('posted')
})
