/** Credits in and out, each once, by the rules of the lots. */

import { atomically } from '@repo/db'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createLedger, DAY, type Ledger } from './credits-harness.ts'

let h: Ledger
beforeAll(async () => {
  h = await createLedger(inject('postgres'))
})
afterAll(() => h.close())

const refused = (code: string, status: number) => expect.objectContaining({ code, status })
const left = (days: number) => new Date(h.clock.now().getTime() + days * DAY)

describe('deduct', () => {
  test('takes credits, and answers with an error if there are not enough', async () => {
    const owner = await h.owner(10)
    const done = await h.billing.deductCredits(owner, 7, 'a picture')
    expect(done).toEqual({ success: true, transactionId: expect.any(String), balance: 3 })
    expect(await h.billing.deductCredits(owner, 4, 'a picture')).toEqual({
      success: false,
      error: 'Insufficient credits',
      balance: 3,
      required: 4,
    })
    expect(await h.billing.deductCredits(owner, 3, 'a picture')).toMatchObject({ balance: 0 })
    expect(await h.rows(owner)).toEqual(['grant 10', 'deduction -7', 'deduction -3'])
  })

  test('an unknown owner has no credits, and no row is written', async () => {
    const owner = await h.owner()
    expect(await h.billing.deductCredits(owner, 1, '')).toMatchObject({
      success: false,
      balance: 0,
    })
    expect(await h.billing.getBalance(owner)).toEqual({
      balance: 0,
      debt: 0,
      holds: 0,
      expiring: [],
    })
    expect(await h.db.creditAccount.count({ where: { ownerId: owner } })).toBe(0)
  })

  test('lots are spent by priority, soonest expiry and age, after lapsed lots are taken out', async () => {
    const owner = await h.owner()
    const grant = (amount: number, options: object = {}) =>
      h.billing.grantCredits(owner, amount, { idempotencyKey: h.key(), ...options })
    await grant(1)
    await grant(10, { expiresAt: left(20) })
    await grant(100, { expiresAt: left(10) })
    await grant(1000, { priority: 40 })
    await grant(10_000, { priority: 40, expiresAt: left(1) })
    await grant(1)
    await h.billing.deductCredits(owner, 10_500, '')
    expect(await h.lots(owner)).toEqual([1, 10, 100, 500, 0, 1])
    await h.billing.deductCredits(owner, 550, '')
    expect(await h.lots(owner)).toEqual([1, 10, 50, 0, 0, 1])
    h.clock.advance(10 * DAY)
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 12 })
    await h.billing.deductCredits(owner, 11, '')
    expect(await h.lots(owner)).toEqual([0, 0, 0, 0, 0, 1])
    expect((await h.rows(owner)).slice(-2)).toEqual(['expiry -50', 'deduction -11'])
  })

  test('credit types are separate', async () => {
    const owner = await h.owner(5)
    await h.billing.grantCredits(owner, 3, { idempotencyKey: 'seconds', creditType: 'seconds' })
    expect(await h.billing.deductCredits(owner, 4, '', { creditType: 'seconds' })).toMatchObject({
      success: false,
      balance: 3,
    })
    await h.billing.deductCredits(owner, 3, '', { creditType: 'seconds' })
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 5 })
  })
})

describe('keys', () => {
  test('the same key with the same facts returns the first result, whatever happened since', async () => {
    const owner = await h.owner(100)
    const first = await h.billing.deductCredits(owner, 10, 'one', { idempotencyKey: 'k' })
    await h.billing.deductCredits(owner, 50, '')
    const again = await h.billing.deductCredits(owner, 10, 'in other words', {
      idempotencyKey: 'k',
    })
    expect(again).toEqual(first)
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 40 })
  })

  test('a refusal is not kept, so the key can be used later', async () => {
    const owner = await h.owner(1)
    const take = () => h.billing.deductCredits(owner, 2, '', { idempotencyKey: 'k' })
    expect(await take()).toMatchObject({ success: false })
    await h.billing.grantCredits(owner, 1, { idempotencyKey: 'more' })
    expect(await take()).toMatchObject({ success: true, balance: 0 })
  })

  test('keys are separate for each owner', async () => {
    const owners = [await h.owner(5), await h.owner(5)]
    for (const owner of owners) {
      await h.billing.deductCredits(owner, 5, '', { idempotencyKey: 'k' })
      expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 0 })
    }
  })

  const at = new Date('2031-01-01T00:00:00Z')
  const base = { idempotencyKey: 'k', expiresAt: at, priority: 10 }
  test.each<[string, (owner: string) => Promise<unknown>]>([
    ['amount', (o) => h.billing.grantCredits(o, 6, base)],
    ['type', (o) => h.billing.grantCredits(o, 5, { ...base, type: 'purchase' })],
    ['expiry', (o) => h.billing.grantCredits(o, 5, { ...base, expiresAt: left(1) })],
    ['no expiry', (o) => h.billing.grantCredits(o, 5, { ...base, expiresAt: null })],
    ['priority', (o) => h.billing.grantCredits(o, 5, { ...base, priority: 11 })],
    ['credit type', (o) => h.billing.grantCredits(o, 5, { ...base, creditType: 'other' })],
    ['deduction', (o) => h.billing.deductCredits(o, 5, '', { idempotencyKey: 'k' })],
    [
      'another type without an account',
      (o) => h.billing.deductCredits(o, 5, '', { ...base, creditType: 'none' }),
    ],
    ['refund', (o) => h.billing.refundCredits(o, 5, '', { idempotencyKey: 'k' })],
    ['adjustment', (o) => h.billing.adjustCredits(o, 5, '', { ...base, actor: 'ada' })],
    ['hold', (o) => h.billing.holdCredits(o, 5, '', { idempotencyKey: 'k' })],
    ['clawback', (o) => h.billing.clawBackCredits(o, 5, '', { idempotencyKey: 'k' })],
  ])('a grant’s key with another %s is a conflict', async (_, call) => {
    const owner = await h.owner(50)
    await h.billing.grantCredits(owner, 5, base)
    await expect(call(owner)).rejects.toEqual(refused('idempotency_conflict', 409))
    expect(await h.rows(owner)).toEqual(['grant 50', 'grant 5'])
  })

  test('a key of a deduction is refused for a hold, and the reverse', async () => {
    const owner = await h.owner(50)
    await h.billing.deductCredits(owner, 5, '', { idempotencyKey: 'k' })
    await h.billing.holdCredits(owner, 5, '', { idempotencyKey: 'l' })
    const asHold = h.billing.holdCredits(owner, 5, '', { idempotencyKey: 'k' })
    await expect(asHold).rejects.toEqual(refused('idempotency_conflict', 409))
    const asDeduction = h.billing.deductCredits(owner, 5, '', { idempotencyKey: 'l' })
    await expect(asDeduction).rejects.toEqual(refused('idempotency_conflict', 409))
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 40, holds: 5 })
  })
})

describe('refund', () => {
  async function spent(amount: number) {
    const owner = await h.owner()
    for (const expiresAt of [left(1), left(2), null]) {
      await h.billing.grantCredits(owner, 10, { idempotencyKey: h.key(), expiresAt })
    }
    const done = await h.billing.deductCredits(owner, amount, '')
    if (!done.success) throw new Error('not so much')
    return { owner, transactionId: done.transactionId }
  }

  test('goes back to the same lots, the one that was spent last first', async () => {
    const { owner, transactionId } = await spent(25)
    expect(await h.lots(owner)).toEqual([0, 0, 5])
    await h.billing.refundCredits(owner, 8, '', { transactionId })
    expect(await h.lots(owner)).toEqual([0, 3, 10])
    await h.billing.refundCredits(owner, 10, '', { transactionId })
    expect(await h.lots(owner)).toEqual([3, 10, 10])
    await h.billing.refundCredits(owner, 7, '', { transactionId })
    expect(await h.lots(owner)).toEqual([10, 10, 10])
    const more = h.billing.refundCredits(owner, 1, '', { transactionId })
    await expect(more).rejects.toEqual(refused('refund_exceeds_deduction', 409))
  })

  test('to a lot that lapsed meanwhile extends the lot by seven days', async () => {
    const { owner, transactionId } = await spent(20)
    h.clock.advance(3 * DAY)
    await h.billing.refundCredits(owner, 20, '', { transactionId })
    expect(await h.billing.getBalance(owner)).toMatchObject({
      balance: 30,
      expiring: [{ amount: 20, expiresAt: left(7) }],
    })
    h.clock.advance(7 * DAY)
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 10, expiring: [] })
  })

  test('without an id refunds the newest deduction with so much left', async () => {
    const owner = await h.owner(100)
    const take = async (amount: number) => {
      const done = await h.billing.deductCredits(owner, amount, '')
      return done.success ? done.transactionId : ''
    }
    const [large, small] = [await take(50), await take(5)]
    await h.billing.holdCredits(owner, 20, 'open')
    const refundedBy = async (amount: number) => {
      const { transactionId } = await h.billing.refundCredits(owner, amount, '')
      const { transactions } = await h.billing.listTransactions(owner)
      return transactions.find(({ id }) => id === transactionId)?.refundOf
    }
    expect(await refundedBy(3)).toBe(small)
    expect(await refundedBy(3)).toBe(large)
    expect(await refundedBy(2)).toBe(small)
    expect(await refundedBy(47)).toBe(large)
    const none = h.billing.refundCredits(owner, 1, '')
    await expect(none).rejects.toEqual(refused('nothing_to_refund', 409))
  })

  test('of another owner’s, an unknown or a malformed transaction is refused', async () => {
    const { transactionId } = await spent(5)
    const other = await h.owner(5)
    for (const id of [transactionId, '999999999', '-1', 'x', '9'.repeat(30)]) {
      const refund = h.billing.refundCredits(other, 1, '', { transactionId: id })
      await expect(refund).rejects.toEqual(refused('transaction_not_found', 404))
    }
  })

  test('promise 3: together with deductions at once loses and doubles nothing', async () => {
    const { owner, transactionId } = await spent(20)
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, (_, at) =>
        at % 2 === 0
          ? h.billing.refundCredits(owner, 2, '', { transactionId })
          : h.billing.deductCredits(owner, 1, ''),
      ),
    )
    const refunds = results.filter((r, at) => at % 2 === 0 && r.status === 'fulfilled').length
    expect(refunds).toBe(10)
    const { balance } = await h.billing.getBalance(owner)
    const taken = (await h.rows(owner)).filter((row) => row === 'deduction -1').length
    expect(balance).toBe(30 - 20 + 20 - taken)
    expect((await h.lots(owner)).reduce((sum, lot) => sum + lot)).toBe(balance)
  })
})

describe('adjust', () => {
  test('records the operator in the row', async () => {
    const owner = await h.owner()
    await h.billing.adjustCredits(owner, 10, 'goodwill', { actor: 'ada', expiresAt: left(5) })
    await h.billing.adjustCredits(owner, -4, 'a mistake', { actor: 'grace' })
    const { transactions } = await h.billing.listTransactions(owner)
    expect(transactions).toMatchObject([
      { type: 'adjustment', amount: -4, balanceAfter: 6, actor: 'grace', description: 'a mistake' },
      { type: 'adjustment', amount: 10, balanceAfter: 10, actor: 'ada', expiresAt: left(5) },
    ])
    const more = h.billing.adjustCredits(owner, -7, '', { actor: 'ada' })
    await expect(more).rejects.toMatchObject({
      ...refused('insufficient_credits', 402).sample,
      required: 7,
      available: 6,
    })
  })
})

describe('a host’s transaction', () => {
  test('commits or rolls back the change with it', async () => {
    const owner = await h.owner(10)
    const failing = atomically(h.db, async (tx) => {
      await h.billing.deductCredits(owner, 4, '', { tx })
      throw new Error('after it')
    })
    await expect(failing).rejects.toThrow('after it')
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 10 })
    await atomically(h.db, (tx) => h.billing.deductCredits(owner, 4, '', { tx }))
    expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 6 })
  })
})

test('the list is paged, the newest first', async () => {
  const owner = await h.owner(100)
  for (let at = 0; at < 5; at += 1) await h.billing.deductCredits(owner, at + 1, '')
  const seen: number[] = []
  let cursor: string | null = null
  let pages = 0
  do {
    const page = await h.billing.listTransactions(owner, {
      limit: 2,
      ...(cursor ? { cursor } : {}),
    })
    seen.push(...page.transactions.map(({ amount }) => amount))
    cursor = page.nextCursor
    pages += 1
  } while (cursor)
  expect(seen).toEqual([-5, -4, -3, -2, -1, 100])
  expect(pages).toBe(3)
})
