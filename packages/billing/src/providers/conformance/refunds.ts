/**
 * Checks of refunds and disputes: never more than was paid, never twice.
 *
 * @module
 */

import assert from 'node:assert/strict'
import { NO_AMOUNTS } from './checkouts.ts'
import { bought, type Check, type ConformanceSubject, refused } from './subject.ts'

const refundedOf = async ({ provider }: ConformanceSubject, paymentId: string) =>
  (await provider.retrievePayment(paymentId)).amountRefunded

/** Declares the checks of refunds and disputes. */
export function refundChecks(check: Check): void {
  check('a payment is refunded in full', async (subject) => {
    const { paymentId } = await bought(subject, subject.once)
    const refund = await subject.provider.refund({ paymentId, idempotencyKey: 'all' })
    const { amountPaid, amountRefunded, currency, status } =
      await subject.provider.retrievePayment(paymentId)
    assert.equal(refund.status, 'succeeded')
    assert.deepEqual([refund.amount, refund.currency], [amountPaid, currency])
    assert.equal(refund.paymentId, paymentId)
    assert.deepEqual([amountRefunded, status], [amountPaid, 'succeeded'])
  })

  check('a part is refunded, then the rest, and never more', async (subject) => {
    const { provider, once } = subject
    const { paymentId } = await bought(subject, once)
    const part = () => provider.refund({ paymentId, amount: 300, idempotencyKey: 'part' })
    if (!provider.capabilities.partialRefunds) {
      await refused(subject, 'refund_not_supported', part)
      assert.equal(await refundedOf(subject, paymentId), 0)
      return
    }
    assert.equal((await part()).amount, 300)
    assert.equal(await refundedOf(subject, paymentId), 300)
    const tooMuch = once.amount - 299
    await refused(subject, 'refund_exceeds_payment', () =>
      provider.refund({ paymentId, amount: tooMuch, idempotencyKey: 'too much' }),
    )
    const rest = await provider.refund({ paymentId, idempotencyKey: 'rest' })
    assert.equal(rest.amount, once.amount - 300)
    assert.equal(await refundedOf(subject, paymentId), once.amount)
    await refused(subject, 'refund_exceeds_payment', () =>
      provider.refund({ paymentId, amount: 1, idempotencyKey: 'more' }),
    )
  })

  check('a refund of more than was paid is refused', async (subject) => {
    const { paymentId } = await bought(subject, subject.once)
    const { amountPaid } = await subject.provider.retrievePayment(paymentId)
    await refused(subject, 'refund_exceeds_payment', () =>
      subject.provider.refund({ paymentId, amount: amountPaid + 1, idempotencyKey: 'over' }),
    )
    assert.equal(await refundedOf(subject, paymentId), 0)
  })

  check(
    'a refund is made once per key, also for concurrent calls from two processes',
    async (subject) => {
      const { provider, other, world } = subject
      const { paymentId } = await bought(subject, subject.once)
      const input = { paymentId, idempotencyKey: 'once' }
      const answers = await Promise.all([
        provider.refund(input),
        provider.refund(input),
        other.refund(input),
      ])
      const count = world.count()
      answers.push(await provider.refund(input))
      assert.equal(world.count(), count)
      assert.equal(new Set(answers.map((answer) => JSON.stringify(answer))).size, 1)
      const { amountPaid } = await provider.retrievePayment(paymentId)
      assert.equal(await refundedOf(subject, paymentId), amountPaid)
    },
  )

  check('after a refund in the dashboard only the rest can be refunded', async (subject) => {
    const { provider, world, once } = subject
    const { paymentId } = await bought(subject, once)
    await world.refund(paymentId, 300)
    assert.equal(await refundedOf(subject, paymentId), 300)
    const rest = await provider.refund({ paymentId, idempotencyKey: 'rest' })
    assert.equal(rest.amount, once.amount - 300)
    assert.equal(await refundedOf(subject, paymentId), once.amount)
  })

  check('an invalid amount is not refunded', async (subject) => {
    const { paymentId } = await bought(subject, subject.once)
    for (const amount of NO_AMOUNTS) {
      await refused(subject, 'invalid_amount', () =>
        subject.provider.refund({ paymentId, amount, idempotencyKey: `no-${amount}` }),
      )
    }
    assert.equal(await refundedOf(subject, paymentId), 0)
  })

  check('a dispute has an id and does not count as a refund', async (subject) => {
    const { paymentId } = await bought(subject, subject.once)
    await subject.world.dispute(paymentId)
    const payment = await subject.provider.retrievePayment(paymentId)
    assert.deepEqual([payment.status, payment.amountRefunded], ['succeeded', 0])
    assert.ok(payment.disputeStatus)
    assert.ok(payment.disputeId)
  })
}
