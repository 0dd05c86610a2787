/** A sync that looked for something old and was overtaken by one that did not. */

import Stripe from 'stripe'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createBilling, STRIPE_API_VERSION } from '../index.ts'
import { stripeWebhookRequest } from '../testing.ts'
import { createHarness, type Harness, SECRET_KEY, WEBHOOK_SECRET } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

/** Billing whose answers from the provider are held back until `release`, once `path` was asked for. */
function heldBack(path: string) {
  let release = () => {}
  let arrive = () => {}
  const held = new Promise<void>((done) => {
    release = done
  })
  const arrived = new Promise<void>((done) => {
    arrive = done
  })
  const { hostname: host, port } = new URL(h.url)
  const stripe = new Stripe(SECRET_KEY, {
    host,
    port,
    protocol: 'http',
    apiVersion: STRIPE_API_VERSION as Stripe.LatestApiVersion,
    httpClient: Stripe.createFetchHttpClient(async (...args) => {
      const answer = await fetch(...args)
      if (String(args[0]).includes(path)) {
        arrive()
        await held
      }
      return answer
    }),
  })
  return { billing: createBilling({ ...h.settings, stripe }), arrived, release: () => release() }
}

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

  const slow = heldBack(`/v1/invoices/${first?.id}`)
  const processing = slow.billing.processEvents()
  await slow.arrived
  expect(await h.billing.syncCustomer(ownerId)).toMatchObject({ written: true })
  slow.release()
  expect(await processing).toMatchObject({ processed: 1, isDrained: true })
  const where = { stripeInvoiceId: first?.id as string }
  expect(await h.db.invoice.findUnique({ where })).toMatchObject({ amountRefunded: 700 })
})
