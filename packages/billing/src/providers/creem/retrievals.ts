/**
 * Retrieves checkouts, payments and subscriptions from Creem.
 *
 * @module
 */

import { BillingError, type BillingErrorCode } from '../../errors.ts'
import { record, text, whole } from '../json.ts'
import type { ProviderCheckout, ProviderPayment, Retrievals } from '../provider.ts'
import { type CreemClient, isMissingAtCreem } from './client.ts'
import type { TransactionPage } from './pull.ts'
import { checkoutOfCreem, paymentOfCreem, subscriptionOfCreem } from './shapes.ts'

/** The retrievals of Creem's provider, with the search of its transactions. */
export interface CreemRetrievals extends Retrievals {
  /** A page of transactions, the newest first. */
  transactions(query: Record<string, string>): Promise<TransactionPage>
}

/** The retrievals with the client that `client` returns. `skuOf` finds the SKU of a product's id at Creem. */
export function creemRetrievals(
  client: () => CreemClient,
  skuOf: (productId: string | null) => string | null,
): CreemRetrievals {
  async function retrieveCheckout(id: string): Promise<ProviderCheckout> {
    const raw = await found(id, 'checkout_not_found', () =>
      client().get('/v1/checkouts', { checkout_id: id }),
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
    const page = await client().get('/v1/transactions/search', query)
    return {
      items: Array.isArray(page.items) ? page.items : [],
      pages: whole(record(page.pagination)?.total_pages) ?? 1,
    }
  }

  const retrievePayment = async (id: string): Promise<ProviderPayment> =>
    paymentOfCreem(
      await found(id, 'payment_not_found', () =>
        client().get('/v1/transactions', { transaction_id: id }),
      ),
    )

  const retrieveSubscription = async (id: string) =>
    subscriptionOfCreem(
      await found(id, 'subscription_not_found', () =>
        client().get('/v1/subscriptions', { subscription_id: id }),
      ),
      skuOf,
    )

  return { retrieveCheckout, retrievePayment, retrieveSubscription, transactions }
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
