/** The normaliser's edges: what each API version keeps where. `conformance.test.ts` has the whole. */

import { expect, test } from 'vitest'
import { periodOf, subscriptionShape } from '../providers/stripe/shapes.ts'
import { invoiceSubscription } from '../providers/stripe/shapes-money.ts'

const PRICE = { id: 'price_1', product: 'prod_1', currency: 'usd', unit_amount: 1, active: true }

test('the period is on the subscription or on its items', () => {
  const old = { current_period_start: 1, current_period_end: 2 }
  const items = {
    data: [
      { current_period_start: 5, current_period_end: 9 },
      { current_period_start: 4, current_period_end: 8 },
    ],
  }
  expect(periodOf(old)).toEqual({ start: new Date(1000), end: new Date(2000) })
  expect(periodOf({ items })).toEqual({ start: new Date(4000), end: new Date(9000) })
  for (const nothing of [{}, null, 'sub_1', { items: null }, { current_period_end: Number.NaN }]) {
    expect(periodOf(nothing)).toBeNull()
  }
})

test('an invoice names its subscription in either place, as an id or expanded', () => {
  const nested = (subscription: unknown) => ({ parent: { subscription_details: { subscription } } })
  expect(invoiceSubscription({ subscription: 'sub_1' })).toBe('sub_1')
  expect(invoiceSubscription({ subscription: { id: 'sub_1' } })).toBe('sub_1')
  expect(invoiceSubscription(nested('sub_2'))).toBe('sub_2')
  expect(invoiceSubscription(nested({ id: 'sub_2' }))).toBe('sub_2')
  expect(invoiceSubscription({ parent: null })).toBeNull()
})

test.each([
  ['unknown_status', { id: 'sub_1', status: 'dormant' }],
  ['missing_price', { id: 'sub_1', status: 'active', items: { data: [] } }],
  ['missing_period', { id: 'sub_1', status: 'active', items: { data: [{ price: PRICE }] } }],
])('%s is an error and not guessed', (reason, raw) => {
  expect(subscriptionShape(raw)).toEqual({ unreadable: reason })
})
