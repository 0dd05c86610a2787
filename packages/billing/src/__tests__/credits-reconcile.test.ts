/** Promise 3: what was changed past the ledger is found, and named where it begins. */

import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { createBilling } from '../index.ts'
import { ledgerViolations } from '../testing.ts'
import { createLedger, type Ledger } from './credits-harness.ts'

let h: Ledger
const alerts: object[] = []
beforeAll(async () => {
  h = await createLedger(inject('postgres'), { onAlert: (alert) => alerts.push(alert) })
})
afterAll(() => h.close())

let owner = ''
let ids: bigint[] = []
beforeEach(async () => {
  owner = await h.owner(100)
  const done = await h.billing.deductCredits(owner, 30, 'one')
  if (done.success) {
    const { transactionId } = done
    await h.billing.refundCredits(owner, 10, 'some of it', { transactionId })
  }
  const held = await h.billing.holdCredits(owner, 20, 'two')
  if (held.success) await h.billing.captureHold(held.holdId, 5)
  const open = await h.billing.holdCredits(owner, 3, 'three')
  expect(open.success).toBe(true)
  await h.billing.clawBackCredits(owner, 80, 'four', { idempotencyKey: 'refund:1' })
  const rows = await h.db.creditTransaction.findMany({
    where: { ownerId: owner },
    orderBy: { id: 'asc' },
  })
  ids = rows.map(({ id }) => id)
  expect(await ledgerViolations(h.db, { from: owner, to: owner })).toEqual([])
})

/** Runs `sql` as somebody would who takes the guards away and puts them back. */
async function behindTheGuards(...statements: string[]) {
  const tables = ['CreditAccount', 'CreditTransaction', 'CreditHold', 'CreditGrant']
  const all = (what: string) => tables.map((name) => `ALTER TABLE "${name}" ${what} TRIGGER USER`)
  const script = [...all('DISABLE'), ...statements, ...all('ENABLE')]
  await h.db.$transaction(script.map((sql) => h.db.$executeRawUnsafe(sql)))
}

const mine = () => `"ownerId" = '${owner}'`
const nth = (at: number) => `"id" = ${ids[at]}`

test.each<[string, () => string, string, number | null]>([
  [
    'balance raised',
    () => `UPDATE "CreditAccount" SET balance = balance + 1 WHERE ${mine()}`,
    'balance',
    6,
  ],
  [
    'balance beside a debt',
    () => `UPDATE "CreditAccount" SET balance = 1 WHERE ${mine()}`,
    'owing',
    null,
  ],
  ['debt forgiven', () => `UPDATE "CreditAccount" SET debt = debt - 1 WHERE ${mine()}`, 'debt', 6],
  ['transaction deleted', () => `DELETE FROM "CreditTransaction" WHERE ${nth(2)}`, 'balance', 3],
  [
    'amount changed',
    () => `UPDATE "CreditTransaction" SET amount = -31 WHERE ${nth(1)}`,
    'chain',
    1,
  ],
  [
    'balance after changed',
    () => `UPDATE "CreditTransaction" SET "balanceAfter" = 1 WHERE ${nth(3)}`,
    'chain',
    3,
  ],
  [
    'time set back',
    () => `UPDATE "CreditTransaction" SET "createdAt" = to_timestamp(0) WHERE ${nth(4)}`,
    'chain',
    4,
  ],
  [
    'lot filled up',
    () => `UPDATE "CreditGrant" SET remaining = 1, open = true WHERE ${mine()}`,
    'lots',
    null,
  ],
  [
    'debt paid before it was made',
    () =>
      `UPDATE "CreditTransaction" SET type = 'adjustment', "refundOf" = NULL, debt = CASE WHEN ${nth(2)} THEN -1 ELSE debt + 1 END WHERE "id" IN (${ids[2]}, ${ids[6]})`,
    'debt',
    2,
  ],
  ['lot deleted', () => `DELETE FROM "CreditGrant" WHERE ${mine()}`, 'lot', 6],
  [
    'provenance changed',
    () => `UPDATE "CreditTransaction" SET lots = '[]' WHERE ${nth(1)}`,
    'provenance',
    1,
  ],
  [
    'refund raised',
    () => `UPDATE "CreditTransaction" SET amount = 31 WHERE ${nth(2)}`,
    'refunds',
    2,
  ],
  [
    'refund of another’s',
    () =>
      `UPDATE "CreditTransaction" SET "refundOf" = (SELECT min(id) FROM "CreditTransaction" WHERE type = 'deduction') WHERE ${nth(2)}`,
    'refunds',
    2,
  ],
  [
    'captured changed',
    () => `UPDATE "CreditHold" SET captured = 6 WHERE captured = 5 AND ${mine()}`,
    'holds',
    3,
  ],
  [
    'open hold refunded',
    () =>
      `UPDATE "CreditHold" SET status = 'open', captured = NULL, "settledAt" = NULL WHERE captured = 5 AND ${mine()}`,
    'holds',
    3,
  ],
])('promise 3: %s is found', async (_, statement, check, at) => {
  await behindTheGuards(statement())
  const found = await ledgerViolations(h.db, { from: owner, to: owner })
  expect(found).toContainEqual(
    expect.objectContaining({
      check,
      ownerId: owner,
      creditType: 'credits',
      ...(at === null ? {} : { transactionId: `${ids[at]}` }),
    }),
  )
  const report = await h.billing.reconcileCredits()
  expect(report.violations).toEqual(expect.arrayContaining(found))
  expect(h.logger.text).toContain(owner)
})

test('the report names accounts once, counts them, and says when there are too many', async () => {
  const billing = createBilling(h.settings)
  alerts.length = 0
  const report = await billing.reconcileCredits()
  const accounts = await h.db.creditAccount.count()
  expect(report).toMatchObject({ accounts, transactions: await h.db.creditTransaction.count() })
  const named = new Set(report.violations.map(({ ownerId }) => ownerId))
  expect(report).toMatchObject({ drifted: named.size, driftRate: named.size / accounts })
  expect(alerts).toEqual([{ code: 'credits_drifted', rate: report.driftRate, threshold: 0.05 }])
})

test('a removed guard is reported', async () => {
  const trigger = '"CreditTransaction_append_only"'
  await h.db.$executeRawUnsafe(`ALTER TABLE "CreditTransaction" DISABLE TRIGGER ${trigger}`)
  expect(await ledgerViolations(h.db, { from: owner, to: owner })).toMatchObject([
    { check: 'guards', ownerId: null, expected: 'CreditTransaction_append_only' },
  ])
  await h.db.$executeRawUnsafe(`ALTER TABLE "CreditTransaction" ENABLE TRIGGER ${trigger}`)
})

test('all accounts are checked in pages, and the progress is reported', async () => {
  await h.db.$executeRaw`
    INSERT INTO "CreditAccount" ("ownerId") SELECT 'zz' || n FROM generate_series(1, 20500) n`
  await behindTheGuards(
    `UPDATE "CreditAccount" SET balance = 5 WHERE "ownerId" IN ('zz1', 'zz999')`,
  )
  const seen: number[][] = []
  const { violations } = await h.billing.reconcileCredits({ onProgress: (...at) => seen.push(at) })
  const accounts = await h.db.creditAccount.count()
  expect(seen.map(([done]) => done)).toEqual([10_000, 20_000, accounts])
  expect(seen.every(([, total]) => total === accounts)).toBe(true)
  const found = violations.filter(
    ({ ownerId, check }) => ownerId?.startsWith('zz') && check === 'balance',
  )
  expect(found).toMatchObject([
    { ownerId: 'zz1', transactionId: null, expected: '0', found: '5' },
    { ownerId: 'zz999' },
  ])
})
