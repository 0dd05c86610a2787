/**
 * Reads the final state of our tables, in the terms of `provider.ts`.
 *
 * @module
 */

import { inNumbers } from '@repo/billing/testing'
import type { Database } from '@repo/db'
import type { Facts, Objects, ProviderTruth } from './provider.ts'
import { readUnsold, type Span } from './unsold.ts'

/** The final state of our tables. */
export interface OurRows extends ProviderTruth {
  /** The flags of subscriptions, by Stripe's id. */
  flagged: Map<string, string>
  /** When subscriptions had a price without a plan, by Stripe's id. */
  unsold: Map<string, Span[]>
}

const seconds = (date: Date | null): number | null => date && Math.floor(date.getTime() / 1000)

/** Our rows of the owners `ownerIds`. */
export async function readRows(db: Database, ownerIds: readonly string[]): Promise<OurRows> {
  const where = { customer: { ownerId: { in: [...ownerIds] } } }
  const customer = { select: { ownerId: true } }
  const [unsold, customers, subscriptions, invoices, payments, refunds, orders] = await Promise.all(
    [
      readUnsold(db),
      db.customer.findMany({ where: where.customer }),
      db.subscription.findMany({
        where: { ...where, provider: 'stripe' },
        include: { customer, price: true },
      }),
      db.invoice.findMany({ where, include: { customer, subscription: true } }),
      db.payment.findMany({ where, include: { customer } }),
      db.refund.findMany({ where, include: { customer, payment: true, invoice: true } }),
      db.order.findMany({ where }),
    ],
  )
  const flagged = new Map<string, string>()
  for (const { stripeSubscriptionId, needsAttention } of subscriptions) {
    if (needsAttention && stripeSubscriptionId) flagged.set(stripeSubscriptionId, needsAttention)
  }
  return {
    flagged,
    unsold,
    customers: objects(customers, (row) => [
      row.ownerId,
      { stripeCustomerId: row.stripeCustomerId },
    ]),
    subscriptions: objects(subscriptions, (row) => [
      row.stripeSubscriptionId as string,
      {
        ownerId: row.customer.ownerId,
        status: row.status,
        price: row.price?.stripePriceId ?? null,
        lookupKey: row.price?.lookupKey ?? null,
        amount: inNumbers(row.price)?.amount ?? null,
        quantity: row.quantity,
        periodStart: seconds(row.currentPeriodStart),
        periodEnd: seconds(row.currentPeriodEnd),
        cancelAtPeriodEnd: row.cancelAtPeriodEnd,
        cancelAt: seconds(row.cancelAt),
        canceledAt: seconds(row.canceledAt),
        endedAt: seconds(row.endedAt),
        trialEnd: seconds(row.trialEnd),
        createdAt: seconds(row.createdAt),
      },
    ]),
    invoices: objects(invoices.map(inNumbers), (row) => [
      row.stripeInvoiceId,
      {
        ownerId: row.customer.ownerId,
        status: row.status,
        subscription: row.subscription?.stripeSubscriptionId ?? null,
        billingReason: row.billingReason,
        total: row.total,
        amountDue: row.amountDue,
        amountPaid: row.amountPaid,
        currency: row.currency,
        attemptCount: row.attemptCount,
        intent: row.stripePaymentIntentId,
        paidAt: seconds(row.paidAt),
        number: row.number,
        amountRefunded: row.amountRefunded,
      },
    ]),
    payments: objects(
      payments.map(inNumbers),
      ({ status, amount, currency, amountRefunded, ...row }) => [
        row.stripePaymentIntentId,
        { ownerId: row.customer.ownerId, status, amount, currency, amountRefunded },
      ],
    ),
    refunds: objects(refunds.map(inNumbers), ({ amount, currency, status, ...row }) => [
      row.stripeRefundId,
      {
        ownerId: row.customer.ownerId,
        amount,
        currency,
        status,
        payment: row.payment?.stripePaymentIntentId ?? null,
        invoice: row.invoice?.stripeInvoiceId ?? null,
      },
    ]),
    orders: objects(
      orders.map(inNumbers),
      ({ status, amount, amountPaid, amountRefunded, ...row }) => [
        row.paymentId ?? row.id,
        {
          ...{ ownerId: row.ownerId, status, amount, amountPaid, amountRefunded },
          subscription: row.subscriptionId,
          invoice: row.invoiceId,
          currency: row.currency,
          credits: row.credits,
        },
      ],
    ),
  }
}

const objects = <Row>(rows: Row[], entry: (row: Row) => [string, Facts]): Objects =>
  new Map(rows.map(entry))
