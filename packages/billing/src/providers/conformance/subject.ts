/**
 * The subject of the conformance suite: the provider under test, and the means to act as its buyers, its bank and its
 * dashboard.
 *
 * @module
 */

import assert from 'node:assert/strict'
import type { SoldProduct } from '../../catalog/products.ts'
import type { BillingErrorCode } from '../../errors.ts'
import type { CheckoutInput, KnownObjects, PaymentProvider, ProviderHint } from '../provider.ts'

/** Plays the buyer, the bank, the dashboard, the passing of time and the network at the provider. */
export interface ProviderWorld {
  /** Pays an open checkout as its buyer would. */
  pay(checkoutId: string): unknown
  /** Lets an open checkout expire. */
  expire(checkoutId: string): unknown
  /** Ends a subscription's present period. */
  endPeriod(subscriptionId: string): unknown
  /** Refunds a payment in the provider's dashboard, without billing. */
  refund(paymentId: string, amount: number): unknown
  /** Opens a dispute about a payment. */
  dispute(paymentId: string): unknown
  /** While true, the provider fails every request. */
  setDown(isDown: boolean): void
  /** How many checkouts, payments and refunds there are. */
  count(): number
  /** All events so far as the provider would deliver them, the oldest first. */
  deliveries(): readonly Delivered[]
  /** The headers of a delivery of `body`, signed with the right secret or a wrong one. */
  sign(body: string, secret: 'right' | 'wrong'): Headers
}

/** A webhook delivery. */
export interface Delivered {
  headers: Headers
  body: string
}

/** The provider under test. */
export interface ConformanceSubject {
  /** The provider under test, as one process uses it. */
  provider: PaymentProvider
  /** The same account at the provider, as another process would use it. */
  other: PaymentProvider
  /** Acts as the buyer, the bank and the network at this provider. */
  world: ProviderWorld
  /** A product for a one-time purchase. */
  once: SoldProduct
  /** A product that sells a plan. */
  plan: SoldProduct
  /** Texts that no error message may show. */
  secrets: readonly string[]
  /** Closes the provider's connections and servers. */
  close(): Promise<unknown>
}

/** The `describe` and `test` of the test runner. */
export interface Runner {
  /** Groups tests, as `describe` of the test runner does. */
  describe(name: string, body: () => void): void
  /** Registers a test, as `test` of the test runner does. */
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

/** A paid checkout of `product`, with the payment's id. */
export async function bought({ provider, world }: ConformanceSubject, product: SoldProduct) {
  const { id } = await provider.createCheckout(checkoutInput(product))
  await world.pay(id)
  const checkout = await provider.retrieveCheckout(id)
  assert.ok(checkout.paymentId, 'a paid checkout names its payment')
  return { ...checkout, paymentId: checkout.paymentId }
}

/** A paid checkout of a plan, with the subscription's id. */
export async function subscribed(subject: ConformanceSubject) {
  const checkout = await bought(subject, subject.plan)
  assert.ok(checkout.subscriptionId, "a plan's paid checkout names its subscription")
  return { ...checkout, subscriptionId: checkout.subscriptionId }
}

/** Asserts that `act` throws `code`, and that the message shows no secret. */
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

/** No known objects. */
export const NOTHING: KnownObjects = { checkoutIds: [], paymentIds: [], subscriptionIds: [] }

/** All hints of a pull. */
export async function pulled(
  provider: PaymentProvider,
  since: Date,
  known: Partial<KnownObjects> = {},
): Promise<ProviderHint[]> {
  const hints: ProviderHint[] = []
  for await (const hint of provider.pull(since, { ...NOTHING, ...known })) hints.push(hint)
  return hints
}
