/**
 * Shares the refunds and disputes of a payment among the invoices that it paid. Promise: a refund counts for the
 * invoice that a credit note or our own name of the refund gives it. Only the rest is shared by amount, and no invoice
 * gets back more than the payment paid of it.
 *
 * @module
 */

import type Stripe from 'stripe'
import { idOf, type Raw, record, text, whole } from '../json.ts'
import { ask } from './client.ts'
import { everyCreditNote, laterVersion, paidPayments } from './invoice-payments.ts'
import { rows } from './shapes.ts'

/** An invoice that a shared payment paid, with the refunds that its credit notes name. */
export interface InvoiceShare {
  stripeInvoiceId: string
  /** The part of the payment that paid the invoice, in minor units. */
  amount: number
  /** `amount` is the part of the refund that a credit note gives to the invoice. */
  refunds: readonly { stripeRefundId: string; amount: number }[]
}

/** A refund of a payment. */
interface NamedRefund {
  stripeRefundId: string
  amount: number
  status: string
  /** The invoice that our name of the refund gives. */
  namedInvoiceId: string | null
}

/** A payment with its refunds, which may have to be shared. */
export interface SharedPayment {
  /** Minor units. */
  amount: number
  /** Minor units. */
  amountRefunded: number
  refunds: readonly NamedRefund[]
  /** The invoices that the payment paid; empty where its refunds need not be shared. */
  shares: readonly InvoiceShare[]
}

/** The name of a refund of the part of a payment that paid the invoice. */
export const refundNameOf = (stripeInvoiceId: string, paymentId: string): string =>
  `resolve:${stripeInvoiceId}:${paymentId}`

/** The key of a refund's metadata under which our requests name it. */
export const REFUND_MARK = 'tollgate_refund'

/** The invoice that `refundNameOf` put into a refund's name. Null: the refund has another name or none. */
export const namedInvoice = (refund: Raw): string | null =>
  /^resolve:(in_\w+):/.exec(text(record(refund.metadata)?.[REFUND_MARK]) ?? '')?.[1] ?? null

/** Whether refunds of the payment have to be shared, because one of the invoices was paid by a part of it. */
export function isShared(intent: object, invoices: readonly object[]): boolean {
  const raw = record(intent)
  if (!raw || (whole(chargeOf(raw)?.amount_refunded) ?? 0) === 0) return false
  return partsOf(intent, invoices).some(({ amount }) => amount < received(raw))
}

/**
 * Adds `invoice_shares` to each payment whose refunds have to be shared, for `paymentShape` to read. The invoices come
 * with the additions of `addInvoicePayments`. Other payments cost no request.
 */
export async function addInvoiceShares(
  stripe: Stripe,
  invoices: readonly object[],
  intents: readonly object[],
): Promise<void> {
  for (const intent of intents) {
    if (!isShared(intent, invoices)) continue
    const known = partsOf(intent, invoices)
    const paid = known.reduce((sum, { amount }) => sum + amount, 0)
    const parts =
      paid < received(record(intent)) ? await everyInvoice(stripe, idOf(intent) ?? '') : known
    const shares: object[] = []
    for (const { invoice, amount } of parts) {
      const data = await notesOf(stripe, invoice)
      shares.push({ invoice: idOf(invoice), amount, credit_notes: { data } })
    }
    Object.assign(intent, { invoice_shares: { data: shares } })
  }
}

interface PaidInvoice {
  invoice: Raw
  amount: number
}

/** The payment's charge, which old API versions list. */
export const chargeOf = (intent: Raw): Raw | null =>
  record(intent.latest_charge) ?? rows(intent.charges)[0] ?? null

const received = (intent: Raw | null): number =>
  whole(intent?.amount_received) ?? whole(intent?.amount) ?? 0

const partsOf = (intent: object, invoices: readonly object[]): PaidInvoice[] =>
  invoices.flatMap((each) => {
    const invoice = record(each)
    const part =
      invoice && paidPayments(invoice).find(({ stripePaymentIntentId: id }) => id === idOf(intent))
    return part ? [{ invoice, amount: part.amount }] : []
  })

/** All invoices that a payment paid, also those that were not loaded because they are older. */
async function everyInvoice(stripe: Stripe, paymentIntent: string): Promise<PaidInvoice[]> {
  const payment = { type: 'payment_intent' as const, payment_intent: paymentIntent }
  const params = { payment, limit: 100, expand: ['data.invoice'] }
  const listed = stripe.invoicePayments.list(params, laterVersion(stripe))
  await ask('list', listed)
  const parts: PaidInvoice[] = []
  for await (const { status, amount_paid, invoice } of listed) {
    const raw = record(invoice)
    if (raw && status === 'paid' && amount_paid) parts.push({ invoice: raw, amount: amount_paid })
  }
  return parts
}

async function notesOf(stripe: Stripe, invoice: Raw): Promise<readonly object[]> {
  if (invoice.credit_notes !== undefined) return rows(invoice.credit_notes)
  if ((whole(invoice.post_payment_credit_notes_amount) ?? 0) === 0) return []
  return everyCreditNote(stripe, idOf(invoice) ?? '')
}

/** Reads what `addInvoiceShares` added; empty where a payment's refunds need not be shared. */
export const sharesShape = (intent: Raw): InvoiceShare[] =>
  rows(intent.invoice_shares).flatMap(({ invoice, amount, credit_notes }) => {
    const stripeInvoiceId = text(invoice)
    if (!stripeInvoiceId) return []
    const refunds = rows(credit_notes)
      .filter(({ status }) => status !== 'void')
      .flatMap((note) => rows({ data: note.refunds }))
      .flatMap(({ refund, amount_refunded }) => {
        const stripeRefundId = idOf(refund)
        return stripeRefundId ? [{ stripeRefundId, amount: whole(amount_refunded) ?? 0 }] : []
      })
    return [{ stripeInvoiceId, amount: whole(amount) ?? 0, refunds }]
  })

/** The amount that refunds gave back of the `part` of a payment that paid the invoice, in minor units. */
export function refundedOf(stripeInvoiceId: string, part: number, payment: SharedPayment): number {
  const named = namedByInvoice(payment)
  const sum = [...named.values()].reduce((all, each) => all + each, 0)
  const known = named.get(stripeInvoiceId) ?? 0
  const unknown = Math.max(0, payment.amountRefunded - sum)
  return known + partOf(unknown, part - known, { amount: payment.amount - sum })
}

/** The amounts whose invoice is known: first those of credit notes, then those that our names give. */
function namedByInvoice({ refunds, shares }: SharedPayment): Map<string, number> {
  const made = refunds.filter(({ status }) => status !== 'failed' && status !== 'canceled')
  const open = new Map(made.map(({ stripeRefundId, amount }) => [stripeRefundId, amount]))
  const left = new Map(shares.map(({ stripeInvoiceId, amount }) => [stripeInvoiceId, amount]))
  const named = new Map<string, number>()
  const take = (invoice: string, refund: string, amount: number) => {
    const taken = Math.min(amount, open.get(refund) ?? 0, left.get(invoice) ?? 0)
    open.set(refund, (open.get(refund) ?? 0) - taken)
    left.set(invoice, (left.get(invoice) ?? 0) - taken)
    named.set(invoice, (named.get(invoice) ?? 0) + taken)
  }
  for (const share of shares) {
    for (const { stripeRefundId, amount } of share.refunds) {
      take(share.stripeInvoiceId, stripeRefundId, amount)
    }
  }
  for (const { namedInvoiceId, stripeRefundId, amount } of made) {
    if (namedInvoiceId !== null) take(namedInvoiceId, stripeRefundId, amount)
  }
  return named
}

/**
 * The part of `back` that belongs to the `part` of a payment of this `amount`, rounded down. A payment may pay several
 * invoices, and all of it may not have been needed.
 */
export function partOf(back: number, part: number, { amount }: { amount: number }): number {
  if (part >= amount) return Math.min(back, Math.max(0, part))
  return Number((BigInt(back) * BigInt(part)) / BigInt(amount))
}
