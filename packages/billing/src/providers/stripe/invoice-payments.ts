/**
 * The payments of an invoice that was not paid by one, and what credit notes gave back of it otherwise than by a
 * refund. Stripe lets several payments pay one invoice, or none of its own; versions before 2025-03-31 show only the
 * first of them. An invoice that one payment paid costs no request.
 *
 * @see https://docs.stripe.com/invoicing/partial-payments
 * @module
 */

import Stripe from 'stripe'
import { ask, hasNewShape } from './client.ts'
import { idOf, type Raw, record, rows, text, whole } from './shapes.ts'

/**
 * Adds `payments` and `credit_notes` to each invoice that does not tell them by itself, for `invoiceShape` to read.
 * `intents` are what was loaded beside them.
 */
export async function addInvoicePayments(
  stripe: Stripe,
  invoices: readonly object[],
  intents: readonly object[] = [],
): Promise<void> {
  const known = new Map(intents.map((intent) => [idOf(intent), record(intent)]))
  for (const invoice of invoices) {
    const raw = record(invoice)
    const id = idOf(invoice)
    if (!raw || id === null) continue
    if (mayHaveMore(raw, known)) {
      const data = await everyPayment(stripe, id)
      Object.assign(raw, { payments: { object: 'list', data, has_more: false } })
    }
    if ((whole(raw.post_payment_credit_notes_amount) ?? 0) > 0) {
      const data = await everyCreditNote(stripe, id)
      Object.assign(raw, { credit_notes: { object: 'list', data } })
    }
  }
}

/** Whether an invoice may have been paid by other payments than it tells. */
function mayHaveMore(invoice: Raw, known: ReadonlyMap<string | null, Raw | null>): boolean {
  const payments = record(invoice.payments)
  if (payments) return payments.has_more === true
  const paid = whole(invoice.amount_paid) ?? 0
  if (paid === 0) return false
  const first = record(invoice.payment_intent) ?? known.get(idOf(invoice.payment_intent))
  // Of one that is older than what was loaded nothing is known, and nothing is asked.
  if (!first) return invoice.payment_intent === null
  return first.status !== 'succeeded' || whole(first.amount) !== paid
}

/** Asks in the SDK's own version where the client's has no payments of invoices. */
export const laterVersion = (stripe: Stripe): Stripe.RequestOptions =>
  hasNewShape(stripe) ? {} : { apiVersion: Stripe.API_VERSION }

async function everyPayment(stripe: Stripe, invoice: string): Promise<object[]> {
  const listed = stripe.invoicePayments.list({ invoice, limit: 100 }, laterVersion(stripe))
  await ask('list', listed)
  const payments: object[] = []
  for await (const payment of listed) payments.push(payment)
  return payments.reverse()
}

async function everyCreditNote(stripe: Stripe, invoice: string): Promise<object[]> {
  const listed = stripe.creditNotes.list({ invoice, limit: 100 }, laterVersion(stripe))
  await ask('list', listed)
  const notes: object[] = []
  for await (const note of listed) notes.push(note)
  return notes
}

/** One payment that was made, and what of it went to the invoice. */
export interface InvoicePaymentShape {
  stripePaymentIntentId: string
  /** Minor units. */
  amount: number
}

/** The payments through Stripe that an invoice tells to be made, the oldest first; none where it tells only an id. */
export const paidPayments = (invoice: Raw): InvoicePaymentShape[] =>
  rows(invoice.payments).flatMap(({ status, amount_paid, payment }) => {
    const stripePaymentIntentId = idOf(record(payment)?.payment_intent)
    const amount = whole(amount_paid) ?? 0
    return status === 'paid' && stripePaymentIntentId && amount > 0
      ? [{ stripePaymentIntentId, amount }]
      : []
  })

/** What was paid of an invoice past Stripe, in minor units. */
export function paidOffStripe(invoice: Raw): number {
  // The old shape counts none of it as paid; the new one has a payment for it.
  if (invoice.paid_out_of_band === true) return whole(invoice.amount_remaining) ?? 0
  return rows(invoice.payments)
    .filter(({ status, payment }) => status === 'paid' && !idOf(record(payment)?.payment_intent))
    .reduce((sum, { amount_paid }) => sum + (whole(amount_paid) ?? 0), 0)
}

/** What credit notes gave back after the payment and not by a refund: to a balance, or past Stripe. */
export const creditedBack = (invoice: Raw): number =>
  rows(invoice.credit_notes).reduce((sum, note) => {
    if (text(note.status) === 'void') return sum
    const refunds = Array.isArray(note.refunds) ? note.refunds : []
    const refunded = refunds.reduce<number>(
      (all, each) => all + (whole(record(each)?.amount_refunded) ?? 0),
      0,
    )
    return sum + Math.max(0, (whole(note.post_payment_amount) ?? 0) - refunded)
  }, 0)

/** What became of an invoice's money. */
export interface InvoiceMoney {
  /** Minor units, all three. What went back of it by refunds and credit notes. */
  amountRefunded: number
  /** What disputes hold, or have taken. */
  amountDisputed: number
  /** The status of the dispute that counts. Null: none. */
  disputeStatus: string | null
}

interface Payment {
  stripePaymentIntentId: string
  amount: number
  amountRefunded: number
  dispute: { status: string } | null
}

/** Whether a dispute of this status holds or has taken the money: an inquiry does not. */
export const holdsMoney = (status: string | null): boolean =>
  status !== null && status !== 'won' && status !== 'prevented' && !status.startsWith('warning_')

/** Null where not every payment of the invoice was loaded: a part of them would say that less went back. */
export function moneyOfInvoice(
  {
    payments,
    amountCredited,
  }: { payments: readonly InvoicePaymentShape[]; amountCredited: number },
  loaded: ReadonlyMap<string, Payment>,
): InvoiceMoney | null {
  const money: InvoiceMoney = {
    amountRefunded: amountCredited,
    amountDisputed: 0,
    disputeStatus: null,
  }
  for (const { stripePaymentIntentId, amount } of payments) {
    const payment = loaded.get(stripePaymentIntentId)
    if (!payment) return null
    // Of a payment that pays several invoices each has its share.
    const refunded = Math.min(payment.amountRefunded, amount)
    const status = payment.dispute?.status ?? null
    money.amountRefunded += refunded
    if (holdsMoney(status)) money.amountDisputed += amount - refunded
    if (status !== null && !holdsMoney(money.disputeStatus)) money.disputeStatus = status
  }
  return money
}
