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
import type { Metadata, PaymentMethod, Subscription } from './objects.ts'
import { attachCard, resolveCard } from './payment-methods.ts'
import { changeItems, type ItemChange } from './plan-change.ts'
import { change, find, type Store, seconds } from './store.ts'
import {
  beginSubscription,
  endSubscription,
  type ItemDraft,
  isEnded,
  renewSubscription,
} from './subscription-life.ts'
import {
  billingModeOf,
  cancellation,
  quantityOf,
  recurringPrice,
  trialEndOf,
} from './subscription-params.ts'

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

function cardOf(store: Store, params: Params, customer: string): PaymentMethod | null {
  const id = params.text('default_payment_method')
  if (!id) return null
  const card = resolveCard(store, id, 'default_payment_method')
  return attachCard(store, card, customer)
}

function itemChanges(store: Store, params: Params, subscription: Subscription): ItemChange[] {
  return params.objects('items').map((item) => {
    item.only(['id', 'price', 'quantity', 'deleted', 'metadata'])
    const id = item.text('id') ?? null
    const own = subscription.items.data.find((candidate) => candidate.id === id)
    if (id !== null && own === undefined) throw noSuch('subscription_item', id, item.name('id'))
    const price = item.text('price')
    if (id === null && !price) throw missing(item.name('price'))
    const metadata: Metadata = item.metadata(own?.metadata)
    return {
      id,
      isDeleted: item.flag('deleted') ?? false,
      price: price ? recurringPrice(store, price, item.name('price')) : null,
      quantity: item.has('quantity') ? quantityOf(item) : null,
      metadata,
    }
  })
}

const PRORATIONS = ['create_prorations', 'always_invoice', 'none'] as const

function update({ store, params, id }: Call): Subscription {
  const subscription = find(store, 'subscriptions', id)
  if (isEnded(subscription)) {
    const sent = params
      .keys()
      .filter((key) => !['metadata', 'cancellation_details', 'expand'].includes(key))
    if (sent.length > 0) {
      throw invalid(
        'A canceled subscription can only update its cancellation_details and metadata.',
      )
    }
  }
  const metadata = params.metadata(subscription.metadata)
  const schedule = cancellation(store, params, subscription)
  const items = itemChanges(store, params, subscription)
  const proration = params.choice('proration_behavior', PRORATIONS) ?? 'create_prorations'
  const description = params.text('description')
  const trialEnd = params.has('trial_end') ? trialEndOf(store, params) : undefined
  const details = params.object('cancellation_details')
  const card = cardOf(store, params, subscription.customer)

  change(store, 'customer.subscription.updated', subscription, (current) => {
    current.metadata = metadata
    Object.assign(current, schedule)
    if (description !== undefined) current.description = description
    if (card !== null) current.default_payment_method = card.id
    if (details) {
      current.cancellation_details = {
        ...current.cancellation_details,
        comment: details.text('comment') ?? null,
        feedback: details.text('feedback') ?? null,
      }
    }
    if (trialEnd) moveTrial(current, trialEnd)
  })
  if (items.length > 0) changeItems(store, subscription, items, proration)
  // The trial's end is the period's end, so ending it now is the renewal that was due then.
  if (trialEnd === null && subscription.status === 'trialing') endTrial(store, subscription)
  return subscription
}

function moveTrial(subscription: Subscription, trialEnd: number): void {
  subscription.trial_end = trialEnd
  subscription.billing_cycle_anchor = trialEnd
  subscription.current_period_end = trialEnd
  subscription.status = 'trialing'
  for (const item of subscription.items.data) item.current_period_end = trialEnd
}

function endTrial(store: Store, subscription: Subscription): void {
  moveTrial(subscription, seconds(store))
  renewSubscription(store, subscription)
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
]
const IGNORED = [
  'automatic_tax',
  'collection_method',
  'currency',
  'off_session',
  'payment_settings',
  'trial_settings',
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
      'cancellation_details',
      'proration_behavior',
    ],
    ignored: [...IGNORED, 'billing_cycle_anchor', 'payment_behavior', 'proration_date'],
    run: update,
  },
  {
    method: 'DELETE',
    path: '/v1/subscriptions/:id',
    params: ['cancellation_details'],
    ignored: ['invoice_now', 'prorate'],
    run({ store, params, id }) {
      const subscription = find(store, 'subscriptions', id)
      if (isEnded(subscription)) throw noSuch('subscription', id)
      const details = params.object('cancellation_details')
      subscription.cancellation_details.comment = details?.text('comment') ?? null
      subscription.cancellation_details.feedback = details?.text('feedback') ?? null
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
