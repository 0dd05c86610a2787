/**
 * Orders against the ledger and against the provider: orders that were paid and have no transaction,
 * transactions without an order, payments that differ, and the totals of each day. What differs is settled
 * once more, which is what a webhook that was lost would have done; what still differs is reported.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { isBillingError } from '../errors.ts'
import type { ProviderPayment } from '../providers/provider.ts'
import { inNumbers, type Order } from '../rows.ts'
import { isolated } from '../sweep.ts'
import { inSpan } from '../telemetry.ts'
import { bookMissing } from './missing.ts'
import { settleOrder } from './settle.ts'
import { type OrderRates, watchOrders } from './watch.ts'

export interface ReconcileOrdersOptions {
  /** Payments from when on are compared with the provider. Default: the last 48 hours. */
  since?: Date
  /** Who asks for it, by id or name: stands beside what is mended. Default: nobody. */
  operator?: string
  signal?: AbortSignal
  /** Told of payments compared. */
  onProgress?: (done: number) => void
}

export interface Totals {
  payments: number
  /** Minor units. */
  paid: number
  refunded: number
}

export interface DayTotals {
  /** UTC, `2026-01-31`. */
  day: string
  provider: string
  currency: string
  ours: Totals
  theirs: Totals
}

export interface SkippedOrder {
  orderId: string
  /** A local provider in another process has it. */
  reason: 'not_known_here'
}

export interface OrdersReport extends OrderRates {
  since: Date
  /** Payments that were asked about. */
  payments: number
  /** Ids of orders of any age that are paid and whose credits the ledger does not have. */
  paidWithoutTransaction: string[]
  /** Ids of transactions of any age whose order is not completed, or is another's. */
  transactionsWithoutOrder: string[]
  /** Ids of orders whose money at the provider is other than here. */
  differing: string[]
  /** Payments that belong to no order of ours: sold past us, to somebody we do not know. */
  withoutOrder: number
  /** Ids of orders that were wrong, or missing, and are right now. */
  mended: string[]
  /** Orders that are left as they are, because nobody can be asked about them here. */
  skipped: SkippedOrder[]
  days: DayTotals[]
}

const WINDOW_MS = 48 * 60 * 60_000

export function reconcileOrders(
  ctx: BillingContext,
  options: ReconcileOrdersOptions = {},
): Promise<OrdersReport> {
  return inSpan('reconcile orders', {}, async (span) => {
    const since = options.since ?? new Date(ctx.clock.now().getTime() - WINDOW_MS)
    const before = [...(await paidWithoutTransaction(ctx))]
    const skipped = new Set<string>()
    const found = await paymentsOf(ctx, since, options, skipped)
    const theirs = await bookMissing(ctx, found, options)
    const booked = theirs.filter(({ orderId }, at) => orderId !== found[at]?.orderId)
    const wrong = await differing(ctx, theirs)
    const suspects = [...new Set([...before, ...wrong])]
    for (const id of suspects) await mend(ctx, id, options, skipped)
    const paidWithout = await paidWithoutTransaction(ctx)
    const still = await differing(ctx, theirs)
    const isRight = (id: string) => !paidWithout.includes(id) && !still.includes(id)
    const report: OrdersReport = {
      since,
      payments: theirs.length,
      paidWithoutTransaction: paidWithout,
      transactionsWithoutOrder: await transactionsWithoutOrder(ctx),
      differing: still,
      withoutOrder: theirs.filter(({ orderId }) => orderId === null).length,
      mended: [...suspects, ...booked.flatMap(({ orderId }) => orderId ?? [])].filter(isRight),
      skipped: [...skipped].map((orderId) => ({ orderId, reason: 'not_known_here' })),
      days: await totalsOf(ctx, since, theirs),
      ...(await watchOrders(ctx)),
    }
    span.setAttribute('tollgate.differences', still.length + paidWithout.length)
    tell(ctx, report)
    return report
  })
}

function tell(ctx: BillingContext, report: OrdersReport): void {
  const { payments, paidWithoutTransaction, transactionsWithoutOrder, differing, mended } = report
  const wrong = [...paidWithoutTransaction, ...transactionsWithoutOrder, ...differing].length
  const counts = { payments, wrong, mended: mended.length, skipped: report.skipped.length }
  ctx.logger.info(counts, 'orders reconciled')
  for (const id of new Set([...paidWithoutTransaction, ...differing])) {
    ctx.alert({ code: 'order_needs_attention', id, reason: 'differs' })
  }
}

async function mend(
  ctx: BillingContext,
  orderId: string,
  { operator }: ReconcileOrdersOptions,
  skipped: Set<string>,
): Promise<void> {
  try {
    await settleOrder(ctx, orderId, operator === undefined ? {} : { operator })
  } catch (error) {
    if (isBillingError(error, 'not_known_here')) skipped.add(orderId)
    else ctx.logger.error({ orderId, error }, 'order could not be reconciled')
  }
}

async function paidWithoutTransaction(ctx: BillingContext): Promise<string[]> {
  const rows = await ctx.db.$queryRaw<{ id: string }[]>`
    SELECT o."id" FROM "Order" o
    WHERE o."status" = 'completed' AND o."credits" > 0 AND o."paymentId" IS NOT NULL
      AND NOT EXISTS (SELECT FROM "CreditTransaction" t WHERE t."ownerId" = o."ownerId"
        AND t."idempotencyKey" = 'order:' || o."id" || ':fulfil' AND t."amount" = o."credits")
    ORDER BY o."id"`
  return rows.map(({ id }) => id)
}

async function transactionsWithoutOrder(ctx: BillingContext): Promise<string[]> {
  const rows = await ctx.db.$queryRaw<{ id: bigint }[]>`
    SELECT t."id" FROM "CreditTransaction" t
    WHERE t."type" = 'purchase' AND t."idempotencyKey" LIKE 'order:%:fulfil'
      AND NOT EXISTS (SELECT FROM "Order" o WHERE o."id" = split_part(t."idempotencyKey", ':', 2)
        AND o."ownerId" = t."ownerId" AND o."status" = 'completed')
    ORDER BY t."id"`
  return rows.map(({ id }) => `${id}`)
}

export interface Theirs extends Totals {
  provider: string
  paymentId: string
  currency: string
  day: string
  /** The provider's, as the next. */
  customerId: string | null
  subscriptionId: string | null
  /** Of an order of ours that is there; null: of none. */
  orderId: string | null
}

/**
 * What the providers say of our payments since then, and of those they tell of by themselves. Adds to
 * `skipped` the orders whose payment is not known here.
 */
async function paymentsOf(
  ctx: BillingContext,
  since: Date,
  { signal, onProgress }: ReconcileOrdersOptions,
  skipped: Set<string>,
): Promise<Theirs[]> {
  const orders = await ctx.db.order.findMany({
    where: {
      paymentId: { not: null },
      OR: [{ paidAt: { gte: since } }, { completedAt: { gte: since } }],
    },
  })
  const found = new Map<string, Theirs>()
  const names = new Set([ctx.provider.name as string, ...orders.map(({ provider }) => provider)])
  for (const name of names) {
    const provider = ctx.providerNamed(name)
    const known = orders.filter((order) => order.provider === name)
    const ids = new Set(known.flatMap(({ paymentId }) => paymentId ?? []))
    const nothing = { checkoutIds: [], paymentIds: [], subscriptionIds: [] }
    for await (const { paymentId } of provider.pull(since, nothing)) {
      if (paymentId) ids.add(paymentId)
      if (signal?.aborted) break
    }
    for (const paymentId of ids) {
      if (signal?.aborted) break
      const ids = { provider: name, paymentId }
      await isolated(ctx, 'payment could not be reconciled', ids, async () => {
        const payment = await provider.retrievePayment(paymentId).catch((error: unknown) => {
          if (isBillingError(error, 'payment_not_found')) return null
          if (!isBillingError(error, 'not_known_here')) throw error
          for (const order of known) if (order.paymentId === paymentId) skipped.add(order.id)
          return null
        })
        onProgress?.(found.size)
        if (payment?.status !== 'succeeded' || (payment.paidAt && payment.paidAt < since)) return
        found.set(`${name} ${paymentId}`, await theirsOf(ctx, name, payment))
      })
    }
  }
  return [...found.values()]
}

async function theirsOf(
  ctx: BillingContext,
  provider: string,
  payment: ProviderPayment,
): Promise<Theirs> {
  // A renewal may name the plan's first order, and has one of its own.
  const own = await ctx.db.order.findFirst({ where: { provider, paymentId: payment.id } })
  const named = payment.orderId
    ? await ctx.db.order.findUnique({ where: { id: payment.orderId } })
    : null
  const order = own ?? named
  return {
    provider,
    paymentId: payment.id,
    currency: payment.currency,
    day: dayOf(payment.paidAt ?? ctx.clock.now()),
    customerId: payment.customerId,
    subscriptionId: payment.subscriptionId,
    orderId: order?.id ?? null,
    payments: 1,
    paid: payment.amountPaid,
    refunded: payment.amountRefunded,
  }
}

const dayOf = (date: Date): string => date.toISOString().slice(0, 10)

/** Orders that do not have what the provider says of their payment. */
async function differing(ctx: BillingContext, theirs: readonly Theirs[]): Promise<string[]> {
  const ids = theirs.flatMap(({ orderId }) => orderId ?? [])
  const orders = await ctx.db.order.findMany({ where: { id: { in: ids } } })
  const byId = new Map(orders.map((order) => [order.id, inNumbers(order)]))
  const wrong = theirs.filter((payment) => {
    const order = byId.get(payment.orderId ?? '')
    return order !== undefined && !agrees(order, payment)
  })
  return [...new Set(wrong.flatMap(({ orderId }) => orderId ?? []))]
}

const agrees = (order: Order, { paymentId, paid, refunded }: Theirs): boolean =>
  order.status === 'completed' &&
  order.needsAttention === null &&
  order.paymentId === paymentId &&
  order.amountPaid === paid &&
  order.amountRefunded === refunded

async function totalsOf(
  ctx: BillingContext,
  since: Date,
  theirs: readonly Theirs[],
): Promise<DayTotals[]> {
  const rows = await ctx.db.$queryRaw<
    (Totals & { day: string; provider: string; currency: string })[]
  >`
    SELECT to_char("paidAt" AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS "day", "provider", "currency",
      count(*)::int AS "payments", sum("amountPaid")::float8 AS "paid",
      sum("amountRefunded")::float8 AS "refunded"
    FROM "Order" WHERE "paidAt" >= ${since} AND "paymentId" IS NOT NULL
    GROUP BY 1, 2, 3`
  const days = new Map<string, DayTotals>()
  const none = (): Totals => ({ payments: 0, paid: 0, refunded: 0 })
  const at = (day: string, provider: string, currency: string): DayTotals => {
    const key = [day, provider, currency].join(' ')
    const totals = days.get(key) ?? { day, provider, currency, ours: none(), theirs: none() }
    days.set(key, totals)
    return totals
  }
  const add = (to: Totals, { payments, paid, refunded }: Totals) => {
    to.payments += payments
    to.paid += paid
    to.refunded += refunded
  }
  for (const row of rows) add(at(row.day, row.provider, row.currency).ours, row)
  for (const each of theirs) {
    // What was sold past us is no order's; it is counted apart.
    if (each.orderId) add(at(each.day, each.provider, each.currency).theirs, each)
  }
  return [...days.values()].sort((a, b) => (a.day < b.day ? -1 : 1))
}
