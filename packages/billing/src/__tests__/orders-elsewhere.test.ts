/** Orders of a local provider in another process: what is not known here is left as it is. */

import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { type Billing, createBilling } from '../index.ts'
import { createLocalProvider } from '../providers/local/provider.ts'
import { createCli } from './cli-process.ts'
import { createShop, type Shop } from './orders-harness.ts'

const DAY = 86_400_000

let shop: Shop
/** The same database with a local provider of its own, as another process has one. */
let other: Billing
beforeAll(async () => {
  shop = await createShop(inject('postgres'))
})
beforeEach(() => {
  const provider = createLocalProvider({ checkoutUrl: 'http://localhost:3000/billing/checkout' })
  other = createBilling({ ...shop.settings, provider })
})
afterAll(() => shop.close())

const elsewhere = { code: 'not_known_here', status: 409 }

/** Asserts that `act` changes nothing of the order but the ticket of its settlement and its checks. */
async function unchanged(orderId: string, act: () => Promise<unknown>) {
  const facts = async () => {
    const { settledTicket, updatedAt, nextCheckAt, checks, ...row } = await shop.row(orderId)
    return row
  }
  const before = await facts()
  await act()
  expect(await facts()).toEqual(before)
}

describe('an open order', () => {
  test('is settled or cancelled by its own process, and not by another', async () => {
    const { orderId, checkoutId, ownerId } = await shop.order()
    await unchanged(orderId, async () => {
      await expect(other.settleOrder(orderId)).rejects.toMatchObject(elsewhere)
      await expect(other.cancelOrder(orderId)).rejects.toMatchObject(elsewhere)
    })
    await shop.controls.completeCheckout(checkoutId)
    await unchanged(orderId, () =>
      expect(other.settleOrder(orderId)).rejects.toMatchObject(elsewhere),
    )
    expect(await shop.billing.settleOrder(orderId)).toMatchObject({ status: 'completed' })
    expect(await shop.ledger(ownerId)).toEqual(['purchase 100'])
  })

  test.each([1, 2, 8, 40])('is skipped by another process’s job after %i days', async (days) => {
    const { orderId } = await shop.order()
    shop.alerts.length = 0
    const createdAt = new Date(Date.now() - days * DAY)
    await shop.db.order.update({
      where: { id: orderId },
      data: { createdAt, nextCheckAt: createdAt },
    })
    await unchanged(orderId, async () => {
      const result = await other.checkOrders()
      expect(result).toEqual({
        ...{ checked: 1, skipped: 1 },
        ...{ completed: 0, cancelled: 0, flagged: 0, failed: 0 },
      })
    })
    expect(shop.alerts).toEqual([])
    expect((await shop.row(orderId)).nextCheckAt?.getTime()).toBeGreaterThan(Date.now())
  })

  test('is replaced when its owner buys again in another process, and still counts if it is paid', async () => {
    const { orderId, checkoutId, ownerId } = await shop.order()
    const again = await other.createOrder({ ownerId, productId: 'CREDITS_SMALL' })
    expect(again).toMatchObject({ isNew: true })
    expect(again.orderId).not.toBe(orderId)
    expect(await shop.row(orderId)).toMatchObject({ status: 'cancelled', needsAttention: null })
    await shop.controls.completeCheckout(checkoutId)
    expect(await shop.billing.settleOrder(orderId)).toMatchObject({ status: 'completed' })
  })

  test('is cancelled by another process that forgets the owner', async () => {
    const { orderId, ownerId } = await shop.paid('PRO_MONTHLY')
    const open = await shop.billing.createOrder({ ownerId, productId: 'CREDITS_SMALL' })
    await other.forgetOwner(ownerId)
    expect(await shop.row(open.orderId)).toMatchObject({ status: 'cancelled' })
    expect(await shop.row(orderId)).toMatchObject({ status: 'completed' })
  })
})

test('an event about an order of another process waits for that process', async () => {
  const { orderId, checkoutId, ownerId } = await shop.order()
  await shop.controls.completeCheckout(checkoutId)
  const { eventId } = shop.controls.events.at(-1) ?? { eventId: '' }
  const delivery = shop.controls.webhook(eventId) as Request
  expect((await shop.billing.handlePaymentCallback(delivery)).status).toBe(200)
  await unchanged(orderId, async () => {
    expect(await other.processEvents()).toMatchObject({ processed: 0, waiting: 1, dead: 0 })
  })
  await shop.db.webhookEvent.updateMany({ where: { eventId }, data: { nextAttemptAt: new Date() } })
  expect(await shop.billing.processEvents()).toMatchObject({ processed: 1, waiting: 0 })
  expect(await shop.ledger(ownerId)).toEqual(['purchase 100'])
})

test('reconciliation skips orders of other processes, and reports them', async () => {
  const { orderId } = await shop.paid()
  const skipped = { orderId, reason: 'not_known_here' }
  await unchanged(orderId, async () => {
    const report = await other.reconcileOrders()
    expect(report.skipped).toContainEqual(skipped)
    expect(report).toMatchObject({ differing: [], mended: [], paidWithoutTransaction: [] })
  })
  expect((await shop.billing.reconcileOrders()).skipped).not.toContainEqual(skipped)
})

test('a plan that another process sold cannot be cancelled here, and stays', async () => {
  const { ownerId } = await shop.paid('PRO_MONTHLY')
  await expect(other.cancelSubscription(ownerId)).rejects.toMatchObject(elsewhere)
  expect(await other.getSubscription(ownerId)).toMatchObject({ plan: 'PRO', endsAt: null })
})

test('an id that no process can have made is not found', async () => {
  for (const id of ['chk_local_none', 'none', `chk_local_${'0'.repeat(31)}`]) {
    await expect(other.provider.retrieveCheckout(id)).rejects.toMatchObject({
      code: 'checkout_not_found',
    })
  }
})

test('the command line, which is another process, skips the order', async () => {
  const cli = createCli({ databaseUrl: shop.databaseUrl, url: 'http://127.0.0.1:9' })
  const run = (...args: string[]) =>
    cli.run(args, { PAYMENT_PROVIDER: 'local', PAYMENT_ENV: 'test', STRIPE_SECRET_KEY: '' })
  const open = await shop.order()
  await unchanged(open.orderId, async () => {
    const one = await run('orders', 'reconcile', '--order', open.orderId, '--json')
    expect(one.stderr).toContain('pending, skipped: ')
    expect(one.code).toBe(1)
    expect(one.json()).toMatchObject({ skipped: 'not_known_here', added: [] })
  })
  const { orderId } = await shop.paid()
  await unchanged(orderId, async () => {
    const all = await run('orders', 'reconcile')
    expect(all.stderr).toContain(`${orderId}: skipped, not_known_here`)
    expect(all.code).toBe(0)
  })
})
