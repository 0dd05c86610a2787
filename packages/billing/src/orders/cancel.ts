/**
 * Cancelling an order: the provider's checkout is closed first, and the order is cancelled if the
 * provider says that it is. A payment that was quicker wins.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { isBillingError } from '../errors.ts'
import type { Order } from '../rows.ts'
import { findOrder, type SettleOptions, settleOrder } from './settle.ts'

/**
 * Returns the order as it then is: `pending` where the provider cannot close its checkout, unless it
 * `givesUp`; `completed` where it was paid.
 *
 * @throws `order_not_found`, `provider_unavailable`, `provider_rejected`, `effect_failed`; `not_known_here`
 * unless it `givesUp`.
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
        // What is not known here is refused, or given up, when the order is settled.
        const isKnown = !isBillingError(error, 'not_known_here')
        if (isKnown && !isBillingError(error, 'checkout_not_found')) throw error
      })
  }
  return settleOrder(ctx, orderId, options)
}
