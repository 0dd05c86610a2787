/** What a ledger has to pass: each check throws where the one in its database is wrong. */

import { createTestClock, until } from '@repo/core/testing'
import { createDb } from '@repo/db'
import type { TestDatabase } from '@repo/db/testing'
import fc from 'fast-check'
import { expect } from 'vitest'
import { type Billing, createBilling } from '../index.ts'
import { ledgerViolations } from '../testing.ts'
import * as checks from './credits-crowd.ts'
import { bursts, history, play, playTogether } from './credits-history.ts'

/**
 * The numbers of the histories that find the mutants of `credits-mutants.test.ts`, beginning with the history that
 * finds the most of them. They are played before the others, so that a mutant is found soon.
 */
const FINDERS = {
  model: [8, 6, 3, 16, 39, 32, 24, 23, 22, 18, 13, 9, 0, 2],
  together: [15, 41, 5, 0],
}

/** So many values, always the same, with the values of the numbers in `first` before the others. */
function listed<Value>(from: fc.Arbitrary<Value>, runs: number, first: readonly number[]): Value[] {
  const all: Value[] = []
  const property = fc.property(from, (value) => {
    all.push(value)
  })
  fc.assert(property, { numRuns: runs, seed: 5 })
  const early = first.flatMap((number) => all.slice(number, number + 1))
  return [...new Set([...early, ...all])]
}

export const CHECKS = {
  /** One caller, compared with the model after each step. Always the same histories. */
  async model({ db }: TestDatabase, runs = 150) {
    for (const steps of listed(history, runs, FINDERS.model)) await play(db, steps)
  },
  /** Many callers at once in groups, compared with the model as if one came after the other. */
  async together({ db }: TestDatabase, runs = 60) {
    for (const each of listed(bursts, runs, FINDERS.together)) await playTogether(db, each)
  },
  /** A threshold that is crossed is told once, by whichever deduction, alone and in a group. */
  async threshold({ db }: TestDatabase) {
    for (const groupCommit of [false, true]) {
      const credits = { groupCommit, lowBalance: { credits: 10 }, onLowBalance: () => {} }
      const billing = createBilling({ db, appUrl: 'http://localhost', credits })
      const owner = `told ${groupCommit}`
      await billing.grantCredits(owner, 100, { idempotencyKey: 'first' })
      const deduct = () => billing.deductCredits(owner, 2, '')
      await Promise.all(Array.from({ length: 48 }, deduct))
      const jobs = await db.$queryRaw<{ balance: number }[]>`
        SELECT ("payload" ->> 'balance')::int AS "balance" FROM graphile_worker._private_jobs
        WHERE "payload" ->> 'ownerId' = ${owner}`
      expect(jobs).toEqual([{ balance: 8 }])
    }
  },
  /** A lot lapses at its moment, also behind one that is spent first, before anything is taken. */
  async lapsing({ db }: TestDatabase) {
    const clock = createTestClock('2030-01-01T00:00:00Z')
    const billing = createBilling({ db, clock, appUrl: 'http://localhost' })
    const grant = (idempotencyKey: string, priority: number, expiresAt: Date | null) =>
      billing.grantCredits('lapsing', 10, { idempotencyKey, priority, expiresAt })
    const soon = new Date('2030-01-01T00:00:01Z')
    await grant('first', 10, null)
    await grant('behind', 50, soon)
    expect(await billing.deductCredits('lapsing', 1, '')).toMatchObject({ balance: 19 })
    clock.set(soon)
    expect(await billing.deductCredits('lapsing', 1, '')).toMatchObject({ balance: 8 })
  },
  overspend: (database: TestDatabase) => crowded(database, (c) => checks.overspend(c, 600, 200)),
  duplicates: (database: TestDatabase) => crowded(database, (c) => checks.duplicates(c, 400)),
  settlements: (database: TestDatabase) => crowded(database, checks.settlements),
  beginnings: (database: TestDatabase) => crowded(database, checks.beginnings),
  /** A key and what it stands for, each fact by itself. */
  async keys({ db }: TestDatabase) {
    const { grantCredits, deductCredits, refundCredits, holdCredits, clawBackCredits } =
      createBilling({ db, appUrl: 'http://localhost' })
    const idempotencyKey = 'k'
    const given = { idempotencyKey, priority: 10, expiresAt: new Date('2099-01-01') }
    const isConflict = (call: Promise<unknown>) =>
      expect(call).rejects.toMatchObject({ code: 'idempotency_conflict' })
    await grantCredits('ada', 5, given)
    await isConflict(grantCredits('ada', 6, given))
    await isConflict(grantCredits('ada', 5, { ...given, type: 'purchase' }))
    await isConflict(grantCredits('ada', 5, { ...given, priority: 11 }))
    await isConflict(grantCredits('ada', 5, { ...given, expiresAt: null }))
    await isConflict(grantCredits('ada', 5, { ...given, creditType: 'other' }))
    const taken = [await deductCredits('ada', 1, ''), await deductCredits('ada', 1, '')]
    const of = taken.map((done) => (done.success ? done.transactionId : ''))
    const refund = (transactionId = '') =>
      refundCredits('ada', 1, '', { idempotencyKey: 'r', transactionId })
    await refund(of[0])
    await isConflict(refund(of[1]))
    await deductCredits('ada', 1, '', { idempotencyKey: 'd' })
    await isConflict(holdCredits('ada', 1, '', { idempotencyKey: 'd' }))
    await clawBackCredits('ada', 10, '', { idempotencyKey: 'c' })
    const first = await grantCredits('ada', 20, { idempotencyKey: 'paying' })
    expect(await grantCredits('ada', 20, { idempotencyKey: 'paying' })).toEqual(first)
  },
  /** The most an account may hold, to the credit. */
  async limit({ db }: TestDatabase) {
    const billing = createBilling({ db, appUrl: 'http://localhost' })
    const most = 1_000_000_000_000_000
    await billing.grantCredits('rich', most - 1, { idempotencyKey: '1' })
    await billing.grantCredits('rich', 1, { idempotencyKey: '2' })
    const isOver = (call: Promise<unknown>) =>
      expect(call).rejects.toMatchObject({ code: 'credit_limit_exceeded', status: 409 })
    await isOver(billing.grantCredits('rich', 1, { idempotencyKey: '3' }))
    // What is given back is held to it, too: a refund, a restored clawback, what a hold does not keep.
    const spent = await billing.deductCredits('rich', 5, '')
    await billing.clawBackCredits('rich', 5, '', { idempotencyKey: 'refund:1' })
    const held = await billing.holdCredits('rich', 5, '')
    const holdId = held.success ? held.holdId : ''
    const transactionId = spent.success ? spent.transactionId : ''
    await billing.grantCredits('rich', 13, { idempotencyKey: '4' })
    const refund = (amount: number) => billing.refundCredits('rich', amount, '', { transactionId })
    await isOver(refund(3))
    await isOver(billing.restoreCredits('rich', '', { clawBackKey: 'refund:1' }))
    await isOver(billing.releaseHold(holdId))
    await isOver(billing.captureHold(holdId, 2))
    expect(await billing.getBalance('rich')).toMatchObject({ balance: most - 2, holds: 5 })
    expect(await billing.captureHold(holdId, 3)).toEqual({ captured: 3, balance: most })
    await isOver(refund(1))
    await billing.deductCredits('rich', 5, '')
    await refund(5)
    expect(await billing.getBalance('rich')).toMatchObject({ balance: most, holds: 0 })
    expect(await ledgerViolations(db)).toEqual([])
  },
  /** What has lapsed makes room for what a hold gives back. */
  async room({ db }: TestDatabase) {
    const clock = createTestClock('2030-01-01T00:00:00Z')
    const billing = createBilling({ db, clock, appUrl: 'http://localhost' })
    const most = 1_000_000_000_000_000
    await billing.grantCredits('full', most, { idempotencyKey: '1' })
    const held = await billing.holdCredits('full', 5, '')
    const expiresAt = new Date('2030-01-02T00:00:00Z')
    await billing.grantCredits('full', 5, { idempotencyKey: '2', expiresAt })
    clock.set(expiresAt)
    const released = await billing.releaseHold(held.success ? held.holdId : '')
    expect(released).toEqual({ captured: 0, balance: most })
  },
  /** The months of a plan take each other's place, all but so much. */
  async series({ db }: TestDatabase) {
    const month = (key: number, rollover: number) =>
      db.$executeRawUnsafe(`SELECT "Credit_post"('planned', 'credits', 'grant', 100, 'month-${key}', '',
        p_priority => 50, p_expires_at => '2099-0${key}-01', p_series => 'plan', p_rollover => ${rollover})`)
    const lots = async () => {
      const found = await db.creditGrant.findMany({
        where: { ownerId: 'planned' },
        orderBy: { id: 'asc' },
      })
      return found.map(
        ({ remaining, expiresAt }) => `${remaining} ${(expiresAt?.getUTCMonth() ?? 0) + 1}`,
      )
    }
    const billing = createBilling({ db, appUrl: 'http://localhost' })
    await billing.grantCredits('planned', 7, { idempotencyKey: 'bought', priority: 90 })
    await month(1, 30)
    await billing.deductCredits('planned', 90, '')
    await month(2, 30)
    expect(await lots()).toEqual(['7 1', '10 2', '100 2'])
    await month(3, 105)
    expect(await lots()).toEqual(['7 1', '5 3', '100 3', '100 3'])
    await month(4, 0)
    expect(await lots()).toEqual(['7 1', '0 4', '0 4', '0 4', '100 4'])
    expect((await billing.getBalance('planned')).balance).toBe(107)
    expect(await ledgerViolations(db)).toEqual([])
  },
  /** Work under a key is done once by two instances, waited for, done anew where it threw, and taken over late. */
  async work({ db, url }: TestDatabase) {
    const other = createDb(url)
    try {
      const appUrl = 'http://localhost'
      const both = [createBilling({ db, appUrl }), createBilling({ db: other, appUrl })]
      await both[0]?.grantCredits('worker', 100, { idempotencyKey: 'first' })
      await theWork(
        both as [Billing, Billing],
        (ownerId) =>
          db.$executeRaw`UPDATE "CreditHold" SET "expiresAt" = clock_timestamp()
          WHERE "ownerId" = ${ownerId} AND "status" = 'open'`,
      )
      expect((await both[0]?.getBalance('worker'))?.balance).toBe(96)
    } finally {
      await other.$disconnect()
    }
  },
  /** A deadline that has not passed is not kept. */
  async deadline({ db }: TestDatabase) {
    const billing = createBilling({ db, appUrl: 'http://localhost' })
    await billing.grantCredits('holder', 10, { idempotencyKey: '1' })
    const held = await billing.holdCredits('holder', 4, '')
    const [{ status }] = await db.$queryRawUnsafe<[{ status: string }]>(
      `SELECT * FROM "Credit_settle"(${held.success ? held.holdId : 0}, 0, true)`,
    )
    expect(status).toBe('not_due')
  },
}

async function crowded(database: TestDatabase, check: (crowd: checks.Crowd) => Promise<void>) {
  const crowd = checks.createCrowd(database.url)
  try {
    await check(crowd)
  } finally {
    await crowd.close()
  }
}

async function theWork(
  both: [Billing, Billing],
  passDeadline: (ownerId: string) => Promise<unknown>,
) {
  let runs = 0
  const does = (billing: Billing, idempotencyKey: string, work: () => unknown, amount = 1) =>
    billing.withCredits(
      'worker',
      amount,
      '',
      () => {
        runs += 1
        return work()
      },
      { idempotencyKey },
    )
  const once = async (key: string, end: () => unknown) => {
    runs = 0
    let finish = () => {}
    const ended = new Promise<void>((resolve) => {
      finish = resolve
    })
    const calls = both.map((billing) => does(billing, key, () => ended.then(end)))
    const settled = Promise.allSettled(calls)
    await until(() => runs > 0)
    const other = does(both[1], key, end, 2)
    const isRefused = expect(other).rejects.toMatchObject({ code: 'idempotency_conflict' })
    finish()
    const [results] = await Promise.all([settled, isRefused])
    expect(runs).toBe(1)
    return results
  }
  const value = { status: 'fulfilled', value: 'done' }
  expect(await once('done', () => 'done')).toEqual([value, value])
  const isDone = { code: 'hold_settled' }
  await expect(does(both[1], 'done', () => 'again')).rejects.toMatchObject(isDone)

  const fails = () => Promise.reject(new Error('no'))
  const reason = { status: 'rejected', reason: { message: 'no' } }
  expect(await once('fails', fails)).toMatchObject([reason, reason])
  expect(await does(both[1], 'fails', () => 'anew')).toBe('anew')
  expect(await does(both[0], 'fails:2', () => 'other')).toBe('other')

  let late = () => {}
  const first = does(
    both[0],
    'late',
    () =>
      new Promise<void>((resolve) => {
        late = resolve
      }),
  )
  const overtaken = expect(first).rejects.toMatchObject(isDone)
  runs = 0
  await until(() => runs > 0)
  await passDeadline('worker')
  expect(await does(both[1], 'late', () => 'overtook')).toBe('overtook')
  late()
  await overtaken
}
