/**
 * The subscription of an order, as its provider has it.
 *
 * @module
 */

import type { Db, Subscription } from '@repo/db'
import { isCurrentStatus, isEndedStatus } from '../catalog/status.ts'
import type { BillingContext } from '../context.ts'
import type { ProviderSubscription } from '../providers/provider.ts'
import type { Order } from '../rows.ts'
import { pastDueSinceOf } from '../subscriptions/subscriptions.ts'

export type SubscriptionProblem = 'second_current_subscription' | 'unknown_price'

export interface WrittenSubscription {
  /** As it stands. Null at Stripe, for what is bought once, and where its period is not known yet. */
  row: Subscription | null
  /** Why a person has to look, if that is new. */
  problem: SubscriptionProblem | null
  /** Whether it was flagged before, and counts now. */
  isUnflagged: boolean
}

const NOTHING: WrittenSubscription = { row: null, problem: null, isUnflagged: false }

/** The subscription of an order, brought up to date by its first one. Joins the order's transaction. */
export async function subscriptionOf(
  ctx: BillingContext,
  tx: Db,
  { customerId, provider, subscriptionId }: Order,
  shape: ProviderSubscription | null,
): Promise<WrittenSubscription> {
  if (provider === 'stripe' || subscriptionId === null) return NOTHING
  // Whether another one counts is asked and answered by one at a time. As a sync locks it: whoever only
  // refers to the customer need not wait.
  await tx.$queryRaw`SELECT "id" FROM "Customer" WHERE "id" = ${customerId} FOR NO KEY UPDATE`
  const key = { provider, providerSubscriptionId: subscriptionId }
  const where = { provider_providerSubscriptionId: key }
  const row = await tx.subscription.findUnique({ where })
  if (!shape || (row && isEndedStatus(row.status))) return { ...NOTHING, row }
  const currentPeriodStart = shape.currentPeriodStart ?? row?.currentPeriodStart
  const currentPeriodEnd = shape.currentPeriodEnd ?? row?.currentPeriodEnd
  // The provider has not said yet; it is asked again.
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
