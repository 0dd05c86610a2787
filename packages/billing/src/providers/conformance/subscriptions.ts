/**
 * Checks of subscriptions: their start, their renewal, their cancellation, and the customer's page.
 *
 * @module
 */

import assert from 'node:assert/strict'
import { type Check, refused, subscribed } from './subject.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** Declares the checks of subscriptions. */
export function subscriptionChecks(check: Check): void {
  check('a bought plan is active, has its SKU, and was paid', async (subject) => {
    const { provider, plan } = subject
    const checkout = await subscribed(subject)
    const subscription = await provider.retrieveSubscription(checkout.subscriptionId)
    assert.equal(subscription.status, 'active')
    assert.deepEqual([subscription.sku, subscription.quantity], [plan.sku, 1])
    assert.equal(subscription.orderId, checkout.orderId)
    assert.equal(subscription.customerId, checkout.customerId)
    assert.deepEqual([subscription.cancelAtPeriodEnd, subscription.canceledAt], [false, null])
    assert.deepEqual([subscription.endedAt, subscription.trialEnd], [null, null])
    const { currentPeriodStart: start, currentPeriodEnd: end } = subscription
    assert.ok(start && end)
    const days = Math.round((end.getTime() - start.getTime()) / DAY_MS)
    assert.ok(plan.interval === 'year' ? days >= 365 : days >= 28 && days <= 31, `${days} days`)
    assert.equal(subscription.latestPaymentId, checkout.paymentId)
    const payment = await provider.retrievePayment(checkout.paymentId)
    assert.deepEqual([payment.amount, payment.status], [plan.amount, 'succeeded'])
  })

  check(
    'a renewal starts the next period where the last ended, with a payment',
    async (subject) => {
      const { provider, world } = subject
      const { id, subscriptionId, paymentId } = await subscribed(subject)
      const before = await provider.retrieveSubscription(subscriptionId)
      await world.endPeriod(subscriptionId)
      assert.equal((await provider.retrieveCheckout(id)).paymentId, paymentId)
      const after = await provider.retrieveSubscription(subscriptionId)
      assert.deepEqual(after.currentPeriodStart, before.currentPeriodEnd)
      assert.ok(
        (after.currentPeriodEnd?.getTime() ?? 0) > (before.currentPeriodEnd?.getTime() ?? 0),
      )
      assert.notEqual(after.latestPaymentId, before.latestPaymentId)
      const payment = await provider.retrievePayment(after.latestPaymentId ?? '')
      assert.equal(payment.status, 'succeeded')
    },
  )

  check('a subscription canceled at the end of its period runs until then', async (subject) => {
    const { provider, other, world } = subject
    const { subscriptionId } = await subscribed(subject)
    const before = await provider.retrieveSubscription(subscriptionId)
    const input = { at: 'period_end', idempotencyKey: 'end' } as const
    const canceled = await provider.cancelSubscription(subscriptionId, input)
    assert.deepEqual([canceled.status, canceled.cancelAtPeriodEnd], ['active', true])
    assert.equal(canceled.endedAt, null)
    assert.deepEqual(canceled.currentPeriodEnd, before.currentPeriodEnd)
    assert.deepEqual(await other.cancelSubscription(subscriptionId, input), canceled)
    await world.endPeriod(subscriptionId)
    const ended = await provider.retrieveSubscription(subscriptionId)
    assert.equal(ended.status, 'canceled')
    assert.ok(ended.endedAt)
  })

  check('a cancellation is taken back where the provider supports it', async (subject) => {
    const { provider, other, world } = subject
    const { resumeSubscription } = provider
    if (!resumeSubscription) return
    const { subscriptionId } = await subscribed(subject)
    const before = await provider.retrieveSubscription(subscriptionId)
    const key = (idempotencyKey: string) => ({ idempotencyKey })
    assert.deepEqual(await resumeSubscription(subscriptionId, key('nothing')), before)
    await provider.cancelSubscription(subscriptionId, { at: 'period_end', ...key('end') })
    assert.deepEqual(await resumeSubscription(subscriptionId, key('resume')), before)
    assert.deepEqual(await other.retrieveSubscription(subscriptionId), before)
    await world.endPeriod(subscriptionId)
    assert.equal((await provider.retrieveSubscription(subscriptionId)).status, 'active')
    await provider.cancelSubscription(subscriptionId, { at: 'now', ...key('now') })
    await refused(subject, 'provider_rejected', () =>
      resumeSubscription(subscriptionId, key('late')),
    )
    await refused(subject, 'subscription_not_found', () => resumeSubscription('none', key('none')))
  })

  check('an immediate cancellation ends it, and another changes nothing', async (subject) => {
    const { provider } = subject
    const { subscriptionId } = await subscribed(subject)
    const input = { at: 'now', idempotencyKey: 'now' } as const
    const ended = await provider.cancelSubscription(subscriptionId, input)
    assert.equal(ended.status, 'canceled')
    assert.ok(ended.endedAt)
    assert.ok(ended.canceledAt)
    assert.deepEqual(await provider.cancelSubscription(subscriptionId, input), ended)
    const later = { at: 'period_end', idempotencyKey: 'later' } as const
    assert.deepEqual(await provider.cancelSubscription(subscriptionId, later), ended)
    assert.deepEqual(await provider.retrieveSubscription(subscriptionId), ended)
  })

  check('customers have a portal where the provider has one', async (subject) => {
    const { customerId } = await subscribed(subject)
    const { createPortal } = subject.provider
    if (!createPortal) return
    const returnUrl = 'http://localhost:3000/billing'
    const { url } = await createPortal({ customerId: customerId ?? '', returnUrl })
    assert.match(new URL(url).protocol, /^https?:$/)
  })
}
