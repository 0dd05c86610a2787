/**
 * Writes orders for payments of plans that have none, because no event reported them. The order that began
 * the plan is settled, or else the customer who paid is synced.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { isLinked } from '../customers/customers.ts'
import { hasCustomerSync } from '../provider-name.ts'
import { syncLinked } from '../sync/sync.ts'
import { settleOrder } from './settle.ts'
import type { ReconcileOrdersOptions, Theirs } from './totals.ts'

/**
 * Returns the same payments with the ids of their orders. A payment that cannot be booked does not stop the
 * others.
 */
export async function bookMissing(
  ctx: BillingContext,
  theirs: readonly Theirs[],
  options: ReconcileOrdersOptions,
): Promise<Theirs[]> {
  const known: Theirs[] = []
  for (const each of theirs) {
    const isMissing = each.orderId === null && !options.signal?.aborted
    known.push(isMissing ? { ...each, orderId: await book(ctx, each, options) } : each)
  }
  return known
}

async function book(
  ctx: BillingContext,
  { provider, paymentId, subscriptionId, customerId }: Theirs,
  { operator }: ReconcileOrdersOptions,
): Promise<string | null> {
  const find = () => ctx.db.order.findFirst({ where: { provider, paymentId } })
  // The sync for another payment of the same customer may have written this one, too.
  const booked = await find()
  if (booked) return booked.id
  try {
    const ofPlan = subscriptionId ?? (await planOf(ctx, provider, paymentId))
    const first = ofPlan
      ? await ctx.db.order.findFirst({
          where: { provider, subscriptionId: ofPlan, checkoutId: { not: null } },
        })
      : null
    if (first) {
      const who = operator === undefined ? {} : { operator }
      await settleOrder(ctx, first.id, { ...who, payments: [paymentId] })
    } else if (hasCustomerSync(provider) && customerId !== null) {
      const customer = await ctx.db.customer.findUnique({ where: { stripeCustomerId: customerId } })
      if (isLinked(customer)) await syncLinked(ctx, customer, { also: async () => [paymentId] })
    }
  } catch (error) {
    ctx.logger.error({ provider, paymentId, error }, 'could not write the order of a payment')
  }
  return (await find())?.id ?? null
}

/** The subscription's id of a payment that was listed without one. */
async function planOf(
  ctx: BillingContext,
  provider: string,
  paymentId: string,
): Promise<string | null> {
  return (await ctx.providerNamed(provider).retrievePayment(paymentId)).subscriptionId
}
