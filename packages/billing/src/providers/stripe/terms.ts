/**
 * How a payment of ours is marked at Stripe, and what a checkout for one item asks.
 *
 * @module
 */

import type Stripe from 'stripe'
import { requireAmount, requireCurrency } from '../../amounts.ts'
import { BillingError } from '../../errors.ts'
import { ask } from './client.ts'
/** The metadata key that tells a one-time payment of ours from an invoice's own payment. */
export const PAYMENT_MARK = 'tollgate_payment'

/** An invoice's own payment is part of its subscription; only what we marked is one-time. */
export const isOneTime = ({ metadata }: { metadata: Record<string, string> }): boolean =>
  metadata[PAYMENT_MARK] !== undefined

/** One item that an owner buys, in minor units. */
interface ItemPurchase {
  ownerId: string
  item: { name: string; amount: number; currency: string }
  metadata?: Record<string, string>
}

/** What a checkout for one item asks of Stripe. */
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

/** Completed or expired ones refuse, and that is as good. */
export async function expire(ctx: { stripe: Stripe }, id: string): Promise<void> {
  await ask('checkout.session', ctx.stripe.checkout.sessions.expire(id)).catch((error: unknown) => {
    if (!(error instanceof BillingError) || error.code !== 'provider_rejected') throw error
  })
}
