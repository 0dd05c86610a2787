/**
 * The months of a plan: when each begins, and the key under which its credits are granted where a whole year
 * is paid at once.
 *
 * @module
 */

/** The key of a month's credits where a year was paid. */
export const monthKey = (subscription: string, start: Date): string =>
  `subscription:${subscription}:credits:${start.toISOString().slice(0, 10)}`

/** How a subscription is called in such a key: at Stripe by its id alone. */
export const nameInKey = (row: {
  stripeSubscriptionId: string | null
  provider: string
  providerSubscriptionId: string | null
}): string => row.stripeSubscriptionId ?? `${row.provider}:${row.providerSubscriptionId}`

/** The key of the credits that come with one paid month. */
export const paidKey = (paid: {
  stripeInvoiceId: string | null
  orderId: string | null
}): string =>
  paid.stripeInvoiceId ? `invoice:${paid.stripeInvoiceId}:credits` : `order:${paid.orderId}:credits`
