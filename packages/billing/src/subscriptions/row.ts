/**
 * Reads the current subscription's row with its prices and their products in one statement.
 *
 * @module
 */

import type { Database, Db, Prisma } from '@repo/db'
import { CURRENT } from '../catalog/status.ts'

/** Includes a subscription's price and scheduled price, each with its product. */
export const WITH_PRICES = {
  price: { include: { product: true } },
  scheduledPrice: { include: { product: true } },
} as const

/** A subscription's row with its prices. */
export type SubscriptionRow = Prisma.SubscriptionGetPayload<{ include: typeof WITH_PRICES }>

/** The owner's current subscription, or null. A unique index allows one for each customer. */
export const findCurrent = (
  { db }: { db: Db | Database },
  ownerId: string,
): Promise<SubscriptionRow | null> =>
  db.subscription.findFirst({
    where: { customer: { ownerId }, status: { in: [...CURRENT] }, needsAttention: null },
    include: WITH_PRICES,
  })
