/**
 * Stripe as a `PaymentProvider`, with the same client, shapes and functions that the sync uses.
 *
 * @module
 */

import type Stripe from 'stripe'
import { requireAmount } from '../../amounts.ts'
import { type Plans, planOfPrice } from '../../catalog/plans.ts'
import { type Products, productIdOf, skuOfPlan } from '../../catalog/products.ts'
import { isEndedStatus } from '../../catalog/status.ts'
import { BillingError, type BillingErrorCode, isBillingError } from '../../errors.ts'
import type { PaymentEnvironment } from '../../provider-name.ts'
import type { CheckoutInput, PaymentProvider, ProviderPayment } from '../provider.ts'
import { type CheckoutSettings, checkoutParams } from './checkout-settings.ts'
import { ask, hasNewShape, isMissing } from './client.ts'
import { addDisputes } from './disputes.ts'
import { eventPages } from './events.ts'
import { addInvoicePayments, laterVersion, paidPayments } from './invoice-payments.ts'
import { stripePriceOf } from './prices.ts'
import {
  checkoutOfStripe,
  hintOfStripe,
  paymentOfStripe,
  refundOfStripe,
  subscriptionOfStripe,
} from './provider-shapes.ts'
import {
  type PriceShape,
  priceShape,
  record,
  type SubscriptionShape,
  subscriptionShape,
} from './shapes.ts'
import { invoiceLines, linePrice } from './shapes-money.ts'
import { endAtPeriodEnd, resume } from './subscription-end.ts'
import { expire, paymentTerms } from './terms.ts'
import { verifyStripe } from './webhook.ts'

/** The metadata key that names the request which made a refund. */
const REFUND_MARK = 'tollgate_refund'

/** The options of `createStripeProvider`. */
export interface StripeProviderOptions {
  /** The client of Stripe's SDK. */
  stripe: Stripe
  /** The plans, whose prices Stripe knows by their lookup keys. */
  plans: Plans
  /** The products. A product without an id at Stripe is sold by its amount. */
  products: Products
  /** Settings of all checkout pages. Default: none. */
  checkout?: CheckoutSettings
  /** This and the next are called when their values are needed. */
  environment(): PaymentEnvironment
  /** The signing secrets of the webhook; the old and the new one while one is replaced. */
  webhookSecrets(): readonly string[]
}

/** Stripe as a `PaymentProvider`. */
export function createStripeProvider(options: StripeProviderOptions): PaymentProvider {
  const { stripe, plans, products } = options

  /** Since basil an invoice has its payments only if they are expanded; earlier versions refuse to expand them. */
  const paid = (invoice: string) => [hasNewShape(stripe) ? `${invoice}.payments` : invoice]
  const latest = `latest_invoice.${hasNewShape(stripe) ? 'payments' : 'payment_intent'}`

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

  const retrieveCheckout = async (id: string) =>
    checkoutOfStripe(
      await found(id, /^cs_\w{1,250}$/, 'checkout_not_found', () =>
        ask('checkout.session', stripe.checkout.sessions.retrieve(id, { expand: paid('invoice') })),
      ),
    )

  const retrievePayment = async (id: string): Promise<ProviderPayment> => {
    const isNew = hasNewShape(stripe)
    const expand = ['latest_charge', ...(isNew ? [] : ['invoice'])]
    const intent = await found(id, /^pi_\w{1,250}$/, 'payment_not_found', () =>
      ask('payment_intent', stripe.paymentIntents.retrieve(id, { expand })),
    )
    await addDisputes(stripe, [intent])
    const isOurs = intent.metadata?.orderId !== undefined
    // Before 2025-03-31 a payment names the invoice that made it, but not an invoice that it was attached to.
    const invoice =
      (isNew ? null : record(intent)?.invoice) ?? (isOurs ? null : await invoiceOf(id))
    const raw = record(invoice)
    if (raw?.status === 'paid') await addInvoicePayments(stripe, [raw], [intent])
    return {
      ...paymentOfStripe(intent, invoice),
      sku: await skuOfInvoice(invoice),
      ...(raw && shareOf(id, raw)),
    }
  }

  /** The product that an invoice is for. Null: none of ours, or there is no invoice. */
  async function skuOfInvoice(invoice: unknown): Promise<string | null> {
    // The invoice may have add-ons beside the plan, so each line is tried.
    for (const line of invoiceLines(record(invoice) ?? {})) {
      const id = linePrice(line)
      if (id === null) continue
      const expanded = priceShape(line.price)
      const price = expanded ?? priceShape(await ask('price', stripe.prices.retrieve(id)))
      const sku = price && (await skuOf(price))
      if (sku) return sku
    }
    return null
  }

  /** The invoice that a payment pays, which since basil the payment itself does not name. */
  async function invoiceOf(paymentId: string): Promise<unknown> {
    const payment = { type: 'payment_intent' as const, payment_intent: paymentId }
    const params = { payment, limit: 1, expand: ['data.invoice', 'data.invoice.payments'] }
    const listed = stripe.invoicePayments.list(params, laterVersion(stripe))
    return (await ask('list', listed)).data[0]?.invoice
  }

  /** The refund with this name, which an earlier try may have made although its answer was an error. */
  async function refundNamed(paymentId: string, name: string): Promise<Stripe.Refund | null> {
    for await (const refund of stripe.refunds.list({ payment_intent: paymentId, limit: 100 })) {
      const isOver = refund.status === 'failed' || refund.status === 'canceled'
      if (refund.metadata?.[REFUND_MARK] === name && !isOver) return refund
    }
    return null
  }

  async function skuOf(price: PriceShape): Promise<string | null> {
    const { lookupKey, interval, stripeProductId } = price
    const known = planOfPrice(plans, { lookupKey, interval, product: { plan: null } })
    const sold = known ?? (await planOfReplaced(price))
    const sku = sold && skuOfPlan(products, sold.plan, sold.interval)
    if (sku) return sku
    const own = Object.entries(products).find(
      ([name, product]) =>
        product.interval === interval &&
        productIdOf({ ...product, sku: name }, 'stripe', options.environment()) === stripeProductId,
    )
    return own?.[0] ?? null
  }

  /** The plan of a price that was replaced. Such a price has lost its lookup key, but its product names the plan. */
  async function planOfReplaced({ lookupKey, interval, stripeProductId }: PriceShape) {
    const product = await ask('product', stripe.products.retrieve(stripeProductId))
    const plan = product.metadata?.plan ?? null
    return planOfPrice(plans, { lookupKey, interval, product: { plan } })
  }

  /** The subscription with the item that is one of our products, and its SKU; unchanged and null where none is. */
  async function withSku(shape: SubscriptionShape): Promise<[SubscriptionShape, string | null]> {
    for (const { stripePriceId, quantity } of shape.items) {
      const price = shape.prices.find((each) => each.stripePriceId === stripePriceId)
      const sku = price ? await skuOf(price) : null
      if (price && sku) return [{ ...shape, price, quantity }, sku]
    }
    return [shape, null]
  }

  async function loadSubscription(id: string) {
    const raw = await found(id, /^sub_\w{1,250}$/, 'subscription_not_found', () =>
      ask('subscription', stripe.subscriptions.retrieve(id, { expand: [latest] })),
    )
    const invoice = record(raw.latest_invoice)
    if (invoice) await addInvoicePayments(stripe, [invoice])
    const shape = subscriptionShape(raw)
    if ('unreadable' in shape) {
      throw new BillingError(
        'provider_unavailable',
        `The subscription cannot be read (${shape.unreadable}).`,
      )
    }
    return subscriptionOfStripe(...(await withSku(shape)), raw)
  }

  return {
    name: 'stripe',
    capabilities: {
      partialRefunds: true,
      expiresCheckouts: true,
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
    retrieveSubscription: loadSubscription,
    async cancelSubscription(id, { at, idempotencyKey }) {
      const subscription = await loadSubscription(id)
      if (isEndedStatus(subscription.status)) return subscription
      if (at === 'now') {
        await ask('subscription', stripe.subscriptions.cancel(id, {}, { idempotencyKey }))
      } else if (!subscription.cancelAtPeriodEnd) {
        await endAtPeriodEnd({ stripe }, id, {}, { idempotencyKey })
      } else return subscription
      return loadSubscription(id)
    },
    async resumeSubscription(id, { idempotencyKey }) {
      const subscription = await loadSubscription(id)
      if (isEndedStatus(subscription.status)) {
        throw new BillingError(
          'provider_rejected',
          'The subscription has ended and cannot be resumed.',
        )
      }
      if (!subscription.cancelAtPeriodEnd) return subscription
      await resume({ stripe }, id, { idempotencyKey })
      return loadSubscription(id)
    },
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

/** A payment's share of its invoice, where several payments paid it. */
function shareOf(
  paymentId: string,
  invoice: Record<string, unknown>,
): Pick<ProviderPayment, 'share'> {
  const payments = paidPayments(invoice)
  const at = payments.findIndex((each) => each.stripePaymentIntentId === paymentId)
  if (at < 0 || payments.length < 2) return {}
  const upTo = (end: number) => payments.slice(0, end).reduce((sum, { amount }) => sum + amount, 0)
  return { share: { before: upTo(at), after: upTo(at + 1), of: upTo(payments.length) } }
}

/** What `retrieve` returns. @throws `code` where Stripe has no such object, or where `id` is malformed. */
async function found<T>(
  id: string,
  form: RegExp,
  code: BillingErrorCode,
  retrieve: () => Promise<T>,
): Promise<T> {
  const missing = new BillingError(code, 'Stripe has no object with this id.')
  if (!form.test(id)) throw missing
  return retrieve().catch((error: unknown) => {
    throw isMissing(error) ? missing : error
  })
}
