/**
 * The payments of an invoice. The default payment is created with the invoice, and its amount follows the
 * remaining amount. Others are attached to the invoice or were made outside of Stripe. Their sum is the
 * invoice's paid amount.
 *
 * @see https://docs.stripe.com/invoicing/partial-payments
 * @module
 */

import { cancelIntent } from '../payments/payments.ts'
import type { Invoice, InvoicePayment, PaymentIntent } from '../server/objects.ts'
import {
  emit,
  find,
  insert,
  newId,
  randomText,
  referring,
  type Store,
  seconds,
} from '../server/store.ts'

/** The payments of an invoice, the oldest first. */
export const paymentsOf = (store: Store, { id }: Pick<Invoice, 'id'>): readonly InvoicePayment[] =>
  referring(store, 'invoicePayments', 'invoice', id)

/** Adds an open payment. */
export function openPayment(
  store: Store,
  invoice: Invoice,
  { intent, isDefault }: { intent: PaymentIntent; isDefault: boolean },
): InvoicePayment {
  // The id of the default payment depends on its intent, so it is the same after a restart.
  const id = isDefault ? `inpay_${intent.id.slice(3)}` : newId('invoicePayments')
  return insert(store, 'invoicePayments', {
    id,
    object: 'invoice_payment',
    created: seconds(store),
    livemode: false,
    amount_paid: null,
    amount_requested: intent.amount,
    currency: invoice.currency,
    invoice: invoice.id,
    is_default: isDefault,
    payment_intent: intent.id,
    payment_record: null,
    status: 'open',
    status_transitions: { canceled_at: null, paid_at: null },
  })
}

/** Credits a payment's amount to its invoice. The caller checks whether the invoice is then paid. */
export function creditPayment(
  store: Store,
  invoice: Invoice,
  payment: InvoicePayment,
  received: number,
): void {
  const credited = Math.min(received, invoice.amount_remaining)
  payment.amount_paid = credited
  payment.status = 'paid'
  payment.status_transitions.paid_at = seconds(store)
  invoice.amount_paid += credited
  invoice.amount_remaining -= credited
  if (received > credited) {
    // An overpaid amount goes to the customer's balance, for the next invoice.
    invoice.amount_overpaid += received - credited
    const customer = store.tables.customers.get(invoice.customer)
    if (customer) customer.balance -= received - credited
    emit(store, 'invoice.overpaid', invoice)
  }
  emit(store, 'invoice_payment.paid', payment)
}

/** Records that the remaining amount was paid outside of Stripe. */
export function creditOffStripe(store: Store, invoice: Invoice): void {
  const amount = invoice.amount_remaining
  const payment = insert(store, 'invoicePayments', {
    id: newId('invoicePayments'),
    object: 'invoice_payment',
    created: seconds(store),
    livemode: false,
    amount_paid: null,
    amount_requested: amount,
    currency: invoice.currency,
    invoice: invoice.id,
    is_default: false,
    payment_intent: null,
    payment_record: `pr_${randomText(24)}`,
    status: 'open',
    status_transitions: { canceled_at: null, paid_at: null },
  })
  invoice.paid_off_stripe += amount
  creditPayment(store, invoice, payment, amount)
}

/** Adjusts the default payment to the remaining amount; it is closed if nothing remains. */
export function followRemaining(store: Store, invoice: Invoice): void {
  for (const payment of paymentsOf(store, invoice)) {
    if (!payment.is_default || payment.status !== 'open' || payment.payment_intent === null)
      continue
    const intent = find(store, 'paymentIntents', payment.payment_intent)
    // A debit that is being processed keeps its amount.
    if (intent.status === 'processing' || intent.status === 'succeeded') continue
    if (invoice.amount_remaining === 0) closePayment(store, payment, 'automatic')
    else {
      payment.amount_requested = invoice.amount_remaining
      intent.amount = invoice.amount_remaining
    }
  }
}

/** Closes the open payments of an invoice. An attached payment that is not the default stays usable. */
export function closePayments(store: Store, invoice: Invoice, reason: string): void {
  for (const payment of paymentsOf(store, invoice)) {
    if (payment.status === 'open') closePayment(store, payment, reason)
  }
}

function closePayment(store: Store, payment: InvoicePayment, reason: string): void {
  const intent = store.tables.paymentIntents.get(payment.payment_intent ?? '')
  // A debit that is being processed still completes.
  if (intent?.status === 'processing') return
  payment.status = 'canceled'
  payment.status_transitions.canceled_at = seconds(store)
  if (!payment.is_default || intent === undefined) return
  if (intent.status !== 'succeeded' && intent.status !== 'canceled') {
    cancelIntent(store, intent, reason)
  }
}
