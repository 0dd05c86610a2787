/**
 * The facts that hosts hear of during the life of a subscription: the same at every provider, in the same order, each
 * once. `providerConformance` tests a provider alone; this suite tests billing with the provider.
 *
 * @module
 */

import assert from 'node:assert/strict'
import type { Billing } from '../../billing.ts'
import type { Products } from '../../catalog/products.ts'
import type { Effect, EffectHandlers, EffectName } from '../../effects/facts.ts'
import type { ProviderWorld, Runner } from './subject.ts'

/** The billing instance under test, and the means to act as its customers and its provider. */
export interface EffectsSubject {
  /** Has a database of its own and the handlers that `setup` received. */
  billing: Billing
  /** The SKU of a plan that the instance sells. The product has no credits of its own. */
  plan: string
  /** Makes a new owner and returns the id. */
  owner(): Promise<string>
  /** Pays checkouts and ends periods at the provider. */
  world: Pick<ProviderWorld, 'pay' | 'endPeriod'> & {
    /** Ends a subscription's present period with a card that is declined; `endPeriod` then pays. */
    failPeriod(subscriptionId: string): unknown
  }
  /** Delivers all events so far, twice and the newest first, and processes them. */
  deliver(): Promise<unknown>
  /** Closes the instance and drops its database. */
  close(): Promise<unknown>
}

const NAMES = [
  'subscription.activated',
  'subscription.ended',
  'invoice.paid',
  'invoice.payment_failed',
  'order.completed',
] as const satisfies EffectName[]

type ReceivedEffect = { [Name in (typeof NAMES)[number]]: Effect<Name> }[(typeof NAMES)[number]]

interface Life {
  subject: EffectsSubject
  ownerId: string
  subscriptionId: string
  /** Delivers, and returns the names of the facts that handlers have received since the last call. */
  news(): Promise<EffectName[]>
  /** All facts that handlers have received, the oldest first. */
  received: ReceivedEffect[]
}

/** Declares the checks. Each calls `setup` for a subject of its own, whose billing must use the handlers `effects`. */
export function effectsConformance(
  { describe, test }: Runner,
  setup: (effects: EffectHandlers) => Promise<EffectsSubject>,
): void {
  const check = (title: string, body: (life: Life) => Promise<void>) =>
    test(title, async () => {
      const received: ReceivedEffect[] = []
      const record = async (_: unknown, effect: ReceivedEffect) => void received.push(effect)
      const handlers = Object.fromEntries(NAMES.map((name) => [name, record])) as EffectHandlers
      const subject = await setup(handlers)
      try {
        await body(await begin(subject, received))
      } finally {
        await subject.close()
      }
    })
  describe('effects', () => effectChecks(check))
}

/** Buys a plan. Billing hears of the payment only by webhooks. */
async function begin(subject: EffectsSubject, received: ReceivedEffect[]): Promise<Life> {
  const { billing, world, plan } = subject
  const ownerId = await subject.owner()
  let seen = 0
  const news = async () => {
    await subject.deliver()
    const names = received.slice(seen).map(({ name }) => name)
    seen = received.length
    return names
  }
  const { checkoutId } = await billing.createOrder({ ownerId, productId: plan })
  await world.pay(checkoutId)
  assert.deepEqual(await news(), ['order.completed', 'subscription.activated', 'invoice.paid'])
  const [order] = await billing.listOrders({ ownerId })
  return { subject, ownerId, received, news, subscriptionId: order?.subscriptionId ?? '' }
}

function effectChecks(check: (title: string, body: (life: Life) => Promise<void>) => void): void {
  check('the purchase of a plan is announced once, with the amount paid', async (life) => {
    const { subject, ownerId, received, news } = life
    const { billing, plan } = subject
    assert.deepEqual(await news(), [])
    assert.ok(received.every((effect) => effect.ownerId === ownerId))
    assert.equal(new Set(received.map(({ key }) => key)).size, received.length)
    const [, activated, paid] = received
    assert.ok(activated?.name === 'subscription.activated' && paid?.name === 'invoice.paid')
    const { name: provider } = billing.provider
    const { subscriptionId } = activated.payload
    assert.ok(subscriptionId)
    const isStripe = provider === 'stripe'
    assert.deepEqual(activated.payload, {
      provider,
      subscriptionId,
      stripeSubscriptionId: isStripe ? life.subscriptionId : null,
    })
    const { stripeInvoiceId, orderId, amount, ...rest } = paid.payload
    const product = (billing.products as Products)[plan]
    assert.deepEqual(rest, {
      ...activated.payload,
      currency: product?.currency,
      billingReason: 'subscription_create',
      plan: product?.plan,
      interval: product?.interval,
    })
    assert.ok(amount >= (product?.amount ?? Number.NaN))
    const [order] = await billing.listOrders({ ownerId })
    assert.deepEqual([stripeInvoiceId !== null, orderId], [isStripe, isStripe ? null : order?.id])
  })

  check('each renewal is announced once, also when two are delivered together', async (life) => {
    const { subject, subscriptionId, news, received } = life
    await subject.world.endPeriod(subscriptionId)
    assert.deepEqual(await news(), ['order.completed', 'invoice.paid'])
    const paid = received.at(-1)
    assert.ok(paid?.name === 'invoice.paid')
    assert.equal(paid.payload.billingReason, 'subscription_cycle')
    await subject.world.endPeriod(subscriptionId)
    await subject.world.endPeriod(subscriptionId)
    const names = await news()
    assert.equal(names.filter((name) => name === 'invoice.paid').length, 2)
    const keys = received.flatMap(({ name, key }) => (name === 'invoice.paid' ? [key] : []))
    assert.equal(new Set(keys).size, 4)
  })

  check('a failed renewal is announced, and later its payment', async (life) => {
    const { subject, ownerId, subscriptionId, news, received } = life
    await subject.world.failPeriod(subscriptionId)
    assert.deepEqual(await news(), ['invoice.payment_failed'])
    const failed = received.at(-1)
    const activated = received.find(({ name }) => name === 'subscription.activated')
    assert.ok(failed?.name === 'invoice.payment_failed')
    assert.ok(activated?.name === 'subscription.activated')
    assert.equal(failed.payload.subscriptionId, activated.payload.subscriptionId)
    assert.ok(failed.payload.amount > 0)
    assert.equal((await subject.billing.getSubscription(ownerId)).status, 'past_due')
    assert.deepEqual(await news(), [])
    await subject.world.endPeriod(subscriptionId)
    assert.deepEqual(await news(), ['order.completed', 'invoice.paid'])
    assert.equal((await subject.billing.getSubscription(ownerId)).status, 'active')
  })

  check('a cancellation at the end of the period is announced when it ends', async (life) => {
    const { subject, ownerId, subscriptionId, news } = life
    await subject.billing.cancelSubscription(ownerId)
    assert.deepEqual(await news(), [])
    await subject.world.endPeriod(subscriptionId)
    assert.deepEqual(await news(), ['subscription.ended'])
    assert.deepEqual(await news(), [])
  })

  check('an immediate cancellation is announced at once, and never again', async (life) => {
    const { subject, ownerId, news, received } = life
    await subject.billing.cancelSubscription(ownerId, { at: 'now' })
    assert.equal(received.at(-1)?.name, 'subscription.ended')
    assert.deepEqual(await news(), ['subscription.ended'])
    assert.deepEqual(await news(), [])
  })
}
