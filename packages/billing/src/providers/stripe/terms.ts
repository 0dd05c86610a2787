/**
 * The mark that our one-time payments have at Stripe, and the parameters of a checkout for one item.
 *
 * @module
 */

import type Stripe from 'stripe'
import { requireAmount, requireCurrency } from '../../amounts.ts'
import { BillingError } from '../../errors.ts'
import { ask } from './client.ts'

/** The metadata key that marks our one-time payments, so that they differ from the payments that invoices make. */
export const PAYMENT_MARK = 'tollgate_payment'

/** Whether a payment is a one-time payment of ours. The payment that an invoice makes belongs to a subscription. */
export const isOneTime = ({ metadata }: { metadata: Record<string, string> }): boolean =>
  metadata[PAYMENT_MARK] !== undefined

/** One item that an owner buys, in minor units. */
interface ItemPurchase {
  ownerId: string
  item: { name: string; amount: number; currency: string }
  metadata?: Record<string, string>
}

/** The parameters of a checkout session for one item. @throws `invalid_amount`, `invalid_currency` */
export function paymentTerms({
  ownerId,
  item,
  metadata,
}: ItemPurchase): Stripe.Checkout.SessionCreateParams {
  const marked = { ...metadata, ownerId, [PAYMENT_MARK]: 'checkout' }
  return {
    mode: 'payment',
    line_items: [
      {
        quantity: 1,
        price_data: {
          currency: requireCurrency(item.currency),
          unit_amount: requireAmount(item.amount, item.currency),
          product_data: { name: item.name },
        },
      },
    ],
    metadata: marked,
    payment_intent_data: { metadata: marked },
  }
}

/** Expires a checkout session. A session that is complete or expired stays as it is. */
export async function expire(ctx: { stripe: Stripe }, id: string): Promise<void> {
  await ask('checkout.session', ctx.stripe.checkout.sessions.expire(id)).catch((error: unknown) => {
    if (!(error instanceof BillingError) || error.code !== 'provider_rejected') throw error
  })
}
