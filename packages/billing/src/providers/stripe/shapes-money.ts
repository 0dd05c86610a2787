/**
 * Payments, invoices and refunds as ours, from every place an API version has kept a fact. See
 * `shapes.ts`.
 *
 * @module
 */

import { storable } from '@repo/core'
import {
  creditedBack,
  type InvoicePaymentShape,
  paidOffStripe,
  paidPayments,
} from './invoice-payments.ts'
import { dateOf, idOf, type Raw, record, rows, text, whole } from './shapes.ts'

export interface RefundShape {
  stripeRefundId: string
  stripePaymentIntentId: string | null
  /** Minor units. */
  amount: number
  currency: string
  status: string
  reason: string | null
  createdAt: Date
}

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
    // Refunds of long ago had no status; they are done.
    status: text(raw.status) ?? 'succeeded',
    reason: text(raw.reason),
    createdAt: dateOf(raw.created) ?? new Date(0),
  }
}

export interface DisputeShape {
  stripeDisputeId: string
  /** Stripe's word: `needs_response`, `warning_needs_response` for an inquiry, … */
  status: string
  amount: number | null
  createdAt: Date | null
}

const CLOSED: readonly string[] = ['won', 'lost', 'warning_closed', 'prevented']

/** Whether a dispute or an inquiry has come to its end. */
export const isClosedDispute = ({ status }: Pick<DisputeShape, 'status'>): boolean =>
  CLOSED.includes(status)

export interface PaymentShape {
  stripePaymentIntentId: string
  stripeCustomerId: string | null
  amount: number
  currency: string
  status: string
  metadata: Record<string, string>
  /** Minor units given back. */
  amountRefunded: number
  /** The one that counts: the newest that is open, else one that was lost, else the newest. */
  dispute: DisputeShape | null
  /** All of them, the oldest first. */
  disputes: DisputeShape[]
  /** Of its newest try, while it waits for another method of payment. Null: none has failed. */
  failure: PaymentFailure | null
  refunds: RefundShape[]
  /** True: the provider has more refunds of it than it told. */
  hasMoreRefunds: boolean
  paidAt: Date | null
  createdAt: Date
}

export interface PaymentFailure {
  stripeChargeId: string
  /** The provider's word: `insufficient_funds`, … Null: it did not say. */
  reason: string | null
  /** Whether the buyer had left by then: a bank debit says days later how it ends. */
  isDelayed: boolean
}

/**
 * Methods that tell later whether the money comes.
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
  const charge = record(raw.latest_charge) ?? rows(raw.charges)[0] ?? null
  const disputes = disputesOf(raw, charge)
  return {
    stripePaymentIntentId,
    stripeCustomerId: idOf(raw.customer),
    amount,
    currency,
    status,
    metadata: Object.fromEntries(metadata),
    amountRefunded: whole(charge?.amount_refunded) ?? 0,
    dispute: thatCounts(disputes),
    disputes,
    failure: failureOf(status, charge),
    refunds: rows(charge?.refunds).flatMap((refund) => refundShape(refund) ?? []),
    hasMoreRefunds: record(charge?.refunds)?.has_more === true,
    paidAt: status === 'succeeded' ? (dateOf(charge?.created) ?? dateOf(raw.created)) : null,
    createdAt: dateOf(raw.created) ?? new Date(0),
  }
}

/** As `addDisputes` has listed them; else the one that an earlier version's charge has. */
function disputesOf(raw: Raw, charge: Raw | null): DisputeShape[] {
  const listed = rows(raw.disputes)
  const told = listed.length > 0 ? listed : [charge?.dispute]
  return told
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

function thatCounts(disputes: DisputeShape[]): DisputeShape | null {
  const newest = [...disputes].reverse()
  return (
    newest.find((each) => !isClosedDispute(each)) ??
    newest.find(({ status }) => status === 'lost') ??
    newest[0] ??
    null
  )
}

export interface InvoiceShape {
  stripeInvoiceId: string
  stripeSubscriptionId: string | null
  /** Of the order that began the subscription. Null: none of ours did. */
  orderId: string | null
  /** The prices of its lines, the dearest line's first. */
  stripePriceIds: string[]
  number: string | null
  status: string
  billingReason: string | null
  /** Minor units, all four. */
  total: number
  amountDue: number
  amountPaid: number
  currency: string
  /** Failed and successful tries so far. */
  attemptCount: number
  nextPaymentAttempt: Date | null
  hostedInvoiceUrl: string | null
  invoicePdf: string | null
  periodStart: Date
  periodEnd: Date
  paidAt: Date | null
  /** The first payment that was made, else the one it waits for. Null: none, or it was paid past Stripe. */
  stripePaymentIntentId: string | null
  /** The payments through Stripe that were made, the oldest first. */
  payments: InvoicePaymentShape[]
  /** Minor units: what credit notes gave back of it otherwise than by a refund. */
  amountCredited: number
  createdAt: Date
}

export function invoiceShape(value: unknown): InvoiceShape | null {
  const raw = record(value)
  const stripeInvoiceId = text(raw?.id)
  const status = text(raw?.status)
  const currency = text(raw?.currency)
  const createdAt = dateOf(raw?.created)
  if (!raw || !stripeInvoiceId || !status || !currency || !createdAt) return null
  const offStripe = paidOffStripe(raw)
  // Before 2025-03-31 nothing that was paid past Stripe counted as paid.
  const amountPaid = (whole(raw.amount_paid) ?? 0) + (raw.paid_out_of_band === true ? offStripe : 0)
  const intent = invoicePaymentIntent(raw)
  const told = paidPayments(raw)
  const byOne = intent && amountPaid > offStripe && !record(raw.payments)
  const payments = byOne
    ? [{ stripePaymentIntentId: intent, amount: amountPaid - offStripe }]
    : told
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

/** The order its subscription named in its metadata when the invoice was made. */
function invoiceOrder(raw: Raw): string | null {
  const details = record(record(raw.parent)?.subscription_details) ?? raw.subscription_details
  return text(record(record(details)?.metadata)?.orderId)
}

/** An invoice's lines, the dearest first: a change in mid-period gives the old price back in another. */
export const invoiceLines = (raw: Raw): Raw[] =>
  rows(raw.lines).sort((a, b) => (whole(b.amount) ?? 0) - (whole(a.amount) ?? 0))

/** The price of an invoice's line. Null: not told. */
export const linePrice = (line: Raw): string | null =>
  idOf(line.price) ?? idOf(record(record(line.pricing)?.price_details)?.price)

/** The payment of an invoice: its own member, or since basil the paid one of its payments. */
export function invoicePaymentIntent(invoice: Raw): string | null {
  const payments = rows(invoice.payments).filter((each) =>
    idOf(record(each.payment)?.payment_intent),
  )
  const made = payments.find(({ status }) => status === 'paid') ?? payments[0]
  return idOf(record(made?.payment)?.payment_intent) ?? idOf(invoice.payment_intent)
}
