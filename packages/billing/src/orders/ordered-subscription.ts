/**
 * Writes the subscription of an order as its provider has it, for providers other than Stripe.
 *
 * @module
 */

import type { Db, Subscription } from '@repo/db'
import { isCurrentStatus, isEndedStatus } from '../catalog/status.ts'
import type { BillingContext } from '../context.ts'
import { hasCustomerSync } from '../provider-name.ts'
import type { ProviderSubscription } from '../providers/provider.ts'
import type { Order } from '../rows.ts'
import { pastDueSinceOf } from '../subscriptions/subscriptions.ts'

/** Why a subscription is flagged. */
export type SubscriptionProblem = 'second_current_subscription' | 'unknown_price'

/** The result of `subscriptionOf`. */
export interface WrittenSubscription {
  /** The subscription's row. Null at Stripe, for a one-time purchase, and while the period is unknown. */
  row: Subscription | null
  /** The reason for a new flag. Null: the flag has not changed, or there is none. */
  problem: SubscriptionProblem | null
  /** Whether the subscription lost its flag. */
  isUnflagged: boolean
}

const NOTHING: WrittenSubscription = { row: null, problem: null, isUnflagged: false }

/**
 * Writes or reads the subscription of an order, in the order's transaction. Only the plan's first order has a
 * `shape` to write.
 */
export async function subscriptionOf(
  ctx: BillingContext,
  tx: Db,
  { customerId, provider, subscriptionId }: Order,
  shape: ProviderSubscription | null,
): Promise<WrittenSubscription> {
  if (hasCustomerSync(provider) || subscriptionId === null) return NOTHING
  // Only one transaction at a time may decide which subscription is current. NO KEY UPDATE, as in a
  // sync, does not block inserts that refer to the customer.
  await tx.$queryRaw`SELECT "id" FROM "Customer" WHERE "id" = ${customerId} FOR NO KEY UPDATE`
  const key = { provider, providerSubscriptionId: subscriptionId }
  const where = { provider_providerSubscriptionId: key }
  const row = await tx.subscription.findUnique({ where })
  if (!shape || (row && isEndedStatus(row.status))) return { ...NOTHING, row }
  const currentPeriodStart = shape.currentPeriodStart ?? row?.currentPeriodStart
  const currentPeriodEnd = shape.currentPeriodEnd ?? row?.currentPeriodEnd
  // The provider has not set the period yet. The order is checked again.
  if (!currentPeriodStart || !currentPeriodEnd) return NOTHING
  const needsAttention = await problemOf(ctx, tx, customerId, shape, row)
  const { status, sku, quantity, cancelAtPeriodEnd, canceledAt, endedAt, trialEnd } = shape
  const facts = {
    status,
    sku,
    quantity,
    currentPeriodStart,
    currentPeriodEnd,
    cancelAtPeriodEnd,
    canceledAt,
    endedAt,
    trialEnd,
    pastDueSince: pastDueSinceOf(ctx, status, row),
    needsAttention,
  }
  const written = await tx.subscription.upsert({
    where,
    create: { ...key, customerId, createdAt: ctx.clock.now(), ...facts },
    update: facts,
  })
  return {
    row: written,
    problem: needsAttention === row?.needsAttention ? null : needsAttention,
    isUnflagged: row !== null && row.needsAttention !== null && needsAttention === null,
  }
}

async function problemOf(
  ctx: BillingContext,
  tx: Db,
  customerId: string,
  { status, sku }: ProviderSubscription,
  row: Subscription | null,
): Promise<SubscriptionProblem | null> {
  if (sku === null || ctx.products[sku]?.plan === undefined) return 'unknown_price'
  if (!isCurrentStatus(status)) return null
  const others = await tx.subscription.findMany({
    where: { customerId, needsAttention: null, ...(row ? { NOT: { id: row.id } } : {}) },
  })
  const isSecond = others.some((other) => isCurrentStatus(other.status))
  return isSecond ? 'second_current_subscription' : null
}
