/**
 * Which invoices a payment paid, and which of them a refund is of, as far as a sync has loaded them.
 *
 * @module
 */

import type { ProviderState } from './provider-state.ts'

type State = Pick<ProviderState, 'invoices' | 'payments'>

/** Stripe's ids of the invoices that each payment paid, by the payment's id. */
export function invoicesByPayment({ invoices, payments }: State): Map<string, string[]> {
  const found = new Map<string, Set<string>>()
  const add = (payment: string, invoice: string) =>
    found.set(payment, (found.get(payment) ?? new Set()).add(invoice))
  for (const { stripeInvoiceId, payments: paid } of invoices) {
    for (const { stripePaymentIntentId } of paid) add(stripePaymentIntentId, stripeInvoiceId)
  }
  // The shares of a payment include invoices that are older than what was loaded.
  for (const { stripePaymentIntentId, shares } of payments) {
    for (const { stripeInvoiceId } of shares) add(stripePaymentIntentId, stripeInvoiceId)
  }
  return new Map([...found].map(([payment, ids]) => [payment, [...ids].sort()]))
}

/** Stripe's ids of the invoices that each refund is of, by the refund's id. One id: that invoice is known. */
export function invoicesByRefund(state: State): Map<string, string[]> {
  const paid = invoicesByPayment(state)
  const found = new Map<string, string[]>()
  for (const { stripePaymentIntentId, refunds, shares } of state.payments) {
    for (const { stripeRefundId: id, namedInvoiceId } of refunds) {
      const credited = shares.filter((share) =>
        share.refunds.some(({ stripeRefundId }) => stripeRefundId === id),
      )
      const named = namedInvoiceId === null ? [] : [namedInvoiceId]
      const known = credited.length > 0 ? credited.map((share) => share.stripeInvoiceId) : named
      const all = known.length > 0 ? known : paid.get(stripePaymentIntentId)
      if (all) found.set(id, all)
    }
  }
  return found
}

/** The ids for a column that is empty unless there are several. */
export const several = (ids: readonly string[] | undefined): readonly string[] =>
  ids && ids.length > 1 ? ids : []
