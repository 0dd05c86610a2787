/**
 * Turns Stripe's payments, invoices and refunds into ours, whichever field an API version keeps a fact in. See
 * `shapes.ts`.
 *
 * @module
 */

import { storable } from '@repo/core'
import { idOf, type Raw, record, text, whole } from '../json.ts'
import {
  creditedBack,
  type InvoicePaymentShape,
  paidOffStripe,
  paidPayments,
} from './invoice-payments.ts'
import { chargeOf, type InvoiceShare, namedInvoice, sharesShape } from './refund-shares.ts'
import { dateOf, rows } from './shapes.ts'

/** A refund as we read it from Stripe. */
export interface RefundShape {
  stripeRefundId: string
  stripePaymentIntentId: string | null
  /** Minor units. */
  amount: number
  currency: string
  status: string
  reason: string | null
  /** The invoice that our name of the refund gives. Null: our name gives none, or the refund is not ours. */
  namedInvoiceId: string | null
  createdAt: Date
}

/** Reads a refund; null where a fact is missing that we need. */
export function refundShape(value: unknown): RefundShape | null {
  const raw = record(value)
  const stripeRefundId = text(raw?.id)
  const amount = whole(raw?.amount)
  const currency = text(raw?.currency)
  if (!raw || !stripeRefundId || !amount || amount < 1 || !currency) return null
  return {
    stripeRefundId,
    stripePaymentIntentId: idOf(raw.payment_intent),
    amount,
    currency,
    // Very old refunds have no status, and they have succeeded.
    status: text(raw.status) ?? 'succeeded',
    reason: text(raw.reason),
    namedInvoiceId: namedInvoice(raw),
    createdAt: dateOf(raw.created) ?? new Date(0),
  }
}

/** A dispute as we read it from Stripe. */
export interface DisputeShape {
  stripeDisputeId: string
  /** In Stripe's words: `needs_response`, `warning_needs_response` for an inquiry, … */
  status: string
  /** Minor units. */
  amount: number | null
  createdAt: Date | null
}

const CLOSED: readonly string[] = ['won', 'lost', 'warning_closed', 'prevented']

/** Whether a dispute or an inquiry is closed. */
export const isClosedDispute = ({ status }: Pick<DisputeShape, 'status'>): boolean =>
  CLOSED.includes(status)

/** A payment intent as we read it from Stripe. */
export interface PaymentShape {
  stripePaymentIntentId: string
  stripeCustomerId: string | null
  /** Minor units. */
  amount: number
  currency: string
  status: string
  metadata: Record<string, string>
  /** Minor units. */
  amountRefunded: number
  /** The newest open dispute, else the newest lost one, else the newest. */
  dispute: DisputeShape | null
  /** All disputes, the oldest first. */
  disputes: DisputeShape[]
  /** The failure of the newest try of a payment that is canceled or waits for another payment method; else null. */
  failure: PaymentFailure | null
  refunds: RefundShape[]
  /** True: Stripe has more refunds of the payment than `refunds` lists. */
  hasMoreRefunds: boolean
  /** The invoices among which refunds of the payment are shared; empty where they need not be. */
  shares: InvoiceShare[]
  paidAt: Date | null
  createdAt: Date
}

/** A failed try of a payment. */
export interface PaymentFailure {
  stripeChargeId: string
  /** In Stripe's words: `insufficient_funds`, … Null: Stripe did not say. */
  reason: string | null
  /** Whether the payment method reports days later, as a bank debit does, so that the buyer has left the page. */
  isDelayed: boolean
}

/**
 * Payment methods that report later whether the payment succeeded.
 *
 * @see https://docs.stripe.com/payments/payment-methods/payment-method-support
 */
const DELAYED: readonly string[] = [
  'acss_debit',
  'au_becs_debit',
  'bacs_debit',
  'boleto',
  'customer_balance',
  'konbini',
  'multibanco',
  'nz_bank_account',
  'oxxo',
  'sepa_debit',
  'us_bank_account',
]

function failureOf(status: string, charge: Raw | null): PaymentFailure | null {
  const stripeChargeId = text(charge?.id)
  if (status !== 'requires_payment_method' && status !== 'canceled') return null
  if (stripeChargeId === null || charge?.status !== 'failed') return null
  const method = text(record(charge.payment_method_details)?.type)
  const reason = text(record(charge.outcome)?.reason) ?? text(charge.failure_code)
  return { stripeChargeId, reason, isDelayed: method !== null && DELAYED.includes(method) }
}

/** Reads a payment intent; null where a fact is missing that we need, or its amount is 0. */
export function paymentShape(value: unknown): PaymentShape | null {
  const raw = record(value)
  const stripePaymentIntentId = text(raw?.id)
  const amount = whole(raw?.amount)
  const currency = text(raw?.currency)
  const status = text(raw?.status)
  if (!raw || !stripePaymentIntentId || amount === null || !currency || !status) return null
  if (amount < 1) return null
  const metadata = Object.entries(record(raw.metadata) ?? {}).flatMap(([key, item]) =>
    typeof item === 'string' ? [[storable(key), storable(item)] as const] : [],
  )
  const charge = chargeOf(raw)
  const disputes = disputesOf(raw, charge)
  return {
    stripePaymentIntentId,
    stripeCustomerId: idOf(raw.customer),
    amount,
    currency,
    status,
    metadata: Object.fromEntries(metadata),
    amountRefunded: whole(charge?.amount_refunded) ?? 0,
    dispute: decidingDispute(disputes),
    disputes,
    failure: failureOf(status, charge),
    refunds: rows(charge?.refunds).flatMap((refund) => refundShape(refund) ?? []),
    hasMoreRefunds: record(charge?.refunds)?.has_more === true,
    shares: sharesShape(raw),
    paidAt: status === 'succeeded' ? (dateOf(charge?.created) ?? dateOf(raw.created)) : null,
    createdAt: dateOf(raw.created) ?? new Date(0),
  }
}

/** The disputes that `addDisputes` has listed, else the dispute that the charge of an earlier API version names. */
function disputesOf(raw: Raw, charge: Raw | null): DisputeShape[] {
  const listed = rows(raw.disputes)
  const values = listed.length > 0 ? listed : [charge?.dispute]
  return values
    .flatMap((value): DisputeShape[] => {
      const stripeDisputeId = idOf(value)
      if (!stripeDisputeId) return []
      const dispute = record(value)
      return [
        {
          stripeDisputeId,
          status: text(dispute?.status) ?? 'needs_response',
          amount: whole(dispute?.amount),
          createdAt: dateOf(dispute?.created),
        },
      ]
    })
    .sort((a, b) => (a.createdAt?.getTime() ?? 0) - (b.createdAt?.getTime() ?? 0))
}

function decidingDispute(disputes: DisputeShape[]): DisputeShape | null {
  const newest = [...disputes].reverse()
  return (
    newest.find((each) => !isClosedDispute(each)) ??
    newest.find(({ status }) => status === 'lost') ??
    newest[0] ??
    null
  )
}

/** An invoice as we read it from Stripe. */
export interface InvoiceShape {
  stripeInvoiceId: string
  stripeSubscriptionId: string | null
  /** The order that began the subscription. Null: no order of ours did. */
  orderId: string | null
  /** The prices of the invoice's lines, that of the line with the largest amount first. */
  stripePriceIds: string[]
  number: string | null
  status: string
  billingReason: string | null
  /** This and the next two amounts are in minor units. */
  total: number
  amountDue: number
  amountPaid: number
  currency: string
  /** How many payments were tried so far, failed or not. */
  attemptCount: number
  nextPaymentAttempt: Date | null
  hostedInvoiceUrl: string | null
  invoicePdf: string | null
  periodStart: Date
  periodEnd: Date
  paidAt: Date | null
  /** The first successful payment, else the pending one. Null: there is none, or the invoice was paid out of band. */
  stripePaymentIntentId: string | null
  /** The successful payments through Stripe, the oldest first. */
  payments: InvoicePaymentShape[]
  /** The amount that credit notes gave back without a refund, in minor units. */
  amountCredited: number
  createdAt: Date
}

/** Reads an invoice; null where a fact is missing that we need. */
export function invoiceShape(value: unknown): InvoiceShape | null {
  const raw = record(value)
  const stripeInvoiceId = text(raw?.id)
  const status = text(raw?.status)
  const currency = text(raw?.currency)
  const createdAt = dateOf(raw?.created)
  if (!raw || !stripeInvoiceId || !status || !currency || !createdAt) return null
  const offStripe = paidOffStripe(raw)
  // API versions before 2025-03-31 do not count an amount as paid that was paid out of band.
  const amountPaid = (whole(raw.amount_paid) ?? 0) + (raw.paid_out_of_band === true ? offStripe : 0)
  const intent = invoicePaymentIntent(raw)
  const listed = paidPayments(raw)
  const byOne = intent && amountPaid > offStripe && !record(raw.payments)
  const payments = byOne
    ? [{ stripePaymentIntentId: intent, amount: amountPaid - offStripe }]
    : listed
  return {
    stripeInvoiceId,
    stripeSubscriptionId: invoiceSubscription(raw),
    orderId: invoiceOrder(raw),
    stripePriceIds: [...new Set(invoiceLines(raw).flatMap((line) => linePrice(line) ?? []))],
    number: text(raw.number),
    status,
    billingReason: text(raw.billing_reason),
    total: whole(raw.total) ?? 0,
    amountDue: whole(raw.amount_due) ?? 0,
    amountPaid,
    currency,
    attemptCount: whole(raw.attempt_count) ?? 0,
    nextPaymentAttempt: dateOf(raw.next_payment_attempt),
    hostedInvoiceUrl: text(raw.hosted_invoice_url),
    invoicePdf: text(raw.invoice_pdf),
    periodStart: dateOf(raw.period_start) ?? createdAt,
    periodEnd: dateOf(raw.period_end) ?? createdAt,
    paidAt: dateOf(record(raw.status_transitions)?.paid_at),
    stripePaymentIntentId: offStripe > 0 && payments.length === 0 ? null : intent,
    payments,
    amountCredited: creditedBack(raw),
    createdAt,
  }
}

/** The subscription an invoice belongs to; null for a one-off invoice. */
export function invoiceSubscription(invoice: unknown): string | null {
  const raw = record(invoice)
  const details = record(record(raw?.parent)?.subscription_details)
  return idOf(details?.subscription) ?? idOf(raw?.subscription)
}

/** The order that the subscription's metadata named when the invoice was made. */
function invoiceOrder(raw: Raw): string | null {
  const details = record(record(raw.parent)?.subscription_details) ?? raw.subscription_details
  return text(record(record(details)?.metadata)?.orderId)
}

/** An invoice's lines, the largest amount first. After a change within a period, a negative line has the old price. */
export const invoiceLines = (raw: Raw): Raw[] =>
  rows(raw.lines).sort((a, b) => (whole(b.amount) ?? 0) - (whole(a.amount) ?? 0))

/** The price of an invoice's line. Null: Stripe does not say. */
export const linePrice = (line: Raw): string | null =>
  idOf(line.price) ?? idOf(record(record(line.pricing)?.price_details)?.price)

/** The payment of an invoice: its own field, or since basil the first paid one of `payments`, else the first. */
export function invoicePaymentIntent(invoice: Raw): string | null {
  const payments = rows(invoice.payments).filter((each) =>
    idOf(record(each.payment)?.payment_intent),
  )
  const made = payments.find(({ status }) => status === 'paid') ?? payments[0]
  return idOf(record(made?.payment)?.payment_intent) ?? idOf(invoice.payment_intent)
}
