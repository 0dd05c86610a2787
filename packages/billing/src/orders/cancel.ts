/**
 * Cancels an order. The provider's checkout is closed first, and the order is cancelled once the provider
 * confirms that. If the payment was quicker, the order is completed instead.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { isBillingError } from '../errors.ts'
import type { Order } from '../rows.ts'
import { findOrder, type SettleOptions, settleOrder } from './settle.ts'

/**
 * Closes the order's checkout and cancels the order. Returns the order afterwards: `cancelled`, `pending` or
 * `completed`.
 * The contract is in `functions/orders.ts`.
 */
export async function cancelOrder(
  ctx: BillingContext,
  orderId: string,
  options: Pick<SettleOptions, 'givesUp' | 'operator'> = {},
): Promise<Order> {
  const { status, provider, checkoutId } = await findOrder(ctx, orderId)
  if (status === 'pending' && checkoutId !== null) {
    await ctx
      .providerNamed(provider)
      .expireCheckout(checkoutId)
      .catch((error: unknown) => {
        // A checkout that only another process knows is handled by `settleOrder`: refused, or given
        // up.
        const isKnown = !isBillingError(error, 'not_known_here')
        if (isKnown && !isBillingError(error, 'checkout_not_found')) throw error
      })
  }
  return settleOrder(ctx, orderId, options)
}
