/**
 * What a test or a developer's page does to a local provider in a customer's and a bank's place.
 *
 * @module
 */

import { monthsAfter } from '@repo/core'
import type { Interval } from '../../catalog/plans.ts'
import { BillingError } from '../../errors.ts'
import type { LocalControls } from './controls.ts'
import { found, id, type LocalState, shown } from './state.ts'
import { signedRequest } from './webhook.ts'

/** The controls of a provider with this state. */
export function createControls(state: LocalState): LocalControls {
  const { clock, secret, checkouts, payments, subscriptions, events } = state
  const { happened, pay, refundPayment, end } = state
  return {
    isDown: false,
    get events() {
      return [...events]
    },
    get checkouts() {
      return structuredClone([...checkouts.values()])
    },
    webhook(eventId) {
      const event = events.find((each) => each.eventId === eventId)
      return event && signedRequest(secret, event)
    },
    async completeCheckout(checkoutId) {
      const { checkout, product } = found(checkouts, checkoutId, 'checkout_not_found')
      if (checkout.status !== 'open') throw rejected(`The checkout is ${checkout.status}.`)
      const { orderId } = checkout
      const customerId = checkout.customerId ?? id('cus')
      const subscriptionId = product.plan === undefined ? null : id('sub')
      const payment = pay(product, { orderId, customerId, subscriptionId })
      if (subscriptionId !== null) {
        const start = clock.now()
        subscriptions.set(subscriptionId, {
          id: subscriptionId,
          status: 'active',
          customerId,
          orderId,
          sku: product.sku,
          quantity: 1,
          currentPeriodStart: start,
          currentPeriodEnd: after(start, start, product.interval ?? 'month'),
          anchor: start,
          cancelAtPeriodEnd: false,
          canceledAt: null,
          endedAt: null,
          trialEnd: null,
          latestPaymentId: payment.id,
          product,
        })
      }
      const paymentId = payment.id
      const done = { status: 'complete' as const, url: null, paymentId, subscriptionId, customerId }
      Object.assign(checkout, done)
      await happened('checkout.completed', { checkoutId, paymentId, subscriptionId, customerId })
      return { ...checkout }
    },
    async failCheckout(checkoutId) {
      const { checkout, product } = found(checkouts, checkoutId, 'checkout_not_found')
      if (checkout.status !== 'open') throw rejected(`The checkout is ${checkout.status}.`)
      const { orderId } = checkout
      const failed = pay(product, { orderId, status: 'failed', amountPaid: 0, paidAt: null })
      checkout.paymentId = failed.id
      await happened('payment.failed', { checkoutId, paymentId: failed.id })
      return { ...checkout }
    },
    refundPayment,
    async dispute(paymentId, status = 'needs_response') {
      const payment = found(payments, paymentId, 'payment_not_found')
      const type = payment.disputeId === null ? 'dispute.created' : 'dispute.updated'
      const disputeId = payment.disputeId ?? id('dis')
      Object.assign(payment, { disputeId, disputeStatus: status })
      await happened(type, { paymentId, disputeId, customerId: payment.customerId })
      return { ...payment }
    },
    async endPeriod(subscriptionId) {
      const subscription = found(subscriptions, subscriptionId, 'subscription_not_found')
      const { product, customerId, orderId, currentPeriodEnd } = subscription
      if (subscription.endedAt !== null || currentPeriodEnd === null) return shown(subscription)
      if (subscription.cancelAtPeriodEnd) {
        await end(subscription)
        return shown(subscription)
      }
      const payment = pay(product, { orderId, customerId, subscriptionId })
      Object.assign(subscription, {
        currentPeriodStart: currentPeriodEnd,
        currentPeriodEnd: after(currentPeriodEnd, subscription.anchor, product.interval ?? 'month'),
        status: 'active',
        latestPaymentId: payment.id,
      })
      await happened('subscription.paid', { subscriptionId, paymentId: payment.id, customerId })
      return shown(subscription)
    },
    async failPeriod(subscriptionId) {
      const subscription = found(subscriptions, subscriptionId, 'subscription_not_found')
      if (subscription.endedAt !== null || subscription.cancelAtPeriodEnd) {
        throw rejected('The subscription does not renew.')
      }
      subscription.status = 'past_due'
      const { customerId } = subscription
      await happened('subscription.past_due', { subscriptionId, customerId })
      return shown(subscription)
    },
  }
}

/** The refusal of what the provider cannot do now. */
export const rejected = (why: string) => new BillingError('provider_rejected', why)

/** `date` plus one interval, on the day of the month of `anchor`. */
const after = (date: Date, anchor: Date, interval: Interval): Date =>
  monthsAfter(date, interval === 'year' ? 12 : 1, anchor)
