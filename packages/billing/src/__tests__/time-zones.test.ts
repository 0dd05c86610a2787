/** Billing on a database that lives elsewhere than UTC: periods, deadlines and leases are the moments they are. */

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createHarness, type Harness } from './harness.ts'

describe.each(['America/New_York', 'Asia/Tokyo'])('a database in %s', (timeZone) => {
  let h: Harness
  beforeAll(async () => {
    h = await createHarness(inject('postgres'), { timeZone })
  })
  afterAll(() => h.close())

  const secondsFromNow = async (column: string, table: string, ownerId: string) => {
    const rows = await h.db.$queryRawUnsafe<{ seconds: number }[]>(
      `SELECT extract(epoch FROM "${column}" - clock_timestamp())::float8 AS seconds FROM "${table}"
       WHERE "ownerId" = $1 AND "${column}" IS NOT NULL`,
      ownerId,
    )
    expect(rows).toHaveLength(1)
    return rows[0]?.seconds ?? 0
  }

  test('an order is asked about within the quarter of an hour', async () => {
    const ownerId = await h.owner()
    const item = { name: 'A call', amount: 4900, currency: 'usd' }
    await h.billing.createCheckoutSession({ ownerId, item })
    const seconds = await secondsFromNow('nextCheckAt', 'Order', ownerId)
    expect(seconds).toBeGreaterThan(0)
    expect(seconds).toBeLessThanOrEqual(900)
  })

  test('an invoice and a period begin when the provider says', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    const [invoice] = await h.billing.listInvoices(ownerId)
    const { data } = await h.stripe.invoices.list({ subscription: subscriptionId })
    expect(invoice?.createdAt.getTime()).toBe((data[0]?.created ?? 0) * 1000)
    const [row] = await h.db.$queryRaw<{ epoch: number }[]>`
      SELECT extract(epoch FROM "currentPeriodEnd")::float8 AS epoch FROM "Subscription"
      WHERE "stripeSubscriptionId" = ${subscriptionId}`
    const real: unknown = await h.stripe.subscriptions.retrieve(subscriptionId)
    expect(real).toMatchObject({ current_period_end: row?.epoch })
  })

  test('a hold and credits lapse at the stated time', async () => {
    const ownerId = await h.owner()
    const expiresAt = new Date(Date.now() + 7_200_000)
    await h.billing.grantCredits(ownerId, 10, { type: 'grant', idempotencyKey: 'came', expiresAt })
    await h.billing.holdCredits(ownerId, 5, 'work', { ttlSeconds: 600 })
    expect(await h.billing.getBalance(ownerId)).toMatchObject({ balance: 5 })
    const lapse = await secondsFromNow('expiresAt', 'CreditGrant', ownerId)
    expect(lapse).toBeGreaterThan(7_000)
    expect(lapse).toBeLessThanOrEqual(7_200)
    const release = await secondsFromNow('expiresAt', 'CreditHold', ownerId)
    expect(release).toBeGreaterThan(400)
    expect(release).toBeLessThanOrEqual(600)
  })

  test('an event is processed at once', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    h.sandbox.stripe.endSubscription(subscriptionId)
    await h.deliverAll()
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'FREE' })
    expect(await h.db.webhookEvent.count({ where: { status: 'pending' } })).toBe(0)
  })
})
