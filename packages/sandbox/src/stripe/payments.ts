/**
 * PaymentIntents and the charges they make. An intent succeeds at most once, and a declined one
 * keeps its place and waits for another card.
 *
 * @module
 */

import { bankDecline } from './cards.ts'
import { copy } from './copy.ts'
import { invalid, StripeApiError } from './errors.ts'
import type { Params } from './forms.ts'
import type { Charge, PaymentIntent, PaymentMethod } from './objects.ts'
import { show } from './shapes.ts'
import { emit, insert, newId, randomText, type Store, seconds } from './store.ts'

/** The smallest amount a card can be charged, in minor units; 50 where nothing else is named. */
const minimums: Record<string, number> = {
  aed: 200,
  dkk: 250,
  gbp: 30,
  mxn: 1000,
  nok: 300,
  pln: 200,
  sek: 300,
}

/** The smallest amount a card can be charged in a currency, in its minor units. */
export const minimumAmount = (currency: string): number =>
  (Object.hasOwn(minimums, currency) ? minimums[currency] : undefined) ?? 50

/** A lower-case currency of three letters. */
export function currencyOf(params: Params): string {
  const currency = params.required('currency').toLowerCase()
  if (/^[a-z]{3}$/.test(currency)) return currency
  throw invalid(`Invalid currency: ${currency}.`, params.name('currency'))
}

/** Refuses what no card can be charged. @throws `amount_too_small`, `amount_too_large` */
export function checkAmount(amount: number, currency: string, param = 'amount'): void {
  const minimum = minimumAmount(currency)
  if (amount < 1)
    throw invalid(
      'This value must be greater than or equal to 1.',
      param,
      'parameter_invalid_integer',
    )
  if (amount < minimum) {
    throw invalid(
      `Amount must be at least ${minimum} in the smallest unit of ${currency}.`,
      param,
      'amount_too_small',
    )
  }
  if (amount > 99_999_999) {
    throw invalid('Amount must be no more than 99999999.', param, 'amount_too_large')
  }
}

/** A new intent, announced. */
export function createIntent(
  store: Store,
  fields: Pick<PaymentIntent, 'amount' | 'currency' | 'customer'> & Partial<PaymentIntent>,
): PaymentIntent {
  const id = newId('paymentIntents')
  const intent: PaymentIntent = {
    id,
    object: 'payment_intent',
    created: seconds(store),
    livemode: false,
    amount_capturable: 0,
    amount_received: 0,
    application: null,
    automatic_payment_methods: null,
    canceled_at: null,
    cancellation_reason: null,
    capture_method: 'automatic',
    client_secret: `${id}_secret_${randomText(25)}`,
    confirmation_method: 'automatic',
    description: null,
    invoice: null,
    last_payment_error: null,
    latest_charge: null,
    metadata: {},
    next_action: null,
    on_behalf_of: null,
    payment_method: null,
    payment_method_options: { card: { request_three_d_secure: 'automatic' } },
    payment_method_types: ['card'],
    processing: null,
    receipt_email: null,
    review: null,
    setup_future_usage: null,
    shipping: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: fields.payment_method ? 'requires_confirmation' : 'requires_payment_method',
    transfer_group: null,
    ...fields,
  }
  insert(store, 'paymentIntents', intent)
  emit(store, 'payment_intent.created', intent)
  return intent
}

/**
 * Charges `card` for the intent and says so in events.
 *
 * @returns null where it was paid, else why not.
 */
export function chargeIntent(
  store: Store,
  intent: PaymentIntent,
  card: PaymentMethod,
  isPresent = false,
): StripeApiError | null {
  const refused = bankDecline(card, isPresent)
  const charge = createCharge(store, intent, card, refused)
  intent.latest_charge = charge.id
  if (refused === null) {
    intent.status = 'succeeded'
    intent.amount_received = intent.amount
    intent.payment_method = card.id
    intent.last_payment_error = null
    emit(store, 'charge.succeeded', charge)
    emit(store, 'payment_intent.succeeded', intent)
    return null
  }
  intent.status = 'requires_payment_method'
  intent.payment_method = null
  intent.last_payment_error = {
    charge: charge.id,
    code: refused.code,
    decline_code: refused.declineCode,
    doc_url: `https://stripe.com/docs/error-codes/${refused.code.replaceAll('_', '-')}`,
    message: refused.message,
    payment_method: show(card, store.apiVersion),
    type: 'card_error',
  }
  emit(store, 'charge.failed', charge)
  emit(store, 'payment_intent.payment_failed', intent)
  return new StripeApiError(refused.code, 402, refused.message, {
    type: 'card_error',
    charge: charge.id,
    decline_code: refused.declineCode,
    payment_intent: copy(intent),
  })
}

function createCharge(
  store: Store,
  intent: PaymentIntent,
  card: PaymentMethod,
  refused: ReturnType<typeof bankDecline>,
): Charge {
  const isPaid = refused === null
  return insert(store, 'charges', {
    id: newId('charges'),
    object: 'charge',
    created: seconds(store),
    livemode: false,
    amount: intent.amount,
    amount_captured: isPaid ? intent.amount : 0,
    amount_refunded: 0,
    billing_details: card.billing_details,
    captured: isPaid,
    currency: intent.currency,
    customer: intent.customer,
    description: intent.description,
    dispute: null,
    disputed: false,
    failure_code: refused?.code ?? null,
    failure_message: refused?.message ?? null,
    invoice: intent.invoice,
    metadata: { ...intent.metadata },
    outcome: {
      network_status: isPaid ? 'approved_by_network' : 'declined_by_network',
      reason: refused?.declineCode ?? null,
      seller_message: isPaid ? 'Payment complete.' : 'The bank declined the payment.',
      type: isPaid ? 'authorized' : 'issuer_declined',
    },
    paid: isPaid,
    payment_intent: intent.id,
    payment_method: card.id,
    payment_method_details: {
      type: 'card',
      card: {
        brand: card.card.brand,
        exp_month: card.card.exp_month,
        exp_year: card.card.exp_year,
        last4: card.card.last4,
      },
    },
    receipt_url: null,
    refunded: false,
    status: isPaid ? 'succeeded' : 'failed',
  })
}

/** Cancels an intent that has not succeeded. */
export function cancelIntent(store: Store, intent: PaymentIntent, reason: string | null): void {
  if (intent.status === 'succeeded' || intent.status === 'canceled') {
    throw unexpectedState(intent, 'cancel')
  }
  intent.status = 'canceled'
  intent.canceled_at = seconds(store)
  intent.cancellation_reason = reason
  emit(store, 'payment_intent.canceled', intent)
}

/** Refuses an act that the intent's state does not allow. */
export const unexpectedState = (intent: PaymentIntent, act: string): StripeApiError =>
  new StripeApiError(
    'payment_intent_unexpected_state',
    400,
    `You cannot ${act} this PaymentIntent because it has a status of ${intent.status}.`,
    { payment_intent: copy(intent) },
  )
