/**
 * How many statements a call sends to PostgreSQL, the BEGIN and COMMIT of transactions included, once its connection
 * is warm. Where a count rises, the test shows the statements: read them together, or say why there are more.
 */

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
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

  test('the sync of a renewal sends thirteen after the claim', async () => {
    const { subscriptionId } = await h.subscriber()
    const renew = async () => {
      h.sandbox.stripe.renew(subscriptionId)
      await h.deliver(h.sandbox.stripe.events.findLast(({ type }) => type === 'invoice.paid'))
    }
    await renew()
    const sent = await statementsOf(() => h.billing.processEvents())
    // Each lane claims until nothing is left. What the delivery set off may fall into this.
    const claims = sent.filter((sql) => sql.startsWith('WITH "first"'))
    expect(claims.length).toBeGreaterThan(1)
    const isOfJobs = /add_job|task_identifier/
    const rest = sent.filter((sql) => !claims.includes(sql) && !isOfJobs.test(sql))
    expect(rest).toContain('BEGIN')
    if (rest.length > 13) expect(rest).toEqual('at most 13 statements')
  })

  test('a checkout of a plan sends four statements, and nine if it creates the customer', async () => {
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

  test('returning an open order again sends three', async () => {
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

describe('each minute, if nothing is due', () => {
  test.each<[number, string, () => Promise<unknown>]>([
    // One for each lane, of which any may find something.
    [4, 'processing events', () => h.billing.processEvents()],
    [1, 'watching events', () => h.billing.watchEvents()],
    [1, 'checking orders', () => h.billing.checkOrders()],
    [1, 'watching orders', () => h.billing.watchOrders()],
    [1, 'releasing holds', () => h.billing.releaseOverdueHolds()],
  ])('at most %i statements: %s', async (most, _, work) => {
    await h.work()
    await expectAtMost(most, work)
  })
})
