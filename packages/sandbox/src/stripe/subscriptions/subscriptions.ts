/**
 * The API of subscriptions: create, update, cancel, list.
 *
 * @module
 */

import { type Endpoint, LIST_PARAMS, listTable, page } from '../server/endpoint.ts'
import { noSuch, notCovered } from '../server/errors.ts'
import type { Subscription } from '../server/objects.ts'
import { find } from '../server/store.ts'
import { createSubscription } from './subscription-create.ts'
import { endSubscription, isEnded } from './subscription-life.ts'
import { detailsOf } from './subscription-params.ts'
import { resumeSubscription } from './subscription-resume.ts'
import { updateSubscription } from './subscription-update.ts'

const PARAMS = [
  'automatic_tax',
  'cancel_at',
  'cancel_at_period_end',
  'customer',
  'default_payment_method',
  'default_tax_rates',
  'description',
  'discounts',
  'items',
  'metadata',
  'trial_end',
  'trial_settings',
]
const IGNORED = ['collection_method', 'currency', 'off_session', 'payment_settings']

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
    run: createSubscription,
  },
  {
    method: 'GET',
    path: '/v1/subscriptions',
    params: [...LIST_PARAMS, 'customer', 'price', 'status'],
    run(call) {
      const customer = call.params.text('customer')
      const price = call.params.text('price')
      const status = call.params.text('status')
      // Without a status, Stripe lists all subscriptions that are not canceled; `ended` covers both ways to
      // end.
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
      for (const name of ['invoice_now', 'prorate']) {
        if (params.flag(name)) throw notCovered('a last invoice or a credit at the end', name)
      }
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
