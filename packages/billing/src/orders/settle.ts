/**
 * `settleOrder`: asks the provider about one order and does what follows from the answer. The return of
 * the browser, the webhook, the job and a person all end here, so that it makes no difference who comes
 * first or how often. Promises 1, 3 and 4.
 *
 * Everything is asked before the transaction opens. In it the order's row is locked by a ticket drawn
 * before the first question, so that of two answers the newer stands, and every change has a key made of
 * the fact: `order:<id>:fulfil`, `refund:<order id>:<number>`, `dispute:<id>`.
 *
 * @module
 */

import { atomically, type Db } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { isLinked } from '../customers/customers.ts'
import { declare } from '../effects/declarations.ts'
import { BillingError } from '../errors.ts'
import { inNumbers, type Order } from '../rows.ts'
import { syncLinked } from '../sync/sync.ts'
import { countEffects, countOrder, inSpan } from '../telemetry.ts'
import { soon, type Told, tell } from './facts.ts'
import { giveCredits } from './give.ts'
import { look, type Seen } from './look.ts'
import { type SubscriptionProblem, subscriptionOf } from './ordered-subscription.ts'
import { followOrder } from './plan-months.ts'
import { addRenewals } from './renewals.ts'
import { verdictOf } from './verdict.ts'

export interface SettleOptions {
  /** The person who asked for it, by id or name: stands beside what is done. Default: nobody. */
  operator?: string
  /** Cancels it unless a payment is made or under way. Default false. */
  givesUp?: boolean
  /** Payments that an event named. */
  payments?: readonly string[]
  /** Stripe's own rows of the customer are brought up to date by the caller. Default false. */
  isSynced?: boolean
}

/**
 * The order as it stands by the provider's word.
 *
 * @throws `order_not_found`; `provider_unavailable`, `provider_rejected`: nothing was changed;
 * `not_known_here`: nor was it, and the process whose local provider has the order can settle it;
 * `effect_failed`: all but the host's own handler is done, and it is tried again.
 */
export function settleOrder(
  ctx: BillingContext,
  orderId: string,
  options: SettleOptions = {},
): Promise<Order> {
  return inSpan('settle order', {}, async () => {
    const began = performance.now()
    const order = await settle(ctx, orderId, options)
    const seconds = (performance.now() - began) / 1000
    if (seconds > ctx.limits.processingSeconds) ctx.alert({ code: 'processing_slow', seconds })
    return order
  })
}

async function settle(
  ctx: BillingContext,
  orderId: string,
  options: SettleOptions,
): Promise<Order> {
  await declare(ctx)
  const [{ ticket }] = await ctx.db.$queryRaw<[{ ticket: bigint }]>`
    SELECT nextval('sync_ticket') AS ticket`
  const before = await findOrder(ctx, orderId)
  const seen = await look(ctx, before, options)
  const result = await atomically(ctx.db, (tx) =>
    write(ctx, tx, { orderId, ticket, seen, options }),
  )
  if (result === 'overtaken') {
    // A later one has asked for the same; only what an event named may be unknown to it.
    if (options.payments?.length || options.givesUp) return settle(ctx, orderId, options)
    const order = await findOrder(ctx, orderId)
    if (!options.isSynced) await catchUp(ctx, order)
    return order
  }
  await report(ctx, before, result, options)
  return result.order
}

interface Writing {
  orderId: string
  ticket: bigint
  seen: Seen
  options: SettleOptions
}

interface Written extends Told {
  isChanged: boolean
  /** What is wrong with its subscription and was not before. */
  problem: SubscriptionProblem | null
}

async function write(
  ctx: BillingContext,
  tx: Db,
  { orderId, ticket, seen, options }: Writing,
): Promise<Written | 'overtaken'> {
  const taken = await tx.$executeRaw`
    UPDATE "Order" SET "settledTicket" = ${ticket}
    WHERE "id" = ${orderId} AND "settledTicket" < ${ticket}`
  if (taken === 0) return 'overtaken'
  const before = inNumbers(await tx.order.findUniqueOrThrow({ where: { id: orderId } }))
  const verdict = verdictOf(before, seen, options.givesUp ?? false)
  const { status } = verdict
  const { payment, subscription } = seen
  const checkout = seen.checkout === 'gone' ? null : seen.checkout
  const isPaid = payment?.status === 'succeeded' && verdict.needsAttention !== 'order_mismatch'
  const after = await tx.order.update({
    where: { id: orderId },
    data: {
      status,
      needsAttention: verdict.needsAttention,
      ...(status === 'completed' && before.completedAt === null
        ? { completedAt: ctx.clock.now() }
        : {}),
      ...(payment?.status === 'failed' && before.failedAt === null
        ? { failedAt: ctx.clock.now() }
        : {}),
      ...(status === 'pending' && verdict.needsAttention === null ? {} : { nextCheckAt: null }),
      ...(isPaid && before.status !== 'completed' ? { paymentId: payment.id } : {}),
      ...(isPaid
        ? {
            amountPaid: payment.amountPaid,
            amountRefunded: Math.min(payment.amountRefunded, payment.amountPaid),
            disputeId: payment.disputeId,
            disputeStatus: payment.disputeStatus,
            paidAt: payment.paidAt,
          }
        : {}),
      ...(subscription ? { subscriptionId: subscription.id } : {}),
      ...(checkout?.customerId ? { providerCustomerId: checkout.customerId } : {}),
    },
  })
  let order = inNumbers(after)
  if (status !== 'completed') {
    return { order, taken: [], failed: [], isChanged: differs(before, order), problem: null }
  }
  const { row, problem, isUnflagged } = await subscriptionOf(ctx, tx, order, subscription)
  const told = await tell(ctx, tx, order, row, before.nextCheckAt)
  order = told.order
  if (subscription && !row && order.provider !== 'stripe') {
    const data = { nextCheckAt: soon(before.nextCheckAt) }
    order = inNumbers(await tx.order.update({ where: { id: orderId }, data }))
  }
  const renewals = await addRenewals(ctx, tx, order, {
    payments: seen.renewals,
    soldNow: subscription?.sku ?? null,
  })
  for (const renewal of renewals) {
    const { taken, failed } = await tell(ctx, tx, renewal.order, row)
    told.taken.push(...taken)
    told.failed.push(...failed)
  }
  // The ledger last: its accounts stay locked until the end.
  for (const renewal of renewals) {
    await giveCredits(ctx, tx, { before: renewal.order, ...renewal, options: {} })
  }
  // What a balance or a discount pays whole is sold all the same; of a trial nothing is sold yet.
  const isCovered = payment === null && checkout?.price === before.amount
  const paid = isPaid ? payment : isCovered ? NOTHING_PAID : null
  if (paid) order = await giveCredits(ctx, tx, { before, order, payment: paid, options })
  await followOrder(ctx, tx, { before, order, row, isUnflagged })
  return { ...told, order, isChanged: differs(before, order), problem }
}

/** Nothing was paid, so nothing can go back. */
const NOTHING_PAID = { amountPaid: 0, amountRefunded: 0, disputeId: null, disputeStatus: null }

const FACTS = ['status', 'needsAttention', 'amountRefunded', 'disputeStatus', 'paymentId'] as const

const differs = (before: Order, after: Order): boolean =>
  FACTS.some((fact) => before[fact] !== after[fact])

/** What a log and a person should hear of it, and Stripe's rows, after the commit. */
async function report(
  ctx: BillingContext,
  before: Order,
  { order, taken, failed, isChanged, problem }: Written,
  { operator, isSynced }: SettleOptions,
): Promise<void> {
  const { id: orderId, provider, status, needsAttention } = order
  const who = operator === undefined ? {} : { operator }
  if (isChanged || operator !== undefined) {
    ctx.logger.info({ orderId, from: before.status, to: status, needsAttention, ...who }, 'order')
  }
  if (isChanged) countOrder(provider, needsAttention ?? status)
  countEffects(taken)
  if (needsAttention !== null && needsAttention !== before.needsAttention) {
    ctx.alert({ code: 'order_needs_attention', id: orderId, reason: needsAttention })
  }
  if (problem !== null) {
    const { ownerId, subscriptionId } = order
    ctx.alert({ code: problem, ownerId, id: subscriptionId ?? orderId })
  }
  if (!isSynced) await (isChanged ? syncStripe(ctx, order) : catchUp(ctx, order))
  const [key] = failed
  if (key) throw new BillingError('effect_failed', `The effect ${key} failed.`)
}

/** Whoever settled it before has committed the order, and may not have come to Stripe's rows yet. */
async function catchUp(ctx: BillingContext, order: Order): Promise<void> {
  if (order.status === 'completed' && !(await isWritten(ctx, order))) await syncStripe(ctx, order)
}

async function isWritten({ db }: BillingContext, order: Order): Promise<boolean> {
  const { provider, paymentId, subscriptionId } = order
  if (provider !== 'stripe') return true
  if (subscriptionId) {
    const where = { stripeSubscriptionId: subscriptionId }
    const status = (await db.subscription.findUnique({ where }))?.status ?? 'incomplete'
    return status !== 'incomplete'
  }
  if (!paymentId) return true
  const payment = await db.payment.findUnique({ where: { stripePaymentIntentId: paymentId } })
  return payment?.status === 'succeeded'
}

async function syncStripe(ctx: BillingContext, order: Order): Promise<void> {
  if (order.provider !== 'stripe') return
  const customer = await ctx.db.customer.findUnique({ where: { id: order.customerId } })
  if (!isLinked(customer)) return
  const ids = [order.paymentId, order.subscriptionId]
  await syncLinked(ctx, customer, { also: async () => ids.flatMap((id) => id ?? []) })
}

/** @throws `order_not_found`. */
export async function findOrder(ctx: BillingContext, orderId: string): Promise<Order> {
  const order = inNumbers(await ctx.db.order.findUnique({ where: { id: orderId } }))
  if (order) return order
  throw new BillingError('order_not_found', 'There is no such order.')
}
