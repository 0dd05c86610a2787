/**
 * What the providers say of an owner now, written: Stripe's by a sync of its customer, another's by settling
 * the orders that are open or whose plan runs.
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
 * As `syncCustomer`, with whoever bills the owner. Stripe is asked where it takes the payments or knows the
 * owner. An order of a local provider in another process is left as it is.
 *
 * @throws `owner_not_found`, `provider_unavailable`, `provider_rejected`.
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
  for (const id of await ordersElsewhere(ctx, customer.id)) {
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

async function ordersElsewhere(ctx: BillingContext, customerId: string): Promise<string[]> {
  const elsewhere = { customerId, provider: { not: 'stripe' } }
  const plans = await ctx.db.subscription.findMany({ where: elsewhere })
  const running = plans
    .filter(({ status }) => !isEndedStatus(status))
    .flatMap(({ providerSubscriptionId }) => providerSubscriptionId ?? [])
  const orders = await ctx.db.order.findMany({
    where: {
      ...elsewhere,
      checkoutId: { not: null },
      OR: [{ status: 'pending' }, { subscriptionId: { in: running } }],
    },
    select: { id: true },
    orderBy: { createdAt: 'asc' },
  })
  return orders.map(({ id }) => id)
}
