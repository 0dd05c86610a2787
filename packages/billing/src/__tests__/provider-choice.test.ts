/** The environment alone decides who takes the payments. */

import { createTestLogger } from '@repo/core/testing'
import { createSandbox } from '@repo/sandbox'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { createBilling, createStripe, isLocalProvider, productOf, products } from '../index.ts'

afterEach(() => vi.unstubAllEnvs())

/** Every variable of payments unset, then these. */
function environment(values: Record<string, string>): void {
  for (const name of Object.keys(process.env)) {
    if (/^(PAYMENT|STRIPE|CREEM)_/.test(name)) vi.stubEnv(name, '')
  }
  for (const [name, value] of Object.entries(values)) vi.stubEnv(name, value)
}

const input = (sku: string) => ({
  orderId: 'order_1',
  ownerId: 'owner_1',
  product: productOf(products, sku),
  customer: { id: null, email: 'ada@example.com' },
  successUrl: 'http://localhost:3000/ok',
  cancelUrl: 'http://localhost:3000/no',
  idempotencyKey: 'key',
})

test('without any key tests use the local provider', async () => {
  environment({ PAYMENT_ENV: 'test', APP_URL: 'http://localhost:3000' })
  const { provider } = createBilling()
  const { id, url } = await provider.createCheckout(input('CREDITS_SMALL'))
  expect(url).toBe(`http://localhost:3000/billing/checkout?checkout_id=${id}`)
  expect(isLocalProvider(provider) && provider.controls.checkouts).toMatchObject([
    { checkout: { id }, product: { sku: 'CREDITS_SMALL' } },
  ])
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

test("Stripe sells under a product's own id where it is named", async () => {
  const sandbox = createSandbox({
    stripe: { secretKey: 'sk_test_choice' },
    logger: createTestLogger(),
  })
  onTestFinished(() => sandbox.stop())
  const { url } = await sandbox.listen()
  const stripe = createStripe('sk_test_choice', { apiBase: url, maxNetworkRetries: 0 })
  const made = await stripe.products.create({ name: 'Pack' })
  environment({ STRIPE_TEST_CREDITS_SMALL_PRODUCT_ID: made.id })
  const { provider } = createBilling({ stripe })
  const { id } = await provider.createCheckout(input('CREDITS_SMALL'))
  const { data } = await stripe.checkout.sessions.listLineItems(id)
  expect(data[0]?.price?.product).toBe(made.id)
})

test('no variable is read before the first request, and then one error lists what is wrong', () => {
  environment({ PAYMENT_PROVIDER: 'local', PAYMENT_ENV: 'production' })
  const { provider } = createBilling()
  expect(() => provider.retrieveCheckout('chk_1')).toThrow(/PAYMENT_PROVIDER: local takes no money/)
  environment({
    PAYMENT_PROVIDER: 'creem',
    PAYMENT_ENV: 'production',
    CREEM_PROD_API_KEY: 'creem_test_1',
  })
  expect(() => createBilling().provider.name).not.toThrow()
})

test("a key of the wrong kind is an error at Creem's first use", async () => {
  environment({
    PAYMENT_PROVIDER: 'creem',
    PAYMENT_ENV: 'production',
    CREEM_PROD_API_KEY: 'creem_test_donotshow',
  })
  const { provider } = createBilling()
  const asked = provider.retrieveCheckout('ch_1')
  await expect(asked).rejects.toMatchObject({ code: 'invalid_environment' })
  await expect(asked).rejects.toThrow(/CREEM_PROD_API_KEY: must be a live key/)
  await expect(asked).rejects.not.toThrow(/donotshow/)
})
