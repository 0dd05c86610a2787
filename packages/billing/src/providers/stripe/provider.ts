/**
 * Stripe as a `PaymentProvider`, with the same client, shapes and functions that the sync uses.
 *
 * @module
 */

import type Stripe from 'stripe'
import { requireAmount } from '../../amounts.ts'
import { productIdOf } from '../../catalog/products.ts'
import { isEndedStatus } from '../../catalog/status.ts'
import { BillingError, isBillingError } from '../../errors.ts'
import { record } from '../json.ts'
import { idWith } from '../object-id.ts'
import type { CheckoutInput, PaymentProvider } from '../provider.ts'
import { type CheckoutSettings, checkoutParams } from './checkout-settings.ts'
import { ask, hasNewShape } from './client.ts'
import { addDisputes } from './disputes.ts'
import { eventPages } from './events.ts'
import { stripePriceOf } from './prices.ts'
import {
  checkoutOfStripe,
  hintOfStripe,
  paymentOfStripe,
  refundOfStripe,
} from './provider-shapes.ts'
import { REFUND_MARK } from './refund-shares.ts'
import { found, type RetrievalSettings, stripeRetrievals } from './retrievals.ts'
import { endAtPeriodEnd, resume } from './subscription-end.ts'
import { expire, paymentTerms } from './terms.ts'
import { forgedHeaders, verifyStripe } from './webhook.ts'

/** The options of `createStripeProvider`. */
export interface StripeProviderOptions extends RetrievalSettings {
  /** Settings of all checkout pages. Default: none. */
  checkout?: CheckoutSettings
  /** The signing secrets of the webhook; the old and the new one while one is replaced. Called when they are needed. */
  webhookSecrets(): readonly string[]
}

/** Stripe as a `PaymentProvider`. */
export function createStripeProvider(options: StripeProviderOptions): PaymentProvider {
  const { stripe, plans } = options

  const { retrieveCheckout, retrievePayment, retrieveSubscription } = stripeRetrievals(options)

  async function terms(input: CheckoutInput): Promise<Stripe.Checkout.SessionCreateParams> {
    const { ownerId, product, customer } = input
    const metadata = { ownerId, orderId: input.orderId, sku: product.sku }
    const addresses = {
      ...checkoutParams(options.checkout ?? {}, { hasCustomer: customer.id !== null }),
      success_url: input.successUrl,
      cancel_url: input.cancelUrl,
      client_reference_id: ownerId,
      ...(customer.id ? { customer: customer.id } : { customer_email: customer.email }),
    }
    if (product.plan !== undefined) {
      const price = await stripePriceOf(stripe, plans, product.plan, product.interval)
      return {
        ...addresses,
        mode: 'subscription',
        line_items: [{ price: price.id, quantity: 1 }],
        metadata,
        subscription_data: { metadata },
      }
    }
    const once = paymentTerms({ ownerId, item: product, metadata })
    const productId = productIdOf(product, 'stripe', options.environment())
    const [item] = once.line_items ?? []
    if (productId && item?.price_data) {
      const { product_data: _, ...price } = item.price_data
      once.line_items = [{ ...item, price_data: { ...price, product: productId } }]
    }
    // Without this, Stripe makes no customer for a one-time purchase by a new buyer.
    return { ...addresses, ...once, ...(customer.id ? {} : { customer_creation: 'always' }) }
  }

  /** The refund with this name, which an earlier try may have made although its answer was an error. */
  async function refundNamed(paymentId: string, name: string): Promise<Stripe.Refund | null> {
    for await (const refund of stripe.refunds.list({ payment_intent: paymentId, limit: 100 })) {
      const isOver = refund.status === 'failed' || refund.status === 'canceled'
      if (refund.metadata?.[REFUND_MARK] === name && !isOver) return refund
    }
    return null
  }

  return {
    name: 'stripe',
    capabilities: {
      partialRefunds: true,
      expiresCheckouts: true,
      takesMoney: true,
      keys: 'provider',
      listsEvents: true,
    },
    async createCheckout(input) {
      requireAmount(input.product.amount, input.product.currency)
      const { idempotencyKey } = input
      const created = stripe.checkout.sessions.create(await terms(input), { idempotencyKey })
      return checkoutOfStripe(await ask('checkout.session', created))
    },
    retrieveCheckout,
    async expireCheckout(id) {
      const checkout = await retrieveCheckout(id)
      if (checkout.status !== 'open') return checkout
      await expire({ stripe }, id)
      return retrieveCheckout(id)
    },
    retrievePayment,
    async listPayments(since, after) {
      const created = { gte: Math.floor(since.getTime() / 1000) }
      const isNew = hasNewShape(stripe)
      const expand = ['data.latest_charge', ...(isNew ? [] : ['data.invoice'])]
      const from = after === null ? {} : { starting_after: after }
      const listed = stripe.paymentIntents.list({ created, expand, limit: 100, ...from })
      const { data, has_more } = await ask('list', listed)
      await addDisputes(stripe, data)
      const payments = data.map((intent) => paymentOfStripe(intent, record(intent)?.invoice))
      return { payments, last: has_more ? (data.at(-1)?.id ?? null) : null }
    },
    async refund({ paymentId, amount, idempotencyKey, name = idempotencyKey, isRetry }) {
      if (amount !== undefined) requireAmount(amount)
      const params = {
        payment_intent: paymentId,
        ...(amount === undefined ? {} : { amount }),
        metadata: { [REFUND_MARK]: name },
      }
      const before = isRetry ? await refundNamed(paymentId, name) : null
      if (before) return refundOfStripe(before, paymentId)
      try {
        const made = await found(paymentId, /^pi_\w{1,250}$/, 'payment_not_found', () =>
          ask('refund', stripe.refunds.create(params, { idempotencyKey })),
        )
        return refundOfStripe(made, paymentId)
      } catch (error) {
        if (!isBillingError(error, 'provider_rejected')) throw error
        // Stripe has a code for a payment that is already refunded in full, but none for too large an amount.
        const payment = await retrievePayment(paymentId)
        const left = payment.amountPaid - payment.amountRefunded
        if ((amount ?? 1) <= left) throw error
        throw new BillingError(
          'refund_exceeds_payment',
          `At most ${left} (minor units) of the payment can still be refunded.`,
          { data: { amountAvailable: left, currency: payment.currency } },
        )
      }
    },
    retrieveSubscription,
    readingFrom: (loaded) => stripeRetrievals(options, loaded),
    async cancelSubscription(id, { at, idempotencyKey }) {
      const subscription = await retrieveSubscription(id)
      if (isEndedStatus(subscription.status)) return subscription
      if (at === 'now') {
        await ask('subscription', stripe.subscriptions.cancel(id, {}, { idempotencyKey }))
      } else if (!subscription.cancelAtPeriodEnd) {
        await endAtPeriodEnd({ stripe }, id, {}, { idempotencyKey })
      } else return subscription
      return retrieveSubscription(id)
    },
    async resumeSubscription(id, { idempotencyKey }) {
      const subscription = await retrieveSubscription(id)
      if (isEndedStatus(subscription.status)) {
        throw new BillingError(
          'provider_rejected',
          'The subscription has ended and cannot be resumed.',
        )
      }
      if (!subscription.cancelAtPeriodEnd) return subscription
      await resume({ stripe }, id, { idempotencyKey })
      return retrieveSubscription(id)
    },
    forgedHeaders,
    isPaymentId: idWith('pi'),
    parseWebhook: (headers, body) => [
      hintOfStripe(verifyStripe(options.webhookSecrets(), headers, body)),
    ],
    async *pull(since) {
      const created = { gte: Math.floor(since.getTime() / 1000) }
      for await (const page of eventPages(stripe, { created })) {
        for (const event of page) yield hintOfStripe(record(event))
      }
    },
    async createPortal({ customerId, returnUrl }) {
      const made = stripe.billingPortal.sessions.create({
        customer: customerId,
        return_url: returnUrl,
      })
      return { url: (await ask('billing_portal.session', made)).url }
    },
  }
}
