/** Upgrades whose payment the card's holder has to confirm with the bank (3-D Secure). */

import { createTestClock } from '@repo/core/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { API_VERSIONS, createHarness, type Harness } from './harness.ts'

describe.each(API_VERSIONS)('with API version %s', (apiVersion) => {
  let h: Harness
  const clock = createTestClock(new Date())
  beforeAll(async () => {
    h = await createHarness(inject('postgres'), { apiVersion, clock })
  })
  afterAll(() => h.close())

  /** ENTERPRISE now, PRO later, and a card whose bank asks. */
  async function asking() {
    const { ownerId, subscriptionId } = await h.subscriber()
    await h.billing.changePlan(ownerId, { plan: 'PRO', quantity: 3 })
    await h.billing.changePlan(ownerId, { plan: 'PRO', quantity: 1 })
    const { customer } = await h.stripe.subscriptions.retrieve(subscriptionId)
    const card = await h.stripe.paymentMethods.attach('pm_card_authenticationRequired', {
      customer: customer as string,
    })
    await h.stripe.subscriptions.update(subscriptionId, { default_payment_method: card.id })
    const before = await h.billing.getSubscription(ownerId)
    expect(before).toMatchObject({ plan: 'PRO', quantity: 3, scheduledChange: { quantity: 1 } })
    return { ownerId, subscriptionId, before }
  }

  const openInvoice = async (subscription: string) => {
    const expand = apiVersion.slice(0, 10) < '2025-03-31' ? [] : ['data.payments']
    const { data } = await h.stripe.invoices.list({ subscription, status: 'open', expand })
    expect(data).toHaveLength(1)
    const [invoice] = data as unknown as {
      hosted_invoice_url: string
      payment_intent?: string
      payments?: { data: { payment: { payment_intent: string } }[] }
    }[]
    return {
      url: invoice?.hosted_invoice_url,
      payment: invoice?.payment_intent ?? invoice?.payments?.data[0]?.payment.payment_intent,
    }
  }

  test('return the page of the invoice, and are made once it is paid there', async () => {
    const { ownerId, subscriptionId, before } = await asking()
    const quote = await h.billing.previewPlanChange(ownerId, { plan: 'ENTERPRISE' })
    const asked = await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE', quote })
    const { url, payment } = await openInvoice(subscriptionId)
    const { pendingChange, ...rest } = asked
    expect(pendingChange).toEqual({
      plan: 'ENTERPRISE',
      interval: 'month',
      quantity: 3,
      url,
      expiresAt: expect.any(Date),
    })
    expect((await fetch(url as string)).status).toBe(200)
    // Nothing else has changed, what was scheduled is still to come, and the plan goes on.
    expect({ ...rest, pendingChange: null }).toEqual(before)
    expect(await h.billing.getSubscription(ownerId)).toEqual(asked)

    // Asked for again it is the same payment.
    expect(await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE' })).toEqual(asked)
    await openInvoice(subscriptionId)

    const { status } = await h.stripe.paymentIntents.retrieve(payment as string)
    expect(status).toBe('requires_action')
    const confirmed = await fetch(url as string, {
      method: 'POST',
      headers: { origin: h.url, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'outcome=succeeded',
    })
    expect(await confirmed.text()).not.toContain('Confirm')
    await h.deliverAll()
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({
      plan: 'ENTERPRISE',
      quantity: 3,
      status: 'active',
      scheduledChange: null,
      pendingChange: null,
    })
    expect((await h.billing.listInvoices(ownerId))[0]?.amountPaid).toBe(quote.amountDue)
    expect((await h.stripe.subscriptions.retrieve(subscriptionId)).schedule).toBeNull()
  })

  test('change nothing where nobody confirms them', async () => {
    const { ownerId, subscriptionId, before } = await asking()
    await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE' })
    const { payment } = await openInvoice(subscriptionId)
    h.sandbox.stripe.settlePayment(payment as string, 'failed')
    await h.deliverAll()
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({
      plan: 'PRO',
      status: 'active',
      pendingChange: { plan: 'ENTERPRISE' },
    })
    h.sandbox.stripe.expireUpdate(subscriptionId)
    await h.deliverAll()
    expect(await h.billing.getSubscription(ownerId)).toEqual(before)
    const { data } = await h.stripe.invoices.list({ subscription: subscriptionId, status: 'open' })
    expect(data).toEqual([])
  })

  test('wait also if only seats are added', async () => {
    const { ownerId, subscriptionId } = await asking()
    const asked = await h.billing.changePlan(ownerId, { quantity: 5 })
    expect(asked).toMatchObject({ quantity: 3, pendingChange: { plan: 'PRO', quantity: 5 } })
    const { payment } = await openInvoice(subscriptionId)
    h.sandbox.stripe.settlePayment(payment as string, 'succeeded')
    await h.deliverAll()
    const after = await h.billing.getSubscription(ownerId)
    expect(after).toMatchObject({ quantity: 5, scheduledChange: null, pendingChange: null })
  })

  test('are no longer shown after they have expired', async () => {
    const { ownerId } = await asking()
    await h.billing.changePlan(ownerId, { plan: 'ENTERPRISE' })
    clock.advance(24 * 3_600_000)
    expect((await h.billing.getSubscription(ownerId)).pendingChange).toBeNull()
  })
})
