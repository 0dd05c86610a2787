/** Somebody is told when credits run low, once each time, and more are bought no oftener than allowed. */

import { createTestLogger } from '@repo/core/testing'
import { atomically } from '@repo/db'
import { runPending } from '@repo/jobs'
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { type BillingOptions, createBilling } from '../index.ts'
import { createLedger, DAY, type Ledger } from './credits-harness.ts'

let h: Ledger
const told: { ownerId: string; balance: number; transactionId: string; creditType: string }[] = []
const bought: string[][] = []
let failing: string[] = []

const credits: BillingOptions['credits'] = {
  lowBalance: { credits: 10, seconds: 60 },
  onLowBalance(event) {
    if (failing.includes('telling')) throw new Error('no mail today')
    told.push(event)
  },
  topUp: {
    perDay: 2,
    async run(...args) {
      if (failing.includes('buying')) throw new Error('no card today')
      bought.push(args)
    },
  },
}

beforeAll(async () => {
  h = await createLedger(inject('postgres'), { credits })
})
afterAll(() => h.close())
beforeEach(() => {
  told.length = 0
  bought.length = 0
  failing = []
})

const work = () =>
  runPending({ databaseUrl: h.databaseUrl, jobs: [h.billing.jobs], logger: createTestLogger() })
const deduct = (owner: string, amount: number, options = {}) =>
  h.billing.deductCredits(owner, amount, '', options)
const grant = (owner: string, amount: number) =>
  h.billing.grantCredits(owner, amount, { idempotencyKey: h.key() })

test('a balance below its threshold is reported once, until it has been above the threshold again', async () => {
  const owner = await h.owner(20)
  await deduct(owner, 10)
  await work()
  expect(told).toEqual([])
  const crossing = await deduct(owner, 1, { idempotencyKey: 'k' })
  await deduct(owner, 1, { idempotencyKey: 'k' })
  await deduct(owner, 5)
  await work()
  expect(told).toEqual([
    {
      ownerId: owner,
      creditType: 'credits',
      balance: 9,
      threshold: 10,
      transactionId: crossing.success && crossing.transactionId,
    },
  ])
  await grant(owner, 6)
  await deduct(owner, 1)
  await work()
  expect(told.map(({ balance }) => balance)).toEqual([9, 9])
})

test('every cause is reported: a hold, an expiry, a clawback, an adjustment, another credit type', async () => {
  const owner = await h.owner(12)
  const held = await h.billing.holdCredits(owner, 5, '')
  await h.billing.releaseHold(held.success ? held.holdId : '')
  await h.billing.adjustCredits(owner, -4, '', { actor: 'ada' })
  await grant(owner, 4)
  await h.billing.clawBackCredits(owner, 3, '', { idempotencyKey: 'refund:1' })
  const expiresAt = new Date(h.clock.now().getTime() + DAY)
  await h.billing.grantCredits(owner, 5, { idempotencyKey: 'lapsing', expiresAt })
  h.clock.advance(DAY)
  await h.billing.expireCredits()
  await h.billing.grantCredits(owner, 60, { idempotencyKey: 's', creditType: 'seconds' })
  await deduct(owner, 1, { creditType: 'seconds' })
  await h.billing.grantCredits(owner, 60, { idempotencyKey: 'o', creditType: 'other' })
  await deduct(owner, 60, { creditType: 'other' })
  await work()
  expect(told.map(({ creditType, balance }) => `${creditType} ${balance}`)).toEqual([
    'credits 7',
    'credits 8',
    'credits 9',
    'credits 9',
    'seconds 59',
  ])
})

test('settling a hold that finds lapsed credits reports a low balance', async () => {
  const owner = await h.owner(9)
  const expiresAt = new Date(h.clock.now().getTime() + DAY)
  await h.billing.grantCredits(owner, 50, { idempotencyKey: 'lapsing', expiresAt, priority: 60 })
  const held = await h.billing.holdCredits(owner, 2, '')
  h.clock.advance(DAY)
  await h.billing.captureHold(held.success ? held.holdId : '', 1)
  await work()
  expect(told).toMatchObject([{ balance: 8 }])
})

test('promise 3: of many changes at once each crossing is reported, and none twice', async () => {
  const owner = await h.owner(15)
  await Promise.all(
    Array.from({ length: 200 }, (_, at) => (at % 4 < 2 ? deduct(owner, 3) : grant(owner, 3))),
  )
  await work()
  const rows = await h.db.creditTransaction.findMany({
    where: { ownerId: owner },
    orderBy: { id: 'asc' },
  })
  const crossings = rows.filter(
    ({ amount, balanceAfter }) => balanceAfter < 10n && balanceAfter - amount >= 10n,
  )
  expect(crossings.length).toBeGreaterThan(0)
  expect(told.map(({ transactionId }) => transactionId).sort()).toEqual(
    crossings.map(({ id }) => `${id}`).sort(),
  )
})

test('a rolled-back change reports nothing', async () => {
  const owner = await h.owner(10)
  const rolledBack = atomically(h.db, async (tx) => {
    await deduct(owner, 5, { tx })
    throw new Error('after it')
  })
  await expect(rolledBack).rejects.toThrow('after it')
  await work()
  expect(told).toEqual([])
})

test('a top-up runs under a key of the crossing, within the limit per day', async () => {
  const owner = await h.owner(10)
  const cross = async () => {
    await deduct(owner, 1)
    await grant(owner, 1)
    await work()
  }
  await cross()
  await cross()
  await cross()
  expect(bought).toEqual(
    told.slice(0, 2).map(({ transactionId }) => [owner, 'credits', `top-up:${transactionId}`]),
  )
  expect(told).toHaveLength(3)
  h.clock.advance(DAY)
  await cross()
  expect(bought).toHaveLength(3)
  expect(await h.db.creditTopUp.count({ where: { ownerId: owner } })).toBe(3)
})

test.each([
  ['telling', ['telling']],
  ['buying', ['buying']],
  ['either', ['telling', 'buying']],
])('when %s fails it is tried again, and the other hook runs once', async (_, what) => {
  const owner = await h.owner(10)
  failing = what
  await deduct(owner, 1)
  await work()
  expect(told).toHaveLength(what.includes('telling') ? 0 : 1)
  expect(bought).toHaveLength(what.includes('buying') ? 0 : 1)
  failing = []
  await h.db.$executeRaw`UPDATE graphile_worker._private_jobs SET run_at = now()`
  await work()
  expect(told).toHaveLength(1)
  expect(bought).toHaveLength(1)
  expect(await h.db.creditTopUp.count({ where: { ownerId: owner } })).toBe(1)
})

test('promise 3: concurrent claims of top-ups keep to the daily limit', async () => {
  const owner = await h.owner(100)
  const claims = await Promise.all(
    Array.from({ length: 30 }, (_, at) =>
      h.db.$queryRawUnsafe<[{ claim: string }]>(
        `SELECT "Credit_claim_top_up"('${owner}', 'credits', ${900_000 + (at % 10)}, 4) AS claim`,
      ),
    ),
  )
  const words = claims.map(([{ claim }]) => claim)
  expect(words.filter((word) => word === 'claimed')).toHaveLength(4)
  expect(await h.db.creditTopUp.count({ where: { ownerId: owner } })).toBe(4)
})

test('without hooks no job is queued', async () => {
  const billing = createBilling({ ...h.settings, credits: { lowBalance: { credits: 10 } } })
  const owner = await h.owner(10)
  await billing.deductCredits(owner, 10, '')
  await work()
  expect(told).toEqual([])
})
