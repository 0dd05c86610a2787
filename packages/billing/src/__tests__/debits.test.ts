/** A bank debit says days later whether the money comes: until then nothing is told, and then it is told once. */

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

/** What was told of the owner's payments, the oldest first. */
async function told(ownerId: string): Promise<string[]> {
  const { id } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  const rows = await h.db.effect.findMany({
    where: { customerId: id },
    orderBy: [{ createdAt: 'asc' }, { name: 'asc' }],
  })
  return rows.flatMap(({ name }) => (/^(invoice|payment|order)\./.test(name) ? name : []))
}

const mails = (ownerId: string) =>
  h.outbox.to(`${ownerId}@example.com`).map(({ template }) => template)

async function debited() {
  const ownerId = await h.owner()
  const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  h.sandbox.stripe.completeCheckout(id, { delayed: true })
  await h.deliverAll()
  return { ownerId, id }
}

describe('a plan’s first payment', () => {
  test('announces and mails nothing while it is under way, and blocks a second purchase', async () => {
    const { ownerId } = await debited()
    expect(await told(ownerId)).toEqual([])
    expect(mails(ownerId)).toEqual([])
    const buy = (plan: string) => h.billing.createCheckoutSession({ ownerId, plan })
    await expect(buy('PRO')).rejects.toMatchObject({ code: 'already_subscribed', status: 409 })
    await expect(buy('ENTERPRISE')).rejects.toMatchObject({ code: 'already_subscribed' })
    const order = h.billing.createOrder({ ownerId, productId: 'ENTERPRISE_MONTHLY' })
    await expect(order).rejects.toMatchObject({ code: 'already_subscribed' })
  })

  test('announces its failure once, and the plan can be bought again at once', async () => {
    const { ownerId, id } = await debited()
    h.sandbox.stripe.settleCheckout(id, 'failed')
    // Nothing was delivered yet: the provider is asked.
    const again = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    expect(again.id).not.toBe(id)
    // Nobody can pay for what has ended before it began.
    const { customer } = await h.stripe.checkout.sessions.retrieve(id)
    const invoices = await h.stripe.invoices.list({ customer: customer as string })
    expect(invoices.data.map(({ status }) => status)).toEqual(['void'])
    await h.deliverAll()
    expect(await h.billing.listInvoices(ownerId)).toMatchObject([{ status: 'void' }])
    await h.billing.syncCustomer(ownerId)
    expect(await told(ownerId)).toEqual(['invoice.payment_failed'])
    await h.pay(again.id)
    await h.deliverAll()
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
    expect(await h.billing.listFlagged(ownerId)).toEqual([])
  })
})

test('a renewal is announced as failed when the debit fails, and not while it is under way', async () => {
  const { ownerId, id } = await debited()
  h.sandbox.stripe.settleCheckout(id, 'succeeded')
  await h.deliverAll()
  const { stripeSubscriptionId } = await h.billing.getSubscription(ownerId)
  const before = await told(ownerId)
  h.sandbox.stripe.renew(stripeSubscriptionId as string)
  await h.deliverAll()
  expect(await told(ownerId)).toEqual(before)
  expect((await h.billing.getSubscription(ownerId)).status).toBe('active')
  h.sandbox.stripe.settlePayment(await h.newestPayment(ownerId), 'failed')
  await h.deliverAll()
  await h.billing.syncCustomer(ownerId)
  expect((await told(ownerId)).slice(before.length)).toEqual(['invoice.payment_failed'])
  expect((await h.billing.getSubscription(ownerId)).status).toBe('past_due')
})

describe.each(['CREDITS_SMALL', 'PRO_MONTHLY'])('an order of %s', (productId) => {
  const begun = async () => {
    const ownerId = await h.owner()
    const order = await h.billing.createOrder({ ownerId, productId })
    h.sandbox.stripe.completeCheckout(order.checkoutId, { delayed: true })
    await h.deliverAll()
    return { ownerId, ...order }
  }

  test('waits while the debit is under way', async () => {
    const { ownerId, orderId } = await begun()
    expect(await h.billing.settleOrder(orderId)).toMatchObject({ status: 'pending' })
    expect(await told(ownerId)).toEqual([])
    const again = h.billing.createOrder({ ownerId, productId })
    await expect(again).rejects.toMatchObject({ status: 409 })
  })

  test('is cancelled when the debit fails, is announced once, and can be ordered again at once', async () => {
    const { ownerId, orderId, checkoutId } = await begun()
    h.sandbox.stripe.settleCheckout(checkoutId, 'failed')
    const again = await h.billing.createOrder({ ownerId, productId })
    expect(again).toMatchObject({ isNew: true })
    expect(await h.billing.showOrder(orderId)).toMatchObject({
      status: 'cancelled',
      needsAttention: null,
    })
    await h.deliverAll()
    await h.billing.syncCustomer(ownerId)
    const isPlan = productId === 'PRO_MONTHLY'
    expect(await told(ownerId)).toEqual([isPlan ? 'invoice.payment_failed' : 'payment.failed'])
    await h.pay(again.checkoutId)
    expect(await h.billing.settleOrder(again.orderId)).toMatchObject({ status: 'completed' })
  })
})

test('a card that is declined on the page is not announced, because the buyer can try another', async () => {
  const ownerId = await h.owner()
  const order = await h.billing.createOrder({ ownerId, productId: 'CREDITS_SMALL' })
  const declined = async () => h.pay(order.checkoutId, '4000000000000002')
  await expect(declined()).rejects.toMatchObject({ code: 'card_declined' })
  await h.deliverAll()
  expect(await h.billing.settleOrder(order.orderId)).toMatchObject({ status: 'pending' })
  expect(await told(ownerId)).toEqual([])
})
