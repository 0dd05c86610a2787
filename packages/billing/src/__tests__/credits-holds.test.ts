/** Credits that are set aside, and what becomes of them however the work ends. */

import { createTestLogger } from '@repo/core/testing'
import { runPending } from '@repo/jobs'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createBilling } from '../index.ts'
import { createLedger, DAY, type Ledger } from './credits-harness.ts'

let h: Ledger
beforeAll(async () => {
  h = await createLedger(inject('postgres'))
})
afterAll(() => h.close())

const refused = (code: string, status: number) => expect.objectContaining({ code, status })

async function hold(ownerId: string, amount: number, options = {}) {
  const held = await h.billing.holdCredits(ownerId, amount, 'a film', options)
  if (!held.success) throw new Error('not so much')
  return held
}

/** Lets the deadlines of `ownerId`'s holds pass. */
const passDeadline = (ownerId: string) => h.db.$executeRaw`
  UPDATE "CreditHold" SET "expiresAt" = clock_timestamp() - interval '1 ms'
  WHERE "ownerId" = ${ownerId} AND "status" = 'open'`

describe('a hold', () => {
  test('cannot be spent, and is shown apart from the balance', async () => {
    const owner = await h.owner(10)
    const held = await h.billing.holdCredits(owner, 6, 'a film')
    expect(held).toEqual({
      success: true,
      holdId: expect.any(String),
      transactionId: expect.any(String),
      balance: 4,
    })
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 4, holds: 6 })
    expect(await h.billing.deductCredits(owner, 5, '')).toMatchObject({
      success: false,
      balance: 4,
    })
    expect(await h.billing.holdCredits(owner, 5, '')).toEqual({
      success: false,
      error: 'Insufficient credits',
      balance: 4,
      required: 5,
    })
  })

  test('is captured in full or in part, or released', async () => {
    const owner = await h.owner(100)
    const all = await h.billing.captureHold((await hold(owner, 10)).holdId)
    expect(all).toEqual({ captured: 10, balance: 90 })
    const part = await h.billing.captureHold((await hold(owner, 10)).holdId, 3)
    expect(part).toEqual({ captured: 3, balance: 87 })
    const none = await h.billing.releaseHold((await hold(owner, 10)).holdId)
    expect(none).toEqual({ captured: 0, balance: 87 })
    expect(await h.rows(owner)).toEqual([
      'grant 100',
      'deduction -10',
      'deduction -10',
      'refund 7',
      'deduction -10',
      'refund 10',
    ])
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 87, holds: 0 })
  })

  test('is settled once: repeating the call returns the same, and another result is refused', async () => {
    const owner = await h.owner(100)
    const { holdId } = await hold(owner, 10)
    const first = await h.billing.captureHold(holdId, 4)
    expect(await h.billing.captureHold(holdId, 4)).toEqual(first)
    for (const again of [
      () => h.billing.captureHold(holdId),
      () => h.billing.captureHold(holdId, 5),
      () => h.billing.releaseHold(holdId),
    ]) {
      await expect(again()).rejects.toEqual(refused('hold_settled', 409))
    }
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 96 })
  })

  test('captures no more than was held, and must exist', async () => {
    const owner = await h.owner(100)
    const { holdId } = await hold(owner, 10)
    const more = h.billing.captureHold(holdId, 11)
    await expect(more).rejects.toEqual(refused('capture_exceeds_hold', 409))
    for (const id of ['999999', 'x', '-1', '']) {
      await expect(h.billing.captureHold(id)).rejects.toEqual(refused('hold_not_found', 404))
    }
    await expect(h.billing.captureHold(holdId, 0)).rejects.toEqual(refused('invalid_amount', 400))
    expect(await h.billing.getBalance(owner)).toMatchObject({ holds: 10 })
  })

  test('cannot be refunded while it is open; the captured credits can be refunded afterwards', async () => {
    const owner = await h.owner(100)
    const { holdId, transactionId } = await hold(owner, 10)
    const early = h.billing.refundCredits(owner, 1, '', { transactionId })
    await expect(early).rejects.toEqual(refused('hold_open', 409))
    await h.billing.captureHold(holdId, 6)
    await h.billing.refundCredits(owner, 6, '', { transactionId })
    const more = h.billing.refundCredits(owner, 1, '', { transactionId })
    await expect(more).rejects.toEqual(refused('refund_exceeds_deduction', 409))
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 100 })
  })

  test('is made once for a key, which still returns it after it was settled', async () => {
    const owner = await h.owner(100)
    const first = await hold(owner, 10, { idempotencyKey: 'k' })
    await h.billing.captureHold(first.holdId)
    expect(await hold(owner, 10, { idempotencyKey: 'k' })).toEqual(first)
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 90, holds: 0 })
  })

  test('gives credits back to a lot that lapsed meanwhile, for seven days', async () => {
    const owner = await h.owner()
    const expiresAt = new Date(h.clock.now().getTime() + DAY)
    await h.billing.grantCredits(owner, 10, { idempotencyKey: 'g', expiresAt })
    const { holdId } = await hold(owner, 4)
    h.clock.advance(2 * DAY)
    await h.billing.releaseHold(holdId)
    expect(await h.rows(owner)).toEqual(['grant 10', 'deduction -4', 'expiry -6', 'refund 4'])
    h.clock.advance(7 * DAY - 1)
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 4 })
    h.clock.advance(1)
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 0 })
  })

  test('promise 3: capture, release and the deadline at once settle it once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const owner = await h.owner(10)
      const { holdId } = await hold(owner, 10)
      await passDeadline(owner)
      const results = await Promise.allSettled([
        h.billing.captureHold(holdId, 7),
        h.billing.releaseHold(holdId),
        h.billing.releaseOverdueHolds(),
        h.billing.captureHold(holdId, 3),
      ])
      const { status, captured } = await h.db.creditHold.findUniqueOrThrow({
        where: { id: BigInt(holdId) },
      })
      expect(await h.billing.getBalance(owner)).toMatchObject({
        balance: 10 - Number(captured),
        holds: 0,
      })
      expect(status).toBe(captured === 0n ? 'released' : 'captured')
      expect(results.filter((result) => result.status === 'rejected').length).toBeGreaterThan(0)
    }
  })
})

describe('a deadline', () => {
  test('is enforced by a job, which leaves other holds alone', async () => {
    const [late, early] = [await h.owner(10), await h.owner(10)]
    await hold(late, 4)
    const settled = await hold(late, 1)
    await h.billing.captureHold(settled.holdId)
    await hold(early, 4)
    await passDeadline(late)
    // Moving domain time is no reason: whoever holds may still be at work.
    h.clock.advance(30 * DAY)
    await h.db.$executeRaw`SELECT FROM graphile_worker.add_job('billing.releaseHolds', '{}'::json)`
    await runPending({ databaseUrl: h.databaseUrl, jobs: [h.billing.jobs], logger: h.logger })
    expect(await h.billing.getBalance(late)).toMatchObject({ balance: 9, holds: 0 })
    expect(await h.billing.getBalance(early)).toMatchObject({ balance: 6, holds: 4 })
    expect(await h.billing.releaseOverdueHolds()).toBe(0)
  })

  test('is the requested time', async () => {
    const owner = await h.owner(10)
    const before = Date.now()
    const { holdId } = await hold(owner, 1, { ttlSeconds: 60 })
    const after = Date.now()
    const row = await h.db.creditHold.findUniqueOrThrow({ where: { id: BigInt(holdId) } })
    expect(row.expiresAt.getTime()).toBeGreaterThanOrEqual(before + 60_000 - 100)
    expect(row.expiresAt.getTime()).toBeLessThanOrEqual(after + 60_000 + 100)
  })
})

describe('withCredits', () => {
  const none = { balance: 10, holds: 0 }

  test('captures the hold, or what the work captured, and returns the work’s result', async () => {
    const owner = await h.owner(10)
    expect(await h.billing.withCredits(owner, 3, 'a film', () => 'done')).toBe('done')
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 7, holds: 0 })
    const done = await h.billing.withCredits(owner, 5, 'a film', async ({ capture }) => {
      expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 2, holds: 5 })
      capture(2)
      return 42
    })
    expect(done).toBe(42)
    await h.billing.withCredits(owner, 5, 'a film', ({ capture }) => capture(0))
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 5, holds: 0 })
  })

  test('releases the hold when the work throws, and throws the work’s error', async () => {
    const owner = await h.owner(10)
    const work = h.billing.withCredits(owner, 5, 'a film', ({ capture }) => {
      capture(3)
      throw new Error('no film')
    })
    await expect(work).rejects.toThrow('no film')
    expect(await h.billing.getBalance(owner)).toMatchObject(none)
  })

  test('does not begin the work without enough credits', async () => {
    const owner = await h.owner(10)
    let isBegun = false
    const work = h.billing.withCredits(owner, 11, 'a film', () => {
      isBegun = true
    })
    await expect(work).rejects.toMatchObject({
      code: 'insufficient_credits',
      status: 402,
      required: 11,
      available: 10,
    })
    expect(isBegun).toBe(false)
  })

  test('cannot capture more than the hold', async () => {
    const owner = await h.owner(10)
    const work = h.billing.withCredits(owner, 5, 'a film', ({ capture }) => capture(6))
    await expect(work).rejects.toEqual(refused('capture_exceeds_hold', 409))
    expect(await h.billing.getBalance(owner)).toMatchObject(none)
  })

  test('does the work once under a key, however often it failed before', async () => {
    const owner = await h.owner(10)
    let runs = 0
    const work = (fails: boolean) =>
      h.billing.withCredits(
        owner,
        5,
        'a film',
        () => {
          runs += 1
          if (fails) throw new Error('no film')
          return runs
        },
        { idempotencyKey: 'film' },
      )
    await expect(work(true)).rejects.toThrow('no film')
    await expect(work(true)).rejects.toThrow('no film')
    expect(await work(false)).toBe(3)
    await expect(work(false)).rejects.toEqual(refused('hold_settled', 409))
    expect(runs).toBe(3)
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 5, holds: 0 })
  })

  test('leaves a failed release to the deadline, and throws the work’s own error', async () => {
    const owner = await h.owner(10)
    const logger = createTestLogger()
    const billing = createBilling({ ...h.settings, logger })
    const work = billing.withCredits(owner, 5, 'a film', async () => {
      await h.db.$executeRaw`ALTER FUNCTION "Credit_settle" RENAME TO "Credit_away"`
      throw new Error('no film')
    })
    await expect(work).rejects.toThrow('no film')
    await h.db.$executeRaw`ALTER FUNCTION "Credit_away" RENAME TO "Credit_settle"`
    expect(logger.text).toContain('it is released after its deadline')
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 5, holds: 5 })
    await passDeadline(owner)
    expect(await h.billing.releaseOverdueHolds()).toBe(1)
    expect(await h.billing.getBalance(owner)).toMatchObject(none)
  })
})
