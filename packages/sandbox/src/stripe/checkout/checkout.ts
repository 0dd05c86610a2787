/**
 * The API of Checkout Sessions. Paying a session is in `checkout-payment.ts`.
 *
 * @module
 */

import { checkItems, lineItems } from '../catalog/line-items.ts'
import { automaticTax, automaticTaxOf, ratesAsked } from '../catalog/taxes.ts'
import { requireCustomer } from '../customers/known-customer.ts'
import { refuseManualCapture } from '../payments/payments.ts'
import { type Call, type Endpoint, LIST_PARAMS, listTable, page } from '../server/endpoint.ts'
import { invalid, missing, StripeApiError } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type { CheckoutSession } from '../server/objects.ts'
import { emit, find, insert, newId, referring, type Store, seconds } from '../server/store.ts'
import {
  billingModeOf,
  missingPaymentMethodOf,
  trialEndOf,
} from '../subscriptions/subscription-params.ts'
import { discountLines, discountsAsked, reckonSession, redeemed } from './checkout-discounts.ts'

const HOUR = 3600

/** The expiry within Stripe's bounds: from half an hour to a day from now. */
function expiryOf(store: Store, params: Params): number {
  const now = seconds(store)
  const expiry = params.integer('expires_at')
  if (expiry === undefined) return now + 24 * HOUR
  if (expiry < now + HOUR / 2 || expiry > now + 24 * HOUR) {
    throw invalid(
      'The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.',
      'expires_at',
    )
  }
  return expiry
}

const MODES = ['payment', 'subscription', 'setup'] as const
const UI_MODES = ['hosted', 'hosted_page'] as const

function create({ store, params, version }: Call): CheckoutSession {
  const mode = params.choice('mode', MODES)
  if (mode === undefined) throw missing('mode')
  if (mode === 'setup') throw invalid('The sandbox does not cover `setup` mode.', 'mode')
  params.choice('ui_mode', UI_MODES)
  const successUrl = params.url('success_url')
  if (!successUrl) throw missing('success_url')
  const cancelUrl = params.url('cancel_url') ?? null
  const customer = params.text('customer') ?? null
  const email = params.text('customer_email') ?? null
  if (customer !== null) requireCustomer(store, customer)
  if (customer !== null && email !== null) {
    throw invalid(
      'You may only specify one of these parameters: customer, customer_email.',
      'customer_email',
    )
  }
  if (email !== null && !/^[^\s@]+@[^\s@]+$/.test(email)) {
    throw invalid('Invalid email address.', 'customer_email', 'email_invalid')
  }
  const fields = modeFields(store, params, mode, version)
  const items = lineItems(store, params, mode)
  const currency = items[0]?.currency ?? 'usd'
  const redemptions = discountsAsked(store, params, currency, customer)
  const taken = discountLines(items, redemptions)
  const amount = items.reduce((sum, item) => sum + item.amount_subtotal, 0)
  checkItems(items, mode, amount - taken)

  const id = newId('sessions')
  const list = {
    object: 'list',
    data: items,
    has_more: false,
    url: `/v1/checkout/sessions/${id}/line_items`,
  } as const
  const isTaxed = automaticTaxOf(params) ?? false
  const session: CheckoutSession = {
    id,
    object: 'checkout.session',
    created: seconds(store),
    livemode: false,
    ...blank(),
    automatic_tax: { ...automaticTax(isTaxed), status: isTaxed ? 'complete' : null },
    allow_promotion_codes: params.flag('allow_promotion_codes') ?? null,
    amount_subtotal: amount,
    amount_total: amount - taken,
    cancel_url: cancelUrl,
    client_reference_id: params.text('client_reference_id', 200) ?? null,
    currency,
    customer,
    customer_details: openDetails(store, customer, email),
    customer_email: email,
    ...redeemed(redemptions),
    expires_at: expiryOf(store, params),
    line_items: list,
    locale: params.text('locale') ?? null,
    metadata: params.metadata(),
    mode,
    submit_type: params.text('submit_type') ?? null,
    success_url: successUrl,
    total_details: { amount_discount: taken, amount_shipping: 0, amount_tax: 0 },
    url: `${store.origin}/stripe/checkout/${id}`,
    ...fields,
  }
  reckonSession(store, session)
  return insert(store, 'sessions', session)
}

/** The members that every session starts with, whatever the request says. */
function blank() {
  return {
    after_expiration: null,
    billing_address_collection: null,
    client_secret: null,
    consent: null,
    consent_collection: null,
    custom_fields: [],
    custom_text: {
      after_submit: null,
      shipping_address: null,
      submit: null,
      terms_of_service_acceptance: null,
    },
    invoice: null,
    invoice_creation: null,
    payment_intent: null,
    payment_link: null,
    payment_method_options: {},
    payment_method_types: ['card'],
    payment_status: 'unpaid',
    phone_number_collection: { enabled: false },
    recovered_from: null,
    setup_intent: null,
    shipping_address_collection: null,
    shipping_cost: null,
    shipping_options: [],
    status: 'open',
    subscription: null,
    ui_mode: 'hosted',
  } satisfies Partial<CheckoutSession>
}

/** The customer's details that the host has given for an open session; null if none. */
function openDetails(
  store: Store,
  customer: string | null,
  email: string | null,
): CheckoutSession['customer_details'] {
  if (customer === null && email === null) return null
  const known = store.tables.customers.get(customer ?? '')
  // The page asks for the tax ids.
  return { ...detailsOf(email ?? known?.email ?? null, null), tax_ids: null }
}

/** The payer's details, as the session shows them. */
export function detailsOf(
  email: string | null,
  name: string | null,
): NonNullable<CheckoutSession['customer_details']> {
  return { address: null, email, name, phone: null, tax_exempt: 'none', tax_ids: [] }
}

/** The members that belong to one mode. Parameters of the other mode are refused. */
function modeFields(
  store: Store,
  params: Params,
  mode: 'payment' | 'subscription',
  version: string,
) {
  const [own, other] =
    mode === 'payment'
      ? ['payment_intent_data', 'subscription_data']
      : ['subscription_data', 'payment_intent_data']
  if (params.has(other)) throw invalid(`You can not pass \`${other}\` in \`${mode}\` mode.`, other)
  const data = params.object(own)
  refuseManualCapture(data)
  if (mode === 'payment') {
    data?.only([
      'capture_method',
      'description',
      'metadata',
      'receipt_email',
      'setup_future_usage',
      'statement_descriptor',
      'statement_descriptor_suffix',
    ])
  } else {
    data?.only([
      'billing_mode',
      'default_tax_rates',
      'description',
      'metadata',
      'proration_behavior',
      'trial_end',
      'trial_period_days',
      'trial_settings',
    ])
  }
  const shared = {
    metadata: data?.metadata() ?? {},
    description: data?.text('description') ?? null,
  }
  // Checked now, but stored as sent, because the trial's days count from the payment.
  if (mode === 'subscription') trialEndOf(store, data)
  return {
    customer_creation:
      mode === 'payment'
        ? (params.choice('customer_creation', ['always', 'if_required'] as const) ?? 'if_required')
        : null,
    payment_intent_data: mode === 'payment' ? shared : { metadata: {}, description: null },
    payment_method_collection:
      mode === 'subscription'
        ? (params.choice('payment_method_collection', ['always', 'if_required'] as const) ??
          'always')
        : null,
    subscription_data: {
      billing_mode: billingModeOf(version),
      default_tax_rates: (data && ratesAsked(store, data, 'default_tax_rates')) ?? [],
      ...(mode === 'subscription' ? shared : { metadata: {}, description: null }),
      trial_period_days:
        (mode === 'subscription' ? data?.integer('trial_period_days') : null) ?? null,
      trial_end: (mode === 'subscription' ? data?.integer('trial_end') : null) ?? null,
      missing_payment_method: missingPaymentMethodOf(data) ?? 'create_invoice',
    },
  }
}

/** A session by id. A session past its expiry is expired first, with its event. */
export function findSession(store: Store, id: string): CheckoutSession {
  const session = find(store, 'sessions', id)
  if (session.status === 'open' && session.expires_at <= seconds(store))
    expireSession(store, session)
  return session
}

function expireSession(store: Store, session: CheckoutSession): void {
  session.status = 'expired'
  session.url = null
  emit(store, 'checkout.session.expired', session)
}

const PARAMS = [
  'automatic_tax',
  'allow_promotion_codes',
  'cancel_url',
  'client_reference_id',
  'customer',
  'customer_creation',
  'customer_email',
  'discounts',
  'expires_at',
  'line_items',
  'locale',
  'metadata',
  'mode',
  'payment_intent_data',
  'payment_method_collection',
  'submit_type',
  'subscription_data',
  'success_url',
  'ui_mode',
]
const IGNORED = [
  'adaptive_pricing',
  'allowed_payment_method_types',
  'billing_address_collection',
  'branding_settings',
  'consent_collection',
  'currency',
  'custom_text',
  'customer_update',
  'integration_identifier',
  'invoice_creation',
  'name_collection',
  'payment_method_configuration',
  'payment_method_options',
  'payment_method_types',
  'phone_number_collection',
  'saved_payment_method_options',
  'tax_id_collection',
]

export const checkoutEndpoints: Endpoint[] = [
  {
    method: 'POST',
    path: '/v1/checkout/sessions',
    params: PARAMS,
    ignored: IGNORED,
    run: create,
  },
  {
    method: 'GET',
    path: '/v1/checkout/sessions',
    params: [...LIST_PARAMS, 'customer', 'payment_intent', 'status', 'subscription'],
    run(call) {
      const customer = call.params.text('customer')
      for (const { id, status } of customer
        ? referring(call.store, 'sessions', 'customer', customer)
        : call.store.indexes.sessions.rows) {
        if (status === 'open') findSession(call.store, id)
      }
      const status = call.params.text('status')
      const subscription = call.params.text('subscription')
      const intent = call.params.text('payment_intent')
      return listTable(call, 'sessions', '/v1/checkout/sessions', undefined, {
        payment_intent: intent,
        subscription,
        customer,
        status,
      })
    },
  },
  {
    method: 'GET',
    path: '/v1/checkout/sessions/:id',
    run: ({ store, id }) => findSession(store, id),
  },
  {
    method: 'POST',
    path: '/v1/checkout/sessions/:id/expire',
    run({ store, id }) {
      const session = findSession(store, id)
      if (session.status !== 'open') {
        throw new StripeApiError(
          'checkout_session_not_open',
          400,
          `Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of ${session.status}.`,
        )
      }
      expireSession(store, session)
      return session
    },
  },
  {
    method: 'GET',
    path: '/v1/checkout/sessions/:id/line_items',
    params: LIST_PARAMS,
    run(call) {
      const { line_items } = findSession(call.store, call.id)
      return page(call, line_items.data, line_items.url)
    },
  },
]
