/** `pnpm billing credits …` as a process, against a real database and without a provider. */

import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createCli, DB_PASSWORD } from './cli-process.ts'
import { createLedger, type Ledger } from './credits-harness.ts'

let h: Ledger
let made: ReturnType<typeof createCli>
beforeAll(async () => {
  h = await createLedger(inject('postgres'))
  made = createCli({ databaseUrl: h.databaseUrl, url: 'http://localhost:1' })
})
afterAll(() => h.close())

const NO_PROVIDER = { STRIPE_SECRET_KEY: '', APP_URL: '', STRIPE_WEBHOOK_SECRET: '' }
const cli = (...args: string[]) => made.run(['credits', ...args], NO_PROVIDER)

test('grant grants once for a key, and balance and list show it', async () => {
  const grant = ['grant', 'cli-1', '--amount', '50', '--key', 'welcome', '--note', 'hello']
  const first = await cli(...grant, '--json')
  expect(first).toMatchObject({ code: 0 })
  expect(first.json()).toEqual({ ownerId: 'cli-1', transactionId: expect.any(String), balance: 50 })
  expect((await cli(...grant, '--json')).json()).toEqual(first.json())
  const other = await cli('grant', 'cli-1', '--amount', '51', '--key', 'welcome')
  expect(other).toMatchObject({
    code: 1,
    stderr: 'The key welcome was already used for another change.\n',
  })

  const balance = await cli('balance', 'cli-1', '--json')
  expect(balance.json()).toEqual({
    ownerId: 'cli-1',
    balance: 50,
    debt: 0,
    holds: 0,
    expiring: [],
  })
  expect(balance.stderr).toBe('50 to spend, 0 held, 0 owed\n')
  const list = await cli('list', 'cli-1', '--limit', '1', '--json')
  expect(list.json()).toMatchObject({
    transactions: [{ type: 'grant', amount: 50 }],
    nextCursor: null,
  })
  expect(list.stderr).toMatch(/ {2}grant {2}\+50 {2}→ 50 {2}welcome {2}hello\n$/)
})

test('adjust records the operator and the reason, and takes no more than the balance', async () => {
  await h.billing.grantCredits('cli-2', 10, { idempotencyKey: 'g' })
  const run = await cli('adjust', 'cli-2', '--amount=-4', '--by', 'ada', '--note', 'ticket 7')
  expect(run).toMatchObject({ code: 0, stdout: '' })
  const list = await cli('list', 'cli-2')
  expect(list.stderr).toContain('adjustment  -4  → 6')
  expect(list.stderr).toContain('by ada  ticket 7\n')
  const more = await cli('adjust', 'cli-2', '--amount=-7', '--by', 'ada', '--note', 'x')
  expect(more).toMatchObject({ code: 1, stderr: 'cli-2 has 6 credits; 7 are needed.\n' })
})

test.each([
  [['grant', 'o', '--key', 'k'], '--amount is required.'],
  [['grant', 'o', '--amount', '5'], '--key is required.'],
  [['grant', 'o', '--amount', '5.5', '--key', 'k'], '--amount must be a whole number, not 5.5.'],
  [['grant', 'o', '--amount', '0', '--key', 'k'], 'not 0'],
  [['grant', 'o', '--amount', '9007199254740993', '--key', 'k'], 'whole number from 1'],
  [['grant', 'o', '--amount', '5', '--key', 'ledger:debt:1'], 'must not begin with ledger:'],
  [['adjust', 'o', '--amount', '5', '--note', 'x'], '--by is required.'],
  [['adjust', 'o', '--amount', '5', '--by', 'ada'], '--note is required.'],
  [['list', 'o', '--limit', '0'], 'limit must be a whole number from 1 to 200'],
  [['balance', 'o', '--type', 'NO'], 'A credit type is'],
  [['balance'], 'needs <owner>'],
  [['reconcile', '--amount', '5'], 'does not take --amount'],
])('%j is refused as misuse', async (args, message) => {
  const run = await cli(...args)
  expect(run).toMatchObject({ code: 2, stdout: '' })
  expect(run.stderr).toContain(message)
})

test('reconcile says that all is well, or fails and names the violations', async () => {
  const fine = await cli('reconcile', '--json')
  expect(fine).toMatchObject({ code: 0 })
  expect(fine.json()).toMatchObject({ drifted: 0, driftRate: 0, violations: [] })
  await h.billing.grantCredits('cli-3', 10, { idempotencyKey: 'g' })
  await h.db.$transaction([
    h.db.$executeRaw`ALTER TABLE "CreditAccount" DISABLE TRIGGER USER`,
    h.db.$executeRaw`UPDATE "CreditAccount" SET balance = 12 WHERE "ownerId" = 'cli-3'`,
    h.db.$executeRaw`ALTER TABLE "CreditAccount" ENABLE TRIGGER USER`,
  ])
  const { transactions } = await h.billing.listTransactions('cli-3')
  // As a process, whose exit code a cron job reads.
  const broken = await made.run(['credits', 'reconcile', '--json'], NO_PROVIDER, {
    asProcess: true,
  })
  expect(broken).toMatchObject({ code: 1 })
  expect(broken.json()).toMatchObject({ drifted: 1, violations: [{ check: 'balance' }, {}] })
  expect(broken.stderr).toContain(
    `cli-3 credits: balance is 12 and should be 10, first wrong transaction ${transactions[0]?.id}\n`,
  )
})

test('promise 7: no output contains a password', () => {
  expect(made.said()).not.toContain(DB_PASSWORD)
})
