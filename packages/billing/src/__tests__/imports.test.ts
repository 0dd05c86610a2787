/** Promise 8: importing does nothing; a missing variable is one error that lists all of them. */

import { afterEach, expect, test, vi } from 'vitest'

afterEach(() => vi.unstubAllEnvs())

test('every entry can be imported with an empty environment', async () => {
  const before = process.env
  process.env = {}
  vi.resetModules()
  try {
    for (const entry of ['../index.ts', '../webhooks/index.ts', '../testing.ts']) {
      expect(Object.keys(await import(entry)).length).toBeGreaterThan(0)
    }
  } finally {
    process.env = before
  }
})

test('the first use of Stripe says which variable is missing', async () => {
  vi.stubEnv('STRIPE_SECRET_KEY', '')
  const { stripe } = await import('../index.ts')
  expect(() => stripe.customers).toThrow('STRIPE_SECRET_KEY is missing')
})

test('a publishable key is refused without being shown', async () => {
  vi.stubEnv('STRIPE_SECRET_KEY', 'pk_test_wrongkindofkey')
  const { stripe } = await import('../index.ts')
  expect(() => stripe.customers).toThrow(/STRIPE_SECRET_KEY: must be a secret/)
  expect(() => stripe.customers).not.toThrow(/wrongkindofkey/)
})

// #region calcom
test('Cal.com’s missing variables are all listed at once', async () => {
  for (const name of ['CALCOM_EVENT_TYPES', 'CALCOM_WEBHOOK_SECRET']) vi.stubEnv(name, '')
  const { calcomFromEnv } = await import('../bookings/settings.ts')
  expect(() => calcomFromEnv()).toThrow(
    /CALCOM_EVENT_TYPES is missing\n {2}CALCOM_WEBHOOK_SECRET is missing/,
  )
  vi.stubEnv('CALCOM_EVENT_TYPES', '101=acme/strategy-call,7=team/acme/intro')
  vi.stubEnv('CALCOM_WEBHOOK_SECRET', '0123456789abcdef')
  expect(calcomFromEnv()).toEqual({
    origin: 'https://cal.com',
    eventTypes: { 101: 'acme/strategy-call', 7: 'team/acme/intro' },
    webhookSecret: '0123456789abcdef',
  })
})
// #endregion
