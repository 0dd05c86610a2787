/**
 * The idempotency keys of a plan's monthly credits.
 *
 * @module
 */

/** The key of one month's credits of a plan that is paid by the year. `start` is the month's first day. */
export const monthKey = (subscription: string, start: Date): string =>
  `subscription:${subscription}:credits:${start.toISOString().slice(0, 10)}`

/** The subscription's name in such a key: Stripe's id, or elsewhere `<provider>:<id>`. */
export const nameInKey = (row: {
  stripeSubscriptionId: string | null
  provider: string
  providerSubscriptionId: string | null
}): string => row.stripeSubscriptionId ?? `${row.provider}:${row.providerSubscriptionId}`

/** The key of the credits of one paid invoice, or of one paid order where there is no invoice. */
export const paidKey = (paid: {
  stripeInvoiceId: string | null
  orderId: string | null
}): string =>
  paid.stripeInvoiceId ? `invoice:${paid.stripeInvoiceId}:credits` : `order:${paid.orderId}:credits`
