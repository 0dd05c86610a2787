/**
 * Creem as a `PaymentProvider`. Its API has no idempotency keys for checkouts, cannot expire an open checkout or
 * refund a part of a payment, and lists no events; `capabilities` says so.
 *
 * @see https://docs.creem.io/api-reference/introduction
 * @module
 */

import { requireAmount } from '../../amounts.ts'
import { type Products, productIdOf, type SoldProduct } from '../../catalog/products.ts'
import { BillingError } from '../../errors.ts'
import type { PaymentEnvironment } from '../../provider-name.ts'
import { text } from '../json.ts'
import { createKeys } from '../keys.ts'
import { idWith } from '../object-id.ts'
import type { CheckoutInput, PaymentProvider, ProviderHint } from '../provider.ts'
import { parseBody } from '../received.ts'
import { isSigned } from '../signature.ts'
import type { CreemClient } from './client.ts'
import { pullFromCreem } from './pull.ts'
import { refundAtCreem } from './refund.ts'
import { creemRetrievals } from './retrievals.ts'
import { checkoutOfCreem, hintOfCreem } from './shapes.ts'

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

/** The header of a webhook's signature. */
const HEADER = 'creem-signature'

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

  const retrievals = creemRetrievals(() => options.client(), skuOf)
  const { retrieveCheckout, retrievePayment, retrieveSubscription } = retrievals
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
          .post('/v1/checkouts', termsOf(input, idOfProduct(input.product)), input.idempotencyKey)
        return checkoutOfCreem(made)
      }),
    retrieveCheckout,
    expireCheckout: retrieveCheckout,
    retrievePayment,
    refund: async (input) => refundAtCreem(options.client(), retrievePayment, input),
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
    parseWebhook: (headers, body) => parseWebhook(options.webhookSecrets(), headers, body),
    forgedHeaders: () => new Headers({ [HEADER]: '0'.repeat(64) }),
    isPaymentId: idWith('tran'),
    pull: (since, known) => pullFromCreem(retrievals, since, known),
    createPortal: async ({ customerId }) => createPortal(options.client(), customerId),
  }
}

/**
 * @see https://docs.creem.io/api-reference/endpoint/create-checkout
 * @throws `price_not_found`, `invalid_amount`.
 */
function termsOf(input: CheckoutInput, productId: string | null): object {
  const { product, customer, orderId, ownerId } = input
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

/** @throws `missing_signature`, `invalid_signature`, `invalid_payload`. */
function parseWebhook(secrets: readonly string[], headers: Headers, body: string): ProviderHint[] {
  const signature = headers.get(HEADER)
  if (!signature) {
    throw new BillingError('missing_signature', `The ${HEADER} header is missing.`)
  }
  if (!isSigned(secrets, body, signature)) {
    throw new BillingError('invalid_signature', 'The signature does not match the body.')
  }
  return [hintOfCreem(parseBody(body))]
}

/** Opens the page on which a customer manages subscriptions. */
async function createPortal(client: CreemClient, customerId: string): Promise<{ url: string }> {
  const body = { customer_id: customerId }
  const key = `portal:${customerId}`
  const { customer_portal_link } = await client.post('/v1/customers/billing', body, key)
  const url = text(customer_portal_link)
  if (url) return { url }
  throw new BillingError(
    'provider_unavailable',
    'Creem returned no address of the portal. Try again.',
  )
}
