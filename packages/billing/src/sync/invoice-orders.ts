/**
 * Writes an order for each succeeded payment of a subscription's invoice, for plans that were bought at a
 * Checkout Session and not with an order. Each sync of the customer does so. Such an order is completed when
 * it is written, carries the invoice's id and grants nothing, because a plan's credits come with its
 * invoices. An invoice without a payment (nothing was due, or it was paid outside Stripe) has no order. An
 * invoice with several payments has an order for each.
 *
 * Payments of a plan that was bought with an order are left to that order and its settlement.
 *
 * @module
 */

import { columnsOf, type Db, type Order as OrderRow, Prisma, queryNamed } from '@repo/db'
import { planOfPrice } from '../catalog/plans.ts'
import { skuOfPlan } from '../catalog/products.ts'
import type { BillingContext } from '../context.ts'
import type { LinkedCustomer } from '../customers/customers.ts'
import { disputedOf } from '../providers/stripe/invoice-money.ts'
import type { InvoiceShape, PaymentShape } from '../providers/stripe/shapes-money.ts'
import { newReturnKey } from '../return-url.ts'
import { type InNumbers, inNumbers } from '../rows.ts'
import { invoicesByPayment, several } from './invoices-of-payments.ts'
import { type PriceRow, pricesOf } from './prices.ts'
import type { ProviderState } from './provider-state.ts'
import { insertNew } from './rows-in-one.ts'

/** A succeeded payment with the invoice that it paid. */
interface Paid {
  invoice: InvoiceShape & { stripeSubscriptionId: string }
  payment: PaymentShape
}

/** What a sync has loaded, with our price rows. */
interface Loaded {
  customer: LinkedCustomer
  state: ProviderState
  ticket: bigint
  prices: ReadonlyMap<string, PriceRow>
}

/**
 * Writes the missing orders and updates refunds and disputes of the others. `tx` is the sync's transaction,
 * which holds the customer's row. `ticket` is the sync's ticket: an order that a settlement with a later
 * ticket has written is left alone.
 */
export async function bookInvoices(
  ctx: BillingContext,
  tx: Db,
  { customer, state, ticket, prices }: Loaded,
): Promise<void> {
  const paid = paidOf(state)
  if (paid.length === 0) return
  const invoices = invoicesByPayment(state)
  const rows = (await ordersOf(tx, paid)).map(inNumbers)
  const orders = new Map(rows.map((order) => [order.paymentId, order]))
  const missing = paid.filter(
    (each) => !orders.has(each.payment.stripePaymentIntentId) && !isOrdered(rows, each),
  )
  if (missing.length > 0) await add(ctx, tx, { customer, ticket, prices, invoices }, missing)
  for (const { payment } of paid) {
    const order = orders.get(payment.stripePaymentIntentId)
    if (order) await nameInvoices(tx, order, invoices.get(payment.stripePaymentIntentId) ?? [])
    const money = moneyOf(payment)
    // An order without an invoice's id is settled instead, because its credits follow its money.
    if (!order?.invoiceId || !differs(order, money)) continue
    const where = { id: order.id, settledTicket: { lt: ticket } }
    await tx.order.updateMany({ where, data: { ...money, settledTicket: ticket } })
  }
}

/** Adds invoices that the order does not name yet. A payment may be attached to another invoice later. */
async function nameInvoices(tx: Db, order: SeenOrder, invoices: readonly string[]): Promise<void> {
  const known = new Set([...order.invoiceIds, ...(order.invoiceId ? [order.invoiceId] : [])])
  const all = [...new Set([...known, ...invoices])].sort()
  if (all.length < 2 || all.length === order.invoiceIds.length) return
  await tx.order.updateMany({ where: { id: order.id }, data: { invoiceIds: all } })
}

function paidOf({ invoices, payments }: ProviderState): Paid[] {
  const succeeded = new Map(
    payments
      .filter(({ status, amount }) => status === 'succeeded' && amount > 0)
      .map((payment) => [payment.stripePaymentIntentId, payment]),
  )
  const taken = new Set<string>()
  return invoices.flatMap((invoice) => {
    const { stripeSubscriptionId, stripePaymentIntentId } = invoice
    if (stripeSubscriptionId === null) return []
    const ids = invoice.payments.map((each) => each.stripePaymentIntentId)
    return [...new Set([...ids, stripePaymentIntentId])].flatMap((id): Paid[] => {
      const payment = succeeded.get(id ?? '')
      // An order is a payment. A payment of two invoices carries the id of the first; how it was shared out is known
      // to Stripe, and each invoice's row has its own sums.
      if (!payment || taken.has(payment.stripePaymentIntentId)) return []
      taken.add(payment.stripePaymentIntentId)
      return [{ invoice: { ...invoice, stripeSubscriptionId }, payment }]
    })
  })
}

/** The same as a settlement writes of the payment. */
const moneyOf = (payment: PaymentShape) => ({
  amountRefunded: Math.min(payment.amountRefunded, payment.amount),
  disputeId: payment.dispute?.stripeDisputeId ?? null,
  disputeStatus: disputedOf(payment).disputeStatus,
})

const SEEN = [
  'id',
  'plan',
  'subscriptionId',
  'paymentId',
  'invoiceId',
  'invoiceIds',
  'amountRefunded',
  'disputeId',
  'disputeStatus',
] as const

type SeenRow = Pick<OrderRow, (typeof SEEN)[number]>
type SeenOrder = InNumbers<SeenRow>

/** The orders of these payments, and the orders that began their subscriptions. */
async function ordersOf(tx: Db, paid: Paid[]) {
  const payments = paid.map(({ payment }) => payment.stripePaymentIntentId)
  const named = paid.flatMap(({ invoice }) => invoice.orderId ?? [])
  const subscriptions = paid.map(({ invoice }) => invoice.stripeSubscriptionId)
  // Without an invoice's id, so the orders of the subscription's other months are left out.
  const sql = Prisma.sql`
    SELECT ${columnsOf(SEEN)} FROM "Order"
    WHERE "provider" = 'stripe' AND ("paymentId" = ANY(${payments}) OR "id" = ANY(${named})
      OR ("subscriptionId" = ANY(${subscriptions}) AND "invoiceId" IS NULL))`
  return queryNamed<SeenRow>(tx, 'orders_of_invoices', sql)
}

/**
 * Whether an order began the subscription. Until the order is settled it has no subscription id, but the
 * invoice names the order.
 */
const isOrdered = (orders: readonly SeenOrder[], { invoice }: Paid): boolean =>
  orders.some(
    ({ id, plan, invoiceId, subscriptionId }) =>
      plan !== null &&
      invoiceId === null &&
      (subscriptionId === invoice.stripeSubscriptionId || id === invoice.orderId),
  )

const differs = (
  order: Pick<SeenOrder, 'amountRefunded' | 'disputeId' | 'disputeStatus'>,
  money: ReturnType<typeof moneyOf>,
): boolean =>
  order.amountRefunded !== money.amountRefunded ||
  order.disputeId !== money.disputeId ||
  order.disputeStatus !== money.disputeStatus

async function add(
  ctx: BillingContext,
  tx: Db,
  {
    customer,
    ticket,
    prices,
    invoices,
  }: Pick<Loaded, 'customer' | 'ticket' | 'prices'> & {
    invoices: ReturnType<typeof invoicesByPayment>
  },
  missing: Paid[],
): Promise<void> {
  const { id: customerId, ownerId, stripeCustomerId } = customer
  const termsOf = await namesOf(ctx, tx, missing, prices)
  const data = missing.map(({ invoice, payment }): Prisma.OrderCreateManyInput => {
    const paidAt = payment.paidAt ?? ctx.clock.now()
    return {
      ...termsOf(invoice),
      ...moneyOf(payment),
      ownerId,
      customerId,
      provider: 'stripe',
      amount: payment.amount,
      amountPaid: payment.amount,
      currency: payment.currency,
      status: 'completed',
      paymentId: payment.stripePaymentIntentId,
      subscriptionId: invoice.stripeSubscriptionId,
      invoiceId: invoice.stripeInvoiceId,
      invoiceIds: [...several(invoices.get(payment.stripePaymentIntentId))],
      providerCustomerId: stripeCustomerId,
      settledTicket: ticket,
      paidAt,
      completedAt: paidAt,
      createdAt: invoice.createdAt,
      returnKey: newReturnKey(),
    }
  })
  await insertNew(tx, 'Order', data)
}

/**
 * Returns a function that gives SKU, plan and interval of an invoice. All three are null where no row of its
 * prices belongs to a plan.
 */
async function namesOf(ctx: BillingContext, tx: Db, paid: Paid[], known: Loaded['prices']) {
  const rows = new Map(known)
  const ids = paid.flatMap(({ invoice }) => invoice.stripePriceIds)
  const unknown = ids.filter((id) => !rows.has(id))
  // The sync has read the prices of present subscriptions and of recent invoices.
  if (unknown.length > 0) {
    for (const price of await pricesOf(tx, unknown)) rows.set(price.stripePriceId, price)
  }
  return ({ stripePriceIds }: InvoiceShape) => {
    const [sold] = stripePriceIds.flatMap((id) => {
      const price = rows.get(id)
      return (price && planOfPrice(ctx.plans, price)) ?? []
    })
    if (!sold) return { sku: null, plan: null, interval: null }
    return { ...sold, sku: skuOfPlan(ctx.products, sold.plan, sold.interval) }
  }
}
