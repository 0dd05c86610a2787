/** An owner's data: given to them whole, and forgotten; and what only a person may decide. */

import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createContext } from '../create-context.ts'
import { exportInPages } from '../owners/export-owner.ts'
import { calcomWebhookRequest } from '../testing.ts' // #calcom
import { CALCOM_SECRET } from './calcom-secret.ts' // #calcom
import { createHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

/** A subscriber with a one-time payment that was given back, and a booking. */
async function customerWithHistory() {
  const { ownerId, subscriptionId } = await h.subscriber()
  const item = { name: 'Call', amount: 4900, currency: 'usd' }
  const metadata = { note: 'for my birthday' }
  const { id } = await h.billing.createCheckoutSession({ ownerId, item, metadata })
  await h.pay(id)
  await h.billing.confirmCheckout(ownerId, id)
  const customer = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  // #region calcom
  const [payment] = await h.billing.listPayments(ownerId)
  const whose = { ownerId, ...(payment && { paymentId: payment.id }) }
  const link = await h.billing.createCalComBookingLink(101, whose)
  const booking = {
    triggerEvent: 'BOOKING_CREATED',
    createdAt: new Date().toISOString(),
    payload: {
      uid: randomUUID(),
      title: 'Call',
      startTime: '2026-12-01T10:00:00Z',
      endTime: '2026-12-01T10:30:00Z',
      attendees: [{ name: 'Ada', email: `${ownerId}@example.com` }],
      metadata: { ref: new URL(link).searchParams.get('metadata[ref]') },
    },
  }
  await h.billing.handleCalComWebhook(calcomWebhookRequest(booking, { secret: CALCOM_SECRET }))
  // #endregion
  await h.billing.cancelSubscription(ownerId, { reason: 'unused', comment: 'I move to Rome' })
  await h.deliverAll()
  return { ownerId, subscriptionId, customerId: customer.id, stripeId: customer.stripeCustomerId }
}

/** Every value of every row that hangs on the customer. */
async function everything(customerId: string, stripeId: string | null) {
  const where = { customerId }
  const tables = [
    await h.db.customer.findUnique({ where: { id: customerId }, omit: { syncedTicket: true } }),
    await h.db.subscription.findMany({ where }),
    await h.db.invoice.findMany({ where }),
    await h.db.payment.findMany({ where }),
    await h.db.refund.findMany({ where }),
    await h.db.booking.findMany({ where }), // #calcom
    await h.db.effect.findMany({ where }),
    await h.db.webhookEvent.findMany({ where: { subject: stripeId ?? '-' } }),
    await h.db.webhookEvent.findMany({ where: { provider: 'calcom' } }), // #calcom
  ]
  return JSON.stringify(tables, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
}

test('an export holds all data of an owner, as JSON', async () => {
  const { ownerId, subscriptionId } = await customerWithHistory()
  const data = await h.billing.exportOwner(ownerId)
  expect(data).toMatchObject({
    exportedAt: expect.any(String),
    customer: {
      ownerId,
      subscriptions: [
        { stripeSubscriptionId: subscriptionId, price: { lookupKey: 'pro_monthly' } },
      ],
      invoices: [{ status: 'paid', amountPaid: 2900 }],
      payments: [{ amount: 4900, metadata: { note: 'for my birthday' } }],
      bookings: [{ attendeeName: 'Ada' }], // #calcom
    },
  })
  expect(await h.billing.exportOwner('nobody')).toBeNull()
})

test('an export holds the credits, also of an owner who never was a customer', async () => {
  const ownerId = randomUUID()
  await h.billing.grantCredits(ownerId, 5, { idempotencyKey: 'g', description: 'welcome' })
  await h.billing.holdCredits(ownerId, 2, 'at work')
  expect(await h.billing.exportOwner(ownerId)).toMatchObject({
    customer: null,
    credits: [
      {
        balance: '3',
        transactions: [{ amount: '5', description: 'welcome' }, { amount: '-2' }],
        holds: [{ status: 'open' }],
      },
    ],
  })
})

test('an export is the same whatever the size of its pages, and no page is left out', async () => {
  const { ownerId } = await customerWithHistory()
  for (const at of [1, 2, 3, 4, 5]) {
    await h.billing.grantCredits(ownerId, at, {
      idempotencyKey: `${ownerId}:${at}`,
      description: 'x',
    })
    await h.billing.grantCredits(ownerId, at, {
      ...{ idempotencyKey: `${ownerId}:o${at}`, description: 'x', creditType: 'other' },
    })
  }
  const ctx = createContext(h.settings)
  const read = async (page: number) => {
    const { exportedAt, ...data } = (await exportInPages(ctx, ownerId, page)) ?? {}
    return data
  }
  const whole = await read(1_000)
  expect(whole).toMatchObject({ effects: { length: expect.any(Number) } })
  expect((whole.effects as unknown[]).length).toBeGreaterThan(2)
  expect((whole.events as unknown[]).length).toBeGreaterThan(5)
  expect(
    (whole.credits as { transactions: unknown[] }[]).map((of) => of.transactions.length),
  ).toEqual([5, 5])
  for (const page of [1, 2, 5]) expect(await read(page)).toEqual(whole)
})

test.each([
  ['and kept at the provider', false],
  ['and deleted at the provider', true],
])(
  'forgetting an owner, %s: the plan ends, the accounts stay, no name stays',
  async (_, deleteAtProvider) => {
    await h.db.webhookEvent.deleteMany({ where: { provider: 'calcom' } }) // #calcom
    const { ownerId, subscriptionId, customerId, stripeId } = await customerWithHistory()
    const personal = /birthday|\bRome\b|\bAda\b|@example\.com|pay\/in_|https?:/
    expect(await everything(customerId, stripeId)).toMatch(personal)

    await h.billing.forgetOwner(ownerId, { deleteAtProvider })
    await h.deliverAll()
    await h.billing.reconcile()
    await h.billing.emptyPayloads()

    expect((await h.stripe.subscriptions.retrieve(subscriptionId)).status).toBe('canceled')
    const atStripe = await h.stripe.customers.retrieve(stripeId as string)
    expect(atStripe.deleted ?? false).toBe(deleteAtProvider)
    const left = await everything(customerId, stripeId)
    expect(left).not.toMatch(personal)
    expect(left).not.toContain(ownerId)
    expect(await h.db.invoice.findMany({ where: { customerId } })).toMatchObject([
      { status: 'paid', amountPaid: 2900n },
    ])
    expect(await h.db.payment.count({ where: { customerId } })).toBe(1)
    expect(await h.db.subscription.findMany({ where: { customerId } })).toMatchObject([
      { status: 'canceled' },
    ])
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'FREE' })
    await h.billing.forgetOwner(ownerId)
    await h.billing.forgetOwner('nobody')
  },
)

test('while the provider is unreachable nothing is forgotten', async () => {
  const { ownerId, customerId, stripeId } = await customerWithHistory()
  const before = await everything(customerId, stripeId)
  h.sandbox.stripe.failNext({ status: 500, times: 1 })
  const attempt = h.billing.forgetOwner(ownerId)
  await expect(attempt).rejects.toMatchObject({ code: 'provider_unavailable', status: 503 })
  expect(await everything(customerId, stripeId)).toBe(before)
})

test('promise 2: only a command ends and refunds a second subscription', async () => {
  const { ownerId, subscriptionId } = await h.subscriber()
  const second = await h.secondSubscription(subscriptionId)
  await h.billing.syncCustomer(ownerId)
  await h.billing.reconcile()
  expect((await h.stripe.subscriptions.retrieve(second.id)).status).toBe('active')
  expect(await h.billing.listFlagged(ownerId)).toEqual([
    {
      id: expect.any(String),
      ownerId,
      stripeSubscriptionId: second.id,
      status: 'active',
      needsAttention: 'second_current_subscription',
    },
  ])
  const plan = [{ stripeSubscriptionId: second.id, refund: { amount: 19900, currency: 'usd' } }]
  expect(await h.billing.resolveSubscriptions(ownerId)).toEqual(plan)
  expect((await h.stripe.subscriptions.retrieve(second.id)).status).toBe('active')

  expect(await h.billing.resolveSubscriptions(ownerId, { confirmed: true })).toEqual(plan)
  expect((await h.stripe.subscriptions.retrieve(second.id)).status).toBe('canceled')
  expect(await h.db.refund.findMany({ where: { customer: { ownerId } } })).toMatchObject([
    { amount: 19900n, reason: 'duplicate', status: 'succeeded' },
  ])
  expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'PRO' })
  expect(await h.billing.resolveSubscriptions(ownerId, { confirmed: true })).toEqual([])
  expect(await h.billing.listFlagged(ownerId)).toEqual([])
})

test('the command can keep the second one instead, and refuses an unknown one', async () => {
  const { ownerId, subscriptionId } = await h.subscriber()
  const second = await h.secondSubscription(subscriptionId)
  const wrong = h.billing.resolveSubscriptions(ownerId, { keep: 'sub_other', confirmed: true })
  await expect(wrong).rejects.toMatchObject({ code: 'subscription_not_found' })
  const nobody = h.billing.resolveSubscriptions('nobody', { confirmed: true })
  await expect(nobody).rejects.toMatchObject({ code: 'customer_not_found' })
  await h.billing.resolveSubscriptions(ownerId, { keep: second.id, confirmed: true })
  expect((await h.stripe.subscriptions.retrieve(subscriptionId)).status).toBe('canceled')
  expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'ENTERPRISE' })
})
