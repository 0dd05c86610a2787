/** Credits whose money went back: what is there is taken, the rest is owed and paid first. */

import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { ledgerViolations } from '../testing.ts'
import { createLedger, DAY, type Ledger } from './credits-harness.ts'

let h: Ledger
beforeAll(async () => {
  h = await createLedger(inject('postgres'))
})
afterAll(async () => {
  expect(await ledgerViolations(h.db)).toEqual([])
  await h.close()
})

const refused = (code: string, status: number) => expect.objectContaining({ code, status })

/** An owner who bought 100 under `order:1` and spent so much. */
async function bought(spent: number) {
  const owner = await h.owner()
  await h.billing.grantCredits(owner, 100, { type: 'purchase', idempotencyKey: 'order:1' })
  if (spent > 0) await h.billing.deductCredits(owner, spent, 'spent')
  return owner
}

const claw = (owner: string, amount = 100, key = 'refund:1') =>
  h.billing.clawBackCredits(owner, amount, 'money back', { idempotencyKey: key })
const has = async (owner: string) => {
  const { balance, debt } = await h.billing.getBalance(owner)
  return { balance, debt }
}
const buy = (owner: string, amount: number, key = 'order:2') =>
  h.billing.grantCredits(owner, amount, { type: 'purchase', idempotencyKey: key })

test('a clawback within the balance takes credits and makes no debt', async () => {
  const owner = await bought(0)
  expect(await claw(owner)).toEqual({
    transactionId: expect.any(String),
    balance: 0,
    taken: 100,
    owed: 0,
  })
  expect(await has(owner)).toEqual({ balance: 0, debt: 0 })
})

test('promise 3: a clawback of spent credits makes debt, and the balance is never below 0', async () => {
  const owner = await bought(70)
  const first = await claw(owner)
  expect(first).toMatchObject({ balance: 0, taken: 30, owed: 70 })
  expect(await has(owner)).toEqual({ balance: 0, debt: 70 })
  expect(await claw(owner)).toEqual(first)
  expect(await has(owner)).toEqual({ balance: 0, debt: 70 })
  await expect(claw(owner, 99)).rejects.toEqual(refused('idempotency_conflict', 409))
})

test('all of a clawback may become debt, also for an owner without credits', async () => {
  const owner = await bought(100)
  expect(await claw(owner)).toMatchObject({ balance: 0, taken: 0, owed: 100 })
  const stranger = await h.owner()
  expect(await claw(stranger, 5)).toMatchObject({ taken: 0, owed: 5 })
  expect(await has(stranger)).toEqual({ balance: 0, debt: 5 })
})

test('the next purchase pays the debt first, in a row of its own, and returns the remaining balance', async () => {
  const owner = await bought(100)
  await claw(owner)
  const small = await buy(owner, 40)
  expect(small.balance).toBe(0)
  expect(await has(owner)).toEqual({ balance: 0, debt: 60 })
  const large = await buy(owner, 100, 'order:3')
  expect(large.balance).toBe(40)
  expect(await buy(owner, 100, 'order:3')).toEqual(large)
  expect(await buy(owner, 40)).toEqual(small)
  expect(await has(owner)).toEqual({ balance: 40, debt: 0 })
  expect((await h.rows(owner)).slice(2)).toEqual([
    'adjustment 0',
    'purchase 40',
    'adjustment -40',
    'purchase 100',
    'adjustment -60',
  ])
  const { transactions } = await h.billing.listTransactions(owner)
  expect(transactions.map(({ debt }) => debt)).toEqual([-60, 0, -40, 0, 100, 0, 0])
  expect(transactions[0]?.idempotencyKey).toBe(`ledger:debt:${large.transactionId}`)
})

test('refunded, released and adjusted credits pay debt, too', async () => {
  const owner = await bought(60)
  const held = await h.billing.holdCredits(owner, 40, 'at work')
  await claw(owner)
  expect(await has(owner)).toEqual({ balance: 0, debt: 100 })
  await h.billing.refundCredits(owner, 50, 'not delivered')
  expect(await has(owner)).toEqual({ balance: 0, debt: 50 })
  await h.billing.releaseHold(held.success ? held.holdId : '')
  expect(await has(owner)).toEqual({ balance: 0, debt: 10 })
  await h.billing.adjustCredits(owner, 15, 'goodwill', { actor: 'ada' })
  expect(await has(owner)).toEqual({ balance: 5, debt: 0 })
})

test('a clawback of a purchase takes from the purchase’s own lot first', async () => {
  const owner = await h.owner()
  const expiresAt = new Date(h.clock.now().getTime() + DAY)
  await h.billing.grantCredits(owner, 50, { idempotencyKey: 'promotion', expiresAt })
  await buy(owner, 100)
  const options = { idempotencyKey: 'refund:1', purchaseKey: 'order:2' }
  await h.billing.clawBackCredits(owner, 80, '', options)
  expect(await h.lots(owner)).toEqual([50, 20])
  await h.billing.clawBackCredits(owner, 30, '', { ...options, idempotencyKey: 'refund:2' })
  expect(await h.lots(owner)).toEqual([40, 0])
})

const restore = (owner: string, options = {}) =>
  h.billing.restoreCredits(owner, 'dispute won', { clawBackKey: 'dispute:1', ...options })

test('a won dispute lowers the debt that it made, then gives back the credits that it took', async () => {
  const owner = await bought(70)
  await claw(owner, 100, 'dispute:1')
  const first = await restore(owner)
  expect(first).toMatchObject({ balance: 30, given: 30, forgiven: 70 })
  expect(await has(owner)).toEqual({ balance: 30, debt: 0 })
  expect(await h.lots(owner)).toEqual([30])
  expect(await restore(owner)).toEqual(first)
  const twice = restore(owner, { idempotencyKey: 'again' })
  await expect(twice).rejects.toEqual(refused('refund_exceeds_deduction', 409))
  expect(await has(owner)).toEqual({ balance: 30, debt: 0 })
})

test('a won dispute also gives back credits that have paid its debt', async () => {
  const owner = await bought(100)
  await claw(owner, 100, 'dispute:1')
  await buy(owner, 80)
  expect(await has(owner)).toEqual({ balance: 0, debt: 20 })
  expect(await restore(owner)).toMatchObject({ balance: 80, given: 80, forgiven: 20 })
})

test('credits that a won dispute gives back pay another debt', async () => {
  const owner = await bought(0)
  await claw(owner, 100, 'dispute:1')
  await claw(owner, 30, 'refund:2')
  expect(await has(owner)).toEqual({ balance: 0, debt: 30 })
  expect(await restore(owner)).toMatchObject({ balance: 70, given: 100, forgiven: 0 })
  expect(await has(owner)).toEqual({ balance: 70, debt: 0 })
})

test('restoring a clawback that was never made is refused', async () => {
  const owner = await bought(0)
  await expect(restore(owner)).rejects.toEqual(refused('transaction_not_found', 404))
  const purchase = restore(owner, { clawBackKey: 'order:1' })
  await expect(purchase).rejects.toEqual(refused('transaction_not_found', 404))
  const stranger = h.billing.restoreCredits(await h.owner(), '', { clawBackKey: 'dispute:1' })
  await expect(stranger).rejects.toEqual(refused('transaction_not_found', 404))
})

test('promise 3: purchase, spending, refund and dispute at once add up', async () => {
  for (let round = 0; round < 5; round += 1) {
    const owner = await bought(50)
    await claw(owner, 20, 'dispute:1')
    await Promise.all([
      ...Array.from({ length: 8 }, () => claw(owner, 70)),
      ...Array.from({ length: 8 }, () => buy(owner, 33)),
      ...Array.from({ length: 8 }, () => restore(owner)),
      ...Array.from({ length: 8 }, () => h.billing.deductCredits(owner, 1, '')),
    ])
    const { balance, debt } = await has(owner)
    const spent = (await h.rows(owner)).filter((row) => row === 'deduction -1').length
    expect(balance - debt).toBe(100 - 50 - 70 + 33 - spent)
    expect(balance * debt).toBe(0)
  }
})
