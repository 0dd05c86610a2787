/**
 * A payment provider within the process, for tests and for development without any key. It sends no requests, and its
 * state is in memory and ends with the process. Each process has a provider of its own; for an object of another
 * process it answers `not_known_here`, never that there is no such object. `PAYMENT_PROVIDER=local` is refused in
 * production.
 *
 * @module
 */

import { requireAmount } from '../../amounts.ts'
import { createKeys } from '../keys.ts'
import type { CheckoutInput, PaymentProvider, ProviderCheckout, RefundInput } from '../provider.ts'
import type { LocalProvider } from './controls.ts'
import { createControls, rejected } from './create-controls.ts'
import { guarded } from './guard.ts'
import { createLocalState, found, id, type LocalOptions, type LocalState, shown } from './state.ts'
import { forgedHeaders, parseLocalWebhook } from './webhook.ts'

export { isLocalProvider, type LocalControls, type LocalProvider } from './controls.ts'
export type { LocalOptions } from './state.ts'

/** A local provider without any checkouts, payments or subscriptions. */
export function createLocalProvider(options: LocalOptions): LocalProvider {
  const state = createLocalState(options)
  const controls = createControls(state)
  const provider = providerOf(state, options)
  return { ...guarded(provider, () => controls.isDown), controls }
}

function providerOf(state: LocalState, { checkoutUrl }: LocalOptions): PaymentProvider {
  const { clock, secret, checkouts, payments, subscriptions, events } = state
  const { happened, refundPayment, end } = state
  const { once } = createKeys()
  return {
    name: 'local',
    capabilities: {
      partialRefunds: true,
      expiresCheckouts: true,
      takesMoney: false,
      keys: 'provider',
      listsEvents: true,
    },
    createCheckout: (input: CheckoutInput) =>
      once(`checkout:${input.idempotencyKey}`, input, async () => {
        requireAmount(input.product.amount, input.product.currency)
        const checkoutId = id('chk')
        const url = new URL(checkoutUrl)
        url.searchParams.set('checkout_id', checkoutId)
        const checkout: ProviderCheckout = {
          id: checkoutId,
          url: url.href,
          status: 'open',
          orderId: input.orderId,
          paymentId: null,
          subscriptionId: null,
          customerId: input.customer.id,
        }
        checkouts.set(checkoutId, { checkout, product: input.product })
        return { ...checkout }
      }),
    retrieveCheckout: async (checkoutId) => ({
      ...found(checkouts, checkoutId, 'checkout_not_found').checkout,
    }),
    async expireCheckout(checkoutId) {
      const { checkout } = found(checkouts, checkoutId, 'checkout_not_found')
      if (checkout.status === 'open') {
        Object.assign(checkout, { status: 'expired', url: null })
        await happened('checkout.expired', { checkoutId, customerId: checkout.customerId })
      }
      return { ...checkout }
    },
    retrievePayment: async (paymentId) => ({
      ...found(payments, paymentId, 'payment_not_found'),
    }),
    refund: ({ paymentId, amount, idempotencyKey }: RefundInput) =>
      once(`refund:${idempotencyKey}`, [paymentId, amount], () => refundPayment(paymentId, amount)),
    retrieveSubscription: async (subscriptionId) =>
      shown(found(subscriptions, subscriptionId, 'subscription_not_found')),
    async cancelSubscription(subscriptionId, { at }) {
      const subscription = found(subscriptions, subscriptionId, 'subscription_not_found')
      if (subscription.endedAt !== null) return shown(subscription)
      if (at === 'now') await end(subscription)
      else if (!subscription.cancelAtPeriodEnd) {
        Object.assign(subscription, { cancelAtPeriodEnd: true, canceledAt: clock.now() })
        const { customerId } = subscription
        await happened('subscription.updated', { subscriptionId, customerId })
      }
      return shown(subscription)
    },
    async resumeSubscription(subscriptionId) {
      const subscription = found(subscriptions, subscriptionId, 'subscription_not_found')
      if (subscription.endedAt !== null)
        throw rejected('The subscription has ended and cannot be resumed.')
      if (subscription.cancelAtPeriodEnd) {
        Object.assign(subscription, { cancelAtPeriodEnd: false, canceledAt: null })
        const { customerId } = subscription
        await happened('subscription.updated', { subscriptionId, customerId })
      }
      return shown(subscription)
    },
    parseWebhook: (headers, body) => parseLocalWebhook(secret, headers, body),
    forgedHeaders,
    isPaymentId: (text) => text.startsWith('pay_local_'),
    async *pull(since) {
      yield* events.filter(({ occurredAt }) => occurredAt !== null && occurredAt >= since)
    },
  }
}
