/** Which provider is chosen, with which key; and promise 8 for it: one clear error, at first use. */

import { afterEach, describe, expect, test, vi } from 'vitest'
import { productIdOf, productOf, products } from '../catalog/products.ts'
import { readPayments, readStripe, readStripeSecrets } from '../providers/env.ts'

afterEach(() => vi.unstubAllEnvs())

describe('the provider is', () => {
  test.each([
    ['Stripe, where nothing is said', {}, 'stripe', 'test'],
    [
      'Stripe with real money, told by its key',
      { STRIPE_SECRET_KEY: 'sk_live_a' },
      'stripe',
      'production',
    ],
    ['Stripe without, told by its key', { STRIPE_SECRET_KEY: 'sk_test_a' }, 'stripe', 'test'],
    [
      'local in test with keys of production only',
      { PAYMENT_ENV: 'test', STRIPE_PROD_API_KEY: 'sk_live_a' },
      'local',
      'test',
    ],
    ['local in test without a key', { PAYMENT_ENV: 'test' }, 'local', 'test'],
    ['local, where it is said', { PAYMENT_PROVIDER: 'local' }, 'local', 'test'],
    ['Stripe in production without a key', { PAYMENT_ENV: 'production' }, 'stripe', 'production'],
    [
      'Stripe, where empty values say nothing',
      { PAYMENT_PROVIDER: '', PAYMENT_ENV: '', STRIPE_SECRET_KEY: '' },
      'stripe',
      'test',
    ],
  ])('%s', (_, source, provider, environment) => {
    expect(readPayments(source)).toEqual({ provider, environment })
  })
})

test('a Stripe client in the options is used, unless another provider is named', () => {
  const given = { livemode: true }
  const real = { provider: 'stripe', environment: 'production' }
  expect(readPayments({ PAYMENT_ENV: 'test' }, given)).toEqual(real)
  expect(readPayments({}, { livemode: null })).toEqual({ ...real, environment: 'test' })
  const named = { PAYMENT_PROVIDER: 'local', PAYMENT_ENV: 'test' }
  expect(readPayments(named, given)).toEqual({ provider: 'local', environment: 'test' })
})

test.each([
  { PAYMENT_PROVIDER: 'local', PAYMENT_ENV: 'production' },
  { PAYMENT_PROVIDER: 'local', NODE_ENV: 'production' },
])('the local provider is refused where money is real: %j', (source) => {
  expect(() => readPayments(source)).toThrow(/PAYMENT_PROVIDER: local takes no money/)
})

test('an unknown provider is refused', () => {
  expect(() => readPayments({ PAYMENT_PROVIDER: 'paypal' })).toThrow(/PAYMENT_PROVIDER: /)
  expect(() => readPayments({ PAYMENT_ENV: 'prod' })).toThrow(/PAYMENT_ENV: /)
})

test("Stripe's key is the environment's, and STRIPE_SECRET_KEY wins", () => {
  const keys = { STRIPE_PROD_API_KEY: 'sk_live_prod', STRIPE_TEST_API_KEY: 'rk_test_test' }
  expect(readStripe(keys).secretKey).toBe('rk_test_test')
  expect(readStripe({ ...keys, PAYMENT_ENV: 'production' }).secretKey).toBe('sk_live_prod')
  expect(readStripe({ ...keys, STRIPE_SECRET_KEY: 'sk_live_wins' })).toMatchObject({
    secretKey: 'sk_live_wins',
    environment: 'production',
  })
})

test("Stripe's webhook secret follows its environment", () => {
  const secrets = {
    STRIPE_PROD_WEBHOOK_SECRET: 'whsec_prod',
    STRIPE_TEST_WEBHOOK_SECRET: 'whsec_a, whsec_b',
  }
  expect(readStripeSecrets(secrets)).toEqual(['whsec_a', 'whsec_b'])
  expect(readStripeSecrets({ ...secrets, STRIPE_SECRET_KEY: 'sk_live_a' })).toEqual(['whsec_prod'])
  expect(readStripeSecrets({ ...secrets, STRIPE_WEBHOOK_SECRET: 'whsec_c' })).toEqual(['whsec_c'])
  expect(() => readStripeSecrets({})).toThrow('STRIPE_WEBHOOK_SECRET is missing')
})

const LIVE = 'sk_live_donotshow'
test.each([
  [
    () => readStripe({ PAYMENT_ENV: 'test', STRIPE_SECRET_KEY: LIVE }),
    /STRIPE_SECRET_KEY: does not match PAYMENT_ENV/,
  ],
  [
    () => readStripe({ PAYMENT_ENV: 'production', STRIPE_SECRET_KEY: 'sk_test_donotshow' }),
    /STRIPE_SECRET_KEY: does not match PAYMENT_ENV/,
  ],
  [() => readStripe({ STRIPE_TEST_API_KEY: LIVE }), /STRIPE_TEST_API_KEY: must be a test/],
  [
    () => readStripe({ PAYMENT_ENV: 'production', STRIPE_PROD_API_KEY: 'sk_test_donotshow' }),
    /STRIPE_PROD_API_KEY: must be a live/,
  ],
  [
    () => readStripe({ PAYMENT_ENV: 'production', STRIPE_TEST_API_KEY: 'sk_test_a' }),
    /STRIPE_SECRET_KEY is missing/,
  ],
])('a key of the wrong mode is refused without being shown: %#', (read, message) => {
  expect(read).toThrow(message)
  expect(read).not.toThrow(/donotshow/)
})

test("a product's id comes from its variable, then from its definition", () => {
  const product = {
    ...productOf(products, 'CREDITS_SMALL'),
    productIds: { stripe: { test: 'prod_def' } },
  }
  const name = 'STRIPE_TEST_CREDITS_SMALL_PRODUCT_ID'
  vi.stubEnv(name, '')
  expect(productIdOf(product, 'stripe', 'test')).toBe('prod_def')
  expect(productIdOf(product, 'stripe', 'production')).toBeNull()
  vi.stubEnv(name, 'prod_var')
  expect(productIdOf(product, 'stripe', 'test')).toBe('prod_var')
  vi.stubEnv(name, 'price_var')
  expect(() => productIdOf(product, 'stripe', 'test')).toThrow(/must be prod_/)
})
