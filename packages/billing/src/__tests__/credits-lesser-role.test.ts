/** Promise 3: the ledger works for an app whose role may change no transaction and no balance. */

import { createTestLogger } from '@repo/core/testing'
import { createDb, type Database, grantRole } from '@repo/db'
import { createTestRole, type TestRole } from '@repo/db/testing'
import { runPending } from '@repo/jobs'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { type Billing, createBilling } from '../index.ts'
import { createLedger, DAY, type Ledger } from './credits-harness.ts'

let h: Ledger
let role: TestRole
let db: Database
/** As the role. */
let billing: Billing
const told: number[] = []
beforeAll(async () => {
  h = await createLedger(inject('postgres'))
  role = await createTestRole(inject('postgres'))
  await grantRole(h.databaseUrl, role.name)
  db = createDb(role.url(h.databaseUrl))
  const onLowBalance = ({ balance }: { balance: number }) => void told.push(balance)
  billing = createBilling({
    ...h.settings,
    db,
    credits: { lowBalance: { credits: 5 }, onLowBalance },
  })
})
afterAll(async () => {
  await db.$disconnect()
  await h.close()
  await role.drop()
})

const left = (days: number) => new Date(h.clock.now().getTime() + days * DAY)

test('the role can grant, deduct, refund, hold and expire credits', async () => {
  const owner = await h.owner()
  const grant = { idempotencyKey: h.key() }
  expect(await billing.grantCredits(owner, 100, grant)).toMatchObject({ balance: 100 })
  await billing.grantCredits(owner, 10, { idempotencyKey: h.key(), expiresAt: left(1) })
  const taken = await billing.deductCredits(owner, 30, 'a film', { idempotencyKey: 'film' })
  expect(taken).toMatchObject({ success: true, balance: 80 })
  expect(await billing.deductCredits(owner, 81, 'too much')).toMatchObject({ success: false })
  await billing.refundCredits(owner, 10, 'half a film')
  const held = await billing.holdCredits(owner, 20, 'a render')
  if (!held.success) throw new Error(held.error)
  await billing.captureHold(held.holdId, 15)
  const other = await billing.holdCredits(owner, 5, 'another')
  if (!other.success) throw new Error(other.error)
  await billing.releaseHold(other.holdId)
  const options = { idempotencyKey: 'work' }
  expect(await billing.withCredits(owner, 5, 'work', ({ capture }) => capture(0), options)).toBe(
    undefined,
  )
  expect(await billing.getBalance(owner)).toMatchObject({ balance: 75, holds: 0 })
  h.clock.advance(2 * DAY)
  await billing.deductCredits(owner, 1, 'after a while')
  const rows = await h.rows(owner)
  expect(rows).toEqual(expect.arrayContaining(['deduction -30', 'refund 10', 'refund 5']))
  expect(await billing.reconcileCredits()).toMatchObject({ violations: [] })
})

test('many deductions at once share their statements', async () => {
  const owner = await h.owner(1000)
  const all = Array.from({ length: 50 }, (_, n) =>
    billing.deductCredits(owner, 1, '', { idempotencyKey: `k${n}` }),
  )
  expect((await Promise.all(all)).every(({ success }) => success)).toBe(true)
  expect(await billing.getBalance(owner)).toMatchObject({ balance: 950 })
})

test('a low balance is reported by a job that the ledger queued and a worker ran', async () => {
  const owner = await h.owner(10)
  await billing.deductCredits(owner, 7, 'a picture')
  const databaseUrl = role.url(h.databaseUrl)
  await runPending({ databaseUrl, jobs: [billing.jobs], logger: createTestLogger() })
  expect(told).toEqual([3])
})

test('promise 3: the role can change no transaction and no balance, even in its own SQL', async () => {
  const owner = await h.owner(10)
  const before = await h.rows(owner)
  const denied = { message: expect.stringContaining('42501') }
  const where = { ownerId: owner }
  await expect(db.creditTransaction.updateMany({ where, data: { amount: 1000 } })).rejects.toThrow(
    'denied',
  )
  await expect(db.creditTransaction.deleteMany({ where })).rejects.toThrow('denied')
  await expect(db.creditAccount.updateMany({ where, data: { balance: 1000 } })).rejects.toThrow(
    'denied',
  )
  await expect(db.$executeRaw`TRUNCATE "CreditTransaction" CASCADE`).rejects.toMatchObject(denied)
  await expect(
    db.$executeRaw`ALTER TABLE "CreditTransaction" DISABLE TRIGGER USER`,
  ).rejects.toMatchObject(denied)
  expect(await h.rows(owner)).toEqual(before)
  expect(await billing.getBalance(owner)).toMatchObject({ balance: 10 })
})
