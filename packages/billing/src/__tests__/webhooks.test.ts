/** Stripe's events through the real handler: signed, unsigned, twice, late, out of order. */

import { createHmac } from 'node:crypto'
import type Stripe from 'stripe'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createBilling } from '../index.ts'
import { stripeWebhookRequest } from '../testing.ts'
import { createHarness, type Harness, SECRET_KEY, WEBHOOK_SECRET } from './harness.ts'
import { heldBack } from './held-back.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

const deliver = (event: unknown, options = {}) =>
  h.billing.handleStripeWebhook(stripeWebhookRequest(event, { secret: WEBHOOK_SECRET, ...options }))
const stored = (eventId: string) =>
  h.db.webhookEvent.findUnique({ where: { provider_eventId: { provider: 'stripe', eventId } } })
const newest = async (type: string) => (await h.events(type)).at(-1) as Stripe.Event
const confirmations = (ownerId: string, template = 'SubscriptionConfirmedEmail') =>
  h.outbox.to(`${ownerId}@example.com`).filter((mail) => mail.template === template)

/** An owner who paid at the provider and has not come back: only a webhook can tell us. */
async function paidElsewhere() {
  const ownerId = await h.owner()
  const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  await h.pay(id)
  expect((await h.billing.getSubscription(ownerId)).plan).toBe('FREE')
  return ownerId
}

describe('each event brings our rows up to date', () => {
  test.each([
    'checkout.session.completed',
    'customer.subscription.created',
    'invoice.paid',
    'invoice.payment_succeeded',
  ])('%s: the plan is active and one confirmation is sent', async (type) => {
    const ownerId = await paidElsewhere()
    const event = await newest(type)
    const answer = await deliver(event)
    expect(answer.status).toBe(200)
    expect(await stored(event.id)).toMatchObject({
      type,
      status: 'pending',
      subject: (event.data.object as { customer: string }).customer,
      livemode: false,
      source: 'delivery',
      payload: JSON.stringify(event),
      attempts: 0,
    })
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('FREE')

    await h.work()
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({
      plan: 'PRO',
      status: 'active',
    })
    expect(confirmations(ownerId)).toHaveLength(1)
    expect(await stored(event.id)).toMatchObject({
      status: 'processed',
      reason: null,
      lease: null,
      attempts: 1,
    })
  })

  test('customer.subscription.updated: a scheduled end is stored', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    await h.stripe.subscriptions.update(subscriptionId, { cancel_at_period_end: true })
    await deliver(await newest('customer.subscription.updated'))
    await h.work()
    expect((await h.billing.getSubscription(ownerId)).endsAt).toBeInstanceOf(Date)
  })

  test('customer.subscription.deleted: the owner has the free plan', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    await h.stripe.subscriptions.cancel(subscriptionId)
    await deliver(await newest('customer.subscription.deleted'))
    await h.work()
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'FREE', status: null })
  })

  test('invoice.payment_failed: past due, the plan stays, and the owner gets one mail', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    h.sandbox.stripe.failPayment(subscriptionId)
    const event = await newest('invoice.payment_failed')
    await deliver(event)
    await h.work()
    await deliver({ ...event, id: 'evt_the_same_fact_again' })
    await h.work()
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({
      plan: 'PRO',
      status: 'past_due',
    })
    const [mail, ...more] = confirmations(ownerId, 'PaymentFailedEmail')
    expect(mail?.text).toContain('$29.00')
    expect(more).toEqual([])
  })

  test('payment_intent.succeeded: the payment is recorded', async () => {
    const ownerId = await h.owner()
    const { id } = await h.billing.createPaymentIntent(4900, 'usd', { ownerId })
    await h.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' })
    await deliver(await newest('payment_intent.succeeded'))
    await h.work()
    expect(await h.billing.listPayments(ownerId)).toEqual([
      expect.objectContaining({
        stripePaymentIntentId: id,
        status: 'succeeded',
        amountRefunded: 0,
      }),
    ])
  })

  // The second is all that tells of a card's refund in versions before 2024-10-28.
  test.each(['refund.created', 'charge.refund.updated'])(
    '%s: the refunded amount is recorded',
    async (type) => {
      const ownerId = await h.owner()
      const { id } = await h.billing.createPaymentIntent(4900, 'usd', { ownerId })
      await h.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' })
      await h.stripe.refunds.create({ payment_intent: id, amount: 900 })
      const event = { ...(await newest('refund.created')), id: `evt_of_${type}`, type }
      expect((await deliver(event)).status).toBe(200)
      expect(await h.work()).toMatchObject({ processed: 1 })
      expect(await h.billing.listPayments(ownerId)).toMatchObject([{ amountRefunded: 900 }])
    },
  )
})

describe('promise 1: each event is stored, and takes effect once', () => {
  test('a duplicate is answered 200 and changes nothing', async () => {
    const ownerId = await paidElsewhere()
    const event = await newest('checkout.session.completed')
    await deliver(event)
    await h.work()
    const before = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
    const answer = await deliver(event)
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({ received: true, duplicate: true })
    expect(await h.work()).toMatchObject({ processed: 0 })
    const after = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
    expect(after.syncedTicket).toBe(before.syncedTicket)
    expect(confirmations(ownerId)).toHaveLength(1)
  })

  test('twenty deliveries at once leave one event, and twenty passes at once one mail', async () => {
    const ownerId = await paidElsewhere()
    const event = await newest('checkout.session.completed')
    const answers = await Promise.all(Array.from({ length: 20 }, () => deliver(event)))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect(await h.db.webhookEvent.count({ where: { eventId: event.id } })).toBe(1)
    await Promise.all(Array.from({ length: 20 }, () => h.billing.processEvents()))
    await h.work()
    expect(confirmations(ownerId)).toHaveLength(1)
  })

  test("a customer's waiting events share one sync", async () => {
    const ownerId = await paidElsewhere()
    const customer = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
    const list = await h.stripe.events.list({ limit: 100 })
    const own = list.data.filter(
      ({ data }) => (data.object as { customer?: string }).customer === customer.stripeCustomerId,
    )
    expect(own.length).toBeGreaterThan(5)
    for (const event of own) await deliver(event)
    const [before] = await h.db.$queryRaw<[{ n: bigint }]>`SELECT last_value AS n FROM sync_ticket`
    await h.work()
    const [after] = await h.db.$queryRaw<[{ n: bigint }]>`SELECT last_value AS n FROM sync_ticket`
    expect(after.n - before.n).toBe(1n)
    for (const event of own) expect((await stored(event.id))?.status).not.toBe('pending')
  })

  test('while the event cannot be stored the answer is 500, so that the provider sends it again', async () => {
    const event = { ...(await newest('checkout.session.completed')), id: 'evt_no_room' }
    await h.db.$executeRaw`ALTER TABLE "WebhookEvent" RENAME TO "Elsewhere"`
    const answer = await deliver(event).finally(
      () => h.db.$executeRaw`ALTER TABLE "Elsewhere" RENAME TO "WebhookEvent"`,
    )
    expect(answer.status).toBe(500)
    expect(await answer.json()).toMatchObject({ code: 'internal_error' })
    expect((await deliver(event)).status).toBe(200)
    expect(await stored('evt_no_room')).toMatchObject({ status: 'pending' })
    await h.work()
  })

  test('while the provider is unreachable the event waits, and a later try applies it', async () => {
    const ownerId = await paidElsewhere()
    const event = await newest('checkout.session.completed')
    await deliver(event)
    h.sandbox.stripe.failNext({ status: 503, times: 3 })
    const before = Date.now()
    expect(await h.work()).toMatchObject({ processed: 0, waiting: 1 })
    const after = Date.now()
    const waiting = await stored(event.id)
    expect(waiting).toMatchObject({
      status: 'pending',
      reason: 'provider_unavailable',
      lease: null,
      attempts: 1,
    })
    // The first delay is a minute, a tenth more or less.
    const next = waiting?.nextAttemptAt.getTime() as number
    expect(next).toBeGreaterThanOrEqual(before + 54_000 - 100)
    expect(next).toBeLessThanOrEqual(after + 66_000 + 100)
    expect(await h.work()).toMatchObject({ processed: 0, waiting: 0 })
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('FREE')

    await h.skipDelays()
    expect(await h.work()).toMatchObject({ processed: 1 })
    expect(await stored(event.id)).toMatchObject({ status: 'processed', attempts: 2 })
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
  })

  test('a mail that could not be sent is sent by a later try of its job, once', async () => {
    const ownerId = await paidElsewhere()
    await deliver(await newest('checkout.session.completed'))
    h.outbox.failNext()
    await h.work()
    expect(confirmations(ownerId)).toHaveLength(0)
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
    await h.skipDelays()
    await h.work()
    await h.skipDelays()
    await h.work()
    expect(confirmations(ownerId)).toHaveLength(1)
  })
})

describe('promise 2: late events', () => {
  test('an update that arrives after the end does not bring the subscription back', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    await h.stripe.subscriptions.update(subscriptionId, { metadata: { seen: 'yes' } })
    const updated = await newest('customer.subscription.updated')
    await h.stripe.subscriptions.cancel(subscriptionId)
    await deliver(await newest('customer.subscription.deleted'))
    await h.work()
    expect((updated.data.object as Stripe.Subscription).status).toBe('active')
    expect((await deliver(updated)).status).toBe(200)
    expect(await h.work()).toMatchObject({ processed: 1 })
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'FREE', status: null })
  })

  test('a sync that began earlier does not overwrite one that began later', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    // The slow sync has the old answers in hand, and then is overtaken.
    const slow = heldBack(h, '/v1/invoices')
    const sync = slow.billing.syncCustomer(ownerId)
    await slow.arrived
    await h.stripe.subscriptions.cancel(subscriptionId)
    expect((await h.billing.syncCustomer(ownerId)).written).toBe(true)
    slow.release()
    expect((await sync).written).toBe(false)
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'FREE' })
  })
})

describe('bad input changes nothing', () => {
  const event = { id: 'evt_bad', object: 'event', type: 'invoice.paid', data: { object: {} } }
  const refusals: [string, () => Promise<Response>, number, string][] = [
    [
      'no signature',
      () => h.billing.handleStripeWebhook(new Request('http://x/', { method: 'POST', body: '{}' })),
      400,
      'missing_signature',
    ],
    ['another secret', () => deliver(event, { secret: 'whsec_other' }), 400, 'invalid_signature'],
    [
      'a signature that is none',
      () =>
        h.billing.handleStripeWebhook(
          new Request('http://x/', {
            method: 'POST',
            body: '{}',
            headers: { 'stripe-signature': 'nonsense' },
          }),
        ),
      400,
      'invalid_signature',
    ],
    [
      'a signature of six minutes ago',
      () => deliver(event, { timestamp: seconds(-360) }),
      400,
      'stale_signature',
    ],
    [
      'a signature of in six minutes',
      () => deliver(event, { timestamp: seconds(360) }),
      400,
      'stale_signature',
    ],
    [
      'a time beside the one that is signed',
      async () => {
        // Whoever has an old delivery puts the present time in front of its own.
        const old = stripeWebhookRequest(event, {
          secret: WEBHOOK_SECRET,
          timestamp: seconds(-3600),
        })
        const signature = old.headers.get('stripe-signature')
        const headers = { 'stripe-signature': `t=${seconds(0)},${signature}` }
        const body = await old.text()
        return h.billing.handleStripeWebhook(
          new Request('http://x/', { method: 'POST', body, headers }),
        )
      },
      400,
      'invalid_signature',
    ],
    ['a signed text that is no JSON', () => deliver('not json'), 400, 'invalid_payload'],
    ['a signed null', () => deliver('null'), 400, 'invalid_payload'],
    ['a signed array', () => deliver('[1]'), 400, 'invalid_payload'],
    ['a signed object that is no event', () => deliver({ id: 'evt_bad' }), 400, 'invalid_payload'],
    [
      'an id that PostgreSQL cannot hold',
      () => deliver({ ...event, id: 'evt_\0' }),
      400,
      'invalid_payload',
    ],
    ['an event without an object', () => deliver({ ...event, data: null }), 400, 'invalid_payload'],
    [
      'a body of 1 MB',
      () => deliver({ ...event, pad: 'x'.repeat(2 ** 20) }),
      413,
      'payload_too_large',
    ],
  ]
  test.each(refusals)('%s', async (_, attempt, status, code) => {
    const before = await h.db.webhookEvent.count()
    const answer = await attempt()
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(await answer.json()).toMatchObject({ status, code })
    expect(await h.db.webhookEvent.count()).toBe(before)
  })

  test('a body of 1 MB without a length is refused while it is read', async () => {
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024)),
    })
    const request = new Request('http://x/', {
      method: 'POST',
      body,
      duplex: 'half',
    } as RequestInit)
    expect((await h.billing.handleStripeWebhook(request)).status).toBe(413)
  })

  test('bytes that are not UTF-8 are refused', async () => {
    const body = new Uint8Array([0xff, 0xfe, 0x00])
    const request = new Request('http://x/', { method: 'POST', body })
    expect(await (await h.billing.handleStripeWebhook(request)).json()).toMatchObject({
      code: 'invalid_payload',
    })
  })

  test('a signature just inside five minutes is accepted, and so is either of two secrets', async () => {
    expect(
      (await deliver({ ...event, id: 'evt_old', type: 'ping' }, { timestamp: seconds(-290) }))
        .status,
    ).toBe(200)
    const rotating = createBilling({
      ...h.settings,
      stripeWebhookSecrets: ['whsec_new', WEBHOOK_SECRET],
    })
    for (const secret of ['whsec_new', WEBHOOK_SECRET]) {
      const request = stripeWebhookRequest(
        { ...event, id: `evt_signed_${secret.length}`, type: 'ping' },
        { secret },
      )
      expect((await rotating.handleStripeWebhook(request)).status).toBe(200)
    }
  })

  test.each(['planet.discovered', 'invoice.upcoming', 'payment_intent.created'])(
    'an event of a type that we do not listen to is stored and ignored: %s',
    async (type) => {
      expect((await deliver({ ...event, id: `evt_${type}`, type })).status).toBe(200)
      expect(await stored(`evt_${type}`)).toMatchObject({ status: 'ignored', reason: null })
    },
  )

  test('an event about an unknown customer is kept, as an event of another product', async () => {
    const customer = await h.stripe.customers.create({ email: 'walk-in@example.com' })
    const about = { ...event, id: 'evt_walk_in', data: { object: { customer: customer.id } } }
    expect((await deliver(about)).status).toBe(200)
    expect((await deliver({ ...event, id: 'evt_nobody' })).status).toBe(200)
    await h.work()
    expect(await stored('evt_walk_in')).toMatchObject({
      status: 'ignored',
      reason: 'unknown_customer',
    })
    expect(await stored('evt_nobody')).toMatchObject({ status: 'ignored', reason: 'no_customer' })
  })

  test('a subscription with a price of no plan keeps its row and needs attention', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    const price = await h.stripe.prices.create({
      currency: 'usd',
      unit_amount: 1,
      recurring: { interval: 'month' },
      product_data: { name: 'Mystery' },
    })
    const { items } = await h.stripe.subscriptions.retrieve(subscriptionId)
    await h.stripe.subscriptions.update(subscriptionId, {
      items: [{ id: items.data[0]?.id as string, price: price.id }],
    })
    const updated = await newest('customer.subscription.updated')
    expect((await deliver(updated)).status).toBe(200)
    await h.work()
    expect(await stored(updated.id)).toMatchObject({
      status: 'needs_attention',
      reason: 'unknown_price',
    })
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'PRO', amount: 2900 })
  })

  test('another method is refused', async () => {
    expect((await h.billing.handleStripeWebhook(new Request('http://x/'))).status).toBe(405)
  })
})

test('promise 7: nothing secret or personal is in the log', () => {
  expect(h.logger.entries.length).toBeGreaterThan(20)
  expect(h.logger.text).not.toMatch(/@example\.com/)
  for (const secret of [WEBHOOK_SECRET, SECRET_KEY]) expect(h.logger.text).not.toContain(secret)
})

test('a customer that was created before a crash is linked by its metadata', async () => {
  const ownerId = await h.owner()
  await h.db.customer.create({ data: { ownerId, ownerType: 'user' } })
  const customer = await h.stripe.customers.create({ metadata: { ownerId } })
  const [price] = (await h.stripe.prices.list({ lookup_keys: ['pro_monthly'] })).data
  await h.stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price?.id as string }],
    trial_period_days: 7,
  })
  await deliver(await newest('customer.subscription.created'))
  await h.work()
  expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
})

const seconds = (offset: number) => Math.floor(Date.now() / 1000) + offset

test('the test signer signs as Stripe documents', async () => {
  const request = stripeWebhookRequest('{}', { secret: 'whsec_x', timestamp: 1 })
  const mac = createHmac('sha256', 'whsec_x').update('1.{}').digest('hex')
  expect(request.headers.get('stripe-signature')).toBe(`t=1,v1=${mac}`)
})
