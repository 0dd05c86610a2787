/**
 * Voids the first invoice of a subscription that ended unpaid. Stripe voids this invoice itself when the
 * subscription ends as `incomplete_expired`, but leaves it payable when a subscription is cancelled after a
 * failed bank debit. Promise: nobody can pay for a plan that ended before it began.
 *
 * @see https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
 * @module
 */

import { planOfPrice } from '../catalog/plans.ts'
import { isEndedStatus } from '../catalog/status.ts'
import type { BillingContext } from '../context.ts'
import { ask } from '../providers/stripe/client.ts'
import type { Found } from './sync-write.ts'

/**
 * Voids such invoices of our plans. Returns true if an invoice was voided, so that the customer has changed
 * at Stripe.
 */
export async function voidUnpaidFirst(
  ctx: BillingContext,
  { state, prices }: Pick<Found, 'state' | 'prices'>,
): Promise<boolean> {
  const statusOf = new Map(
    state.payments.map(({ stripePaymentIntentId, status }) => [stripePaymentIntentId, status]),
  )
  const ended = state.subscriptions.filter(({ status, price }) => {
    const row = prices.get(price.stripePriceId)
    return isEndedStatus(status) && row !== undefined && planOfPrice(ctx.plans, row) !== null
  })
  const unpaid = state.invoices.filter((invoice) => {
    const { stripeSubscriptionId: id, billingReason, status, amountPaid } = invoice
    const isFirst = billingReason === 'subscription_create' && status === 'open' && amountPaid === 0
    // A debit that is under way may still bring the money.
    const isUnderWay = statusOf.get(invoice.stripePaymentIntentId ?? '') === 'processing'
    return isFirst && !isUnderWay && ended.some((each) => each.stripeSubscriptionId === id)
  })
  if (unpaid.length === 0) return false
  const keys = unpaid.map(({ stripeSubscriptionId: id }) => `subscription:${id}:activated`)
  const begun = await ctx.db.effect.findMany({
    where: { key: { in: keys } },
    select: { key: true },
  })
  let isChanged = false
  for (const { stripeInvoiceId, stripeSubscriptionId: id } of unpaid) {
    // The subscription was active for a time, so its invoice stays owed.
    if (begun.some(({ key }) => key === `subscription:${id}:activated`)) continue
    try {
      await ask('invoice', ctx.stripe.invoices.voidInvoice(stripeInvoiceId))
      ctx.logger.info({ stripeInvoiceId, stripeSubscriptionId: id }, 'unpaid first invoice voided')
      isChanged = true
    } catch (error) {
      // The next sync finds the invoice still open, or paid.
      ctx.logger.warn({ stripeInvoiceId, error }, 'could not void an unpaid first invoice')
    }
  }
  return isChanged
}
