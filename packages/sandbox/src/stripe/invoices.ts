/**
 * Invoices: made, finalized and paid or not, each step with its events. Nothing is charged twice:
 * a paid invoice refuses to be paid.
 *
 * @module
 */

import { chargeIntent } from './charging.ts'
import { StripeApiError } from './errors.ts'
import { draftInvoice, type InvoiceFields } from './invoice-draft.ts'
import type { Customer, Invoice, PaymentMethod, Subscription } from './objects.ts'
import { cancelIntent, createIntent } from './payments.ts'
import { applyPendingUpdate } from './pending-update.ts'
import { daysAfter } from './periods.ts'
import { change, emit, find, insert, refer, type Store, seconds } from './store.ts'

/** Days until a failed payment is said to be tried again. */
const RETRY_AFTER_DAYS = 3

/**
 * An invoice, announced and finalized. Where nothing is due it is paid at once, without an intent.
 */
export function createInvoice(store: Store, customer: Customer, fields: InvoiceFields): Invoice {
  const invoice = draftInvoice(store, customer, fields)
  insert(store, 'invoices', invoice)
  emit(store, 'invoice.created', invoice)
  const pause = fields.subscription.pause_collection
  if (pause?.behavior === 'keep_as_draft') {
    invoice.auto_advance = false
    return invoice
  }
  finalizeInvoice(store, customer, invoice)
  if (pause && invoice.status === 'open') giveUp(store, invoice, pause.behavior)
  return invoice
}

/** Closes an invoice that is not collected because its subscription's collection is paused. */
function giveUp(
  store: Store,
  invoice: Invoice,
  behaviour: 'keep_as_draft' | 'mark_uncollectible' | 'void',
): void {
  invoice.auto_advance = false
  if (behaviour !== 'void') {
    invoice.status = 'uncollectible'
    invoice.status_transitions.marked_uncollectible_at = seconds(store)
    emit(store, 'invoice.marked_uncollectible', invoice)
    return
  }
  voidInvoice(store, invoice)
}

/** Says that an open invoice is not owed. */
export function voidInvoice(store: Store, invoice: Invoice): void {
  invoice.status = 'void'
  invoice.status_transitions.voided_at = seconds(store)
  const intent = store.tables.paymentIntents.get(invoice.payment_intent ?? '')
  if (intent !== undefined && intent.status !== 'processing') {
    cancelIntent(store, intent, 'void_invoice')
  }
  emit(store, 'invoice.voided', invoice)
}

function finalizeInvoice(store: Store, customer: Customer, invoice: Invoice): void {
  const now = seconds(store)
  const sequence = String(customer.next_invoice_sequence).padStart(4, '0')
  customer.next_invoice_sequence += 1
  customer.currency ??= invoice.currency
  // What a credit covers leaves the balance; what a change gives back goes onto it.
  customer.balance = Math.min(0, customer.balance + invoice.total)
  invoice.ending_balance = customer.balance
  invoice.number = `${customer.invoice_prefix}-${sequence}`
  invoice.status = 'open'
  invoice.effective_at = now
  invoice.status_transitions.finalized_at = now
  invoice.hosted_invoice_url = `${store.origin}/stripe/invoice/${invoice.id}`
  invoice.invoice_pdf = `${store.origin}/stripe/invoice/${invoice.id}?print`
  if (invoice.amount_due > 0) {
    const intent = createIntent(store, {
      amount: invoice.amount_due,
      currency: invoice.currency,
      customer: customer.id,
      invoice: invoice.id,
      description:
        invoice.billing_reason === 'subscription_create'
          ? 'Subscription creation'
          : 'Subscription update',
      setup_future_usage: invoice.billing_reason === 'subscription_create' ? 'off_session' : null,
    })
    refer(store, 'invoices', invoice, 'payment_intent', intent.id)
  }
  emit(store, 'invoice.finalized', invoice)
  if (invoice.amount_due === 0) markPaid(store, invoice)
}

/**
 * Tries to pay an open invoice with `card`; null stands for a customer who has none.
 *
 * @returns null where it is paid, else why not.
 */
export function payInvoice(
  store: Store,
  invoice: Invoice,
  card: PaymentMethod | null,
  isPresent = false,
): StripeApiError | null {
  if (invoice.status !== 'open' || invoice.payment_intent === null) return null
  const intent = find(store, 'paymentIntents', invoice.payment_intent)
  if (card === null) {
    const message = 'This customer has no attached payment source or default payment method.'
    invoice.attempted = true
    invoice.attempt_count += 1
    markFailed(store, invoice, false)
    return new StripeApiError('resource_missing', 400, message)
  }
  const refused = chargeIntent(store, intent, card, isPresent)
  recordPayment(store, invoice)
  return refused
}

/**
 * Writes what became of its intent onto an invoice and its subscription. `isCounted` says that the
 * try began earlier and only came out now.
 */
export function recordPayment(store: Store, invoice: Invoice, isCounted = false): void {
  const intent = find(store, 'paymentIntents', invoice.payment_intent ?? '')
  invoice.charge = intent.latest_charge
  invoice.attempted = true
  if (!isCounted) invoice.attempt_count += 1
  // A debit that comes out after its invoice was made void pays nothing there.
  if (intent.status === 'processing' || invoice.status === 'void') return
  if (intent.status === 'succeeded') markPaid(store, invoice)
  else markFailed(store, invoice, intent.status === 'requires_action')
}

function markFailed(store: Store, invoice: Invoice, needsBuyer: boolean): void {
  // The first payment of a subscription is the buyer's to repeat; only later ones are retried.
  const isRetried = invoice.billing_reason !== 'subscription_create'
  invoice.next_payment_attempt = isRetried ? daysAfter(seconds(store), RETRY_AFTER_DAYS) : null
  emit(store, 'invoice.payment_failed', invoice)
  if (needsBuyer) emit(store, 'invoice.payment_action_required', invoice)
  const subscription = subscriptionOf(store, invoice)
  // A change that waits for its payment leaves the subscription as it was.
  if (subscription?.pending_invoice === invoice.id) return
  if (subscription && ['active', 'trialing'].includes(subscription.status)) {
    change(store, 'customer.subscription.updated', subscription, (current) => {
      current.status = 'past_due'
    })
  }
}

function markPaid(store: Store, invoice: Invoice): void {
  invoice.status = 'paid'
  invoice.paid = true
  invoice.auto_advance = false
  invoice.attempted = true
  invoice.amount_paid = invoice.amount_due
  invoice.amount_remaining = 0
  invoice.next_payment_attempt = null
  invoice.status_transitions.paid_at = seconds(store)
  emit(store, 'invoice.paid', invoice)
  emit(store, 'invoice.payment_succeeded', invoice)
  const subscription = subscriptionOf(store, invoice)
  if (subscription) activate(store, subscription)
  const changed = store.tables.subscriptions.get(invoice.subscription ?? '')
  if (changed) applyPendingUpdate(store, changed, invoice)
}

/** Makes a subscription active that waited for a payment, and says so where it was paused. */
export function activate(store: Store, subscription: Subscription): void {
  const before = subscription.status
  if (!['past_due', 'incomplete', 'paused', 'unpaid'].includes(before)) return
  change(store, 'customer.subscription.updated', subscription, (current) => {
    current.status = 'active'
  })
  if (before === 'paused') emit(store, 'customer.subscription.resumed', subscription)
}

/** The subscription, if it is already kept and this is its latest invoice. */
function subscriptionOf(store: Store, invoice: Invoice): Subscription | undefined {
  const subscription = store.tables.subscriptions.get(invoice.subscription ?? '')
  return subscription?.latest_invoice === invoice.id ? subscription : undefined
}

/** What a subscription is charged to: its own card, else the customer's default one. */
export function defaultCard(
  store: Store,
  customer: string,
  subscription?: Subscription,
): PaymentMethod | null {
  const settings = store.tables.customers.get(customer)?.invoice_settings
  const id = subscription?.default_payment_method ?? settings?.default_payment_method
  return store.tables.paymentMethods.get(id ?? '') ?? null
}
