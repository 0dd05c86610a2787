/** The environment chooses Creem, its key and its products; promise 8 for it: one clear error, at first use. */

import { createTestLogger } from '@repo/core/testing'
import { createSandbox } from '@repo/sandbox'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { createBilling, productOf, products } from '../index.ts'
import { readCreem, readCreemSecrets } from '../providers/creem/env.ts'
import { readPayments } from '../providers/env.ts'
import { onlyEnvironment as environment, checkoutInput as input } from './provider-choices.ts'

afterEach(() => vi.unstubAllEnvs())

test.each([
  [
    'Stripe, where both have a key',
    { STRIPE_TEST_API_KEY: 'sk_test_a', CREEM_TEST_API_KEY: 'creem_test_a' },
    'stripe',
    'test',
  ],
  ['Creem, where it alone has a key', { CREEM_TEST_API_KEY: 'creem_test_a' }, 'creem', 'test'],
  [
    'Creem in production',
    { PAYMENT_ENV: 'production', CREEM_PROD_API_KEY: 'creem_a' },
    'creem',
    'production',
  ],
  [
    'Creem, where it is said',
    { PAYMENT_PROVIDER: 'creem', STRIPE_SECRET_KEY: 'sk_live_a' },
    'creem',
    'test',
  ],
  [
    'local in test with keys of production only',
    { PAYMENT_ENV: 'test', CREEM_PROD_API_KEY: 'creem_a' },
    'local',
    'test',
  ],
])('the provider is %s', (_, source, provider, environment) => {
  expect(readPayments(source)).toEqual({ provider, environment })
})

test.each([
  [
    () => readCreem('test', { CREEM_TEST_API_KEY: 'creem_donotshow' }),
    /CREEM_TEST_API_KEY: must be a test key/,
  ],
  [
    () => readCreem('production', { CREEM_PROD_API_KEY: 'creem_test_donotshow' }),
    /CREEM_PROD_API_KEY: must be a live key/,
  ],
  [
    () => readCreem('production', { CREEM_TEST_API_KEY: 'creem_test_a' }),
    /CREEM_PROD_API_KEY is missing/,
  ],
  [
    () => readCreemSecrets('test', { CREEM_PROD_WEBHOOK_SECRET: 'whsec' }),
    /CREEM_TEST_WEBHOOK_SECRET is missing/,
  ],
])('a key of the wrong mode is refused without being shown: %#', (read, message) => {
  expect(read).toThrow(message)
  expect(read).not.toThrow(/donotshow/)
})

test('Creem is asked with the key and the product ids of the environment', async () => {
  const sandbox = createSandbox({
    stripe: { secretKey: 'sk_test_choice' },
    creem: { apiKey: 'creem_test_choice' },
    logger: createTestLogger(),
  })
  onTestFinished(() => sandbox.stop())
  const { creemUrl } = await sandbox.listen()
  const made = sandbox.creem.createProduct({ name: 'Pack', price: 500, currency: 'USD' })
  environment({
    PAYMENT_ENV: 'test',
    CREEM_TEST_API_KEY: 'creem_test_choice',
    CREEM_PROD_API_KEY: 'creem_live',
    CREEM_API_BASE: creemUrl,
    CREEM_TEST_CREDITS_SMALL_PRODUCT_ID: made.id,
  })
  const { provider } = createBilling()
  const { id } = await provider.createCheckout(input('CREDITS_SMALL'))
  await sandbox.creem.completeCheckout(id)
  const { paymentId } = await provider.retrieveCheckout(id)
  // Ours, though the product costs something else there.
  expect((await provider.retrievePayment(paymentId ?? '')).amount).toBe(1000)
  await expect(provider.createCheckout(input('CREDITS_LARGE'))).rejects.toMatchObject({
    code: 'provider_rejected',
  })
  const other = { ...input('CREDITS_LARGE'), idempotencyKey: 'other' }
  await expect(provider.createCheckout(other)).rejects.toMatchObject({
    code: 'price_not_found',
    message: 'CREDITS_LARGE has no product id at Creem; see .env.example.',
  })
})

test('a price below Creem’s minimum is refused here', async () => {
  environment({
    PAYMENT_PROVIDER: 'creem',
    CREEM_TEST_API_KEY: 'creem_test_choice',
    CREEM_TEST_CREDITS_SMALL_PRODUCT_ID: 'prod_1',
  })
  const { provider } = createBilling()
  const product = { ...productOf(products, 'CREDITS_SMALL'), amount: 99 }
  await expect(
    provider.createCheckout({ ...input('CREDITS_SMALL'), product }),
  ).rejects.toMatchObject({ code: 'invalid_amount' })
})

test("a key of the wrong kind is an error at Creem's first use, and not before", async () => {
  environment({
    PAYMENT_PROVIDER: 'creem',
    PAYMENT_ENV: 'production',
    CREEM_PROD_API_KEY: 'creem_test_donotshow',
  })
  const { provider } = createBilling()
  expect(provider.name).toBe('creem')
  const asked = provider.retrieveCheckout('ch_1')
  await expect(asked).rejects.toMatchObject({ code: 'invalid_environment' })
  await expect(asked).rejects.toThrow(/CREEM_PROD_API_KEY: must be a live key/)
  await expect(asked).rejects.not.toThrow(/donotshow/)
})
