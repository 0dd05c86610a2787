/**
 * Orders without a word: the provider is asked after a quarter of an hour and then ever less often, until
 * the order is completed, or its checkout is closed and it is cancelled, or a person has to look.
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

/** Until the next question, after each: eight in the first week. */
const DELAYS_MS = [30 * MINUTE_MS, HOUR_MS, 3 * HOUR_MS, 8 * HOUR_MS, DAY_MS, DAY_MS, 2 * DAY_MS]

/** An open checkout of this age is closed: nobody is at it any more. */
const ABANDONED_MS = DAY_MS
/** After this long it is cancelled where the checkout cannot be closed, and flagged if it was used. */
const GIVEN_UP_MS = 7 * DAY_MS

export interface CheckOrdersResult {
  /** Orders asked about. */
  checked: number
  completed: number
  cancelled: number
  /** Orders a person has to look at. */
  flagged: number
  /** Orders of a local provider in another process: left as they are. */
  skipped: number
  /** Orders about which the provider could not be asked. */
  failed: number
}

export interface CheckOrdersOptions {
  signal?: AbortSignal
}

/** Asks about every order that is due. Any number may run at once; a failure is met again later. */
export async function checkOrders(
  ctx: BillingContext,
  { signal }: CheckOrdersOptions = {},
): Promise<CheckOrdersResult> {
  const result = { checked: 0, completed: 0, cancelled: 0, flagged: 0, skipped: 0, failed: 0 }
  const unclaimable: string[] = []
  while (!signal?.aborted) {
    const claimed = await isolated(ctx, 'order not claimed', {}, () => claim(ctx, unclaimable))
    if (claimed === undefined) {
      const id = await dueFirst(ctx, unclaimable)
      if (id === undefined) return result
      result.failed += 1
      unclaimable.push(id)
      ctx.logger.error({ orderId: id }, 'order passed over')
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
        ctx.logger.info({ orderId: claimed.id, reason: error.code }, 'order skipped')
        continue
      }
      result.failed += 1
      const code = error instanceof BillingError ? error.code : 'internal_error'
      ctx.logger.error({ orderId: claimed.id, code, error }, 'order not checked')
      const { id: orderId } = claimed
      await isolated(ctx, 'order not flagged', { orderId }, () =>
        flagUnreachable(ctx, claimed, code),
      )
    }
  }
  return result
}

type Claimed = Pick<Order, 'id' | 'checks' | 'createdAt'>

/** Takes the order that is due the longest, and puts it off to its next check first. */
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

/** The order whose claim fails: the database does not let it be written. */
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
  // Without a checkout nobody can have paid: we were cut off before anyone was told of one.
  const isUnbegun = order.checkoutId === null && order.paymentId === null
  return cancelOrder(ctx, id, { givesUp: isUnbegun || age > GIVEN_UP_MS })
}

/** What cannot be asked about for a week is for a person. */
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
