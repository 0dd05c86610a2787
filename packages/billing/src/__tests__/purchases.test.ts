/** A customer has one open purchase of a plan, whichever way it was begun: two pages never take money for two plans. */

import { createTestLogger } from '@repo/core/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import {
  createBilling,
  type Product, // #creem
} from '../index.ts'
import { creemMarket } from './creem-market.ts' // #creem
import { createHarness, type Harness } from './harness.ts'
import { createShop } from './orders-harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

/** Pays every page that can still be paid; returns how many. */
async function payAll(ownerId: string, pages: readonly string[]): Promise<number> {
  let paid = 0
  for (const id of pages) {
    try {
      await h.pay(id)
      paid += 1
    } catch {
      // The page was closed.
    }
  }
  await h.deliverAll()
  await h.billing.syncCustomer(ownerId)
  expect(await h.billing.listSubscriptions(ownerId)).toHaveLength(paid)
  expect(await h.billing.listFlagged(ownerId)).toEqual([])
  return paid
}

const checkout = async (ownerId: string, plan: string) =>
  (await h.patient.createCheckoutSession({ ownerId, plan })).id
const order = async (ownerId: string, plan: string) =>
  (await h.patient.createOrder({ ownerId, productId: `${plan}_MONTHLY` })).checkoutId

describe.each([
  ['two checkouts', checkout, checkout],
  ['two orders', order, order],
  ['an order and a checkout', order, checkout],
  ['a checkout and an order', checkout, order],
])('promise 2: %s of two plans', (_, one, other) => {
  test('one after the other: only the later page can be paid', async () => {
    const ownerId = await h.owner()
    const pages = [await one(ownerId, 'PRO'), await other(ownerId, 'ENTERPRISE')]
    expect(await payAll(ownerId, pages)).toBe(1)
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('ENTERPRISE')
  })

  test('at once: only one page can be paid', async () => {
    const ownerId = await h.owner()
    await h.billing.ensureCustomer(ownerId)
    const begin = [one(ownerId, 'PRO'), other(ownerId, 'ENTERPRISE')]
    const begun = await Promise.allSettled([...begin])
    const pages = begun.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
    expect(pages.length).toBeGreaterThan(0)
    expect(await payAll(ownerId, pages)).toBe(1)
  })

  test('after a payment that we have not heard of: no second page is opened', async () => {
    const ownerId = await h.owner()
    await h.pay(await one(ownerId, 'PRO'))
    await expect(other(ownerId, 'ENTERPRISE')).rejects.toMatchObject({ code: 'already_subscribed' })
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
  })
})

test('the open page is returned again, and switching back and forth leaves no second page open', async () => {
  const ownerId = await h.owner()
  const pages: string[] = []
  for (const plan of ['PRO', 'PRO', 'ENTERPRISE', 'ENTERPRISE', 'PRO']) {
    pages.push(await checkout(ownerId, plan), await order(ownerId, plan))
  }
  expect(await checkout(ownerId, 'PRO')).not.toBe(pages[0])
  const again = await checkout(ownerId, 'PRO')
  expect(await checkout(ownerId, 'PRO')).toBe(again)
  expect(await payAll(ownerId, [...new Set([...pages, again])])).toBe(1)
})

test('a purchase that was interrupted before its page was made does not block another', async () => {
  const ownerId = await h.owner()
  const { id: customerId } = await h.billing.ensureCustomer(ownerId)
  await h.db.checkoutSession.create({ data: { customerId, terms: 'cut off' } })
  const page = await checkout(ownerId, 'PRO')
  expect(await payAll(ownerId, [page])).toBe(1)
})

test('the database allows one open purchase for each customer', async () => {
  const ownerId = await h.owner()
  const { id: customerId } = await h.billing.ensureCustomer(ownerId)
  const place = (terms: string) => h.db.checkoutSession.create({ data: { customerId, terms } })
  await place('one')
  await expect(place('two')).rejects.toThrow(/Unique constraint/)
})

test('a page at Stripe is closed when the plan is ordered at another provider', async () => {
  const ownerId = await h.owner()
  const page = await checkout(ownerId, 'PRO')
  const { provider } = await createShop(inject('postgres')).then(async (shop) => {
    await shop.close()
    return shop
  })
  const elsewhere = createBilling({ ...h.settings, provider })
  const { orderId } = await elsewhere.createOrder({ ownerId, productId: 'ENTERPRISE_MONTHLY' })
  expect(await h.stripe.checkout.sessions.retrieve(page)).toMatchObject({ status: 'expired' })
  // And the other way round.
  await elsewhere.createCheckoutSession({ ownerId, plan: 'PRO' })
  expect(await elsewhere.settleOrder(orderId)).toMatchObject({ status: 'cancelled' })
})

test('orders of two plans at a local provider: only the later page can be paid', async () => {
  const shop = await createShop(inject('postgres'))
  const ownerId = await shop.owner()
  const { checkoutId } = await shop.billing.createOrder({ ownerId, productId: 'PRO_MONTHLY' })
  const later = await shop.billing.createOrder({ ownerId, productId: 'ENTERPRISE_MONTHLY' })
  await expect(shop.controls.completeCheckout(checkoutId)).rejects.toThrow()
  await shop.controls.completeCheckout(later.checkoutId)
  await shop.billing.settleOrder(later.orderId)
  expect((await shop.billing.getSubscription(ownerId)).plan).toBe('ENTERPRISE')
  await shop.close()
})

// #region creem
test('a page that its provider cannot close blocks another plan for half an hour', async () => {
  const market = await creemMarket(inject('postgres'))
  const { billing, db } = market
  const products = { ...billing.products, YEARLY: billing.products.PRO_MONTHLY as Product }
  const both = createBilling({
    ...{ db, appUrl: 'http://localhost:3000', provider: billing.provider },
    products,
    logger: createTestLogger(),
  })
  const ownerId = await market.owner()
  const { orderId } = await billing.createOrder({ ownerId, productId: 'PRO_MONTHLY' })
  const other = () => both.createOrder({ ownerId, productId: 'YEARLY' })
  await expect(other()).rejects.toMatchObject({ code: 'order_processing', status: 409 })
  const createdAt = new Date(Date.now() - 31 * 60_000)
  await db.order.update({ where: { id: orderId }, data: { createdAt } })
  await expect(other()).resolves.toMatchObject({ url: expect.any(String) })
  expect(await billing.showOrder(orderId)).toMatchObject({ status: 'cancelled' })
  await market.close()
})
// #endregion
