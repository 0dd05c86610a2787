/** The environment alone decides who takes the payments. */

import { createTestLogger } from '@repo/core/testing'
import { createSandbox } from '@repo/sandbox'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { createBilling, createStripe, isLocalProvider } from '../index.ts'
import { onlyEnvironment as environment, checkoutInput as input } from './provider-choices.ts'

afterEach(() => vi.unstubAllEnvs())

test('without any key tests use the local provider', async () => {
  environment({ PAYMENT_ENV: 'test', APP_URL: 'http://localhost:3000' })
  const { provider } = createBilling()
  const { id, url } = await provider.createCheckout(input('CREDITS_SMALL'))
  expect(url).toBe(`http://localhost:3000/billing/checkout?checkout_id=${id}`)
  expect(isLocalProvider(provider) && provider.controls.checkouts).toMatchObject([
    { checkout: { id }, product: { sku: 'CREDITS_SMALL' } },
  ])
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
})
