/** A sync that was overtaken: by one that looked less far, and by the browser that comes back. */

import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { stripeWebhookRequest } from '../testing.ts'
import { createHarness, type Harness, WEBHOOK_SECRET } from './harness.ts'
import { heldBack } from './held-back.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

test('promise 1: an event about an old invoice takes effect although a visit overtakes its sync', async () => {
  const { ownerId, subscriptionId } = await h.subscriber()
  const [first] = (await h.stripe.invoices.list({ subscription: subscriptionId })).data
  for (let month = 0; month < 101; month += 1) h.sandbox.stripe.renew(subscriptionId)
  await h.billing.syncCustomer(ownerId, { depth: 'full' })
  await h.work()
  const { payment_intent: intent } = first as unknown as { payment_intent: string }
  await h.stripe.refunds.create({ payment_intent: intent, amount: 700 })
  const [event] = await h.events('charge.refunded')
  await h.billing.handleStripeWebhook(stripeWebhookRequest(event, { secret: WEBHOOK_SECRET }))

  const slow = heldBack(h, `/v1/invoices/${first?.id}`)
  const processing = slow.billing.processEvents()
  await slow.arrived
  expect(await h.billing.syncCustomer(ownerId)).toMatchObject({ written: true })
  slow.release()
  expect(await processing).toMatchObject({ processed: 1, isDrained: true })
  const where = { stripeInvoiceId: first?.id as string }
  expect(await h.db.invoice.findUnique({ where })).toMatchObject({ amountRefunded: 700 })
})

test.each([
  ['CREDITS_SMALL', async (owner: string) => (await h.billing.listPayments(owner))[0]?.status],
  ['PRO_MONTHLY', async (owner: string) => (await h.billing.getSubscription(owner)).plan],
])('the return of %s finds its row although a delivery has settled the order', async (sku, row) => {
  const ownerId = await h.owner()
  const order = await h.billing.createOrder({ ownerId, productId: sku })
  await h.pay(order.checkoutId)
  const { success_url } = await h.stripe.checkout.sessions.retrieve(order.checkoutId)
  const events = await h.events('checkout.session.completed')
  await h.deliver(events.at(-1))

  const slow = heldBack(h, '/v1/invoices?')
  const processing = slow.billing.processEvents()
  await slow.arrived
  const where = { id: order.orderId }
  expect(await h.db.order.findUnique({ where })).toMatchObject({ status: 'completed' })
  const before = await row(ownerId)
  const back = await h.billing.handlePaymentCallback(new Request(success_url as string))
  expect(back.status).toBe(303)
  const after = await row(ownerId)
  slow.release()
  await processing
  expect([before, after]).toEqual(
    sku === 'PRO_MONTHLY' ? ['FREE', 'PRO'] : [undefined, 'succeeded'],
  )
})
