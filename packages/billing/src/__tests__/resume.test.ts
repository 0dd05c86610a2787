/** Subscriptions that are paused: by a trial that ended without a card, and by a pause of collection. */

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { API_VERSIONS, createHarness, type Harness } from './harness.ts'

describe.each(API_VERSIONS)('with API version %s', (apiVersion) => {
  let h: Harness
  beforeAll(async () => {
    h = await createHarness(inject('postgres'), { apiVersion })
  })
  afterAll(() => h.close())

  async function paused() {
    const ownerId = await h.owner()
    const { stripeCustomerId } = await h.billing.ensureCustomer(ownerId)
    const customer = stripeCustomerId as string
    const [price] = (await h.stripe.prices.list({ lookup_keys: ['pro_monthly'] })).data
    const { id } = await h.stripe.subscriptions.create({
      customer,
      items: [{ price: price?.id as string }],
      trial_period_days: 7,
      trial_settings: { end_behavior: { missing_payment_method: 'pause' } },
    })
    h.sandbox.stripe.renew(id)
    await h.billing.syncCustomer(ownerId)
    expect((await h.billing.getSubscription(ownerId)).status).toBe('paused')
    return { ownerId, customer, id }
  }
  const cardFor = async (customer: string, name: string) => {
    const { id } = await h.stripe.paymentMethods.attach(name, { customer })
    await h.stripe.customers.update(customer, {
      invoice_settings: { default_payment_method: id },
    })
  }

  test('without a card the error asks for one; with a card the plan runs and is charged once', async () => {
    const { ownerId, customer } = await paused()
    const without = h.billing.resumeSubscription(ownerId)
    await expect(without).rejects.toMatchObject({ code: 'payment_method_required', status: 402 })
    expect((await h.billing.getSubscription(ownerId)).status).toBe('paused')
    await cardFor(customer, 'pm_card_visa')
    const resumed = await h.billing.resumeSubscription(ownerId)
    expect(resumed).toMatchObject({ status: 'active', plan: 'PRO' })
    const paid = (await h.billing.listInvoices(ownerId)).filter(({ amountPaid }) => amountPaid > 0)
    expect(paid).toHaveLength(1)
  })

  test('a declined card leaves the plan paused; another card pays the open invoice', async () => {
    const { ownerId, customer, id } = await paused()
    await cardFor(customer, 'pm_card_chargeCustomerFail')
    const declined = h.billing.resumeSubscription(ownerId)
    await expect(declined).rejects.toMatchObject({ code: 'card_declined', status: 402 })
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({
      plan: 'FREE',
      status: 'paused',
    })
    await cardFor(customer, 'pm_card_visa')
    expect(await h.billing.resumeSubscription(ownerId)).toMatchObject({ status: 'active' })
    expect((await h.stripe.invoices.list({ subscription: id, status: 'open' })).data).toEqual([])
  })

  test('a card whose bank asks its holder leaves the plan paused until the holder confirms', async () => {
    const { ownerId, customer } = await paused()
    await cardFor(customer, 'pm_card_authenticationRequired')
    const asked = h.billing.resumeSubscription(ownerId)
    await expect(asked).rejects.toMatchObject({ code: 'authentication_required', status: 402 })
    const [open] = await h.billing.listInvoices(ownerId)
    expect(open).toMatchObject({ status: 'open', hostedInvoiceUrl: expect.any(String) })
    h.sandbox.stripe.settlePayment(open?.stripePaymentIntentId as string, 'succeeded')
    await h.deliverAll()
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({
      plan: 'PRO',
      status: 'active',
    })
  })

  test('a pause of collection is shown, survives undoing a cancellation, and can be ended', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    const resumes_at = Math.floor(Date.now() / 1000) + 86_400
    await h.stripe.subscriptions.update(subscriptionId, {
      pause_collection: { behavior: 'void', resumes_at },
    })
    await h.billing.syncCustomer(ownerId)
    const pauseCollection = { behavior: 'void', resumesAt: new Date(resumes_at * 1000) }
    const told = await h.billing.getSubscription(ownerId)
    expect(told).toMatchObject({ plan: 'PRO', status: 'active', pauseCollection })
    await h.billing.cancelSubscription(ownerId)
    expect(await h.billing.resumeSubscription(ownerId)).toMatchObject({
      endsAt: null,
      pauseCollection,
    })
    expect((await h.billing.resumeSubscription(ownerId)).pauseCollection).toBeNull()
  })
})
