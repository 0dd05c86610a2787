/**
 * Creem as a `PaymentProvider`. Its API has no idempotency keys for checkouts, cannot expire an open checkout or
 * refund a part of a payment, and lists no events; `capabilities` says so.
 *
 * @see https://docs.creem.io/api-reference/introduction
 * @module
 */

import { requireAmount } from '../../amounts.ts'
import { type Products, productIdOf, type SoldProduct } from '../../catalog/products.ts'
import { BillingError, type BillingErrorCode, isBillingError } from '../../errors.ts'
import type { PaymentEnvironment } from '../../provider-name.ts'
import { createKeys } from '../keys.ts'
import type {
  CheckoutInput,
  PaymentProvider,
  ProviderCheckout,
  ProviderPayment,
  ProviderRefund,
  RefundInput,
} from '../provider.ts'
import { parseBody } from '../received.ts'
import { isSigned } from '../signature.ts'
import { record, text, whole } from '../stripe/shapes.ts'
import { type CreemClient, isMissingAtCreem } from './client.ts'
import { pullFromCreem, type TransactionPage } from './pull.ts'
import { checkoutOfCreem, hintOfCreem, paymentOfCreem, subscriptionOfCreem } from './shapes.ts'

/** The options of `createCreemProvider`. The functions are called when their values are needed. */
export interface CreemProviderOptions {
  /** The client for the key of the environment. */
  client(): CreemClient
  /** The products, whose ids at Creem are in their `productIds`. */
  products: Products
  /** `production` where money is real, else `sandbox`: it chooses the id of a product. */
  environment(): PaymentEnvironment
  /** The signing secrets of the webhook; the old and the new one while one is replaced. */
  webhookSecrets(): readonly string[]
}

/** Creem's smallest price, in minor units. */
const MIN_AMOUNT = 100

/** How many idempotency keys of checkouts this process remembers. */
const KEPT_KEYS = 10_000

/** Creem as a `PaymentProvider`. */
export function createCreemProvider(options: CreemProviderOptions): PaymentProvider {
  const { products } = options
  const keys = createKeys(KEPT_KEYS)
  const idOfProduct = (product: SoldProduct) => productIdOf(product, 'creem', options.environment())

  const skuOf = (productId: string | null): string | null =>
    Object.entries(products).find(
      ([sku, product]) => productId !== null && idOfProduct({ ...product, sku }) === productId,
    )?.[0] ?? null

  /**
   * @see https://docs.creem.io/api-reference/endpoint/create-checkout
   * @throws `price_not_found`, `invalid_amount`.
   */
  function terms(input: CheckoutInput): object {
    const { product, customer, orderId, ownerId } = input
    const productId = idOfProduct(product)
    if (!productId) {
      const message = `${product.sku} has no product id at Creem; see .env.example.`
      throw new BillingError('price_not_found', message)
    }
    if (requireAmount(product.amount, product.currency) < MIN_AMOUNT) {
      throw new BillingError(
        'invalid_amount',
        `Creem takes no amount below ${MIN_AMOUNT} minor units.`,
      )
    }
    return {
      product_id: productId,
      request_id: orderId,
      // Makes Creem charge our price and not an older one of its product. For plans Creem refuses the field.
      ...(product.plan === undefined ? { custom_price: product.amount } : {}),
      customer: customer.id ? { id: customer.id } : { email: customer.email },
      success_url: input.successUrl,
      metadata: { orderId, ownerId, sku: product.sku },
    }
  }

  async function retrieveCheckout(id: string): Promise<ProviderCheckout> {
    const raw = await found(id, 'checkout_not_found', () =>
      options.client().get('/v1/checkouts', { checkout_id: id }),
    )
    const checkout = checkoutOfCreem(raw)
    if (checkout.status !== 'complete' || checkout.paymentId) return checkout
    return { ...checkout, paymentId: await paymentOfOrder(text(record(raw.order)?.id)) }
  }

  /**
   * Finds the payment of an order whose checkout does not name it. Failed tries may come before the payment and
   * renewals after it, so the oldest that succeeded is taken.
   */
  async function paymentOfOrder(orderId: string | null): Promise<string | null> {
    if (!orderId) return null
    const query = { order_id: orderId, page_size: '50' }
    const newest = await transactions(query)
    const { items } =
      newest.pages > 1
        ? await transactions({ ...query, page_number: String(newest.pages) })
        : newest
    const payments = items
      .map(paymentOfCreem)
      .reverse()
      .sort((a, b) => (a.paidAt?.getTime() ?? 0) - (b.paidAt?.getTime() ?? 0))
    const paid = payments.find(({ status }) => status === 'succeeded')
    return (paid ?? payments[0])?.id ?? null
  }

  async function transactions(query: Record<string, string>): Promise<TransactionPage> {
    const page = await options.client().get('/v1/transactions/search', query)
    return {
      items: Array.isArray(page.items) ? page.items : [],
      pages: whole(record(page.pagination)?.total_pages) ?? 1,
    }
  }

  const retrievePayment = async (id: string): Promise<ProviderPayment> =>
    paymentOfCreem(
      await found(id, 'payment_not_found', () =>
        options.client().get('/v1/transactions', { transaction_id: id }),
      ),
    )

  const retrieveSubscription = async (id: string) =>
    subscriptionOfCreem(
      await found(id, 'subscription_not_found', () =>
        options.client().get('/v1/subscriptions', { subscription_id: id }),
      ),
      skuOf,
    )

  /**
   * Refunds all that is left of a payment. A call that repeats one whose answer was lost finds nothing left and
   * answers as the first call would have.
   *
   * @see https://docs.creem.io/api-reference/endpoint/refund-payment
   */
  async function refund({
    paymentId,
    amount,
    idempotencyKey,
  }: RefundInput): Promise<ProviderRefund> {
    if (amount !== undefined) requireAmount(amount)
    const payment = await retrievePayment(paymentId)
    const left = payment.amountPaid - payment.amountRefunded
    const done = (status: ProviderRefund['status'], amount: number): ProviderRefund => ({
      id: null,
      paymentId,
      status,
      amount,
      currency: payment.currency,
    })
    const isDone = left === 0 && payment.amountPaid > 0
    if (isDone && (amount ?? payment.amountPaid) === payment.amountPaid) {
      return done('succeeded', payment.amountPaid)
    }
    if (left === 0 || (amount ?? left) > left) {
      throw new BillingError(
        'refund_exceeds_payment',
        `At most ${left} (minor units) of the payment can still be refunded.`,
        { data: { amountAvailable: left, currency: payment.currency } },
      )
    }
    if ((amount ?? left) < left) {
      const message = `Creem cannot refund a part of a payment. Refund all that is left (${left}).`
      throw new BillingError('refund_not_supported', message)
    }
    try {
      const body = { transaction_id: paymentId }
      const { status } = await options.client().post('/v1/refunds', body, idempotencyKey)
      return done(REFUND[text(status) ?? ''] ?? 'pending', left)
    } catch (error) {
      if (!isBillingError(error, 'provider_rejected')) throw error
      const after = await retrievePayment(paymentId)
      if (after.amountRefunded !== after.amountPaid) throw error
      return done('succeeded', left)
    }
  }

  return {
    name: 'creem',
    capabilities: {
      partialRefunds: false,
      expiresCheckouts: false,
      takesMoney: true,
      keys: 'process',
      listsEvents: false,
    },
    createCheckout: (input) =>
      keys.once(input.idempotencyKey, input, async () => {
        const made = await options
          .client()
          .post('/v1/checkouts', terms(input), input.idempotencyKey)
        return checkoutOfCreem(made)
      }),
    retrieveCheckout,
    expireCheckout: retrieveCheckout,
    retrievePayment,
    refund,
    retrieveSubscription,
    async cancelSubscription(id, { at, idempotencyKey }) {
      const subscription = await retrieveSubscription(id)
      if (subscription.endedAt !== null) return subscription
      if (at === 'period_end' && subscription.cancelAtPeriodEnd) return subscription
      const mode = at === 'now' ? { mode: 'immediate' } : { mode: 'scheduled', onExecute: 'cancel' }
      const path = `/v1/subscriptions/${encodeURIComponent(id)}/cancel`
      await options.client().post(path, mode, idempotencyKey)
      return retrieveSubscription(id)
    },
    parseWebhook(headers, body) {
      const signature = headers.get('creem-signature')
      if (!signature) {
        throw new BillingError('missing_signature', 'The creem-signature header is missing.')
      }
      if (!isSigned(options.webhookSecrets(), body, signature)) {
        throw new BillingError('invalid_signature', 'The signature does not match the body.')
      }
      return [hintOfCreem(parseBody(body))]
    },
    pull: (since, known) =>
      pullFromCreem(
        { retrieveCheckout, retrievePayment, retrieveSubscription, transactions },
        since,
        known,
      ),
    async createPortal({ customerId }) {
      const body = { customer_id: customerId }
      const key = `portal:${customerId}`
      const { customer_portal_link } = await options
        .client()
        .post('/v1/customers/billing', body, key)
      const url = text(customer_portal_link)
      if (url) return { url }
      throw new BillingError(
        'provider_unavailable',
        'Creem returned no address of the portal. Try again.',
      )
    },
  }
}

const REFUND: Record<string, ProviderRefund['status']> = {
  succeeded: 'succeeded',
  failed: 'failed',
  canceled: 'failed',
}

/** What `retrieve` returns. @throws `code` where Creem has no such object, or where `id` is malformed. */
async function found<T>(
  id: string,
  code: BillingErrorCode,
  retrieve: () => Promise<T>,
): Promise<T> {
  const missing = new BillingError(code, 'Creem has no object with this id.')
  if (!/^\w{1,255}$/.test(id)) throw missing
  return retrieve().catch((error: unknown) => {
    throw isMissingAtCreem(error) ? missing : error
  })
}
