/** Options of wrong kinds: one clear error when the instance is made, which names the option. */

import { lazy } from '@repo/core'
import { expect, test } from 'vitest'
import {
  type BillingOptions,
  createBilling,
  definePlans,
  defineProducts,
  planProducts,
} from '../index.ts'

const price = { lookupKey: 'pro', amount: 900, currency: 'usd' }
const product = { name: 'Ten', amount: 900, currency: 'usd' }
const notObject = [null, 5, 'text', true, [], () => ({})]
const notFunction = [null, 5, 'text', true, {}, []]
const notList = [null, 5, 'text', {}, () => [], [5]]
const notNumber = [null, '14', true, {}, [], () => 14, Number.NaN]
const notString = [null, 5, true, {}, [], () => 'text', new Date()]
const notClient = [...notObject.filter((value) => typeof value !== 'function'), {}, () => ({})]

/** Values that each option does not take. A documented option that is missing here does not compile. */
const WRONG: Record<keyof BillingOptions, readonly unknown[]> = {
  db: notClient,
  stripe: notClient,
  requests: [...notObject, { perSecond: '5' }],
  plans: [...notObject, { PRO: null }, { PRO: {} }, { PRO: { name: 'Pro', prices: [] } }],
  products: [...notObject, { TEN: null }, { TEN: { ...product, amount: '900' } }],
  provider: [...notClient, { name: 'own' }],
  orders: [...notObject, { callbackPath: 5 }, { limiter: {} }, { addressOf: '192.0.2.1' }],
  sender: notClient,
  logger: [...notClient, { info() {} }],
  clock: [...notClient, { now: new Date() }],
  appUrl: notString,
  pages: [...notObject, { success: 5 }],
  stripeWebhookSecrets: notList,
  livemode: [null, 'true', 1, {}],
  // #region calcom
  calcom: [...notObject, {}, { origin: 'https://cal.com', eventTypes: {}, webhookSecret: 'short' }],
  // #endregion
  trialSecrets: notList,
  effects: [...notObject, { 'invoice.paid': 'handler' }],
  credits: [...notObject, { groupCommit: 'yes' }, { lowBalance: 5 }, { topUp: { perDay: 1 } }],
  events: [...notObject, { lanes: '4' }, { retryDelaysMs: ['1m'] }],
  onAlert: notFunction,
  limits: [...notObject, { successRate: '0.9' }],
  checkout: [...notObject, { coupon: 5 }, { paymentMethodTypes: 'card' }],
  portal: [...notObject, { locale: 5 }],
  pastDueGraceDays: notNumber,
  owner: notFunction,
}

const cases = (wrong: Record<string, readonly unknown[]>) =>
  Object.entries(wrong).flatMap(([option, values]) => values.map((value) => ({ option, value })))

test.each(cases(WRONG))('createBilling names the option $option for $value', (given) => {
  const { option, value } = given
  const make = () => createBilling({ [option]: value } as never)
  expect(make).toThrow(expect.objectContaining({ code: 'invalid_options', status: 500 }))
  expect(make).toThrow(new RegExp(`^createBilling: ${option}\\b`))
})

test.each([[null], [5], ['text'], [[]]])('createBilling(%j) is refused', (options) => {
  const make = () => createBilling(options as never)
  expect(make).toThrow('The argument of createBilling')
})

test.each([
  [{ plans: { PRO: { prices: {} } } }, 'plans.PRO.name is missing. Give a string.'],
  [
    { plans: { PRO: { name: 'Pro', prices: { month: { ...price, amount: '9' } } } } },
    'plans.PRO.prices.month.amount is text. Give a number.',
  ],
  [
    { plans: { PRO: { name: 'Pro', credits: { amount: 5, rollover: 5 } } } },
    'plans.PRO.credits.rollover is the number 5. Give none, unlimited or { max }.',
  ],
  [
    { products: { TEN: { ...product, productIds: { stripe: 'prod_1' } } } },
    'products.TEN.productIds.stripe is text. Give an object.',
  ],
  [{ credits: { topUp: { perDay: 1 } } }, 'credits.topUp.run is missing. Give a function.'],
  [{ stripeWebhookSecrets: [undefined] }, 'stripeWebhookSecrets[0] is missing. Give a string.'],
])('createBilling says what to give in place of %j', (options, message) => {
  expect(() => createBilling(options as never)).toThrow(message)
})

test.each([
  ['definePlans', definePlans],
  ['planProducts', planProducts],
])('%s names what is wrong with the plans', (name, make) => {
  for (const plans of [undefined, null, 5, 'text', [], { PRO: null }, { PRO: { name: 5 } }]) {
    const refused = () => make(plans as never)
    expect(refused).toThrow(expect.objectContaining({ code: 'invalid_options' }))
    expect(refused).toThrow(`${name}: plans`)
  }
})

test('defineProducts names what is wrong with the products', () => {
  for (const products of [undefined, null, 5, 'text', [], { TEN: null }, { TEN: { name: 5 } }]) {
    const refused = () => defineProducts(products as never)
    expect(refused).toThrow(expect.objectContaining({ code: 'invalid_options' }))
    expect(refused).toThrow('defineProducts: products')
  }
})

test('promise 8: what is lazy is not made for the check', () => {
  const made = () => {
    throw new Error('made')
  }
  const options = { db: lazy(made), stripe: lazy(made), sender: lazy(made) } as BillingOptions
  expect(() => createBilling(options)).not.toThrow()
})
