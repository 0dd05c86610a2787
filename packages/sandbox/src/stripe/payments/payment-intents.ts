/**
 * The API of PaymentIntents: create, update, confirm, cancel, list.
 *
 * @module
 */

import { requireCustomer } from '../customers/known-customer.ts'
import { attachCard, resolveCard } from '../customers/payment-methods.ts'
import { recordIntent } from '../invoices/invoices.ts'
import { type Call, type Endpoint, LIST_PARAMS, listTable } from '../server/endpoint.ts'
import { invalid, missing } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type { PaymentIntent, PaymentMethod } from '../server/objects.ts'
import { find, refer, type Store } from '../server/store.ts'
import { chargeIntent } from './charging.ts'
import {
  cancelIntent,
  checkAmount,
  createIntent,
  currencyOf,
  refuseManualCapture,
  unexpectedState,
} from './payments.ts'

function confirm(
  store: Store,
  intent: PaymentIntent,
  card: PaymentMethod | undefined,
  params: Params,
): PaymentIntent {
  if (['canceled', 'processing', 'succeeded'].includes(intent.status)) {
    throw unexpectedState(intent, 'confirm')
  }
  const chosen =
    card ??
    (intent.payment_method ? find(store, 'paymentMethods', intent.payment_method) : undefined)
  if (chosen === undefined) {
    throw invalid(
      'You cannot confirm this PaymentIntent because it is missing a payment method.',
      'payment_method',
      'parameter_missing',
    )
  }
  if (chosen.customer !== null && chosen.customer !== intent.customer) {
    throw invalid(
      'The PaymentMethod belongs to another Customer than the PaymentIntent.',
      'payment_method',
    )
  }
  const returnUrl = returnUrlOf(intent.automatic_payment_methods, params)
  if (intent.setup_future_usage !== null && intent.customer !== null) {
    attachCard(store, chosen, intent.customer)
  }
  // Without the buyer nobody can answer the bank's question, so it counts as a decline.
  const isUnasked = params.flag('off_session') || params.flag('error_on_requires_action')
  const isAlone = isUnasked && chosen.behaviour === 'requires_action'
  const paying = isAlone ? { ...chosen, behaviour: 'authentication_required' as const } : chosen
  const refused = chargeIntent(store, intent, paying, false, returnUrl)
  recordIntent(store, intent)
  if (refused !== null && intent.status !== 'requires_action') throw refused
  return intent
}

const INTENT_PARAMS = [
  'amount',
  'automatic_payment_methods',
  'currency',
  'customer',
  'description',
  'metadata',
  'payment_method',
  'payment_method_types',
  'receipt_email',
  'setup_future_usage',
  'statement_descriptor',
  'statement_descriptor_suffix',
]
/** The parameters that say how an intent is confirmed. All but `use_stripe_sdk` are refused without one. */
const CONFIRM_PARAMS = ['error_on_requires_action', 'off_session', 'return_url', 'use_stripe_sdk']
const INTENT_IGNORED = [
  'payment_method_options',
  'capture_method',
  'confirmation_method',
  'mandate_data',
  'mandate',
]

/**
 * The URL to which the buyer returns; null if Stripe's script in the browser needs none. An intent that
 * accepts the account's payment methods needs one, whichever of them pays, because some of them redirect.
 *
 * @throws `invalid_request`
 * @see https://docs.stripe.com/api/payment_intents/confirm#confirm_payment_intent-return_url
 */
function returnUrlOf(
  automatic: PaymentIntent['automatic_payment_methods'],
  params: Params,
): string | null {
  // The URL may also be one of a mobile app.
  const returnUrl = params.text('return_url') ?? null
  if (returnUrl === null && automatic?.enabled && automatic.allow_redirects !== 'never') {
    throw invalid(
      'This PaymentIntent accepts the payment methods enabled in the Dashboard, and some of them redirect the customer: provide a `return_url`, or create it with `automatic_payment_methods[allow_redirects]=never`.',
      'return_url',
    )
  }
  return params.flag('use_stripe_sdk') ? null : returnUrl
}

function createFromCall({ store, params }: Call): PaymentIntent {
  refuseManualCapture(params)
  if (!params.has('amount')) throw missing('amount')
  const currency = currencyOf(params)
  const amount = params.integer('amount') ?? 0
  checkAmount(amount, currency)
  const customer = params.text('customer') ?? null
  if (customer !== null) requireCustomer(store, customer)
  const automatic = params.object('automatic_payment_methods')
  const types = params.strings('payment_method_types')
  const named = params.text('payment_method')
  const isConfirmed = params.flag('confirm') ?? false
  const stray = isConfirmed ? undefined : CONFIRM_PARAMS.find((name) => params.has(name))
  if (stray && stray !== 'use_stripe_sdk') {
    throw invalid(`\`${stray}\` can only be used with \`confirm=true\`.`, stray)
  }
  const fields = {
    metadata: params.metadata(),
    description: params.text('description') ?? null,
    receipt_email: params.text('receipt_email') ?? null,
    setup_future_usage:
      params.choice('setup_future_usage', ['off_session', 'on_session'] as const) ?? null,
    statement_descriptor: params.text('statement_descriptor') ?? null,
    statement_descriptor_suffix: params.text('statement_descriptor_suffix') ?? null,
    automatic_payment_methods:
      automatic || types.length === 0
        ? { enabled: true, allow_redirects: automatic?.text('allow_redirects') ?? 'always' }
        : null,
    payment_method_types: types.length > 0 ? types : ['card'],
  }
  if (isConfirmed) returnUrlOf(fields.automatic_payment_methods, params)
  const card = named ? resolveCard(store, named, 'payment_method') : undefined
  const intent = createIntent(store, {
    amount,
    currency,
    customer,
    payment_method: card?.id ?? null,
    ...fields,
  })
  return isConfirmed ? confirm(store, intent, card, params) : intent
}

function updateFromCall({ store, params, id }: Call): PaymentIntent {
  const intent = find(store, 'paymentIntents', id)
  if (intent.status === 'succeeded' || intent.status === 'canceled') {
    const sent = params.keys().filter((key) => key !== 'expand')
    if (sent.some((key) => key !== 'metadata' && key !== 'description')) {
      throw unexpectedState(intent, 'update')
    }
  }
  const amount = params.integer('amount')
  const currency = params.has('currency') ? currencyOf(params) : intent.currency
  if (amount !== undefined) checkAmount(amount, currency)
  const customer = params.text('customer')
  if (customer) requireCustomer(store, customer)
  const named = params.text('payment_method')
  const metadata = params.metadata(intent.metadata)
  const card = named ? resolveCard(store, named, 'payment_method') : undefined
  intent.amount = amount ?? intent.amount
  intent.currency = currency
  intent.metadata = metadata
  if (customer !== undefined) refer(store, 'paymentIntents', intent, 'customer', customer)
  if (params.has('description')) intent.description = params.text('description') ?? null
  if (params.has('receipt_email')) intent.receipt_email = params.text('receipt_email') ?? null
  if (card) {
    intent.payment_method = card.id
    intent.status = 'requires_confirmation'
  }
  return intent
}

export const paymentIntentEndpoints: Endpoint[] = [
  {
    method: 'POST',
    path: '/v1/payment_intents',
    params: [...INTENT_PARAMS, ...CONFIRM_PARAMS, 'confirm'],
    ignored: INTENT_IGNORED,
    refused: ['shipping'],
    run: createFromCall,
  },
  {
    method: 'GET',
    path: '/v1/payment_intents',
    params: [...LIST_PARAMS, 'customer'],
    run(call) {
      const customer = call.params.text('customer')
      return listTable(call, 'paymentIntents', '/v1/payment_intents', undefined, { customer })
    },
  },
  {
    method: 'GET',
    path: '/v1/payment_intents/:id',
    params: ['client_secret'],
    run: ({ store, id }) => find(store, 'paymentIntents', id),
  },
  {
    method: 'POST',
    path: '/v1/payment_intents/:id',
    params: INTENT_PARAMS,
    ignored: INTENT_IGNORED,
    refused: ['shipping'],
    run: updateFromCall,
  },
  {
    method: 'POST',
    path: '/v1/payment_intents/:id/confirm',
    params: [...CONFIRM_PARAMS, 'payment_method', 'receipt_email', 'setup_future_usage'],
    ignored: INTENT_IGNORED,
    refused: ['shipping'],
    run({ store, params, id }) {
      refuseManualCapture(params)
      const intent = find(store, 'paymentIntents', id)
      const named = params.text('payment_method')
      if (intent.status === 'succeeded') throw unexpectedState(intent, 'confirm')
      const card = named ? resolveCard(store, named, 'payment_method') : undefined
      return confirm(store, intent, card, params)
    },
  },
  {
    method: 'POST',
    path: '/v1/payment_intents/:id/cancel',
    params: ['cancellation_reason'],
    run({ store, params, id }) {
      const intent = find(store, 'paymentIntents', id)
      const reasons = ['duplicate', 'fraudulent', 'requested_by_customer', 'abandoned'] as const
      cancelIntent(store, intent, params.choice('cancellation_reason', reasons) ?? null)
      return intent
    },
  },
]
