/**
 * Checks of checkouts and payments.
 *
 * @module
 */

import assert from 'node:assert/strict'
import { bought, type Check, checkoutInput, refused } from './subject.ts'

/** Numbers that are not valid amounts. */
export const NO_AMOUNTS = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]

const STRANGE_IDS = ['', 'none', '../customers', 'a/b', '{}', `x${'y'.repeat(300)}`]

/** Declares the checks of checkouts and payments. */
export function checkoutChecks(check: Check): void {
  check('an open checkout has an address, its order and no payment', async (subject) => {
    const { provider, once } = subject
    const input = checkoutInput(once)
    const checkout = await provider.createCheckout(input)
    assert.equal(checkout.status, 'open')
    assert.match(new URL(checkout.url ?? '').protocol, /^https?:$/)
    assert.equal(checkout.orderId, input.orderId)
    assert.deepEqual([checkout.paymentId, checkout.subscriptionId], [null, null])
    assert.deepEqual(await subject.other.retrieveCheckout(checkout.id), checkout)
  })

  check('a paid checkout is complete and its payment has the price', async (subject) => {
    const before = Date.now() - 60_000
    const checkout = await bought(subject, subject.once)
    assert.deepEqual([checkout.status, checkout.url], ['complete', null])
    assert.equal(checkout.subscriptionId, null)
    const payment = await subject.provider.retrievePayment(checkout.paymentId)
    assert.equal(payment.id, checkout.paymentId)
    assert.equal(payment.status, 'succeeded')
    assert.equal(payment.amount, subject.once.amount)
    assert.equal(payment.currency, subject.once.currency)
    assert.ok(payment.amountPaid >= payment.amount)
    assert.equal(payment.amountRefunded, 0)
    assert.deepEqual([payment.disputeStatus, payment.disputeId], [null, null])
    assert.ok(payment.orderId === null || payment.orderId === checkout.orderId)
    assert.ok(payment.customerId)
    assert.equal(payment.customerId, checkout.customerId)
    assert.ok((payment.paidAt?.getTime() ?? 0) > before)
  })

  check('a known customer keeps the same customer id', async (subject) => {
    const { customerId } = await bought(subject, subject.once)
    const customer = { id: customerId, email: 'ada@example.com' }
    const { provider, world } = subject
    const { id } = await provider.createCheckout(checkoutInput(subject.plan, { customer }))
    await world.pay(id)
    assert.equal((await provider.retrieveCheckout(id)).customerId, customerId)
  })

  check('a checkout is made once per key, also for concurrent calls', async (subject) => {
    const { provider, other, world, once, plan } = subject
    const input = checkoutInput(once)
    const made = await Promise.all(Array.from({ length: 5 }, () => provider.createCheckout(input)))
    assert.equal(new Set(made.map(({ id }) => id)).size, 1)
    const count = world.count()
    await provider.createCheckout(input)
    assert.equal(world.count(), count)
    const elsewhere = await other.createCheckout(input)
    assert.equal(elsewhere.id === made[0]?.id, provider.capabilities.keys === 'provider')
    await refused(subject, 'provider_rejected', () =>
      provider.createCheckout({ ...input, product: plan }),
    )
    const another = await provider.createCheckout({ ...input, idempotencyKey: 'another' })
    assert.notEqual(another.id, made[0]?.id)
  })

  check(
    'an open checkout is closed where the provider supports it, and else stays open',
    async (subject) => {
      const { provider, once } = subject
      const { id } = await provider.createCheckout(checkoutInput(once))
      const closed = await provider.expireCheckout(id)
      const { expiresCheckouts } = provider.capabilities
      assert.equal(closed.status, expiresCheckouts ? 'expired' : 'open')
      assert.equal(closed.url === null, expiresCheckouts)
      assert.deepEqual(await provider.expireCheckout(id), closed)
      assert.deepEqual(await subject.other.retrieveCheckout(id), closed)
    },
  )

  check('closing a paid checkout changes nothing', async (subject) => {
    const checkout = await bought(subject, subject.once)
    assert.deepEqual(await subject.provider.expireCheckout(checkout.id), checkout)
  })

  check('a checkout that timed out is expired', async (subject) => {
    const { provider, world, once } = subject
    const { id } = await provider.createCheckout(checkoutInput(once))
    await world.expire(id)
    const { status, url, paymentId } = await provider.retrieveCheckout(id)
    assert.deepEqual([status, url, paymentId], ['expired', null, null])
  })

  check('no checkout is made with an invalid amount', async (subject) => {
    const count = subject.world.count()
    for (const amount of NO_AMOUNTS) {
      const product = { ...subject.once, amount }
      await refused(subject, 'invalid_amount', () =>
        subject.provider.createCheckout(checkoutInput(product)),
      )
    }
    assert.equal(subject.world.count(), count)
  })

  check('unknown and malformed ids are not found', async (subject) => {
    const { provider } = subject
    for (const id of STRANGE_IDS) {
      const key = { idempotencyKey: `key-${id}` }
      await refused(subject, 'checkout_not_found', () => provider.retrieveCheckout(id))
      await refused(subject, 'checkout_not_found', () => provider.expireCheckout(id))
      await refused(subject, 'payment_not_found', () => provider.retrievePayment(id))
      await refused(subject, 'payment_not_found', () => provider.refund({ paymentId: id, ...key }))
      await refused(subject, 'subscription_not_found', () => provider.retrieveSubscription(id))
      await refused(subject, 'subscription_not_found', () =>
        provider.cancelSubscription(id, { at: 'now', ...key }),
      )
    }
  })
}
