/** A sync that was overtaken: by one that looked less far, and by the browser that comes back. */

import { createDb } from '@repo/db'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createBilling } from '../index.ts'
import { stripeWebhookRequest } from '../testing.ts'
import { createHarness, type Harness, WEBHOOK_SECRET } from './harness.ts'
import { heldBack } from './held-back.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

test('promise 1: an event about an old invoice takes effect although another sync overtakes its sync', async () => {
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
  expect(await h.db.invoice.findUnique({ where })).toMatchObject({ amountRefunded: 700n })
})

/** An owner back from a checkout that is paid and told of, and what they see of it. */
async function bought(sku: string) {
  const ownerId = await h.owner()
  const { orderId, checkoutId } = await h.billing.createOrder({ ownerId, productId: sku })
  await h.pay(checkoutId)
  const { success_url } = await h.stripe.checkout.sessions.retrieve(checkoutId)
  await h.deliver((await h.events('checkout.session.completed')).at(-1))
  return {
    back: () => new Request(success_url as string),
    status: async () => (await h.db.order.findUniqueOrThrow({ where: { id: orderId } })).status,
    async sees() {
      const { plan } = await h.billing.getSubscription(ownerId)
      const [payment] = await h.billing.listPayments(ownerId)
      return payment?.status ?? plan
    },
  }
}

/** Billing whose syncs have loaded, and wait before their write until `release`. */
async function heldAtWrite() {
  const settings = { application_name: 'held_at_write' }
  const db = createDb(`${h.databaseUrl}?${new URLSearchParams(settings)}`)
  await h.db.$executeRaw`
    CREATE OR REPLACE FUNCTION held_at_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF current_setting('application_name') = 'held_at_write' THEN
        PERFORM pg_advisory_xact_lock_shared(20301130);
      END IF;
      RETURN NULL;
    END $$`
  await h.db.$executeRaw`
    CREATE OR REPLACE TRIGGER "held_at_write" BEFORE UPDATE OF "syncedTicket", "partTicket" ON "Customer"
      FOR EACH STATEMENT EXECUTE FUNCTION held_at_write()`
  const gate = createDb(h.databaseUrl)
  let release = () => {}
  const released = new Promise<void>((done) => {
    release = done
  })
  let close = () => {}
  const isClosed = new Promise<void>((done) => {
    close = done
  })
  const holding = gate.$transaction(
    async (tx) => {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(20301130)`
      close()
      await released
    },
    { timeout: 600_000 },
  )
  await isClosed
  return {
    billing: createBilling({ ...h.settings, db }),
    arrived: () =>
      expect
        .poll(
          () => h.db.$queryRaw`SELECT 1 AS "waits" FROM pg_locks WHERE locktype = 'advisory'
            AND objid = 20301130 AND NOT granted`,
        )
        .toHaveLength(1),
    async release() {
      release()
      await holding
    },
    async close() {
      await Promise.all([db.$disconnect(), gate.$disconnect()])
    },
  }
}

const SEEN = [
  ['CREDITS_SMALL', 'succeeded'],
  ['PRO_MONTHLY', 'PRO'],
] as const

test.each(SEEN)(
  'after the return from %s the payment’s row is written although a delivery has settled the order',
  async (sku, seen) => {
    const { back, status, sees } = await bought(sku)
    const slow = await heldAtWrite()
    const processing = slow.billing.processEvents()
    await slow.arrived()
    expect([await status(), await sees()]).toEqual(['completed', 'FREE'])
    expect((await h.billing.handlePaymentCallback(back())).status).toBe(303)
    expect(await sees()).toBe(seen)
    await slow.release()
    await processing
    await slow.close()
  },
)

test.each(SEEN)(
  'after the return from %s the payment’s row is written although a delivery overtakes the return',
  async (sku, seen) => {
    const { back, status, sees } = await bought(sku)
    const late = heldBack(h, '/v1/checkout/sessions/')
    const returning = late.billing.handlePaymentCallback(back())
    await late.arrived
    const slow = await heldAtWrite()
    const processing = slow.billing.processEvents()
    await slow.arrived()
    expect([await status(), await sees()]).toEqual(['completed', 'FREE'])
    late.release()
    expect((await returning).status).toBe(303)
    expect(await sees()).toBe(seen)
    await slow.release()
    await processing
    await slow.close()
  },
)

test('a refund is written although a renewal settles the order while the refund is requested', async () => {
  const ownerId = await h.owner()
  const { orderId, checkoutId } = await h.billing.createOrder({ ownerId, productId: 'PRO_MONTHLY' })
  await h.pay(checkoutId)
  await h.deliverAll()
  const { subscriptionId, paymentId } = await h.billing.settleOrder(orderId)

  const slow = heldBack(h, `/v1/payment_intents/${paymentId}`)
  const refunding = slow.billing.refundOrder(orderId)
  await slow.arrived
  h.sandbox.stripe.renew(subscriptionId as string)
  for (const type of ['invoice.paid', 'payment_intent.succeeded']) {
    await h.deliver((await h.events(type)).at(-1))
  }
  expect(await h.billing.processEvents()).toMatchObject({ processed: 2 })
  slow.release()
  const { amountPaid, amountRefunded } = await refunding
  expect([amountPaid, amountRefunded]).toEqual([2900, 2900])
})

test('an order is not cancelled for a declined card while the owner pays with another card', async () => {
  const ownerId = await h.owner()
  const { orderId, checkoutId } = await h.billing.createOrder({
    ownerId,
    productId: 'CREDITS_SMALL',
  })
  expect(() => h.sandbox.stripe.completeCheckout(checkoutId, { card: '4000000000000002' })).toThrow(
    'declined',
  )
  await h.deliver((await h.events('payment_intent.payment_failed')).at(-1))
  const slow = heldBack(h, '/v1/payment_intents?')
  const processing = slow.billing.processEvents()
  await slow.arrived
  await h.pay(checkoutId)
  slow.release()
  await processing
  const order = await h.db.order.findUniqueOrThrow({ where: { id: orderId } })
  expect(order).toMatchObject({ status: 'completed', failedAt: null })
})

test('a dispute is written although its event comes while the sync of the purchase has loaded', async () => {
  const ownerId = await h.owner()
  const { orderId, checkoutId } = await h.billing.createOrder({
    ownerId,
    productId: 'CREDITS_SMALL',
  })
  await h.pay(checkoutId)
  const slow = heldBack(h, '/v1/payment_intents?')
  const paid = (await h.events('payment_intent.succeeded')).at(-1)
  await h.deliver(paid)
  const processing = slow.billing.processEvents()
  await slow.arrived
  const { id: paymentId } = Object(paid?.data.object)
  h.sandbox.stripe.dispute(paymentId)
  await h.deliver((await h.events('charge.dispute.created')).at(-1))
  expect(await h.billing.processEvents()).toMatchObject({ processed: 1 })
  slow.release()
  await processing
  const order = await h.db.order.findUniqueOrThrow({ where: { id: orderId } })
  expect(order).toMatchObject({
    status: 'completed',
    disputeStatus: 'needs_response',
    creditsDisputed: 100,
  })
})
