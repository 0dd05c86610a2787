/**
 * How many statements a call sends to PostgreSQL, the BEGIN and COMMIT of transactions included, once its connection
 * is warm. Where a count rises, the test shows the statements: read them together, or say why there are more.
 */

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { findCurrent, WITH_PRICES } from '../subscription-row.ts'
import { createHarness } from './harness.ts'
import { createShop, type Shop } from './orders-harness.ts'
import { statementsOf } from './statements.ts'

let h: Awaited<ReturnType<typeof createHarness>>
let shop: Shop
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
  shop = await createShop(inject('postgres'))
  await h.billing.createCheckoutSession({ ownerId: await h.owner(), plan: 'PRO' })
  await shop.order()
})
afterAll(async () => {
  await h.close()
  await shop.close()
})

async function expectAtMost(most: number, work: () => Promise<unknown>): Promise<void> {
  const sent = await statementsOf(work)
  expect(sent.length).toBeGreaterThan(0)
  // The difference that is printed names the statements.
  if (sent.length > most) expect(sent).toEqual(`at most ${most} statements`)
}

describe('at Stripe', () => {
  test('getSubscription sends one statement', async () => {
    const { ownerId } = await h.subscriber()
    await expectAtMost(1, () => h.billing.getSubscription(ownerId))
    const stranger = await h.owner()
    await expectAtMost(1, () => h.billing.getSubscription(stranger))
  })

  test('the one statement of getSubscription reads what four relations would', async () => {
    const { ownerId } = await h.subscriber()
    await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE' })
    await h.billing.changePlan(ownerId, { plan: 'PRO' })
    const read = await findCurrent(h, ownerId)
    expect(read?.scheduledPrice?.product.plan).toBe('PRO')
    const where = { customer: { ownerId } }
    expect(read).toEqual(await h.db.subscription.findFirst({ where, include: WITH_PRICES }))
    const other = await h.subscriber()
    expect(await findCurrent(h, other.ownerId)).toEqual(
      await h.db.subscription.findFirst({
        where: { customer: { ownerId: other.ownerId } },
        include: WITH_PRICES,
      }),
    )
  })

  test('a checkout of a plan sends four statements, and nine where it makes the customer', async () => {
    const known = await h.owner()
    await h.billing.ensureCustomer(known)
    await expectAtMost(4, () => h.billing.createCheckoutSession({ ownerId: known, plan: 'PRO' }))
    await expectAtMost(4, () => h.billing.createCheckoutSession({ ownerId: known, plan: 'PRO' }))
    const ownerId = await h.owner()
    await expectAtMost(9, () => h.billing.createCheckoutSession({ ownerId, plan: 'PRO' }))
  })

  test('a checkout of one item sends three', async () => {
    const ownerId = await h.owner()
    await h.billing.ensureCustomer(ownerId)
    const item = { name: 'Credits', amount: 500, currency: 'usd' }
    await expectAtMost(3, () => h.billing.createCheckoutSession({ ownerId, item }))
  })

  test('a webhook is stored by one statement, and one more wakes the worker', async () => {
    await h.subscriber()
    const [event] = h.sandbox.stripe.events
    await h.deliver({ ...event, id: 'evt_counted_1' })
    await expectAtMost(2, () => h.deliver({ ...event, id: 'evt_counted_2' }))
    await expectAtMost(2, () => h.deliver({ ...event, id: 'evt_counted_2' }))
  })
})

describe('elsewhere', () => {
  test('createOrder sends five, and six for an owner without a customer', async () => {
    const ownerId = await shop.owner()
    const order = (productId: string) => () => shop.billing.createOrder({ ownerId, productId })
    await expectAtMost(6, order('CREDITS_SMALL'))
    await expectAtMost(5, order('CREDITS_LARGE'))
  })

  test('an open order is offered again by three', async () => {
    const { ownerId } = await shop.order()
    await expectAtMost(3, () => shop.billing.createOrder({ ownerId, productId: 'CREDITS_SMALL' }))
  })
})

describe('credits', () => {
  test.each<[string, (ownerId: string) => Promise<unknown>]>([
    ['a grant', (o) => shop.billing.grantCredits(o, 1, { idempotencyKey: 'again' })],
    ['a deduction', (o) => shop.billing.deductCredits(o, 1, 'one')],
    ['a hold', (o) => shop.billing.holdCredits(o, 1, 'one')],
    ['the balance', (o) => shop.billing.getBalance(o)],
  ])('%s sends one statement', async (_, work) => {
    const ownerId = await shop.owner()
    await shop.billing.grantCredits(ownerId, 100, { idempotencyKey: 'first' })
    await work(ownerId)
    await expectAtMost(1, () => work(ownerId))
  })
})
