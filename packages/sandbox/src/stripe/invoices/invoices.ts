/**
 * Invoices: created, finalized, and paid or not, each step with its events. Nothing is charged twice, because
 * a paid invoice refuses another payment.
 *
 * @module
 */

import { chargeIntent } from '../payments/charging.ts'
import { createIntent } from '../payments/payments.ts'
import { copy } from '../server/copy.ts'
import { StripeApiError } from '../server/errors.ts'
import type {
  Customer,
  Invoice,
  PaymentIntent,
  PaymentMethod,
  Subscription,
} from '../server/objects.ts'
import {
  change,
  emit,
  find,
  insert,
  refer,
  referring,
  type Store,
  seconds,
} from '../server/store.ts'
import { applyPendingUpdate } from '../subscriptions/pending-update.ts'
import { daysAfter } from '../subscriptions/periods.ts'
import { draftInvoice, type InvoiceFields } from './invoice-draft.ts'
import {
  closePayments,
  creditOffStripe,
  creditPayment,
  followRemaining,
  openPayment,
  paymentsOf,
} from './invoice-payments.ts'

/** Days until a failed payment is due to be retried. */
const RETRY_AFTER_DAYS = 3

/** Seconds for which a renewal's invoice is a draft and can still be changed. */
const DRAFT_SECONDS = 3600

/**
 * Creates and finalizes an invoice, with its events. If nothing is due, it is paid at once, without an
 * intent. With the setting `renewals: 'draft'`, a renewal's invoice stays a draft for an hour.
 *
 * @see https://docs.stripe.com/billing/invoices/subscription#invoice-lifecycle
 */
export function createInvoice(store: Store, customer: Customer, fields: InvoiceFields): Invoice {
  const invoice = draftInvoice(store, customer, fields)
  if (fields.reason === 'subscription_cycle') {
    invoice.automatically_finalizes_at = invoice.created + DRAFT_SECONDS
    invoice.next_payment_attempt = invoice.created + DRAFT_SECONDS
  }
  const pause = fields.subscription.pause_collection
  if (pause?.behavior === 'keep_as_draft') {
    invoice.auto_advance = false
    invoice.automatically_finalizes_at = null
  }
  insert(store, 'invoices', invoice)
  emit(store, 'invoice.created', invoice)
  const waits = store.settings.renewals === 'draft' && fields.reason === 'subscription_cycle'
  if (!waits && pause?.behavior !== 'keep_as_draft') finalize(store, invoice)
  return invoice
}

/** Finalizes a draft: from then on it is owed and can be paid. */
export function finalize(store: Store, invoice: Invoice): void {
  const { pause_collection: pause } =
    store.tables.subscriptions.get(invoice.subscription ?? '') ?? {}
  finalizeInvoice(store, find(store, 'customers', invoice.customer), invoice)
  if (pause && pause.behavior !== 'keep_as_draft' && invoice.status === 'open') {
    giveUp(store, invoice, pause.behavior)
  }
}

/**
 * Ends a draft's hour: the draft is finalized and charged. `card` overrides the stored card. A draft without
 * automatic advancement stays a draft.
 */
export function advanceDraft(store: Store, invoice: Invoice, card?: PaymentMethod | null): Invoice {
  if (invoice.status !== 'draft' || !invoice.auto_advance) return invoice
  finalize(store, invoice)
  const subscription = store.tables.subscriptions.get(invoice.subscription ?? '')
  const own = card === undefined ? defaultCard(store, invoice.customer, subscription) : card
  payInvoice(store, invoice, own)
  return invoice
}

/** The drafts whose hour is over by the stand-in's clock, the oldest first. */
export function dueDrafts(store: Store): Invoice[] {
  const now = seconds(store)
  return store.indexes.invoices.rows.filter(
    ({ status, automatically_finalizes_at: at }) => status === 'draft' && at !== null && at <= now,
  )
}

/** Closes an invoice that is not collected because the subscription's collection is paused. */
function giveUp(
  store: Store,
  invoice: Invoice,
  behaviour: 'keep_as_draft' | 'mark_uncollectible' | 'void',
): void {
  if (behaviour === 'void') voidInvoice(store, invoice)
  else markUncollectible(store, invoice)
}

/** Marks an open invoice as uncollectible. */
export function markUncollectible(store: Store, invoice: Invoice): void {
  invoice.auto_advance = false
  invoice.next_payment_attempt = null
  invoice.status = 'uncollectible'
  invoice.status_transitions.marked_uncollectible_at = seconds(store)
  emit(store, 'invoice.marked_uncollectible', invoice)
}

/** Marks an open invoice as void. */
export function voidInvoice(store: Store, invoice: Invoice): void {
  invoice.auto_advance = false
  invoice.next_payment_attempt = null
  invoice.status = 'void'
  invoice.status_transitions.voided_at = seconds(store)
  closePayments(store, invoice, 'void_invoice')
  emit(store, 'invoice.voided', invoice)
}

function finalizeInvoice(store: Store, customer: Customer, invoice: Invoice): void {
  const now = seconds(store)
  const sequence = String(customer.next_invoice_sequence).padStart(4, '0')
  customer.next_invoice_sequence += 1
  customer.currency ??= invoice.currency
  // A used credit leaves the balance; a change's refund is added to it.
  customer.balance = Math.min(0, customer.balance + invoice.total)
  invoice.ending_balance = customer.balance
  invoice.number = `${customer.invoice_prefix}-${sequence}`
  invoice.status = 'open'
  invoice.automatically_finalizes_at = null
  invoice.next_payment_attempt = null
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
    openPayment(store, invoice, { intent, isDefault: true })
  }
  emit(store, 'invoice.finalized', invoice)
  if (invoice.amount_due === 0) markPaid(store, invoice)
}

/**
 * Tries to pay an open invoice with `card`; null means that the customer has no card.
 *
 * @returns null if it was paid, else the reason
 */
export function payInvoice(
  store: Store,
  invoice: Invoice,
  card: PaymentMethod | null,
  isPresent = false,
): StripeApiError | null {
  return invoice.status === 'open' ? chargeInvoice(store, invoice, card, isPresent) : null
}

/** Tries to pay an open or uncollectible invoice; see `payInvoice`. */
export function chargeInvoice(
  store: Store,
  invoice: Invoice,
  card: PaymentMethod | null,
  isPresent = false,
): StripeApiError | null {
  if (invoice.payment_intent === null) return null
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
 * Writes the outcome of its intent to an invoice and its subscription. `isCounted` means that the attempt
 * began earlier and has only now ended.
 */
function recordPayment(store: Store, invoice: Invoice, isCounted = false): void {
  const intent = find(store, 'paymentIntents', invoice.payment_intent ?? '')
  invoice.charge = intent.latest_charge
  invoice.attempted = true
  if (!isCounted) invoice.attempt_count += 1
  // A debit that completes after its invoice was voided pays nothing there.
  if (intent.status === 'processing' || invoice.status === 'void') return
  if (intent.status !== 'succeeded') {
    markFailed(store, invoice, intent.status === 'requires_action')
    return
  }
  const payment = paymentsOf(store, invoice).find(({ is_default }) => is_default)
  if (payment?.status !== 'open') return
  credit(store, invoice, () => creditPayment(store, invoice, payment, intent.amount_received))
}

/** Updates the invoices that an intent pays: its own, and those to which it was attached. */
export function recordIntent(store: Store, intent: PaymentIntent, isCounted = false): void {
  const own = store.tables.invoices.get(intent.invoice ?? '')
  if (own) recordPayment(store, own, isCounted)
  if (intent.status !== 'succeeded') return
  const attached = referring(store, 'invoicePayments', 'payment_intent', intent.id)
  const open = attached.filter(
    (payment) =>
      !payment.is_default &&
      payment.status === 'open' &&
      find(store, 'invoices', payment.invoice).status !== 'void',
  )
  let left = intent.amount_received
  for (const payment of attached) if (!payment.is_default) left -= payment.amount_paid ?? 0
  for (const [at, payment] of open.entries()) {
    if (left <= 0) return
    const invoice = find(store, 'invoices', payment.invoice)
    invoice.charge = intent.latest_charge
    // Only the last invoice receives the overpaid amount.
    const isLast = at === open.length - 1
    const received = isLast ? left : Math.min(left, invoice.amount_remaining)
    left -= received
    credit(store, invoice, () => creditPayment(store, invoice, payment, received))
  }
}

/** Pays the remaining amount of an invoice outside of Stripe. */
export function payOffStripe(store: Store, invoice: Invoice): void {
  credit(store, invoice, () => creditOffStripe(store, invoice))
}

/** Pays part of an invoice, or reduces its amount due. The invoice is paid once nothing remains. */
export function credit(store: Store, invoice: Invoice, apply: () => void): void {
  const before = copy(invoice)
  apply()
  followRemaining(store, invoice)
  const isOwed = invoice.status === 'open' || invoice.status === 'uncollectible'
  if (isOwed && invoice.amount_remaining === 0) markPaid(store, invoice)
  else emit(store, 'invoice.updated', invoice, before)
}

function markFailed(store: Store, invoice: Invoice, needsBuyer: boolean): void {
  // The buyer has to repeat the first payment of a subscription; only later payments are retried.
  const isRetried = invoice.billing_reason !== 'subscription_create'
  invoice.next_payment_attempt = isRetried ? daysAfter(seconds(store), RETRY_AFTER_DAYS) : null
  emit(store, 'invoice.payment_failed', invoice)
  if (needsBuyer) emit(store, 'invoice.payment_action_required', invoice)
  const subscription = subscriptionOf(store, invoice)
  // A change that waits for its payment leaves the subscription unchanged.
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
  invoice.next_payment_attempt = null
  invoice.status_transitions.paid_at = seconds(store)
  emit(store, 'invoice.paid', invoice)
  // An amount paid outside of Stripe, or credited in full, is not a successful payment.
  const isCharged = invoice.amount_paid > invoice.paid_off_stripe || invoice.amount_due === 0
  if (isCharged) emit(store, 'invoice.payment_succeeded', invoice)
  const subscription = subscriptionOf(store, invoice)
  if (subscription) activate(store, subscription)
  const changed = store.tables.subscriptions.get(invoice.subscription ?? '')
  if (changed) applyPendingUpdate(store, changed, invoice)
}

/** Activates a subscription that waited for a payment, with an event if it was paused. */
export function activate(store: Store, subscription: Subscription): void {
  const before = subscription.status
  if (!['past_due', 'incomplete', 'paused', 'unpaid'].includes(before)) return
  change(store, 'customer.subscription.updated', subscription, (current) => {
    current.status = 'active'
  })
  if (before === 'paused') emit(store, 'customer.subscription.resumed', subscription)
}

/** The subscription, if it is already stored and this is its latest invoice. */
function subscriptionOf(store: Store, invoice: Invoice): Subscription | undefined {
  const subscription = store.tables.subscriptions.get(invoice.subscription ?? '')
  return subscription?.latest_invoice === invoice.id ? subscription : undefined
}

/** The card for a subscription: its own, else the customer's default card. */
export function defaultCard(
  store: Store,
  customer: string,
  subscription?: Subscription,
): PaymentMethod | null {
  const settings = store.tables.customers.get(customer)?.invoice_settings
  const id = subscription?.default_payment_method ?? settings?.default_payment_method
  return store.tables.paymentMethods.get(id ?? '') ?? null
}
