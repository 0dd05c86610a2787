/** What is the local provider's own; what all providers promise is in `providers.test.ts`. */

import { expect, test, vi } from 'vitest'
import { productOf, products } from '../catalog/products.ts'
import { createLocalProvider, type LocalOptions } from '../providers/local/provider.ts'

const local = (options: Partial<LocalOptions> = {}) =>
  createLocalProvider({ checkoutUrl: 'http://localhost:3000/billing/checkout', ...options })

const input = (sku: string, key = 'key') => ({
  orderId: 'order_1',
  ownerId: 'owner_1',
  product: productOf(products, sku),
  customer: { id: null, email: 'ada@example.com' },
  successUrl: 'http://localhost:3000/ok',
  cancelUrl: 'http://localhost:3000/no',
  idempotencyKey: key,
})

test('its checkout is a page of the host', async () => {
  const { id, url } = await local().createCheckout(input('CREDITS_SMALL'))
  expect(url).toBe(`http://localhost:3000/billing/checkout?checkout_id=${id}`)
})

test('events are delivered with a signature, and pulled if the delivery failed', async () => {
  const types: string[] = []
  const provider = local({
    async deliver(request) {
      const [hint] = provider.parseWebhook(request.headers, await request.text())
      types.push(hint?.type ?? '')
      throw new Error('the host is away')
    },
  })
  const { id } = await provider.createCheckout(input('CREDITS_SMALL'))
  await provider.controls.failCheckout(id)
  const { paymentId } = await provider.controls.completeCheckout(id)
  await provider.controls.dispute(paymentId ?? '')
  expect(types).toEqual(['payment.failed', 'checkout.completed', 'dispute.created'])
  const known = { checkoutIds: [], paymentIds: [], subscriptionIds: [] }
  const pulled: string[] = []
  for await (const { type } of provider.pull(new Date(0), known)) pulled.push(type)
  expect(pulled).toEqual(types)
})

test('a signature that is old is refused', async () => {
  const provider = local()
  const { id } = await provider.createCheckout(input('CREDITS_SMALL'))
  await provider.expireCheckout(id)
  const request = provider.controls.webhook(provider.controls.events[0]?.eventId ?? '')
  const body = (await request?.text()) ?? ''
  const headers = request?.headers ?? new Headers()
  vi.useFakeTimers({ now: Date.now() + 301_000, toFake: ['Date'] })
  try {
    expect(() => provider.parseWebhook(headers, body)).toThrow(/s off/)
  } finally {
    vi.useRealTimers()
  }
})
