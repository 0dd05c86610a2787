/**
 * What the conformance suite needs of a provider under test: the provider, and a hand on its world.
 *
 * @module
 */

import assert from 'node:assert/strict'
import type { SoldProduct } from '../../catalog/products.ts'
import type { BillingErrorCode } from '../../errors.ts'
import type { CheckoutInput, KnownObjects, PaymentProvider, ProviderHint } from '../provider.ts'

/** What a buyer, a bank, a dashboard, time or a network does to the provider. */
export interface ProviderWorld {
  /** Pays an open checkout as its buyer would. */
  pay(checkoutId: string): unknown
  /** Lets an open checkout run out. */
  expire(checkoutId: string): unknown
  /** Ends a subscription's present period. */
  endPeriod(subscriptionId: string): unknown
  /** Refunds past the product. */
  refund(paymentId: string, amount: number): unknown
  dispute(paymentId: string): unknown
  /** While true, the provider answers nothing that helps. */
  setDown(isDown: boolean): void
  /** How many checkouts, payments and refunds there are. */
  count(): number
  /** Everything that happened as the provider would deliver it, the oldest first. */
  deliveries(): readonly Delivered[]
  /** A body signed as a delivery is, with the right secret or another. */
  sign(body: string, secret: 'right' | 'wrong'): Headers
}

export interface Delivered {
  headers: Headers
  body: string
}

export interface ConformanceSubject {
  provider: PaymentProvider
  /** The same account from another process. */
  other: PaymentProvider
  world: ProviderWorld
  /** Bought once. */
  once: SoldProduct
  /** Bought again and again. */
  plan: SoldProduct
  /** What no error may show. */
  secrets: readonly string[]
  close(): Promise<unknown>
}

/** The test runner's own `describe` and `test`. */
export interface Runner {
  describe(name: string, body: () => void): void
  test(name: string, body: () => Promise<void>): void
}

/** Runs each check on a subject of its own. */
export type Check = (title: string, body: (subject: ConformanceSubject) => Promise<void>) => void

let orders = 0

/** Input for a checkout of a new order. */
export function checkoutInput(
  product: SoldProduct,
  more: Partial<CheckoutInput> = {},
): CheckoutInput {
  orders += 1
  return {
    orderId: `order_${orders}`,
    ownerId: 'owner_1',
    product,
    customer: { id: null, email: 'ada@example.com' },
    successUrl: 'http://localhost:3000/billing/return?order=1',
    cancelUrl: 'http://localhost:3000/billing/canceled?order=1',
    idempotencyKey: `order:${orders}`,
    ...more,
  }
}

/** A checkout of `product` that was paid, with its payment's id. */
export async function bought({ provider, world }: ConformanceSubject, product: SoldProduct) {
  const { id } = await provider.createCheckout(checkoutInput(product))
  await world.pay(id)
  const checkout = await provider.retrieveCheckout(id)
  assert.ok(checkout.paymentId, 'a paid checkout names its payment')
  return { ...checkout, paymentId: checkout.paymentId }
}

/** A plan that was bought. */
export async function subscribed(subject: ConformanceSubject) {
  const checkout = await bought(subject, subject.plan)
  assert.ok(checkout.subscriptionId, "a plan's paid checkout names its subscription")
  return { ...checkout, subscriptionId: checkout.subscriptionId }
}

/** Asserts that `act` is refused with `code`, and that the refusal shows no secret. */
export async function refused(
  { secrets }: ConformanceSubject,
  code: BillingErrorCode,
  act: () => unknown,
): Promise<void> {
  await assert.rejects(
    async () => act(),
    (error: unknown) => {
      const { name, code: given, message, status } = error as Record<string, unknown>
      assert.deepEqual([name, given], ['BillingError', code], String(message))
      assert.equal(typeof status, 'number')
      for (const secret of secrets) assert.ok(!String(message).includes(secret))
      return true
    },
  )
}

export const NOTHING: KnownObjects = { checkoutIds: [], paymentIds: [], subscriptionIds: [] }

/** All that a pull tells. */
export async function pulled(
  provider: PaymentProvider,
  since: Date,
  known: Partial<KnownObjects> = {},
): Promise<ProviderHint[]> {
  const hints: ProviderHint[] = []
  for await (const hint of provider.pull(since, { ...NOTHING, ...known })) hints.push(hint)
  return hints
}
