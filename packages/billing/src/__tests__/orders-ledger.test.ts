/** The nightly comparison of orders with the ledger reads what changed, and in time every row; it misses none. */

import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createShop, type Shop } from './orders-harness.ts'
import { statementsOf } from './statements.ts'

const HOUR = 3_600_000
const ago = (hours: number) => new Date(Date.now() - hours * HOUR)

let shop: Shop
/** Payments that the provider was asked about. */
let asked = 0
beforeAll(async () => {
  shop = await createShop(inject('postgres'), {
    through: (provider) => ({
      ...provider,
      retrievePayment(id) {
        asked += 1
        return provider.retrievePayment(id)
      },
    }),
  })
})
afterAll(() => shop.close())

/** A paid order whose credits are missing, last changed at a time. */
async function lost(updatedAt: Date): Promise<string> {
  const { orderId, checkoutId } = await shop.order()
  const { paymentId } = await shop.controls.completeCheckout(checkoutId)
  const paid = { status: 'completed', paymentId, amountPaid: 1000, completedAt: updatedAt }
  await shop.db.order.update({ where: { id: orderId }, data: { ...paid, updatedAt } })
  return orderId
}

/** Orders and their transactions, all in order, last changed some days ago. */
async function many(count: number): Promise<void> {
  const { ownerId, orderId } = await shop.paid()
  const { customerId } = await shop.row(orderId)
  for (const change of ['DISABLE', 'ENABLE']) {
    if (change === 'ENABLE') {
      await shop.db.$executeRaw`
        INSERT INTO "Order" ("id", "ownerId", "customerId", "sku", "provider", "amount", "currency", "credits",
          "status", "paymentId", "returnKey", "amountPaid", "completedAt", "createdAt", "updatedAt")
        SELECT 'old-' || n, ${ownerId}, ${customerId}, 'CREDITS_SMALL', 'local', 1000, 'usd', 100,
          'completed', 'payment-' || n, 'k', 1000, at, at, at
        FROM generate_series(1, ${count}) n, LATERAL (SELECT now() - interval '20 days' + n * interval '1 second') t(at)`
      await shop.db.$executeRaw`
        INSERT INTO "CreditTransaction" ("ownerId", "creditType", "type", "amount", "balanceAfter",
          "idempotencyKey", "lots", "description", "createdAt")
        SELECT ${ownerId}, 'credits', 'purchase', 100, 100, 'order:old-' || n || ':fulfil', '[]', '',
          now() - interval '20 days' + n * interval '1 second'
        FROM generate_series(1, ${count}) n`
    }
    for (const table of ['Order', 'CreditTransaction']) {
      await shop.db.$executeRawUnsafe(`ALTER TABLE "${table}" ${change} TRIGGER USER`)
    }
  }
}

test('an order and a transaction that commit after a comparison, with an earlier time, are found by the next', async () => {
  await shop.paid()
  expect((await shop.billing.reconcileOrders()).outcome).toBe('done')
  const orderId = await lost(ago(1))
  const { transactionId } = await shop.billing.grantCredits('somebody', 100, {
    type: 'purchase',
    idempotencyKey: `order:${randomUUID()}:fulfil`,
  })
  const report = await shop.billing.reconcileOrders()
  expect(report).toMatchObject({
    paidWithoutTransaction: [],
    transactionsWithoutOrder: [transactionId],
  })
  expect(report.mended).toContain(orderId)
  expect((await shop.billing.reconcileOrders()).mended).toEqual([])
})

test('of any age', async () => {
  const old = await lost(ago(24 * 100))
  expect((await shop.billing.reconcileOrders()).mended).toContain(old)
  const older = await lost(ago(24 * 400))
  const { mended } = await shop.billing.reconcileOrders({ operator: 'grace' })
  expect(mended).toContain(older)
})

test('each night reads a bounded number of older rows, and the next night continues there', async () => {
  await many(25_000)
  const last = await lost(ago(24 * 10))
  const reads = async () => {
    let mended: string[] = []
    const sent = await statementsOf(async () => {
      ;({ mended } = await shop.billing.reconcileOrders())
    })
    return { mended, pages: sent.filter((sql) => sql.includes('"page" AS')).length }
  }
  const first = await reads()
  expect(first.mended).toEqual([])
  expect(first.pages).toBe(2 + 20 + 20)
  const second = await reads()
  expect(second.mended).toEqual([last])
  // What the first night left, to the end of both tables.
  expect(second.pages).toBeLessThanOrEqual(2 + 6 + 6)
  expect((await reads()).pages).toBe(first.pages)
  // A person who names a time has everything since compared.
  const forgotten = await lost(ago(24 * 11))
  const { mended } = await shop.billing.reconcileOrders({ since: ago(24 * 12) })
  expect(mended).toEqual([forgotten])
})

test('a comparison that is stopped before the ledger continues there, and asks about no payment again', async () => {
  await shop.billing.reconcileOrders()
  const orderId = await lost(ago(1))
  const where = { name: 'reconcileLedger' }
  const held = { lease: 'another process', leaseUntil: new Date(Date.now() + HOUR) }
  await shop.db.repairRun.update({ where, data: held })
  expect(await shop.billing.reconcileOrders()).toMatchObject({
    outcome: 'stopped',
    paidWithoutTransaction: [],
  })
  const before = asked
  expect(before).toBeGreaterThan(0)
  // What the run that was stopped has found is told by the run that ends.
  const { position } = await shop.db.repairRun.findUniqueOrThrow({ where })
  const half = { ...(position as object), walk: 2, after: null, transactionsWithoutOrder: ['7'] }
  await shop.db.repairRun.update({ where, data: { lease: null, leaseUntil: null, position: half } })
  expect(await shop.billing.reconcileOrders()).toMatchObject({
    outcome: 'done',
    mended: [],
    transactionsWithoutOrder: expect.arrayContaining(['7']),
  })
  expect(asked).toBe(before)
  expect((await shop.billing.reconcileOrders()).mended).toEqual([orderId])
})
