/**
 * Pays a session on its hosted page. The function does not await: if two payments are sent at once, the
 * second finds the session complete, so a session is paid once.
 *
 * @module
 */

import { SandboxError } from '../../errors.ts'
import { redeem } from '../catalog/discounts.ts'
import { bankDecline, type CardEntry, createCard, createDebit } from '../customers/cards.ts'
import { createCustomer } from '../customers/customers.ts'
import { attachCard } from '../customers/payment-methods.ts'
import { recordIntent } from '../invoices/invoices.ts'
import { chargeIntent, type Outcome, settleIntent } from '../payments/charging.ts'
import { createIntent } from '../payments/payments.ts'
import { invalid, StripeApiError } from '../server/errors.ts'
import type { CheckoutSession, Customer, PaymentIntent, PaymentMethod } from '../server/objects.ts'
import { change, emit, find, insert, refer, type Store, seconds } from '../server/store.ts'
import { daysAfter } from '../subscriptions/periods.ts'
import { beginSubscription } from '../subscriptions/subscription-life.ts'
import { detailsOf, findSession } from './checkout.ts'
import { enterCode, sessionRedemptions } from './checkout-discounts.ts'

/** The buyer's input beside the card. */
export interface Buyer {
  /** Required if the session has no address. */
  email?: string
  /** The buyer's name. Default: none. */
  name?: string
  /** The promotion code, if the session accepts one. */
  promotionCode?: string
}

/** Whether the page has to ask for an e-mail address. */
export function needsEmail(store: Store, session: CheckoutSession): boolean {
  if (session.customer_email !== null) return false
  return session.customer === null || find(store, 'customers', session.customer).email === null
}

/** Whether a session needs a card. It needs none if nothing is due yet and the session says so. */
export function needsCard(session: CheckoutSession): boolean {
  const { trial_period_days: days, trial_end } = session.subscription_data
  if (session.mode === 'payment') return session.amount_total > 0
  const isFree = days !== null || trial_end !== null || session.amount_total === 0
  return session.payment_method_collection !== 'if_required' || !isFree
}

/**
 * Pays a session with a card, or by a bank debit that is settled later, or with neither if `entry` is null.
 *
 * @throws `checkout_session_not_open` if the session is complete or expired, `card_declined` and the other
 *   card errors, after which it stays open, and `email_invalid` if an address is required and missing.
 */
export function payCheckout(
  store: Store,
  id: string,
  entry: CardEntry | 'debit' | null,
  buyer: Buyer = {},
): CheckoutSession {
  const session = findSession(store, id)
  if (session.status !== 'open') {
    const message = `This Checkout Session is ${session.status} and cannot be paid.`
    throw new StripeApiError('checkout_session_not_open', 400, message)
  }
  if (buyer.promotionCode) enterCode(store, session, buyer.promotionCode)
  const email = emailOf(store, session, buyer)
  const name = buyer.name || null
  const card = methodOf(store, entry, { email, name })
  if (card === null && needsCard(session)) {
    const message = 'Your card number is incomplete.'
    throw new StripeApiError('incorrect_number', 402, message, { type: 'card_error' })
  }
  if (session.mode === 'payment') payOnce(store, session, card, email, name)
  else subscribe(store, session, card, email, name)
  session.status = 'complete'
  session.customer_details = detailsOf(email, name)
  session.url = null
  emit(store, 'checkout.session.completed', session)
  return session
}

function methodOf(
  store: Store,
  entry: CardEntry | 'debit' | null,
  details: { email: string | null; name: string | null },
): PaymentMethod | null {
  if (entry === null) return null
  return entry === 'debit' ? createDebit(store, details) : createCard(store, entry, details)
}

/**
 * Ends the debit of a completed session.
 *
 * @throws `resource_missing`, and `invalid_state` if no payment is being processed
 */
export function settleCheckout(store: Store, id: string, outcome: Outcome): CheckoutSession {
  const session = find(store, 'sessions', id)
  const invoice = store.tables.invoices.get(session.invoice ?? '')
  const intentId = session.payment_intent ?? invoice?.payment_intent
  const intent = store.tables.paymentIntents.get(intentId ?? '')
  if (session.status !== 'complete' || intent === undefined || session.payment_status === 'paid') {
    const message = `Checkout Session ${id} is ${session.status} and no payment of it is being processed.`
    throw new SandboxError('invalid_state', 409, message)
  }
  settlePayment(store, intent, outcome)
  if (outcome === 'succeeded') session.payment_status = 'paid'
  emit(store, `checkout.session.async_payment_${outcome}`, session)
  return session
}

/** Ends a payment that was being processed or waited for its buyer, and updates its invoice. */
export function settlePayment(store: Store, intent: PaymentIntent, outcome: Outcome): void {
  settleIntent(store, intent, outcome)
  recordIntent(store, intent, true)
}

function emailOf(store: Store, session: CheckoutSession, buyer: Buyer): string | null {
  const customer = session.customer === null ? null : find(store, 'customers', session.customer)
  const known = session.customer_email ?? customer?.email ?? null
  if (known !== null) return known
  if (buyer.email && /^[^\s@]+@[^\s@]+$/.test(buyer.email)) return buyer.email
  throw invalid('Your email is incomplete.', 'email', 'email_invalid')
}

function payOnce(
  store: Store,
  session: CheckoutSession,
  card: PaymentMethod | null,
  email: string | null,
  name: string | null,
): void {
  const whose = { customer: session.customer, session: session.id }
  if (card === null || session.amount_total === 0) {
    // Nothing is due, so no intent is created and nothing is charged.
    redeem(store, sessionRedemptions(store, session), whose)
    session.payment_status = 'no_payment_required'
    return
  }
  // A declined card leaves its intent on the session, and the next card pays the same intent.
  const kept = store.tables.paymentIntents.get(session.payment_intent ?? '')
  const isNewCustomer = session.customer === null && session.customer_creation === 'always'
  const customer =
    isNewCustomer && bankDecline(card, true) === null
      ? createCustomer(store, { email, name }).id
      : session.customer
  const intent =
    kept ??
    createIntent(store, {
      amount: session.amount_total,
      currency: session.currency,
      customer,
      description: session.payment_intent_data.description,
      metadata: { ...session.payment_intent_data.metadata },
      receipt_email: null,
    })
  refer(store, 'paymentIntents', intent, 'customer', customer)
  refer(store, 'sessions', session, 'payment_intent', intent.id)
  insert(store, 'paymentMethods', card)
  const refused = chargeIntent(store, intent, card, true)
  if (refused !== null) throw refused
  redeem(store, sessionRedemptions(store, session), { ...whose, customer })
  refer(store, 'sessions', session, 'customer', customer)
  session.payment_status = intent.status === 'processing' ? 'unpaid' : 'paid'
}

function subscribe(
  store: Store,
  session: CheckoutSession,
  card: PaymentMethod | null,
  email: string | null,
  name: string | null,
): void {
  const { trial_period_days: days, trial_end, metadata, description } = session.subscription_data
  const trialEnd = days === null ? trial_end : daysAfter(seconds(store), days)
  // The bank is asked first, because a declined card must leave no subscription behind.
  const refused = card && bankDecline(card, true)
  if (refused !== null) {
    throw new StripeApiError(refused.code, 402, refused.message, {
      type: 'card_error',
      decline_code: refused.declineCode,
    })
  }
  const customer = buyerOf(store, session, email, name)
  if (card !== null) attachCard(store, insert(store, 'paymentMethods', card), customer.id)
  const { subscription } = beginSubscription(
    store,
    {
      customer: customer.id,
      items: session.line_items.data.map(({ price, quantity, tax_rates }) => ({
        price,
        quantity,
        metadata: {},
        taxRates: tax_rates,
      })),
      defaultTaxRates: session.subscription_data.default_tax_rates,
      isTaxed: session.automatic_tax.enabled,
      metadata: { ...metadata },
      description,
      trialEnd,
      cancelAtPeriodEnd: false,
      cancelAt: null,
      defaultPaymentMethod: card?.id ?? null,
      saveDefaultPaymentMethod: 'off',
      billingMode: session.subscription_data.billing_mode,
      missingPaymentMethod: session.subscription_data.missing_payment_method,
      redemptions: sessionRedemptions(store, session),
    },
    { card, isPresent: true, isDeferred: false },
  )
  refer(store, 'sessions', session, 'customer', customer.id)
  refer(store, 'sessions', session, 'subscription', subscription.id)
  session.invoice = subscription.latest_invoice
  if (trialEnd !== null) session.amount_total = session.amount_subtotal = 0
  const isPaid = store.tables.invoices.get(session.invoice ?? '')?.paid === true
  session.payment_status =
    session.amount_total === 0 ? 'no_payment_required' : isPaid ? 'paid' : 'unpaid'
}

function buyerOf(
  store: Store,
  session: CheckoutSession,
  email: string | null,
  name: string | null,
): Customer {
  if (session.customer === null) return createCustomer(store, { email, name })
  const customer = find(store, 'customers', session.customer)
  if (customer.email !== null || email === null) return customer
  return change(store, 'customer.updated', customer, (current) => {
    current.email = email
  })
}
