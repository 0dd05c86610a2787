/**
 * The row of a current subscription with its prices and their products, read by one statement.
 *
 * @module
 */

import type { Database, Db, Prisma } from '@repo/db'
import { CURRENT } from '../catalog/status.ts'

export const WITH_PRICES = {
  price: { include: { product: true } },
  scheduledPrice: { include: { product: true } },
} as const

export type SubscriptionRow = Prisma.SubscriptionGetPayload<{ include: typeof WITH_PRICES }>

/** The row that the database allows once per customer. */
export const findCurrent = (
  { db }: { db: Db | Database },
  ownerId: string,
): Promise<SubscriptionRow | null> =>
  db.subscription.findFirst({
    where: { customer: { ownerId }, status: { in: [...CURRENT] }, needsAttention: null },
    include: WITH_PRICES,
  })
