/** A sync that looked for something old and was overtaken by one that did not. */

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
