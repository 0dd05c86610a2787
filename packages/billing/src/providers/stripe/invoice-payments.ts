/**
 * The payments of an invoice that was not paid by exactly one payment, and the amounts that credit notes gave back
 * without a refund. Several payments may pay one invoice, and a payment made otherwise may be attached to it; API
 * versions before 2025-03-31 show only the first payment. An invoice that one payment paid costs no request.
 *
 * @see https://docs.stripe.com/invoicing/partial-payments
 * @module
 */

import Stripe from 'stripe'
import { ask, hasNewShape } from './client.ts'
import { idOf, type Raw, record, rows, text, whole } from './shapes.ts'

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

async function everyCreditNote(stripe: Stripe, invoice: string): Promise<object[]> {
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

/** The successful payments through Stripe that paid an invoice, the oldest first, as Stripe lists them now. */
export const paymentsOfInvoice = async (
  stripe: Stripe,
  invoice: string,
): Promise<InvoicePaymentShape[]> =>
  paidPayments({ payments: { data: await everyPayment(stripe, invoice) } })

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
    const refunds = Array.isArray(note.refunds) ? note.refunds : []
    const refunded = refunds.reduce<number>(
      (all, each) => all + (whole(record(each)?.amount_refunded) ?? 0),
      0,
    )
    return sum + Math.max(0, (whole(note.post_payment_amount) ?? 0) - refunded)
  }, 0)

/** The amounts of an invoice that were refunded or disputed, in minor units. */
export interface InvoiceMoney {
  /** The amount given back by refunds and credit notes. */
  amountRefunded: number
  /** The amount that disputes hold or have taken. */
  amountDisputed: number
  /** The status of a dispute that holds or took money, else of another dispute. Null: there is none. */
  disputeStatus: string | null
}

interface Payment {
  stripePaymentIntentId: string
  amount: number
  amountRefunded: number
  dispute: { status: string } | null
  disputes: readonly { status: string; amount: number | null }[]
}

/** The amount of a payment that disputes hold or have taken, and the status of such a dispute, else of another. */
export function disputedOf({ amount, amountRefunded, dispute, disputes }: Payment): {
  amountDisputed: number
  disputeStatus: string | null
} {
  const holding = disputes.filter(({ status }) => holdsMoney(status))
  const sum = holding.reduce((all, each) => all + (each.amount ?? amount), 0)
  return {
    amountDisputed: Math.min(sum, Math.max(0, amount - amountRefunded)),
    disputeStatus: holding.at(-1)?.status ?? dispute?.status ?? null,
  }
}

/**
 * The part of `back` that belongs to the `part` of a payment that paid an invoice, rounded down. A payment may pay
 * several invoices, and all of it may not have been needed.
 */
export const partOf = (back: number, part: number, { amount }: { amount: number }): number =>
  part >= amount ? Math.min(back, part) : Number((BigInt(back) * BigInt(part)) / BigInt(amount))

/** Whether a dispute of this status holds or has taken the money. An inquiry does not. */
export const holdsMoney = (status: string | null): boolean =>
  status !== null && status !== 'won' && status !== 'prevented' && !status.startsWith('warning_')

/** The amounts of an invoice. Null where not all of its payments were loaded, because the sums would be too low. */
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
    const { amountDisputed, disputeStatus: status } = disputedOf(payment)
    money.amountRefunded += partOf(payment.amountRefunded, amount, payment)
    money.amountDisputed += partOf(amountDisputed, amount, payment)
    if (status !== null && !holdsMoney(money.disputeStatus)) money.disputeStatus = status
  }
  return money
}
