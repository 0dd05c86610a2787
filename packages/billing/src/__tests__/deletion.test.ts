/** A customer that is deleted at the provider: the end is known, and so is what came before it. */

import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { stripeWebhookRequest } from '../testing.ts'
import { createHarness, type Harness, WEBHOOK_SECRET } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

test('promise 1: purchases before a deletion take effect if only the deletion’s event arrives', async () => {
  const ownerId = await h.owner()
  const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  await h.pay(id)
  const { stripeCustomerId } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  await h.stripe.customers.del(stripeCustomerId as string)
  const [event] = await h.events('customer.deleted')
  await h.billing.handleStripeWebhook(stripeWebhookRequest(event, { secret: WEBHOOK_SECRET }))
  await h.work()

  const customer = await h.db.customer.findUniqueOrThrow({
    where: { ownerId },
    include: { subscriptions: true, invoices: true },
  })
  expect(customer.stripeCustomerId).toBeNull()
  expect(customer.subscriptions).toMatchObject([{ status: 'canceled', endedAt: expect.any(Date) }])
  expect(customer.invoices).toMatchObject([{ status: 'paid' }])
  const effects = await h.db.effect.findMany({ where: { customerId: customer.id } })
  expect(effects.map(({ name }) => name).sort()).toEqual(['invoice.paid', 'subscription.ended'])
})
