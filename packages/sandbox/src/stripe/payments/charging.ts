/**
 * Charges an intent. An intent succeeds at most once. After a decline it waits for another card, if the bank
 * wants a confirmation it waits for the buyer, and a bank debit is settled later.
 *
 * @module
 */

import { SandboxError } from '../../errors.ts'
import { bankDecline, type Decline } from '../customers/cards.ts'
import { copy } from '../server/copy.ts'
import { StripeApiError } from '../server/errors.ts'
import type { Charge, PaymentIntent, PaymentMethod } from '../server/objects.ts'
import { emit, find, insert, newId, type Store, seconds } from '../server/store.ts'
import { openDispute } from './disputes.ts'

/**
 * Charges `card` for the intent and makes the events. A buyer who has to confirm with the bank returns to
 * `returnUrl`; null leaves that to Stripe's script in the browser.
 *
 * @returns null if it was paid or is being processed, else the reason
 */
export function chargeIntent(
  store: Store,
  intent: PaymentIntent,
  card: PaymentMethod,
  isPresent = false,
  returnUrl: string | null = null,
): StripeApiError | null {
  if (card.behaviour === 'requires_action' && !isPresent) {
    return askBuyer(store, intent, card, returnUrl)
  }
  const refused = bankDecline(card, isPresent)
  const charge = createCharge(store, intent, card)
  intent.latest_charge = charge.id
  intent.next_action = null
  intent.payment_method = card.id
  if (card.behaviour === 'delayed') {
    intent.status = 'processing'
    intent.last_payment_error = null
    emit(store, 'charge.pending', charge)
    emit(store, 'payment_intent.processing', intent)
    return null
  }
  if (refused !== null) return refuse(store, intent, charge, refused)
  succeed(store, intent, charge)
  return null
}

/** Makes the intent wait for its buyer, who has to confirm the payment with the bank. */
function askBuyer(
  store: Store,
  intent: PaymentIntent,
  card: PaymentMethod,
  returnUrl: string | null,
): StripeApiError {
  intent.status = 'requires_action'
  intent.payment_method = card.id
  intent.last_payment_error = null
  intent.next_action =
    returnUrl === null
      ? {
          type: 'use_stripe_sdk',
          use_stripe_sdk: { type: 'three_d_secure_redirect', source: `src_${intent.id.slice(3)}` },
        }
      : {
          type: 'redirect_to_url',
          redirect_to_url: {
            return_url: returnUrl,
            url: `${store.origin}/stripe/authenticate/${intent.id}`,
          },
        }
  emit(store, 'payment_intent.requires_action', intent)
  return new StripeApiError(
    intent.invoice === null ? 'authentication_required' : 'invoice_payment_intent_requires_action',
    402,
    'This payment needs its buyer to confirm it before it can be completed.',
    { type: 'card_error', payment_intent: copy(intent) },
  )
}

function succeed(store: Store, intent: PaymentIntent, charge: Charge): void {
  Object.assign(charge, {
    amount_captured: charge.amount,
    captured: true,
    outcome: {
      network_status: 'approved_by_network',
      reason: null,
      seller_message: 'Payment complete.',
      type: 'authorized',
    },
    paid: true,
    status: 'succeeded',
  } satisfies Partial<Charge>)
  intent.status = 'succeeded'
  intent.amount_received = intent.amount
  intent.last_payment_error = null
  emit(store, 'charge.succeeded', charge)
  emit(store, 'payment_intent.succeeded', intent)
  const behaviour = store.tables.paymentMethods.get(charge.payment_method ?? '')?.behaviour
  if (behaviour === 'is_disputed') openDispute(store, charge.id)
  if (behaviour === 'is_inquired') {
    openDispute(store, charge.id, { status: 'warning_needs_response' })
  }
}

function refuse(
  store: Store,
  intent: PaymentIntent,
  charge: Charge,
  refused: Decline,
): StripeApiError {
  const card = store.tables.paymentMethods.get(intent.payment_method ?? '')
  Object.assign(charge, {
    failure_code: refused.code,
    failure_message: refused.message,
    outcome: {
      network_status: 'declined_by_network',
      reason: refused.declineCode,
      seller_message: 'The bank declined the payment.',
      type: 'issuer_declined',
    },
    status: 'failed',
  } satisfies Partial<Charge>)
  emit(store, 'charge.failed', charge)
  failIntent(store, intent, {
    charge: charge.id,
    code: refused.code,
    decline_code: refused.declineCode,
    message: refused.message,
    ...(card ? { payment_method: copy(card) } : {}),
  })
  return new StripeApiError(refused.code, 402, refused.message, {
    type: 'card_error',
    charge: charge.id,
    decline_code: refused.declineCode,
    payment_intent: copy(intent),
  })
}

function failIntent(
  store: Store,
  intent: PaymentIntent,
  error: Omit<NonNullable<PaymentIntent['last_payment_error']>, 'doc_url' | 'type'>,
): void {
  intent.status = 'requires_payment_method'
  intent.payment_method = null
  intent.next_action = null
  const doc_url = `https://stripe.com/docs/error-codes/${error.code.replaceAll('_', '-')}`
  intent.last_payment_error = { ...error, doc_url, type: 'card_error' }
  emit(store, 'payment_intent.payment_failed', intent)
}

/** Creates a charge that the bank has not answered yet. */
function createCharge(store: Store, intent: PaymentIntent, card: PaymentMethod): Charge {
  const { brand, checks, country, exp_month, exp_year, fingerprint, funding, last4 } = card.card
  const id = newId('charges')
  return insert(store, 'charges', {
    id,
    object: 'charge',
    created: seconds(store),
    livemode: false,
    amount: intent.amount,
    amount_captured: 0,
    amount_refunded: 0,
    billing_details: card.billing_details,
    captured: false,
    currency: intent.currency,
    customer: intent.customer,
    description: intent.description,
    dispute: null,
    disputed: false,
    failure_code: null,
    failure_message: null,
    invoice: intent.invoice,
    metadata: { ...intent.metadata },
    outcome: null,
    paid: false,
    payment_intent: intent.id,
    payment_method: card.id,
    payment_method_details:
      card.type === 'card'
        ? {
            type: 'card',
            card: {
              brand,
              checks,
              country,
              exp_month,
              exp_year,
              fingerprint,
              funding,
              last4,
              network: brand,
            },
          }
        : { type: 'sepa_debit', sepa_debit: { country: 'DE', fingerprint, last4 } },
    receipt_url: `${store.origin}/stripe/receipt/${id}`,
    refunded: false,
    status: 'pending',
  })
}

/** The outcome of a payment that was being processed or waited for its buyer. */
export type Outcome = 'failed' | 'succeeded'

/**
 * Ends a payment: the bank settles a debit, or the buyer confirms with the bank, or either fails.
 *
 * @throws `invalid_state` if the intent waits for neither
 */
export function settleIntent(store: Store, intent: PaymentIntent, outcome: Outcome): void {
  if (intent.status === 'processing') {
    const charge = find(store, 'charges', intent.latest_charge ?? '')
    if (outcome === 'succeeded') succeed(store, intent, charge)
    else refuse(store, intent, charge, NOT_SETTLED)
    return
  }
  if (intent.status !== 'requires_action') {
    const message = `PaymentIntent ${intent.id} is ${intent.status} and does not wait for an outcome.`
    throw new SandboxError('invalid_state', 409, message)
  }
  const card = find(store, 'paymentMethods', intent.payment_method ?? '')
  if (outcome === 'succeeded') chargeIntent(store, intent, card, true)
  else {
    failIntent(store, intent, {
      code: 'payment_intent_authentication_failure',
      message:
        'The buyer did not confirm the payment. Choose another payment method and try again.',
      payment_method: copy(card),
    })
  }
}

const NOT_SETTLED: Decline = {
  code: 'card_declined',
  declineCode: 'insufficient_funds',
  message: 'The account has insufficient funds.',
}
