/** What the tests of the choice of a provider share. */

import { vi } from 'vitest'
import { productOf, products } from '../index.ts'

/** Every variable of payments unset, then these. */
export function onlyEnvironment(values: Record<string, string>): void {
  for (const name of Object.keys(process.env)) {
    if (/^PAYMENT_|_(API_KEY|SECRET_KEY|WEBHOOK_SECRET|API_BASE|PRODUCT_ID)$/.test(name))
      vi.stubEnv(name, '')
  }
  for (const [name, value] of Object.entries(values)) vi.stubEnv(name, value)
}

/** A checkout of one product, as a provider is asked for it. */
export const checkoutInput = (sku: string) => ({
  orderId: 'order_1',
  ownerId: 'owner_1',
  product: productOf(products, sku),
  customer: { id: null, email: 'ada@example.com' },
  successUrl: 'http://localhost:3000/ok',
  cancelUrl: 'http://localhost:3000/no',
  idempotencyKey: 'key',
})
