/** What an account has to live with: search that lags or is refused, and limits of requests. */

import { createTestClock } from '@repo/core/testing'
import { expect, test } from 'vitest'
import { OLD, start } from './harness.ts'

const query = 'metadata["owner"]:"Acme"'

test('search finds a change after its lag, and what it tells may be old', async () => {
  const clock = createTestClock('2026-01-15T10:00:00Z')
  const running = await start({ clock, stripe: { settings: { search: 60 } } })
  const stripe = running.client()
  const found = async () =>
    (await stripe.customers.search({ query })).data.map(({ id, name }) => [id, name])
  const { id } = await stripe.customers.create({ name: 'Ada', metadata: { owner: 'Acme' } })
  expect(await found()).toEqual([])
  clock.advance(61_000)
  await stripe.customers.update(id, { name: 'Ada Lovelace' })
  expect(await found()).toEqual([[id, 'Ada']])
  clock.advance(61_000)
  expect(await found()).toEqual([[id, 'Ada Lovelace']])
  await stripe.customers.del(id)
  expect(await found()).toHaveLength(1)
  clock.advance(61_000)
  expect(await found()).toEqual([])
})

test('an account without search is told so; capitals count in metadata unless a setting says', async () => {
  const running = await start()
  const stripe = running.client()
  const search = () => stripe.customers.search({ query })
  await stripe.customers.create({ metadata: { owner: 'acme' } })
  expect((await search()).data).toEqual([])
  running.sandbox.stripe.configure({ searchMatchesCase: false })
  expect((await search()).data).toHaveLength(1)
  running.sandbox.stripe.configure({ search: 'unavailable' })
  await expect(search()).rejects.toMatchObject({
    statusCode: 400,
    type: 'StripeInvalidRequestError',
  })
})

test('requests over a limit are refused with the reason, and their key stays free', async () => {
  const running = await start()
  const { configure } = running.sandbox.stripe
  const stripe = running.client()
  configure({ rateLimits: { perSecond: 4, perEndpoint: 2, search: 1 } })
  const refused = async (call: Promise<unknown>, reason: string) =>
    expect(call).rejects.toMatchObject({
      statusCode: 429,
      type: 'StripeRateLimitError',
      headers: { 'stripe-rate-limited-reason': reason },
    })
  await stripe.customers.create({})
  await stripe.customers.create({})
  await refused(stripe.customers.create({}, { idempotencyKey: 'k1' }), 'endpoint-rate')
  configure({ rateLimits: { perSecond: 1, perEndpoint: 100 } })
  await refused(stripe.prices.list(), 'global-rate')
  configure({ rateLimits: null })
  await stripe.customers.create({}, { idempotencyKey: 'k1' })
  configure({ rateLimits: { perSecond: 100, perEndpoint: 100, search: 1 } })
  await stripe.customers.search({ query })
  await refused(stripe.customers.search({ query }), 'endpoint-rate')
})

test('a lock that is held is a 429 that the SDK tries again', async () => {
  const running = await start()
  const stripe = running.client(OLD)
  running.sandbox.stripe.failNext({ status: 429, code: 'lock_timeout' })
  await expect(stripe.customers.create({})).rejects.toMatchObject({ code: 'lock_timeout' })
  running.sandbox.stripe.failNext({ status: 429, code: 'lock_timeout' })
  await stripe.customers.create({}, { maxNetworkRetries: 1 })
  expect((await stripe.customers.list()).data).toHaveLength(1)
})

test('amounts have the digits of their currency, for intents and prices', async () => {
  const stripe = (await start()).client()
  const product = await stripe.products.create({ name: 'Pro' })
  for (const [currency, most] of [
    ['usd', 99_999_999],
    ['cop', 9_999_999_999],
    ['idr', 999_999_999_999],
  ] as const) {
    const price = (unit_amount: number) =>
      stripe.prices.create({ product: product.id, currency, unit_amount })
    const intent = (amount: number) => stripe.paymentIntents.create({ amount, currency })
    expect((await price(most)).unit_amount).toBe(most)
    expect((await intent(most)).amount).toBe(most)
    await expect(price(most + 1)).rejects.toMatchObject({ code: 'amount_too_large' })
    await expect(intent(most + 1)).rejects.toMatchObject({ code: 'amount_too_large' })
  }
})
