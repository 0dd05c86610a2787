/** Products: what can be sold is checked when it is defined. */

import { describe, expect, expectTypeOf, test } from 'vitest'
import {
  defineProducts,
  type Product,
  planProducts,
  productEnv,
  productOf,
  products,
  type Sku,
  skuOfPlan,
} from '../catalog/products.ts'
import { createBilling, plans as defaultPlans, definePlans } from '../index.ts'

const priced = { name: 'Pack', amount: 100, currency: 'usd' }

test.each<[string, string, unknown]>([
  ['a SKU in small letters', 'pack', priced],
  ['a SKU that begins with a digit', '1PACK', priced],
  ['an amount of 0', 'PACK', { ...priced, amount: 0 }],
  ['a fraction', 'PACK', { ...priced, amount: 9.99 }],
  ['a negative amount', 'PACK', { ...priced, amount: -1 }],
  ['no number', 'PACK', { ...priced, amount: Number.NaN }],
  ['a currency in capitals', 'PACK', { ...priced, currency: 'USD' }],
  ['no currency', 'PACK', { ...priced, currency: 'dollars' }],
  ['half a credit', 'PACK', { ...priced, credits: 0.5 }],
  ['no credits', 'PACK', { ...priced, credits: 0 }],
  ['more credits than an order holds', 'PACK', { ...priced, credits: 2 ** 31 }],
  ['a plan without an interval', 'PACK', { ...priced, plan: 'PRO' }],
  ['an interval without a plan', 'PACK', { ...priced, interval: 'month' }],
])('%s is refused', (_, sku, product) => {
  expect(() => defineProducts({ [sku]: product as Product })).toThrow(
    expect.objectContaining({ code: 'invalid_options' }),
  )
})

test('a plan is sold once per interval', () => {
  const plan = { ...priced, plan: 'PRO', interval: 'month' } as const
  expect(() => defineProducts({ A: plan, B: plan })).toThrow(
    /PRO per month is sold by another product, too/,
  )
})

describe('credits of a product beside those of its plan', () => {
  const plan = { name: 'Plan', prices: { month: { lookupKey: 'm', amount: 900, currency: 'usd' } } }
  const credits = { amount: 100, rollover: 'none' as const }
  const plans = definePlans({
    FREE: { name: 'Free' },
    GIVING: { ...plan, credits },
    BARE: { name: 'Bare', prices: { month: { ...plan.prices.month, lookupKey: 'bare' } } },
  })
  const monthly = { ...priced, interval: 'month' } as const

  test('are refused at configuration, by every SKU that has them', () => {
    const products = defineProducts({
      PACK: { ...priced, credits: 10 },
      GIVING_MONTHLY: { ...monthly, plan: 'GIVING', credits: 10 },
      GIVING_YEARLY: { ...priced, plan: 'GIVING', interval: 'year', credits: 10 },
      BARE_MONTHLY: { ...monthly, plan: 'BARE', credits: 10 },
    })
    const message =
      'Products whose plan gives credits must not have credits of their own: ' +
      'GIVING_MONTHLY (plan GIVING), GIVING_YEARLY (plan GIVING).'
    expect(() => createBilling({ plans, products })).toThrow(
      expect.objectContaining({ code: 'invalid_options', message }),
    )
  })

  test('are accepted if only one of the two has them', () => {
    const products = defineProducts({
      PACK: { ...priced, credits: 10 },
      GIVING_MONTHLY: { ...monthly, amount: 900, plan: 'GIVING' },
      BARE_MONTHLY: { ...monthly, amount: 900, plan: 'BARE', credits: 10 },
      ELSEWHERE: { ...monthly, plan: 'constructor', credits: 10 },
    })
    expect(createBilling({ plans, products }).products).toBe(products)
  })
})

describe('the price of a product that sells a plan', () => {
  const price = { amount: 900, currency: 'usd' }
  const plans = definePlans({
    FREE: { name: 'Free' },
    TEAM: { name: 'Team', prices: { month: { ...price, lookupKey: 'team_m' } } },
    'big-team': {
      name: 'Big team',
      prices: {
        month: { ...price, amount: 1900, lookupKey: 'big_m' },
        year: { ...price, amount: 19_000, lookupKey: 'big_y' },
      },
    },
  })
  const monthly = { name: 'Team', plan: 'TEAM', interval: 'month' } as const

  test.each<[string, Product]>([
    ['another amount', { ...monthly, amount: 800, currency: 'usd' }],
    ['another currency', { ...monthly, amount: 900, currency: 'eur' }],
  ])('is the plan’s price: %s is refused, and the error names the SKU', (_, product) => {
    const products = defineProducts({ SEAT: product, PACK: priced })
    expect(() => createBilling({ plans, products })).toThrow(
      expect.objectContaining({
        code: 'invalid_options',
        message: expect.stringMatching(/SEAT .*900 usd/),
      }),
    )
  })

  test('is the product’s own if the plan has no price for the interval, or is not in `plans`', () => {
    const products = defineProducts({
      TEAM_YEARLY: { ...monthly, interval: 'year', amount: 8000, currency: 'usd' },
      OTHER: { ...monthly, plan: 'constructor', amount: 8000, currency: 'usd' },
    })
    expect(createBilling({ plans, products }).products).toBe(products)
  })

  test('comes from planProducts, which is the default', () => {
    const made = planProducts(plans)
    expectTypeOf<keyof typeof made>().toEqualTypeOf<
      'TEAM_MONTHLY' | 'BIG_TEAM_MONTHLY' | 'BIG_TEAM_YEARLY'
    >()
    expect(made).toEqual({
      TEAM_MONTHLY: { ...monthly, ...price, name: 'Team, monthly' },
      BIG_TEAM_MONTHLY: {
        ...{ name: 'Big team, monthly', plan: 'big-team', interval: 'month' },
        ...{ amount: 1900, currency: 'usd' },
      },
      BIG_TEAM_YEARLY: {
        ...{ name: 'Big team, yearly', plan: 'big-team', interval: 'year' },
        ...{ amount: 19_000, currency: 'usd' },
      },
    })
    expect(createBilling({ plans }).products).toMatchObject({ ...made, CREDITS_SMALL: {} })
    const { CREDITS_SMALL, CREDITS_LARGE, ...ofPlans } = products
    expect(ofPlans).toEqual(planProducts(defaultPlans))
  })

  test.each([
    ['Pro', 'PRO'],
    ['big-team', 'BIG_TEAM'],
    ['ÜBER', 'ÖBER'],
    [`${'LONG'.repeat(20)}_1`, `${'LONG'.repeat(20)}_2`],
  ])('is refused if the plans %s and %s would have the same SKU', (one, other) => {
    const sold = (lookupKey: string) => ({
      name: 'Plan',
      prices: { month: { lookupKey, amount: 900, currency: 'usd' } },
    })
    const plans = definePlans({ FREE: { name: 'Free' }, [one]: sold('a'), [other]: sold('b') })
    expect(() => planProducts(plans)).toThrow(expect.objectContaining({ code: 'invalid_options' }))
    const both = `The plans ${one} and ${other} would both be sold as`
    expect(() => planProducts(plans)).toThrow(both)
    // A host that sells its plans without orders needs no SKUs.
    const billing = createBilling({ plans })
    expect(Object.keys(billing.products)).toEqual(['CREDITS_SMALL', 'CREDITS_LARGE'])
    const [productId = ''] = Object.keys(planProducts({ [one]: sold('a') }))
    return expect(billing.createOrder({ ownerId: 'ada', productId })).rejects.toMatchObject({
      code: 'invalid_options',
      message: expect.stringContaining(both),
    })
  })
})

test('a product is found by its SKU, and nothing is found by a name that every object has', () => {
  expect(productOf(products, 'CREDITS_SMALL')).toMatchObject({ sku: 'CREDITS_SMALL', credits: 100 })
  for (const sku of ['constructor', '__proto__', 'NONE', '']) {
    expect(() => productOf(products, sku)).toThrow(
      expect.objectContaining({ code: 'product_not_found', status: 404 }),
    )
  }
  expect(skuOfPlan(products, 'PRO', 'year')).toBe('PRO_YEARLY')
  expect(skuOfPlan(products, 'PRO', 'week')).toBeNull()
})

test('the compiler knows the SKUs', () => {
  const own = defineProducts({ PACK: priced })
  expectTypeOf<Sku<typeof own>>().toEqualTypeOf<'PACK'>()
  // @ts-expect-error There is no such SKU.
  const none: Sku<typeof products> = 'CREDITS_HUGE'
  expect(Object.hasOwn(products, none)).toBe(false)
})

test('each product has a variable per provider and environment', () => {
  expect(Object.keys(productEnv({ PACK: priced }).shape).sort()).toEqual([
    'CREEM_PROD_PACK_PRODUCT_ID', // #creem
    'CREEM_TEST_PACK_PRODUCT_ID', // #creem
    'STRIPE_PROD_PACK_PRODUCT_ID',
    'STRIPE_TEST_PACK_PRODUCT_ID',
  ])
})
