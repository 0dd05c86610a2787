/** What becomes of an order by what the provider says: every case, without a provider. */

import { expect, test } from 'vitest'
import type { ProviderView } from '../orders/provider-view.ts'
import { verdictOf } from '../orders/verdict.ts'
import type {
  ProviderCheckout,
  ProviderPayment,
  ProviderSubscription,
} from '../providers/provider.ts'

const once = {
  id: 'order',
  status: 'pending',
  plan: null as string | null,
  amount: 1000,
  currency: 'usd',
  needsAttention: null as string | null,
}
const plan = { ...once, plan: 'PRO' }
const cancelled = { ...once, status: 'cancelled' }
const completed = { ...once, status: 'completed' }

const checkout = (status: ProviderCheckout['status'], more: Partial<ProviderCheckout> = {}) => ({
  checkout: {
    id: 'checkout',
    url: null,
    status,
    orderId: 'order',
    paymentId: null,
    subscriptionId: null,
    customerId: null,
    ...more,
  },
})
const payment = (status: ProviderPayment['status'], more: Partial<ProviderPayment> = {}) => ({
  payment: {
    id: 'payment',
    status,
    amount: 1000,
    // With taxes on top.
    amountPaid: 1190,
    amountRefunded: 0,
    currency: 'usd',
    disputeStatus: null,
    disputeId: null,
    orderId: 'order',
    customerId: null,
    subscriptionId: null,
    isForChange: false,
    paidAt: null,
    ...more,
  },
})
const subscription = (status: ProviderSubscription['status']) => ({
  subscription: { id: 'subscription', status } as ProviderSubscription,
})
const nothing: Omit<ProviderView, 'isWhole'> = {
  checkout: null,
  payment: null,
  subscription: null,
  renewals: [],
}

test.each<
  [what: string, order: typeof once, seen: Partial<ProviderView>, is: string, why: string | null]
>([
  ['nothing yet', once, checkout('open'), 'pending', null],
  ['a card declined', once, { ...checkout('open'), ...payment('failed') }, 'pending', null],
  ['money under way', once, { ...checkout('complete'), ...payment('pending') }, 'pending', null],
  ['the page done with, and no payment', once, checkout('complete'), 'pending', null],
  ['paid', once, { ...checkout('complete'), ...payment('succeeded') }, 'completed', null],
  ['paid, the order not named', once, payment('succeeded', { orderId: null }), 'completed', null],
  ['paid after it was cancelled', cancelled, payment('succeeded'), 'completed', null],
  [
    'paid at a checkout that is gone',
    once,
    { checkout: 'gone', ...payment('succeeded') },
    'completed',
    null,
  ],
  ['too little', once, payment('succeeded', { amount: 999 }), 'pending', 'amount_mismatch'],
  ['too much', once, payment('succeeded', { amount: 1001 }), 'pending', 'amount_mismatch'],
  ['other money', once, payment('succeeded', { currency: 'eur' }), 'pending', 'currency_mismatch'],
  [
    'too little, given back',
    once,
    payment('succeeded', { amount: 999, amountRefunded: 1190 }),
    'cancelled',
    null,
  ],
  [
    "another order's payment",
    once,
    payment('succeeded', { orderId: 'x' }),
    'pending',
    'order_mismatch',
  ],
  [
    "another order's checkout",
    once,
    checkout('complete', { orderId: 'x' }),
    'pending',
    'order_mismatch',
  ],
  ['a checkout expired', once, checkout('expired'), 'cancelled', null],
  ['a checkout gone', once, { checkout: 'gone' }, 'cancelled', null],
  ['a payment cancelled', once, payment('canceled'), 'cancelled', null],
  [
    'a debit that failed',
    once,
    { ...checkout('complete'), ...payment('failed') },
    'cancelled',
    null,
  ],
  ['a trial', plan, { ...checkout('complete'), ...subscription('trialing') }, 'completed', null],
  [
    'a plan for nothing',
    plan,
    { ...checkout('complete'), ...subscription('active') },
    'completed',
    null,
  ],
  [
    'a plan not paid',
    plan,
    { ...checkout('complete'), ...subscription('incomplete') },
    'pending',
    null,
  ],
  [
    'a plan that runs while its debit is under way',
    plan,
    { ...checkout('complete'), ...subscription('active'), ...payment('pending') },
    'pending',
    null,
  ],
  [
    'a thing for nothing',
    once,
    { ...checkout('complete'), ...subscription('active') },
    'pending',
    null,
  ],
  ['a completed one, expired', completed, checkout('expired'), 'completed', null],
  [
    'a completed one, other money',
    completed,
    payment('succeeded', { amount: 1 }),
    'completed',
    null,
  ],
  ['a cancelled one, still open', cancelled, checkout('open'), 'cancelled', null],
])('promise 4: %s', (_, order, seen, status, needsAttention) => {
  expect(verdictOf(order, { ...nothing, ...seen }, false)).toEqual({ status, needsAttention })
})

test.each<[what: string, seen: Partial<ProviderView>, is: string, why: string | null]>([
  ['open', checkout('open'), 'cancelled', null],
  ['never begun', {}, 'cancelled', null],
  ['paid', { ...checkout('complete'), ...payment('succeeded') }, 'completed', null],
  ['used, and no word', { ...checkout('complete'), ...payment('pending') }, 'pending', 'stuck'],
])('promise 4: given up, %s', (_, seen, status, needsAttention) => {
  expect(verdictOf(once, { ...nothing, ...seen }, true)).toEqual({ status, needsAttention })
})

test('a flagged order stays flagged until its problem is over', () => {
  const flagged = { ...once, needsAttention: 'stuck' }
  expect(verdictOf(flagged, { ...nothing, ...checkout('open') }, false)).toEqual({
    status: 'pending',
    needsAttention: 'stuck',
  })
  expect(verdictOf(flagged, { ...nothing, ...payment('succeeded') }, false)).toEqual({
    status: 'completed',
    needsAttention: null,
  })
})
