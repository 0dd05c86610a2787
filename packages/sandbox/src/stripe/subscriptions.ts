/**
 * Subscriptions through the API: create, update, cancel, list.
 *
 * @module
 */

import { requireCustomer } from './customers.ts'
import { type Call, type Endpoint, LIST_PARAMS, listTable, page } from './endpoint.ts'
import { invalid, missing, noSuch } from './errors.ts'
import type { Params } from './forms.ts'
import { defaultCard } from './invoices.ts'
import type { Subscription } from './objects.ts'
import { find, type Store } from './store.ts'
import type { ItemDraft } from './subscription-draft.ts'
import { beginSubscription, endSubscription, isEnded } from './subscription-life.ts'
import {
  billingModeOf,
  cardOf,
  detailsOf,
  missingPaymentMethodOf,
  quantityOf,
  recurringPrice,
  trialEndOf,
} from './subscription-params.ts'
import { resumeSubscription } from './subscription-resume.ts'
import { updateSubscription } from './subscription-update.ts'

function itemDrafts(store: Store, params: Params): ItemDraft[] {
  const drafts = params.objects('items').map((item) => {
    item.only(['price', 'quantity', 'metadata'])
    return {
      price: recurringPrice(store, item.required('price'), item.name('price')),
      quantity: quantityOf(item),
      metadata: item.metadata(),
    }
  })
  if (drafts.length === 0) throw missing('items')
  return drafts
}

const BEHAVIOURS = [
  'allow_incomplete',
  'default_incomplete',
  'error_if_incomplete',
  'pending_if_incomplete',
] as const

function create({ store, params, version }: Call): Subscription {
  const customer = requireCustomer(store, params.required('customer'))
  const items = itemDrafts(store, params)
  const behaviour = params.choice('payment_behavior', BEHAVIOURS) ?? 'allow_incomplete'
  const isCancelled = params.flag('cancel_at_period_end') ?? false
  const mode = params.object('billing_mode')?.choice('type', ['classic', 'flexible'] as const)
  const save = params
    .object('payment_settings')
    ?.choice('save_default_payment_method', ['off', 'on_subscription'] as const)
  const draft = {
    customer: customer.id,
    items,
    metadata: params.metadata(),
    description: params.text('description') ?? null,
    trialEnd: trialEndOf(store, params),
    cancelAtPeriodEnd: isCancelled,
    cancelAt: params.integer('cancel_at') ?? null,
    saveDefaultPaymentMethod: save ?? 'off',
    missingPaymentMethod: missingPaymentMethodOf(params) ?? 'create_invoice',
    billingMode: mode ?? billingModeOf(version),
  }
  const card = cardOf(store, params, customer.id)
  const isDue = draft.trialEnd === null && items.some((item) => item.price.unit_amount > 0)
  const isDeferred = behaviour === 'default_incomplete'
  const paying = card ?? defaultCard(store, customer.id)
  if (isDue && !isDeferred && paying === null) {
    throw invalid(
      'This customer has no attached payment source or default payment method. Please consider adding a default payment method.',
      'customer',
      'resource_missing',
    )
  }
  const { subscription, refused } = beginSubscription(
    store,
    { ...draft, defaultPaymentMethod: card?.id ?? null },
    { card: paying, isPresent: false, isDeferred },
  )
  // Stripe would make no subscription at all here; ours ends at once, and the caller sees the same.
  if (refused !== null && behaviour === 'error_if_incomplete') {
    endSubscription(store, subscription, 'payment_failed')
    throw refused
  }
  return subscription
}

const PARAMS = [
  'cancel_at',
  'cancel_at_period_end',
  'customer',
  'default_payment_method',
  'description',
  'items',
  'metadata',
  'trial_end',
  'trial_settings',
]
const IGNORED = [
  'automatic_tax',
  'collection_method',
  'currency',
  'off_session',
  'payment_settings',
]

export const subscriptionEndpoints: Endpoint[] = [
  {
    method: 'POST',
    path: '/v1/subscriptions',
    params: [
      ...PARAMS,
      'billing_mode',
      'payment_behavior',
      'payment_settings',
      'trial_period_days',
    ],
    ignored: [...IGNORED, 'proration_behavior'],
    run: create,
  },
  {
    method: 'GET',
    path: '/v1/subscriptions',
    params: [...LIST_PARAMS, 'customer', 'price', 'status'],
    run(call) {
      const customer = call.params.text('customer')
      const price = call.params.text('price')
      const status = call.params.text('status')
      // Without a status, Stripe lists all that are not canceled; `ended` is both ways to have ended.
      const fits = (subscription: Subscription): boolean => {
        if (status === 'all') return true
        if (status === 'ended') return isEnded(subscription)
        return status ? subscription.status === status : subscription.status !== 'canceled'
      }
      return listTable(
        call,
        'subscriptions',
        '/v1/subscriptions',
        (subscription) =>
          (!price || subscription.items.data.some((item) => item.price.id === price)) &&
          fits(subscription),
        { customer },
      )
    },
  },
  {
    method: 'GET',
    path: '/v1/subscriptions/:id',
    run: ({ store, id }) => find(store, 'subscriptions', id),
  },
  {
    method: 'POST',
    path: '/v1/subscriptions/:id',
    params: [
      ...PARAMS.filter((name) => name !== 'customer'),
      'billing_cycle_anchor',
      'cancellation_details',
      'pause_collection',
      'payment_behavior',
      'proration_behavior',
      'proration_date',
    ],
    ignored: IGNORED,
    run: updateSubscription,
  },
  {
    method: 'POST',
    path: '/v1/subscriptions/:id/resume',
    params: ['billing_cycle_anchor', 'proration_behavior', 'proration_date'],
    run: resumeSubscription,
  },
  {
    method: 'DELETE',
    path: '/v1/subscriptions/:id',
    params: ['cancellation_details'],
    ignored: ['invoice_now', 'prorate'],
    run({ store, params, id }) {
      const subscription = find(store, 'subscriptions', id)
      if (isEnded(subscription)) throw noSuch('subscription', id)
      Object.assign(subscription.cancellation_details, detailsOf(params))
      return endSubscription(store, subscription, 'cancellation_requested')
    },
  },
  {
    method: 'GET',
    path: '/v1/subscription_items',
    params: [...LIST_PARAMS, 'subscription'],
    run(call) {
      const id = call.params.required('subscription')
      const { items } = find(call.store, 'subscriptions', id, 'subscription')
      return page(call, items.data, '/v1/subscription_items')
    },
  },
]
