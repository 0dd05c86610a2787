/**
 * `settleOrder` asks the provider about one order and applies the answer. The browser's return, the webhook,
 * the job and an operator all call it, so their order and number make no difference. Promises 1, 3 and 4.
 *
 * All requests are made before the transaction opens. The transaction writes only over a lower ticket, and
 * the ticket is drawn before the first request, so the newer of two answers stands. Every change has a key
 * made of its fact: `order:<id>:fulfil`, `refund:<order id>:<number>`, `dispute:<id>`.
 *
 * @module
 */

import { atomically, type Db } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { isLinked } from '../customers/customers.ts'
import { declare } from '../effects/declarations.ts'
import { BillingError } from '../errors.ts'
import { hasCustomerSync } from '../provider-name.ts'
import type { Load } from '../providers/provider.ts'
import { inNumbers, type Order } from '../rows.ts'
import { syncLinked } from '../sync/sync.ts'
import { nextTicket } from '../sync/turns.ts'
import { countEffects, countOrder, inSpan } from '../telemetry.ts'
import { type RecordedFacts, recordFacts, retryAt } from './facts.ts'
import { grantOrderCredits } from './order-credits.ts'
import { type SubscriptionProblem, subscriptionOf } from './ordered-subscription.ts'
import { followOrder } from './plan-months.ts'
import { type ProviderView, retrieveView } from './provider-view.ts'
import { addRenewals } from './renewals.ts'
import { verdictOf } from './verdict.ts'

/** Who settles an order, and with what knowledge. */
export interface SettleOptions {
  /** Id or name of the person who asked, written beside the changes. Default: none. */
  operator?: string
  /** Cancels the order unless a payment is made or under way. Default false. */
  givesUp?: boolean
  /** Ids of payments that an event named. */
  payments?: readonly string[]
  /** The caller syncs the Stripe customer itself. Default false. */
  isSynced?: boolean
  /** What a sync has loaded, and the ticket it drew before. Default: the provider is asked under a new ticket. */
  from?: Load
}

/** Settles the order with the provider's answer, and returns it. The contract is in `functions/orders.ts`. */
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
  const { from, ...rest } = options
  const ticket = from?.ticket ?? (await nextTicket(ctx))
  const before = await findOrder(ctx, orderId)
  const view = await retrieveView(ctx, before, { ...rest, ...(from && { loaded: from.loaded }) })
  const result = await atomically(ctx.db, (tx) =>
    write(ctx, tx, { orderId, ticket, view, options }),
  )
  if (result === 'overtaken') {
    // A later settlement has written. It may not know the payments that an event named, or that the
    // order is given up.
    if (options.payments?.length || options.givesUp) return settle(ctx, orderId, rest)
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
  view: ProviderView
  options: SettleOptions
}

interface Written extends RecordedFacts {
  isChanged: boolean
  /** The reason for a new flag of the order's subscription. */
  problem: SubscriptionProblem | null
}

async function write(
  ctx: BillingContext,
  tx: Db,
  { orderId, ticket, view, options }: Writing,
): Promise<Written | 'overtaken'> {
  if (!(await takeTurn(tx, { orderId, ticket, view }))) return 'overtaken'
  const before = inNumbers(await tx.order.findUniqueOrThrow({ where: { id: orderId } }))
  const verdict = verdictOf(before, view, options.givesUp ?? false)
  const { status } = verdict
  const { payment, subscription } = view
  const checkout = view.checkout === 'gone' ? null : view.checkout
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
  const recorded = await recordFacts(ctx, tx, order, row, before.nextCheckAt)
  order = recorded.order
  if (subscription && !row && !hasCustomerSync(order.provider)) {
    const data = { nextCheckAt: retryAt(before.nextCheckAt) }
    order = inNumbers(await tx.order.update({ where: { id: orderId }, data }))
  }
  const renewals = await addRenewals(ctx, tx, order, {
    payments: view.renewals,
    soldNow: subscription?.sku ?? null,
  })
  for (const renewal of renewals) {
    const { taken, failed } = await recordFacts(ctx, tx, renewal.order, row)
    recorded.taken.push(...taken)
    recorded.failed.push(...failed)
  }
  // The ledger comes last, because its accounts stay locked until the commit.
  for (const renewal of renewals) {
    await grantOrderCredits(ctx, tx, { before: renewal.order, ...renewal, options: {} })
  }
  // An order that a balance or discount pays in full is sold nevertheless. A trial sells nothing
  // yet.
  const isCovered = payment === null && checkout?.price === before.amount
  const paid = isPaid ? payment : isCovered ? NOTHING_PAID : null
  if (paid) order = await grantOrderCredits(ctx, tx, { before, order, payment: paid, options })
  await followOrder(ctx, tx, { before, order, row, isUnflagged })
  return { ...recorded, order, isChanged: differs(before, order), problem }
}

/**
 * Locks the order unless a later settlement has written. A settlement that left the payment out writes no ticket, so
 * it never overtakes a settlement that has read the payment.
 */
async function takeTurn(
  tx: Db,
  { orderId, ticket, view }: Pick<Writing, 'orderId' | 'ticket' | 'view'>,
): Promise<boolean> {
  if (view.isWhole) {
    const taken = await tx.$executeRaw`
      UPDATE "Order" SET "settledTicket" = ${ticket}
      WHERE "id" = ${orderId} AND "settledTicket" < ${ticket}`
    return taken > 0
  }
  const locked = await tx.$queryRaw<unknown[]>`
    SELECT "id" FROM "Order"
    WHERE "id" = ${orderId} AND "settledTicket" < ${ticket} FOR NO KEY UPDATE`
  return locked.length > 0
}

/** The payment of an order without one: nothing was paid, so nothing can be refunded. */
const NOTHING_PAID = { amountPaid: 0, amountRefunded: 0, disputeId: null, disputeStatus: null }

const FACTS = ['status', 'needsAttention', 'amountRefunded', 'disputeStatus', 'paymentId'] as const

const differs = (before: Order, after: Order): boolean =>
  FACTS.some((fact) => before[fact] !== after[fact])

/** Logs, counts and alerts after the commit, and syncs the Stripe customer. */
async function report(
  ctx: BillingContext,
  before: Order,
  { order, taken, failed, isChanged, problem }: Written,
  { operator, isSynced }: SettleOptions,
): Promise<void> {
  const { id: orderId, provider, status, needsAttention } = order
  const who = operator === undefined ? {} : { operator }
  if (isChanged || operator !== undefined) {
    ctx.logger.info(
      { orderId, from: before.status, to: status, needsAttention, ...who },
      'order settled',
    )
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
  if (key)
    throw new BillingError(
      'effect_failed',
      `A handler of the effect ${key} threw. It is tried again.`,
    )
}

/** Syncs the Stripe customer if an earlier settlement has committed the order and not yet done so. */
async function catchUp(ctx: BillingContext, order: Order): Promise<void> {
  if (order.status === 'completed' && !(await isWritten(ctx, order))) await syncStripe(ctx, order)
}

async function isWritten({ db }: BillingContext, order: Order): Promise<boolean> {
  const { provider, paymentId, subscriptionId } = order
  if (!hasCustomerSync(provider)) return true
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
  if (!hasCustomerSync(order.provider)) return
  const customer = await ctx.db.customer.findUnique({ where: { id: order.customerId } })
  if (!isLinked(customer)) return
  const ids = [order.paymentId, order.subscriptionId]
  await syncLinked(ctx, customer, { also: async () => ids.flatMap((id) => id ?? []) })
}

/** The order's row. @throws `order_not_found`. */
export async function findOrder(ctx: BillingContext, orderId: string): Promise<Order> {
  const order = inNumbers(await ctx.db.order.findUnique({ where: { id: orderId } }))
  if (order) return order
  throw orderNotFound()
}

/** The error for an order that does not exist, or that belongs to another owner. */
export const orderNotFound = (): BillingError<'order_not_found'> =>
  new BillingError('order_not_found', 'There is no order with this id.')
