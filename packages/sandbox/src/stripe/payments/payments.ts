/**
 * PaymentIntents: creating, checking, cancelling. Charging them is in `charging.ts`.
 *
 * @module
 */

import { amountStep, maxAmount } from '@repo/core'
import { copy } from '../server/copy.ts'
import { invalid, notCovered, StripeApiError } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type { PaymentIntent } from '../server/objects.ts'
import { emit, insert, newId, randomText, type Store, seconds } from '../server/store.ts'

/** The smallest amounts for cards, in minor units; 50 for any other currency. */
const minimums: Record<string, number> = {
  aed: 200,
  dkk: 250,
  gbp: 30,
  mxn: 1000,
  nok: 300,
  pln: 200,
  sek: 300,
}

/** The smallest amount that a card can be charged in a currency, in its minor units. */
export const minimumAmount = (currency: string): number =>
  (Object.hasOwn(minimums, currency) ? minimums[currency] : undefined) ?? 50

/** Reads a currency of three lower-case letters. */
export function currencyOf(params: Params): string {
  const currency = params.required('currency').toLowerCase()
  if (/^[a-z]{3}$/.test(currency)) return currency
  throw invalid(`Invalid currency: ${currency}.`, params.name('currency'))
}

/** Refuses manual capture, because here the amount would be captured at once. */
export function refuseManualCapture(params: Params | undefined): void {
  if (params?.text('capture_method') !== 'manual') return
  throw notCovered('manual capture', params.name('capture_method'))
}

/** Refuses an amount that no card can be charged. @throws `amount_too_small`, `amount_too_large` */
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
  const most = maxAmount(currency)
  if (amount > most) {
    throw invalid(`Amount must be no more than ${most}.`, param, 'amount_too_large')
  }
  const step = amountStep(currency)
  if (amount % step !== 0) {
    throw invalid(`Amounts in ${currency} must be evenly divisible by ${step}.`, param)
  }
}

/** Creates an intent, with its event. */
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
    capture_method: 'automatic_async',
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

/** The error for an action that the intent's status does not allow. */
export const unexpectedState = (intent: PaymentIntent, act: string): StripeApiError =>
  new StripeApiError(
    'payment_intent_unexpected_state',
    400,
    `You cannot ${act} this PaymentIntent because it has a status of ${intent.status}.`,
    { payment_intent: copy(intent) },
  )
