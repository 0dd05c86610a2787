/**
 * Previews an invoice without making it. The request runs on a copy of the customer's records, so a later
 * change with the same `proration_date` costs the previewed amount.
 *
 * @see https://docs.stripe.com/api/invoices/create_preview
 * @module
 */

import { automaticTax, automaticTaxOf, requirePlace } from '../catalog/taxes.ts'
import { createCard } from '../customers/cards.ts'
import { requireCustomer } from '../customers/known-customer.ts'
import { defaultCard } from '../invoices/invoices.ts'
import { type Call, type Endpoint, LIST_PARAMS, page } from '../server/endpoint.ts'
import { invalid, missing, StripeApiError } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type { Invoice, Subscription } from '../server/objects.ts'
import { isNewShape } from '../server/shapes.ts'
import { find, randomText, referring, type Store } from '../server/store.ts'
import { rehearsalOf } from './rehearsal.ts'
import { createSubscription } from './subscription-create.ts'
import { isEnded, renewSubscription } from './subscription-life.ts'
import { updateSubscription } from './subscription-update.ts'

/** The changes of the subscription that a preview accepts. */
const DETAILS = [
  'billing_cycle_anchor',
  'cancel_at',
  'cancel_at_period_end',
  'items',
  'proration_behavior',
  'proration_date',
  'trial_end',
]

/** Seconds from a period's end until its invoice is charged. */
const CHARGED_AFTER = 3600

/** The next invoice of a customer or subscription, as it would be after `details`. */
function preview(call: Call, details: Params | undefined): Invoice {
  const { store, params, version } = call
  details?.only(DETAILS)
  const current = subscriptionOf(call)
  const customer = current?.customer ?? params.text('customer')
  if (!customer) throw missing('customer')
  requireCustomer(store, customer)
  const copied = rehearsalOf(store, customer)
  const isTaxed = automaticTaxOf(params) ?? false
  if (isTaxed) requirePlace(store, customer)
  const own = copied.tables.subscriptions.get(current?.id ?? '')
  if (own && isTaxed) own.automatic_tax = automaticTax(true)
  // The preview does not depend on whether the customer can pay.
  const request = (details ?? params.below('subscription_', [])).with({
    payment_behavior: 'default_incomplete',
  })
  if (current === undefined) {
    if (!details?.has('items')) throw nothing(customer)
    const asked = request.with({ customer, automatic_tax: { enabled: String(isTaxed) } })
    createSubscription({ ...call, store: copied, params: asked })
  } else if (details !== undefined && details.keys().length > 0) {
    updateSubscription({ ...call, store: copied, params: request, id: current.id, version })
  }
  const made = copied.indexes.invoices.rows.find(({ id }) => !store.tables.invoices.has(id))
  const invoice = made ?? renewed(copied, current)
  if (invoice === null) throw nothing(customer)
  return upcoming(invoice)
}

/**
 * The subscription of the request, or the customer's subscription that is billed next; undefined if there is
 * none.
 */
function subscriptionOf({ store, params }: Call): Subscription | undefined {
  const schedule = params.text('schedule')
  const managed = schedule ? find(store, 'schedules', schedule, 'schedule').subscription : null
  const named = managed ?? params.text('subscription')
  const customer = params.text('customer')
  if (named) {
    const subscription = find(store, 'subscriptions', named, 'subscription')
    if (customer && subscription.customer !== customer) {
      throw invalid(
        `The subscription ${named} does not belong to the customer ${customer}.`,
        'subscription',
      )
    }
    return subscription
  }
  const isNew =
    params.has('subscription_items') || params.object('subscription_details')?.has('items')
  if (!customer || isNew) return undefined
  return referring(store, 'subscriptions', 'customer', customer)
    .filter((subscription) => !isEnded(subscription))
    .sort((one, other) => one.current_period_end - other.current_period_end)[0]
}

/** The invoice of the next period; null if there will be none. */
function renewed(copied: Store, current: Subscription | undefined): Invoice | null {
  const subscription = copied.tables.subscriptions.get(current?.id ?? '')
  if (subscription === undefined || isEnded(subscription)) return null
  if (['incomplete', 'paused'].includes(subscription.status)) return null
  const card = defaultCard(copied, subscription.customer, subscription)
  // Without a card a trial might end instead of being billed, but the preview asks for the price.
  const paying = card ?? createCard(copied, { number: '4242424242424242' })
  return renewSubscription(copied, subscription, paying)
}

/** The invoice before it exists: a draft without a payment attempt. */
function upcoming(invoice: Invoice): Invoice {
  const id = `upcoming_in_${randomText(24)}`
  return {
    ...invoice,
    id,
    amount_paid: 0,
    amount_remaining: invoice.amount_due,
    attempt_count: 0,
    attempted: false,
    billing_reason: 'upcoming',
    charge: null,
    effective_at: null,
    hosted_invoice_url: null,
    invoice_pdf: null,
    lines: {
      ...invoice.lines,
      data: invoice.lines.data.map((line) => ({ ...line, invoice: id })),
      url: `/v1/invoices/${id}/lines`,
    },
    next_payment_attempt: invoice.created + CHARGED_AFTER,
    number: null,
    paid: false,
    payment_intent: null,
    status: 'draft',
    status_transitions: {
      finalized_at: null,
      marked_uncollectible_at: null,
      paid_at: null,
      voided_at: null,
    },
  }
}

const nothing = (customer: string): StripeApiError =>
  new StripeApiError('invoice_upcoming_none', 404, `No upcoming invoices for customer: ${customer}`)

/** The parameters of the old endpoint, which has `subscription_items` instead of an object. */
const OLD_DETAILS = DETAILS.map((name) => `subscription_${name}`)

function previewOld(call: Call): Invoice {
  // The new shape removed this endpoint: there `upcoming` is read as an invoice id, which does not exist.
  if (isNewShape(call.version)) return find(call.store, 'invoices', 'upcoming')
  const old = call.params.below('subscription_', DETAILS)
  return preview(call, old.keys().length > 0 ? old : call.params.object('subscription_details'))
}

const WHOSE = ['automatic_tax', 'customer', 'schedule', 'subscription', 'subscription_details']
const IGNORED = ['currency', 'preview_mode']

export const previewEndpoints: Endpoint[] = [
  {
    method: 'POST',
    path: '/v1/invoices/create_preview',
    params: WHOSE,
    ignored: IGNORED,
    run: (call) => preview(call, call.params.object('subscription_details')),
  },
  {
    method: 'GET',
    path: '/v1/invoices/upcoming',
    params: [...WHOSE, ...OLD_DETAILS],
    ignored: IGNORED,
    run(call) {
      const { id: _, ...rest } = previewOld(call)
      return rest
    },
  },
  {
    method: 'GET',
    path: '/v1/invoices/upcoming/lines',
    params: [...WHOSE, ...OLD_DETAILS, ...LIST_PARAMS],
    ignored: IGNORED,
    run: (call) => page(call, previewOld(call).lines.data, '/v1/invoices/upcoming/lines'),
  },
]
