/**
 * Writes a customer's subscriptions, invoices, payments and refunds as Stripe has them. The caller passes Stripe's
 * state and a transaction that holds the customer's row. `writers.test.ts` lists who else writes these tables.
 *
 * @module
 */

import type { Db } from '@repo/db'
import { moneyOfInvoice } from '../providers/stripe/invoice-money.ts'
import { isOneTime } from '../providers/stripe/terms.ts'
import { type Invoice, inNumbers } from '../rows.ts'
import { invoicesByRefund, several } from './invoices-of-payments.ts'
import { type Table, upsertAll } from './rows-in-one.ts'
import { writeAlone } from './write-alone.ts'

import {
  type Change,
  type Writing,
  type Written,
  writeSubscriptions,
} from './write-subscriptions.ts'

/** Writes subscriptions, invoices, payments and refunds, and removes deleted drafts. */
export async function writeState(writing: Writing): Promise<Written> {
  const written = await writeSubscriptions(writing)
  written.changes.push(
    ...(await writeInvoices(writing, written.rows)),
    ...(await removeDrafts(writing)),
    ...(await writePayments(writing)),
    ...(await writeRefunds(writing)),
  )
  return written
}

async function writeInvoices(writing: Writing, subscriptions: Written['rows']): Promise<Change[]> {
  const { customer, state } = writing
  const payments = new Map(state.payments.map((each) => [each.stripePaymentIntentId, each]))
  const before = await unseenPayments(writing, payments)
  const rows = state.invoices.map(
    ({
      stripeSubscriptionId,
      orderId,
      stripePriceIds,
      payments: paid,
      amountCredited,
      ...invoice
    }) => {
      const { stripeInvoiceId } = invoice
      const money = moneyOfInvoice({ stripeInvoiceId, payments: paid, amountCredited }, payments)
      const kept = before.get(stripeInvoiceId)
      return {
        ...invoice,
        customerId: customer.id,
        subscriptionId: subscriptions.get(stripeSubscriptionId ?? '')?.id ?? null,
        amountRefunded: money?.amountRefunded ?? kept?.amountRefunded ?? 0,
        amountDisputed: money?.amountDisputed ?? kept?.amountDisputed ?? 0,
        disputeStatus: money ? money.disputeStatus : (kept?.disputeStatus ?? null),
      }
    },
  )
  return (await upsert(writing, 'Invoice', 'stripeInvoiceId', rows)).map((id) => ({
    object: 'invoice',
    id,
  }))
}

/** Deletes drafts that Stripe no longer lists. Only a draft can be deleted at Stripe. */
async function removeDrafts({ tx, customer, state }: Writing): Promise<Change[]> {
  if (state.invoicesSince === null) return []
  const gone = await tx.$queryRaw<{ stripeInvoiceId: string }[]>`
    DELETE FROM "Invoice" WHERE "customerId" = ${customer.id} AND "status" = 'draft'
      AND "createdAt" >= ${state.invoicesSince}
      AND "stripeInvoiceId" <> ALL(${state.invoices.map(({ stripeInvoiceId }) => stripeInvoiceId)})
      AND "stripeInvoiceId" <> ALL(${state.problems.map(({ id }) => id)})
    RETURNING "stripeInvoiceId"`
  return gone.map(({ stripeInvoiceId: id }) => ({ object: 'invoice', id, to: 'deleted' }))
}

/** The stored refunds and disputes of invoices whose payment was not loaded, because it is older. */
async function unseenPayments(
  { tx, state }: Writing,
  payments: Map<string, unknown>,
): Promise<Map<string, Pick<Invoice, 'amountRefunded' | 'amountDisputed' | 'disputeStatus'>>> {
  if (state.isWhole) return new Map()
  const unseen = state.invoices.filter(({ payments: paid }) =>
    paid.some(({ stripePaymentIntentId: id }) => !payments.has(id)),
  )
  if (unseen.length === 0) return new Map()
  const rows = await tx.invoice.findMany({
    where: { stripeInvoiceId: { in: unseen.map(({ stripeInvoiceId }) => stripeInvoiceId) } },
    select: {
      stripeInvoiceId: true,
      amountRefunded: true,
      amountDisputed: true,
      disputeStatus: true,
    },
  })
  return new Map(rows.map(({ stripeInvoiceId, ...facts }) => [stripeInvoiceId, inNumbers(facts)]))
}

async function writePayments(writing: Writing): Promise<Change[]> {
  const { customer, state } = writing
  const rows = state.payments.filter(isOneTime).map((payment) => {
    const {
      stripeCustomerId,
      dispute,
      disputes,
      failure,
      refunds,
      hasMoreRefunds,
      shares,
      ...facts
    } = payment
    // The host's metadata is dropped when its owner is forgotten.
    const metadata = customer.forgottenAt ? {} : facts.metadata
    return { ...facts, metadata, customerId: customer.id, disputeStatus: dispute?.status ?? null }
  })
  return (await upsert(writing, 'Payment', 'stripePaymentIntentId', rows)).map((id) => ({
    object: 'payment',
    id,
  }))
}

async function writeRefunds(writing: Writing): Promise<Change[]> {
  const { tx, customer, state } = writing
  if (state.refunds.length === 0) return []
  const where = {
    stripePaymentIntentId: {
      in: state.refunds.flatMap(({ stripePaymentIntentId: id }) => id ?? []),
    },
  }
  const select = { id: true, stripePaymentIntentId: true }
  const payments = await tx.payment.findMany({ where, select })
  const invoices = await invoicesOf(writing, await tx.invoice.findMany({ where, select }))
  const known = invoicesByRefund(state)
  const names = await namesBefore(writing, known)
  const ids = await invoiceRows(tx, [...known.values()].flat())
  const rows = state.refunds.map(({ namedInvoiceId: _, ...refund }) => {
    const { stripePaymentIntentId, stripeRefundId } = refund
    const own = known.get(stripeRefundId)
    const [first] = own?.length === 1 ? own : []
    return {
      ...refund,
      customerId: customer.id,
      paymentId:
        payments.find((row) => row.stripePaymentIntentId === stripePaymentIntentId)?.id ?? null,
      invoiceId: ids.get(first) ?? invoices.get(stripePaymentIntentId) ?? null,
      invoiceIds: own ? several(own) : (names.get(stripeRefundId) ?? []),
    }
  })
  return (await upsert(writing, 'Refund', 'stripeRefundId', rows)).map((id) => ({
    object: 'refund',
    id,
  }))
}

/** The stored invoices of refunds whose invoices were not loaded, because they are older. */
async function namesBefore(
  { tx, state }: Writing,
  known: ReadonlyMap<string, unknown>,
): Promise<Map<string, string[]>> {
  const unseen = state.refunds.filter(({ stripeRefundId }) => !known.has(stripeRefundId))
  if (unseen.length === 0) return new Map()
  const rows = await tx.refund.findMany({
    where: { stripeRefundId: { in: unseen.map(({ stripeRefundId }) => stripeRefundId) } },
    select: { stripeRefundId: true, invoiceIds: true },
  })
  return new Map(rows.map(({ stripeRefundId, invoiceIds }) => [stripeRefundId, invoiceIds]))
}

/** Our ids of invoices, by Stripe's. */
async function invoiceRows(tx: Db, stripeIds: string[]): Promise<Map<string | undefined, string>> {
  if (stripeIds.length === 0) return new Map()
  const rows = await tx.invoice.findMany({
    where: { stripeInvoiceId: { in: stripeIds } },
    select: { id: true, stripeInvoiceId: true },
  })
  return new Map(rows.map(({ id, stripeInvoiceId }) => [stripeInvoiceId, id]))
}

/**
 * Our invoice ids by payment. An invoice's row names one payment; its other payments are found in the loaded
 * state or in orders.
 */
async function invoicesOf(
  { tx, state }: Writing,
  named: { id: string; stripePaymentIntentId: string | null }[],
): Promise<Map<string | null, string>> {
  const found = new Map(named.map(({ id, stripePaymentIntentId }) => [stripePaymentIntentId, id]))
  const others = state.refunds.flatMap(({ stripePaymentIntentId: id }) =>
    id !== null && !found.has(id) ? id : [],
  )
  if (others.length === 0) return found
  const loaded = state.invoices.flatMap(({ stripeInvoiceId: invoiceId, payments }) =>
    payments.map(({ stripePaymentIntentId: paymentId }) => ({ invoiceId, paymentId })),
  )
  const orders = await tx.order.findMany({
    where: { provider: 'stripe', paymentId: { in: others }, invoiceId: { not: null } },
    select: { invoiceId: true, paymentId: true },
  })
  const pairs = [...orders, ...loaded]
  const idOf = await invoiceRows(
    tx,
    pairs.flatMap(({ invoiceId }) => invoiceId ?? []),
  )
  for (const { invoiceId, paymentId } of pairs) {
    const id = idOf.get(invoiceId ?? '')
    if (id !== undefined && others.includes(paymentId ?? '')) found.set(paymentId, id)
  }
  return found
}

/** Writes all rows in one statement, or each row alone if refused rows have to be found. */
async function upsert<Key extends string>(
  { tx, refused }: Writing,
  table: Table,
  key: Key,
  rows: { [key in Key]: string }[],
): Promise<string[]> {
  const keysOf = async (some: object[]) =>
    (await upsertAll(tx, table, key, some)).map((row) => row.key)
  if (!refused) return keysOf(rows)
  const changed: string[] = []
  for (const row of rows) {
    const write = async () => changed.push(...(await keysOf([row])))
    if (!(await writeAlone(tx, write))) refused.add(row[key])
  }
  return changed
}
