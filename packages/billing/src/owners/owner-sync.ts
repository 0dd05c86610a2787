/**
 * Brings an owner's rows up to date with the providers: Stripe by a sync of the customer, other providers by settling
 * the orders that are open or whose subscription has not ended.
 *
 * @module
 */

import { isEndedStatus } from '../catalog/status.ts'
import type { BillingContext } from '../context.ts'
import { isLinked, registerCustomer } from '../customers/customers.ts'
import { takeWaitingEffects } from '../effects/waiting.ts'
import { BillingError } from '../errors.ts'
import { settleOrder } from '../orders/settle.ts'
import type { SyncOptions, SyncResult } from '../sync/options.ts'
import { syncCustomer } from '../sync/sync.ts'

/**
 * Brings the owner's rows up to date with every provider that bills the owner.
 * The contract is in `functions/customers.ts`.
 */
export async function syncOwner(
  ctx: BillingContext,
  ownerId: string,
  options: SyncOptions = {},
): Promise<SyncResult> {
  const customer = await registerCustomer(ctx, ownerId)
  const result: SyncResult = isLinked(customer)
    ? await syncCustomer(ctx, ownerId, options)
    : {
        written: true,
        problems: [],
        changes: [],
        failedEffects: [],
        deleted: false,
      }
  for (const id of await otherOrders(ctx, customer.id)) {
    try {
      await settleOrder(ctx, id)
    } catch (error) {
      const code = error instanceof BillingError ? error.code : null
      if (code === 'effect_failed') result.failedEffects.push(`order:${id}`)
      else if (code !== 'not_known_here') throw error
    }
  }
  await takeWaitingEffects(ctx, { customerId: customer.id })
  return result
}

/** The ids of the customer's orders at providers other than Stripe that may have changed. */
async function otherOrders(ctx: BillingContext, customerId: string): Promise<string[]> {
  const notAtStripe = { customerId, provider: { not: 'stripe' } }
  const plans = await ctx.db.subscription.findMany({ where: notAtStripe })
  const running = plans
    .filter(({ status }) => !isEndedStatus(status))
    .flatMap(({ providerSubscriptionId }) => providerSubscriptionId ?? [])
  const orders = await ctx.db.order.findMany({
    where: {
      ...notAtStripe,
      checkoutId: { not: null },
      OR: [{ status: 'pending' }, { subscriptionId: { in: running } }],
    },
    select: { id: true },
    orderBy: { createdAt: 'asc' },
  })
  return orders.map(({ id }) => id)
}
