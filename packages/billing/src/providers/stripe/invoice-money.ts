/**
 * The amounts of an invoice that were refunded, disputed or are left, summed over its payments.
 *
 * @module
 */

import type Stripe from 'stripe'
import { ask } from './client.ts'
import { paymentsOfInvoice } from './invoice-payments.ts'
import { addInvoiceShares, partOf, refundedOf, type SharedPayment } from './refund-shares.ts'
import {
  type InvoiceShape,
  type PaymentShape,
  paymentShape,
  type RefundShape,
  refundShape,
} from './shapes-money.ts'

/** The amounts of an invoice that were refunded or disputed, in minor units. */
export interface InvoiceMoney {
  /** The amount given back by refunds and credit notes. */
  amountRefunded: number
  /** The amount that disputes hold or have taken. */
  amountDisputed: number
  /** The status of a dispute that holds or took money, else of another dispute. Null: there is none. */
  disputeStatus: string | null
}

interface Payment extends SharedPayment {
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

/** Whether a dispute of this status holds or has taken the money. An inquiry does not. */
export const holdsMoney = (status: string | null): boolean =>
  status !== null && status !== 'won' && status !== 'prevented' && !status.startsWith('warning_')

/** The amounts of an invoice. Null where not all of its payments were loaded, because the sums would be too low. */
export function moneyOfInvoice(
  {
    stripeInvoiceId,
    payments,
    amountCredited,
  }: Pick<InvoiceShape, 'stripeInvoiceId' | 'payments' | 'amountCredited'>,
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
    const back = refundedOf(stripeInvoiceId, amount, payment)
    const left = { amount: payment.amount - payment.amountRefunded }
    money.amountRefunded += back
    money.amountDisputed += partOf(amountDisputed, amount - back, left)
    if (status !== null && !holdsMoney(money.disputeStatus)) money.disputeStatus = status
  }
  return money
}

/** All refunds of a payment. A charge contains its first ten; if it has more, they are listed. */
export async function refundsOf(
  stripe: Stripe,
  { stripePaymentIntentId, hasMoreRefunds, refunds }: PaymentShape,
): Promise<RefundShape[]> {
  const all = [...refunds]
  if (hasMoreRefunds) {
    const request = stripe.refunds.list({ payment_intent: stripePaymentIntentId, limit: 100 })
    await ask('list', request)
    all.length = 0
    for await (const refund of request) {
      const shape = refundShape(refund)
      if (shape) all.push(shape)
    }
  }
  return all.map((refund) => ({ ...refund, stripePaymentIntentId }))
}

/** A payment of an invoice, with what is left of it. */
export interface PaymentLeft {
  stripePaymentIntentId: string
  /** The amount that paid the invoice and was not refunded, in minor units. */
  left: number
  /** The amount of the whole payment that was not refunded, in minor units. */
  leftAtAll: number
}

/** The payments through Stripe that paid an invoice, the oldest first, with what is left of each. */
export async function leftOfInvoice(stripe: Stripe, invoice: string): Promise<PaymentLeft[]> {
  const lefts: PaymentLeft[] = []
  const { payments, raw } = await paymentsOfInvoice(stripe, invoice)
  for (const { stripePaymentIntentId, amount } of payments) {
    const expand = ['latest_charge.refunds']
    const retrieved = stripe.paymentIntents.retrieve(stripePaymentIntentId, { expand })
    const intent = await ask('payment_intent', retrieved)
    await addInvoiceShares(stripe, [raw], [intent])
    const payment = paymentShape(intent)
    if (!payment) continue
    payment.refunds = await refundsOf(stripe, payment)
    lefts.push({
      stripePaymentIntentId,
      left: amount - refundedOf(invoice, amount, payment),
      leftAtAll: payment.amount - payment.amountRefunded,
    })
  }
  return lefts
}
