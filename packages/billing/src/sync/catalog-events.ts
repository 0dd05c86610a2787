/**
 * Processes events about products and prices: updates our rows, and syncs the customers whose subscriptions
 * were flagged because their price belonged to no plan.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { isLinked } from '../customers/customers.ts'
import { idOf, record } from '../providers/json.ts'
import { isolated } from '../sweep.ts'
import type { Outcome } from '../webhooks/queue.ts'
import type { Claim } from '../webhooks/row.ts'
import { refreshPrice, refreshProduct } from './prices.ts'
import { syncLinked } from './sync.ts'

/**
 * Whether all claimed events are about products or prices. Such an event names no customer, so it is claimed
 * alone.
 */
export const isAboutCatalog = ({ events }: Claim): boolean =>
  events.every(({ type }) => /^(product|price)\./.test(type))

/**
 * Updates the rows of the products and prices in the events, and syncs flagged customers. A product without
 * a row is ignored.
 */
export async function processCatalog(
  ctx: BillingContext,
  bodies: readonly unknown[],
): Promise<Outcome> {
  for (const body of bodies) {
    const object = record(record(record(body)?.data)?.object)
    const id = idOf(object)
    const isPrice = object?.object === 'price'
    const productId = isPrice ? idOf(object?.product) : id
    const product = productId === null ? null : await refreshProduct(ctx, productId)
    if (!id || !product) return { status: 'ignored', reason: 'unknown_product' }
    if (isPrice) await refreshPrice(ctx, id)
    await syncFlagged(ctx, product.id)
  }
  return { status: 'processed', reason: null }
}

/** Customers synced for one event. The nightly comparison syncs the rest. */
const MOST = 200

async function syncFlagged(ctx: BillingContext, productId: string): Promise<void> {
  const flagged = await ctx.db.customer.findMany({
    where: {
      subscriptions: {
        some: {
          needsAttention: 'unknown_price',
          status: { notIn: ['canceled', 'incomplete_expired'] },
          price: { productId },
        },
      },
    },
    orderBy: { id: 'asc' },
    take: MOST,
  })
  for (const customer of flagged) {
    if (!isLinked(customer)) continue
    const { ownerId } = customer
    await isolated(ctx, 'a customer of a changed product was not synced', { ownerId }, () =>
      syncLinked(ctx, customer),
    )
  }
}
