/**
 * The pull from Creem, which lists no events. Known objects are retrieved one by one, and the newest transactions are
 * read to find payments that are not known yet.
 *
 * @module
 */

import { BillingError } from '../../errors.ts'
import { record, whole } from '../json.ts'
import {
  emptyHint,
  type KnownObjects,
  type PaymentProvider,
  type ProviderCheckout,
  type ProviderHint,
  type ProviderPayment,
  type ProviderSubscription,
} from '../provider.ts'
import { paymentOfCreem } from './shapes.ts'

/** A page of Creem's transactions, with the number of pages that there are. */
export interface TransactionPage {
  items: unknown[]
  pages: number
}

type Asked = Pick<
  PaymentProvider,
  'retrieveCheckout' | 'retrievePayment' | 'retrieveSubscription'
> & {
  transactions(query: Record<string, string>): Promise<TransactionPage>
}

/** Yields a hint for each known object, except open checkouts, and for each payment made since then. */
export async function* pullFromCreem(
  creem: Asked,
  since: Date,
  { checkoutIds, paymentIds, subscriptionIds }: KnownObjects,
): AsyncGenerator<ProviderHint> {
  for (const id of checkoutIds) {
    const checkout = await orMissing(creem.retrieveCheckout(id))
    if (checkout && checkout.status !== 'open') yield checkoutHint(checkout)
  }
  for (const id of subscriptionIds) {
    const subscription = await orMissing(creem.retrieveSubscription(id))
    if (subscription) yield subscriptionHint(subscription)
  }
  for (const id of paymentIds) {
    const payment = await orMissing(creem.retrievePayment(id))
    if (payment) yield paymentHint(payment)
  }
  for (let number = 1, last = 1; number <= last; number += 1) {
    const page = await creem.transactions({ page_number: String(number), page_size: '50' })
    const created = page.items.map((item) => whole(record(item)?.created_at) ?? 0)
    for (const [index, item] of page.items.entries()) {
      if ((created[index] ?? 0) >= since.getTime()) yield paymentHint(paymentOfCreem(item))
    }
    // The newest come first, so all later pages are older too.
    if (Math.max(0, ...created) < since.getTime()) return
    last = page.pages
  }
}

/** A hint without an event of Creem. The same state always makes the same event id. */
const asked = (what: string, id: string, state: unknown[]): ProviderHint => ({
  ...emptyHint,
  eventId: `asked:${id}:${state.join(':')}`,
  type: `${what}.asked`,
})

const checkoutHint = (checkout: ProviderCheckout): ProviderHint => ({
  ...asked('checkout', checkout.id, [checkout.status]),
  checkoutId: checkout.id,
  paymentId: checkout.paymentId,
  subscriptionId: checkout.subscriptionId,
  customerId: checkout.customerId,
})

function subscriptionHint(subscription: ProviderSubscription): ProviderHint {
  const { id, status, cancelAtPeriodEnd, currentPeriodEnd, customerId } = subscription
  return {
    ...asked('subscription', id, [status, cancelAtPeriodEnd, currentPeriodEnd?.getTime()]),
    subscriptionId: id,
    paymentId: subscription.latestPaymentId,
    customerId,
  }
}

const paymentHint = (payment: ProviderPayment): ProviderHint => ({
  ...asked('payment', payment.id, [payment.status, payment.amountRefunded, payment.disputeStatus]),
  paymentId: payment.id,
  subscriptionId: payment.subscriptionId,
  disputeId: payment.disputeId,
  customerId: payment.customerId,
})

/** The object; null where Creem does not have it, because a known id may come from another environment. */
async function orMissing<T>(request: Promise<T>): Promise<T | null> {
  return request.catch((error: unknown) => {
    if (error instanceof BillingError && error.status === 404) return null
    throw error
  })
}
