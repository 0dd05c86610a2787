/**
 * The payments of plans that were bought at a checkout for them, as orders: each succeeded payment of a
 * subscription's invoice is one order, written by the sync of its customer, whoever asked for that. It is
 * paid when it is written, has the invoice's id, and gives nothing: the credits of a plan come with its
 * invoices. Where nothing was due, or all was paid past Stripe, there is no payment, and no order; where several
 * payments paid an invoice, each is an order.
 *
 * A plan that was ordered is left to its own order, which is settled.
 *
 * @module
 */

import type { Db, Prisma } from '@repo/db'
import type { BillingContext } from '../context.ts'
import type { LinkedCustomer } from '../customers.ts'
import { planOfPrice } from '../plans.ts'
import { skuOfPlan } from '../products.ts'
import type { ProviderState } from '../provider-state.ts'
import { inNumbers, type Order } from '../rows.ts'
import type { InvoiceShape, PaymentShape } from '../shapes-money.ts'
import { newReturnKey } from './returns.ts'

interface Paid {
  invoice: InvoiceShape & { stripeSubscriptionId: string }
  payment: PaymentShape
}

/**
 * Joins the sync's transaction, which holds the customer's row. `ticket` is the sync's: what a settlement
 * with a later one has written stays.
 */
export async function bookInvoices(
  ctx: BillingContext,
  tx: Db,
  { customer, state, ticket }: { customer: LinkedCustomer; state: ProviderState; ticket: bigint },
): Promise<void> {
  const paid = paidOf(state)
  if (paid.length === 0) return
  const ids = paid.map(({ payment }) => payment.stripePaymentIntentId)
  const rows = await tx.order.findMany({
    where: { provider: 'stripe', paymentId: { in: ids } },
    select: SEEN,
  })
  const orders = new Map(rows.map((order) => [order.paymentId, inNumbers(order)]))
  const missing = paid.filter(({ payment }) => !orders.has(payment.stripePaymentIntentId))
  if (missing.length > 0) await add(ctx, tx, customer, ticket, missing)
  for (const { payment } of paid) {
    const order = orders.get(payment.stripePaymentIntentId)
    const money = moneyOf(payment)
    // Another one's credits follow its money: it is settled.
    if (!order?.invoiceId || !differs(order, money)) continue
    const where = { id: order.id, settledTicket: { lt: ticket } }
    await tx.order.updateMany({ where, data: { ...money, settledTicket: ticket } })
  }
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
      // A payment of two invoices is booked with the first of them.
      if (!payment || taken.has(payment.stripePaymentIntentId)) return []
      taken.add(payment.stripePaymentIntentId)
      return [{ invoice: { ...invoice, stripeSubscriptionId }, payment }]
    })
  })
}

const moneyOf = ({ amount, amountRefunded, dispute }: PaymentShape) => ({
  amountRefunded: Math.min(amountRefunded, amount),
  disputeId: dispute?.stripeDisputeId ?? null,
  disputeStatus: dispute?.status ?? null,
})

const SEEN = {
  id: true,
  paymentId: true,
  invoiceId: true,
  amountRefunded: true,
  disputeId: true,
  disputeStatus: true,
} as const

const differs = (
  order: Pick<Order, keyof typeof SEEN>,
  money: ReturnType<typeof moneyOf>,
): boolean =>
  order.amountRefunded !== money.amountRefunded ||
  order.disputeId !== money.disputeId ||
  order.disputeStatus !== money.disputeStatus

async function add(
  ctx: BillingContext,
  tx: Db,
  { id: customerId, ownerId, stripeCustomerId }: LinkedCustomer,
  ticket: bigint,
  missing: Paid[],
): Promise<void> {
  const isOrdered = await orderedOf(tx, missing)
  const termsOf = await namesOf(ctx, tx, missing)
  const data = missing
    .filter((each) => !isOrdered(each))
    .map(({ invoice, payment }): Prisma.OrderCreateManyInput => {
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
        providerCustomerId: stripeCustomerId,
        settledTicket: ticket,
        paidAt,
        completedAt: paidAt,
        createdAt: invoice.createdAt,
        returnKey: newReturnKey(),
      }
    })
  if (data.length > 0) await tx.order.createMany({ data, skipDuplicates: true })
}

/** Whether an order of ours began the subscription: such a one carries its id, also before it is settled. */
async function orderedOf(tx: Db, paid: Paid[]): Promise<(of: Paid) => boolean> {
  const named = paid.flatMap(({ invoice }) => invoice.orderId ?? [])
  const subscriptions = paid.map(({ invoice }) => invoice.stripeSubscriptionId)
  const orders = await tx.order.findMany({
    where: {
      provider: 'stripe',
      plan: { not: null },
      invoiceId: null,
      OR: [{ id: { in: named } }, { subscriptionId: { in: subscriptions } }],
    },
    select: { id: true, subscriptionId: true },
  })
  const known = new Set(orders.flatMap(({ id, subscriptionId }) => [id, subscriptionId ?? id]))
  return ({ invoice }) =>
    known.has(invoice.stripeSubscriptionId) || known.has(invoice.orderId ?? '')
}

/** What an invoice is for: all null where its price is no plan of ours, or none we have seen. */
async function namesOf(ctx: BillingContext, tx: Db, paid: Paid[]) {
  const ids = paid.flatMap(({ invoice }) => invoice.stripePriceIds)
  const prices = await tx.price.findMany({
    where: { stripePriceId: { in: ids } },
    include: { product: true },
  })
  const rows = new Map(prices.map((price) => [price.stripePriceId, price]))
  return ({ stripePriceIds }: InvoiceShape) => {
    const [sold] = stripePriceIds.flatMap((id) => {
      const price = rows.get(id)
      return (price && planOfPrice(ctx.plans, price)) ?? []
    })
    if (!sold) return { sku: null, plan: null, interval: null }
    return { ...sold, sku: skuOfPlan(ctx.products, sold.plan, sold.interval) }
  }
}
