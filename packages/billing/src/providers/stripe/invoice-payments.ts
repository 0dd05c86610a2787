/**
 * The payments of an invoice that was not paid by exactly one payment, and the amounts that credit notes gave back
 * without a refund. Several payments may pay one invoice, and a payment made otherwise may be attached to it; API
 * versions before 2025-03-31 show only the first payment. An invoice that one payment paid costs no request.
 *
 * @see https://docs.stripe.com/invoicing/partial-payments
 * @module
 */

import Stripe from 'stripe'
import { idOf, type Raw, record, text, whole } from '../json.ts'
import { ask, hasNewShape } from './client.ts'
import { rows } from './shapes.ts'

/**
 * Adds `payments` and `credit_notes` to each invoice that may have more of them than it shows, for `invoiceShape` to
 * read. `intents` are the payments that were loaded with the invoices.
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

/** Whether an invoice may have been paid by other payments than it shows. */
function mayHaveMore(invoice: Raw, known: ReadonlyMap<string | null, Raw | null>): boolean {
  const payments = record(invoice.payments)
  if (payments) return payments.has_more === true
  const paid = whole(invoice.amount_paid) ?? 0
  if (paid === 0) return false
  const first = record(invoice.payment_intent) ?? known.get(idOf(invoice.payment_intent))
  // The payment of an old invoice is not loaded, and no request is made for it. Stripe is asked about an invoice
  // without any payment.
  if (!first) return invoice.payment_intent === null
  return first.status !== 'succeeded' || whole(first.amount) !== paid
}

/** Options that send a request in the SDK's own API version, where the client's version has no invoice payments. */
export const laterVersion = (stripe: Stripe): Stripe.RequestOptions =>
  hasNewShape(stripe) ? {} : { apiVersion: Stripe.API_VERSION }

async function everyPayment(stripe: Stripe, invoice: string): Promise<object[]> {
  const listed = stripe.invoicePayments.list({ invoice, limit: 100 }, laterVersion(stripe))
  await ask('list', listed)
  const payments: object[] = []
  for await (const payment of listed) payments.push(payment)
  return payments.reverse()
}

/** All credit notes of an invoice. */
export async function everyCreditNote(stripe: Stripe, invoice: string): Promise<object[]> {
  const listed = stripe.creditNotes.list({ invoice, limit: 100 }, laterVersion(stripe))
  await ask('list', listed)
  const notes: object[] = []
  for await (const note of listed) notes.push(note)
  return notes
}

/** A payment through Stripe, and the part of it that paid the invoice. */
export interface InvoicePaymentShape {
  stripePaymentIntentId: string
  /** Minor units. */
  amount: number
}

/** The successful payments through Stripe that an invoice lists, the oldest first; none where it lists none. */
export const paidPayments = (invoice: Raw): InvoicePaymentShape[] =>
  rows(invoice.payments).flatMap(({ status, amount_paid, payment }) => {
    const stripePaymentIntentId = idOf(record(payment)?.payment_intent)
    const amount = whole(amount_paid) ?? 0
    return status === 'paid' && stripePaymentIntentId && amount > 0
      ? [{ stripePaymentIntentId, amount }]
      : []
  })

/**
 * The successful payments through Stripe that paid an invoice, the oldest first, as Stripe lists them now. `raw` is
 * what of the invoice was loaded for this.
 */
export async function paymentsOfInvoice(
  stripe: Stripe,
  invoice: string,
): Promise<{ payments: InvoicePaymentShape[]; raw: Raw }> {
  const raw = { id: invoice, payments: { data: await everyPayment(stripe, invoice) } }
  return { payments: paidPayments(raw), raw }
}

/** The amount of an invoice that was paid out of band, in minor units. */
export function paidOffStripe(invoice: Raw): number {
  // API versions before 2025-03-31 do not count such an amount as paid; later ones have a payment for it.
  if (invoice.paid_out_of_band === true) return whole(invoice.amount_remaining) ?? 0
  return rows(invoice.payments)
    .filter(({ status, payment }) => status === 'paid' && !idOf(record(payment)?.payment_intent))
    .reduce((sum, { amount_paid }) => sum + (whole(amount_paid) ?? 0), 0)
}

/** The amount that credit notes gave back after payment without a refund: to a balance, or past Stripe. */
export const creditedBack = (invoice: Raw): number =>
  rows(invoice.credit_notes).reduce((sum, note) => {
    if (text(note.status) === 'void') return sum
    const refunds = rows({ data: note.refunds })
    const refunded = refunds.reduce((all, each) => all + (whole(each.amount_refunded) ?? 0), 0)
    return sum + Math.max(0, (whole(note.post_payment_amount) ?? 0) - refunded)
  }, 0)
