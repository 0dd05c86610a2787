/**
 * Checks orders about which no event arrives. The provider is asked after 15 minutes and then with growing
 * delays, until the order is completed or cancelled, or a person has to look at it.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { BillingError, isBillingError } from '../errors.ts'
import type { Order } from '../rows.ts'
import { isolated } from '../sweep.ts'
import { cancelOrder } from './cancel.ts'
import { settleOrder } from './settle.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** Delays after the first, second, … check of an order. Later checks follow daily. */
const DELAYS_MS = [30 * MINUTE_MS, HOUR_MS, 3 * HOUR_MS, 8 * HOUR_MS, DAY_MS, DAY_MS, 2 * DAY_MS]

/** Age at which an open checkout is closed as abandoned. */
const ABANDONED_MS = DAY_MS
/**
 * Age at which an order is cancelled even if its checkout cannot be closed, or flagged if the checkout was
 * used or the provider cannot be asked.
 */
const GIVEN_UP_MS = 7 * DAY_MS

/** Counts of one `checkOrders`. */
export interface CheckOrdersResult {
  /** Orders that were checked. */
  checked: number
  /** Orders whose payment had come. */
  completed: number
  /** Orders that were abandoned or given up. */
  cancelled: number
  /** Orders that a person has to look at. */
  flagged: number
  /** Orders of a local provider in another process, left as they are. */
  skipped: number
  /** Orders whose check failed. */
  failed: number
}

/** When `checkOrders` stops. */
export interface CheckOrdersOptions {
  /** Stops before the next order when aborted. */
  signal?: AbortSignal
}

/** Checks every order that is due. The contract is in `functions/orders.ts`. */
export async function checkOrders(
  ctx: BillingContext,
  { signal }: CheckOrdersOptions = {},
): Promise<CheckOrdersResult> {
  const result = { checked: 0, completed: 0, cancelled: 0, flagged: 0, skipped: 0, failed: 0 }
  const unclaimable: string[] = []
  while (!signal?.aborted) {
    const claimed = await isolated(ctx, 'could not claim an order', {}, () =>
      claim(ctx, unclaimable),
    )
    if (claimed === undefined) {
      const id = await dueFirst(ctx, unclaimable)
      if (id === undefined) return result
      result.failed += 1
      unclaimable.push(id)
      ctx.logger.error({ orderId: id }, 'skipped an order that cannot be claimed')
      continue
    }
    if (!claimed) return result
    result.checked += 1
    try {
      const order = await check(ctx, claimed)
      if (order.needsAttention !== null) result.flagged += 1
      else if (order.status === 'completed') result.completed += 1
      else if (order.status === 'cancelled') result.cancelled += 1
    } catch (error) {
      if (isBillingError(error, 'not_known_here')) {
        result.skipped += 1
        ctx.logger.info(
          { orderId: claimed.id, reason: error.code },
          'skipped an order of a local provider in another process',
        )
        continue
      }
      result.failed += 1
      const code = error instanceof BillingError ? error.code : 'internal_error'
      ctx.logger.error({ orderId: claimed.id, code, error }, 'could not check the order')
      const { id: orderId } = claimed
      await isolated(ctx, 'could not flag the order', { orderId }, () =>
        flagUnreachable(ctx, claimed, code),
      )
    }
  }
  return result
}

type Claimed = Pick<Order, 'id' | 'checks' | 'createdAt'>

/** Claims the order that has been due the longest, and sets its next check. */
async function claim(ctx: BillingContext, except: string[]): Promise<Claimed | null> {
  const delays = DELAYS_MS.map((ms) => ms / 1000)
  const [order] = await ctx.db.$queryRaw<Claimed[]>`
    UPDATE "Order" SET "checks" = "checks" + 1, "nextCheckAt" = clock_timestamp()
      + interval '1 second' * coalesce((${delays}::int[])["checks" + 1], ${DAY_MS / 1000})
    WHERE "id" = (SELECT "id" FROM "Order" WHERE "nextCheckAt" <= now()
      AND "id" <> ALL (${except}::text[]) ORDER BY "nextCheckAt" LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING "id", "checks", "createdAt"`
  return order ?? null
}

/** The order whose claim fails, because the database refuses to update it. */
async function dueFirst(ctx: BillingContext, except: string[]): Promise<string | undefined> {
  const order = await ctx.db.order.findFirst({
    where: { nextCheckAt: { lte: new Date() }, id: { notIn: except } },
    orderBy: { nextCheckAt: 'asc' },
    select: { id: true },
  })
  return order?.id
}

async function check(ctx: BillingContext, { id, createdAt }: Claimed): Promise<Order> {
  const order = await settleOrder(ctx, id)
  const age = Date.now() - createdAt.getTime()
  if (order.status !== 'pending' || order.needsAttention !== null || age < ABANDONED_MS)
    return order
  // If there is no checkout, nobody has paid: creation was interrupted before any caller received a page.
  const isUnbegun = order.checkoutId === null && order.paymentId === null
  return cancelOrder(ctx, id, { givesUp: isUnbegun || age > GIVEN_UP_MS })
}

/** Flags an order whose checks have failed for a week. */
async function flagUnreachable(
  ctx: BillingContext,
  { id, createdAt }: Claimed,
  code: string,
): Promise<void> {
  if (code === 'effect_failed' || Date.now() - createdAt.getTime() < GIVEN_UP_MS) return
  const { count } = await ctx.db.order.updateMany({
    where: { id, status: 'pending', needsAttention: null },
    data: { needsAttention: 'stuck' },
  })
  if (count > 0) ctx.alert({ code: 'order_needs_attention', id, reason: 'stuck' })
}
