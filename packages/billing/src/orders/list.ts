/**
 * Lists and shows orders to owners and operators.
 *
 * @module
 */

import type { Prisma } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { loggedType } from '../credits/logged-type.ts'
import { paidKey } from '../credits/months.ts'
import { following, PAGE, type PageOptions, type Sorting } from '../page.ts'
import { hasCustomerSync } from '../provider-name.ts'
import { inNumbers, type Order } from '../rows.ts'
import { fulfilKey } from './order-credits.ts'
import { findOrder, orderNotFound } from './settle.ts'
import type { OrderStatus } from './verdict.ts'

/**
 * An order without its internal columns. `invoiceIds` are all invoices that its payment paid, as far as they are
 * known; `invoiceId` is the first of them.
 */
export type OwnerOrder = Omit<Order, 'returnKey' | 'settledTicket'>

/** The column `invoiceIds` is empty where the payment paid one invoice. */
const withInvoices = <O extends Pick<Order, 'invoiceId' | 'invoiceIds'>>(order: O): O => ({
  ...order,
  invoiceIds:
    order.invoiceIds.length === 0 && order.invoiceId !== null
      ? [order.invoiceId]
      : order.invoiceIds,
})

/** Which orders `listOrders` returns. */
export interface ListOrdersOptions extends PageOptions {
  /** Default: orders of all owners. */
  ownerId?: string
  /** Default: any status. */
  status?: readonly OrderStatus[]
  /** Only orders that a person has to look at. Default false. */
  needsAttention?: boolean
}

const ALL: readonly OrderStatus[] = ['pending', 'completed', 'cancelled']

/** Orders, the newest first. The contract is in `functions/orders.ts`. */
export async function listOrders(
  ctx: BillingContext,
  options: ListOrdersOptions = {},
): Promise<OwnerOrder[]> {
  const { ownerId, status, needsAttention = false, limit = PAGE, after } = options
  const last = after === undefined ? null : await findOrder(ctx, after)
  if (last && ownerId !== undefined && last.ownerId !== ownerId) throw orderNotFound()
  const { where, orderBy } = following<OrderRow>(NEWEST_FIRST, last)
  const page = (of: Prisma.OrderWhereInput) =>
    ctx.db.order.findMany({
      where: {
        ...(ownerId === undefined ? {} : { ownerId }),
        ...(needsAttention ? { needsAttention: { not: null } } : {}),
        ...where,
        ...of,
      },
      omit: { returnKey: true, settledTicket: true },
      orderBy,
      take: limit,
    })
  if (status === undefined) return (await page({})).map(inNumbers).map(withInvoices)
  const wanted = ALL.filter((each) => status.includes(each))
  // One query for each status, because the index sorts the orders of one status.
  const pages = await Promise.all(wanted.map((each) => page({ status: each })))
  const newestFirst = (a: OrderRow, b: OrderRow) =>
    b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? 1 : -1)
  return pages.flat().sort(newestFirst).slice(0, limit).map(inNumbers).map(withInvoices)
}

type OrderRow = Pick<Order, 'id' | 'createdAt'>

const NEWEST_FIRST: Sorting<OrderRow> = [
  ['createdAt', 'desc'],
  ['id', 'desc'],
]

/** A credit transaction of an order. */
export interface OrderTransaction {
  /** The transaction's id, a number as text. */
  id: string
  /** The kind of change: `purchase`, `refund`, … */
  type: string
  /** Whole credits. Positive: they came in. Negative: they were clawed back. */
  amount: number
  /** The idempotency key of the change. */
  key: string
  /** When the transaction was made. */
  createdAt: Date
}

/** An order with its credit transactions. */
export interface ShownOrder extends OwnerOrder {
  /** The order's credit transactions, the oldest first. */
  transactions: OrderTransaction[]
}

/** One order with its credit transactions. The contract is in `functions/orders.ts`. */
export async function showOrder(ctx: BillingContext, orderId: string): Promise<ShownOrder> {
  const { returnKey, settledTicket, ...found } = await findOrder(ctx, orderId)
  const order = withInvoices(found)
  const { id, ownerId, disputeId } = order
  const planKeys = (await paidWith(ctx, order)).map((stripeInvoiceId) =>
    paidKey({ stripeInvoiceId, orderId }),
  )
  const rows = await ctx.db.creditTransaction.findMany({
    where: {
      ownerId,
      OR: [
        { idempotencyKey: { in: [fulfilKey(id), ...planKeys] } },
        ...planKeys.map((key) => ({ idempotencyKey: { startsWith: `${key}:` } })),
        { idempotencyKey: { startsWith: `refund:${id}:` } },
        ...(disputeId ? [{ idempotencyKey: { startsWith: `dispute:${disputeId}` } }] : []),
      ],
    },
    orderBy: { id: 'asc' },
  })
  const transactions = rows.map((row) => {
    const { id, amount, idempotencyKey: key, createdAt } = row
    return { id: `${id}`, type: loggedType(row), amount: Number(amount), key, createdAt }
  })
  return { ...order, transactions }
}

/**
 * The invoices that the keys of the month's credits are made of: at Stripe those of the payment. Null: elsewhere the
 * key is made of the order.
 */
async function paidWith(
  ctx: BillingContext,
  order: Pick<Order, 'provider' | 'plan' | 'invoiceIds' | 'paymentId'>,
): Promise<(string | null)[]> {
  const { provider, plan, invoiceIds, paymentId } = order
  if (invoiceIds.length > 0) return invoiceIds
  if (!hasCustomerSync(provider) || plan === null || paymentId === null) return [null]
  const where = { stripePaymentIntentId: paymentId }
  const invoice = await ctx.db.invoice.findFirst({ where, select: { stripeInvoiceId: true } })
  return [invoice?.stripeInvoiceId ?? null]
}
