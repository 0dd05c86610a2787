/**
 * The row of a current subscription with its prices and their products, read by one statement.
 *
 * @module
 */

import type { Database, Db, Prisma } from '@repo/db'

export const WITH_PRICES = {
  price: { include: { product: true } },
  scheduledPrice: { include: { product: true } },
} as const

export type SubscriptionRow = Prisma.SubscriptionGetPayload<{ include: typeof WITH_PRICES }>

/** The statuses of a subscription that takes its owner's one place. */
export const CURRENT: readonly string[] = ['trialing', 'active', 'past_due', 'unpaid', 'paused']

/** The row that the database allows once per customer. */
export const findCurrent = (
  { db }: { db: Db | Database },
  ownerId: string,
): Promise<SubscriptionRow | null> =>
  db.subscription.findFirst({
    where: { customer: { ownerId }, status: { in: [...CURRENT] }, needsAttention: null },
    include: WITH_PRICES,
  })
