/** One life of a customer, told by webhooks alone and backwards, in each shape of Stripe's API. */

import { createTestClock } from '@repo/core/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { EFFECT_NAMES } from '../effects/names.ts'
import type { Effect, EffectHandlers } from '../index.ts'
import { API_VERSIONS, createHarness, type Harness } from './harness.ts'

const DAY = 86_400_000

describe.each(API_VERSIONS)('with API version %s', (apiVersion) => {
  let h: Harness
  let taken: Effect[] = []
  const clock = createTestClock(new Date())
  const effects = Object.fromEntries(
    EFFECT_NAMES.map((name) => [
      name,
      async (_: unknown, effect: Effect) => void taken.push(effect),
    ]),
  ) as EffectHandlers
  beforeAll(async () => {
    h = await createHarness(inject('postgres'), { apiVersion, clock, settings: { effects } })
  })
  afterAll(() => h.close())

  const told = (ownerId: string) =>
    taken.filter((effect) => effect.ownerId === ownerId).map(({ name }) => name)

  /** Pays for PRO at the provider; nobody comes back, so only webhooks tell us. */
  async function buyer(settings = h.billing) {
    taken = []
    const ownerId = await h.owner()
    const { id } = await settings.createCheckoutSession({ ownerId, plan: 'PRO' })
    await h.pay(id)
    await h.deliverAll()
    const { stripeSubscriptionId } = await h.billing.getSubscription(ownerId)
    return { ownerId, subscriptionId: stripeSubscriptionId as string }
  }

  test('bought: the plan, the period, the invoice', async () => {
    const { ownerId, subscriptionId } = await buyer()
    const subscription = await h.billing.getSubscription(ownerId)
    expect(subscription).toMatchObject({
      plan: 'PRO',
      status: 'active',
      interval: 'month',
      amount: 2900,
      quantity: 1,
      endsAt: null,
      scheduledChange: null,
    })
    const days = ((subscription.currentPeriodEnd?.getTime() ?? 0) - clock.now().getTime()) / DAY
    expect(days).toBeGreaterThan(27)
    expect(days).toBeLessThan(31.1)
    const [invoice, ...more] = await h.billing.listInvoices(ownerId)
    expect(more).toEqual([])
    expect(invoice).toMatchObject({
      status: 'paid',
      billingReason: 'subscription_create',
      total: 2900,
      amountPaid: 2900,
      amountRefunded: 0,
      currency: 'usd',
      number: expect.any(String),
      hostedInvoiceUrl: expect.stringContaining('http'),
      invoicePdf: expect.stringContaining('http'),
      paidAt: expect.any(Date),
      stripePaymentIntentId: expect.stringMatching(/^pi_/),
    })
    const row = await h.db.subscription.findUniqueOrThrow({
      where: { stripeSubscriptionId: subscriptionId },
    })
    expect(invoice?.subscriptionId).toBe(row.id)
    expect(told(ownerId).sort()).toEqual(['invoice.paid', 'subscription.activated'])
  })

  test('renewed twice: two more invoices, each paid once', async () => {
    const { ownerId, subscriptionId } = await buyer()
    const first = await h.billing.getSubscription(ownerId)
    for (let month = 0; month < 2; month++) {
      clock.advance(31 * DAY)
      h.sandbox.stripe.renew(subscriptionId)
    }
    await h.deliverAll()
    const third = await h.billing.getSubscription(ownerId)
    expect(third.currentPeriodEnd?.getTime()).toBeGreaterThan(
      (first.currentPeriodEnd?.getTime() ?? 0) + 55 * DAY,
    )
    const invoices = await h.billing.listInvoices(ownerId)
    expect(invoices.map((invoice) => invoice.billingReason)).toEqual([
      'subscription_cycle',
      'subscription_cycle',
      'subscription_create',
    ])
    expect(told(ownerId).filter((name) => name === 'invoice.paid')).toHaveLength(3)
    expect(told(ownerId).filter((name) => name === 'subscription.activated')).toHaveLength(1)
  })

  test('a renewal fails: past due, reported once, and paid later', async () => {
    const { ownerId, subscriptionId } = await buyer()
    clock.advance(31 * DAY)
    const open = h.sandbox.stripe.failPayment(subscriptionId)
    await h.deliverAll()
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({
      plan: 'PRO',
      status: 'past_due',
    })
    const [invoice] = await h.billing.listInvoices(ownerId)
    expect(invoice).toMatchObject({
      status: 'open',
      amountDue: 2900,
      attemptCount: 1,
      paidAt: null,
    })
    expect(told(ownerId)).toContain('invoice.payment_failed')

    await h.stripe.invoices.pay(open.id as string)
    await h.deliverAll()
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ status: 'active' })
    expect((await h.billing.listInvoices(ownerId))[0]).toMatchObject({ status: 'paid' })
    expect(told(ownerId).filter((name) => name === 'invoice.payment_failed')).toHaveLength(1)
    expect(told(ownerId).filter((name) => name === 'invoice.paid')).toHaveLength(2)
    const mails = h.outbox.to(`${ownerId}@example.com`).map((mail) => mail.template)
    expect(mails.sort()).toEqual(['PaymentFailedEmail', 'SubscriptionConfirmedEmail'])
  })

  test('cancelled at the provider, in either of the two ways, and resumed', async () => {
    const { ownerId, subscriptionId } = await buyer()
    const end = (await h.billing.getSubscription(ownerId)).currentPeriodEnd
    await h.stripe.subscriptions.update(subscriptionId, {
      cancel_at_period_end: true,
      cancellation_details: { feedback: 'too_expensive', comment: 'next year' },
    })
    await h.deliverAll()
    expect((await h.billing.getSubscription(ownerId)).endsAt).toEqual(end)
    const row = await h.db.subscription.findUnique({
      where: { stripeSubscriptionId: subscriptionId },
    })
    expect(row).toMatchObject({
      cancellationFeedback: 'too_expensive',
      cancellationComment: 'next year',
    })
    expect((await h.billing.resumeSubscription(ownerId)).endsAt).toBeNull()

    const at = Math.floor(clock.now().getTime() / 1000) + 7 * 86_400
    await h.stripe.subscriptions.update(subscriptionId, { cancel_at: at })
    await h.deliverAll()
    expect((await h.billing.getSubscription(ownerId)).endsAt).toEqual(new Date(at * 1000))
    expect((await h.billing.resumeSubscription(ownerId)).endsAt).toBeNull()
  })

  test('ended: the free plan, the history kept, reported once', async () => {
    const { ownerId, subscriptionId } = await buyer()
    h.sandbox.stripe.endSubscription(subscriptionId)
    await h.deliverAll()
    await h.billing.syncCustomer(ownerId)
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'FREE', status: null })
    expect(await h.billing.listSubscriptions(ownerId)).toEqual([
      expect.objectContaining({ status: 'canceled', endedAt: expect.any(Date) }),
    ])
    expect(told(ownerId).filter((name) => name === 'subscription.ended')).toHaveLength(1)
  })

  test('refunded in two parts: the invoice has the sum, each part takes effect once', async () => {
    const { ownerId } = await buyer()
    const [invoice] = await h.billing.listInvoices(ownerId)
    const payment_intent = invoice?.stripePaymentIntentId as string
    await h.stripe.refunds.create({ payment_intent, amount: 900 })
    await h.stripe.refunds.create({ payment_intent, amount: 2000, reason: 'requested_by_customer' })
    await h.deliverAll()
    await h.billing.syncCustomer(ownerId)
    const [after] = await h.billing.listInvoices(ownerId)
    expect(after).toMatchObject({ amountRefunded: 2900, status: 'paid' })
    const refunds = await h.db.refund.findMany({ where: { invoiceId: invoice?.id as string } })
    expect(refunds.map(({ amount, status }) => [amount, status]).sort()).toEqual([
      [2000n, 'succeeded'],
      [900n, 'succeeded'],
    ])
    expect(told(ownerId).filter((name) => name === 'refund.succeeded')).toHaveLength(2)
  })

  test('a one-time payment: bought, refunded, disputed, lost', async () => {
    taken = []
    const ownerId = await h.owner()
    const item = { name: 'Call', amount: 4900, currency: 'usd' }
    const metadata = { call: '101' }
    const { id } = await h.billing.createCheckoutSession({ ownerId, item, metadata })
    await h.pay(id)
    await h.deliverAll()
    const [payment] = await h.billing.listPayments(ownerId)
    expect(payment).toMatchObject({ status: 'succeeded', amount: 4900, paidAt: expect.any(Date) })
    expect(payment?.metadata).toMatchObject(metadata)
    const intent = payment?.stripePaymentIntentId as string
    await h.stripe.refunds.create({ payment_intent: intent, amount: 100 })
    const dispute = h.sandbox.stripe.dispute(intent)
    await h.deliverAll()
    expect((await h.billing.listPayments(ownerId))[0]).toMatchObject({
      amountRefunded: 100,
      disputeStatus: 'needs_response',
    })
    h.sandbox.stripe.closeDispute(dispute.id as string, 'lost')
    await h.deliverAll()
    expect((await h.billing.listPayments(ownerId))[0]).toMatchObject({ disputeStatus: 'lost' })
    const [refund] = await h.db.refund.findMany({ where: { paymentId: payment?.id as string } })
    expect(refund).toMatchObject({ amount: 100n, invoiceId: null })
    expect(told(ownerId).sort()).toEqual([
      'dispute.closed',
      'dispute.created',
      'order.completed',
      'order.refunded',
      'payment.succeeded',
      'refund.succeeded',
    ])
    const event = await h.db.webhookEvent.findFirst({
      where: { type: 'charge.dispute.created' },
      orderBy: { receivedAt: 'desc' },
    })
    expect(event).toMatchObject({ status: 'processed' })
  })

  test('a trial: its end is announced, then it is paid', async () => {
    const { ownerId, subscriptionId } = await buyer()
    await h.billing.cancelSubscription(ownerId, { at: 'now' })
    const [price] = (await h.stripe.prices.list({ lookup_keys: ['enterprise_monthly'] })).data
    const old = await h.stripe.subscriptions.retrieve(subscriptionId)
    const trial = await h.stripe.subscriptions.create({
      customer: old.customer as string,
      default_payment_method: old.default_payment_method as string,
      items: [{ price: price?.id as string }],
      trial_period_days: 7,
    })
    await h.deliverAll()
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({
      plan: 'ENTERPRISE',
      status: 'trialing',
      trialEnd: expect.any(Date),
    })
    expect(told(ownerId)).not.toContain('subscription.trial_will_end')
    clock.advance(4.5 * DAY)
    h.sandbox.stripe.trialWillEnd(trial.id)
    await h.deliverAll()
    await h.billing.syncCustomer(ownerId)
    const announced = told(ownerId).filter((name) => name === 'subscription.trial_will_end')
    expect(announced).toHaveLength(1)
    clock.advance(3 * DAY)
    h.sandbox.stripe.renew(trial.id)
    await h.deliverAll()
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ status: 'active' })
  })

  test('deleted at the provider: unlinked, the history kept, a new purchase possible', async () => {
    const { ownerId } = await buyer()
    const before = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
    await h.stripe.customers.del(before.stripeCustomerId as string)
    await h.deliverAll()
    const after = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
    expect(after).toMatchObject({ stripeCustomerId: null, unlinkedAt: expect.any(Date) })
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'FREE', status: null })
    expect(await h.billing.listInvoices(ownerId)).toHaveLength(1)
    expect(await h.billing.listEvents({ status: ['needs_attention'] })).toEqual([])

    const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    await h.pay(id)
    await h.deliverAll()
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
    const again = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
    expect(again.stripeCustomerId).not.toBe(before.stripeCustomerId)
    expect(await h.db.customer.count({ where: { ownerId } })).toBe(1)
  })
})
