/**
 * Checks of webhooks, of the pull, and of a provider that cannot be reached.
 *
 * @module
 */

import assert from 'node:assert/strict'
import { isObjectId } from '../object-id.ts'
import {
  bought,
  type Check,
  type ConformanceSubject,
  checkoutInput,
  pulled,
  refused,
  subscribed,
} from './subject.ts'

const EPOCH = new Date(0)

/** The first delivery after a purchase. */
async function delivered(subject: ConformanceSubject) {
  const checkout = await bought(subject, subject.once)
  const [delivery] = subject.world.deliveries()
  assert.ok(delivery)
  return { ...delivery, checkout }
}

/** Declares the checks of events. */
export function eventChecks(check: Check): void {
  check('deliveries name their objects, and give the same hints each time', async (subject) => {
    const { provider, other, world } = subject
    const once = await bought(subject, subject.once)
    const plan = await subscribed(subject)
    await provider.refund({ paymentId: once.paymentId, idempotencyKey: 'refund' })
    const cancellation = { at: 'now', idempotencyKey: 'cancel' } as const
    await provider.cancelSubscription(plan.subscriptionId, cancellation)
    const deliveries = world.deliveries()
    const hints = deliveries.flatMap(({ headers, body }) => provider.parseWebhook(headers, body))
    const again = deliveries.flatMap(({ headers, body }) => other.parseWebhook(headers, body))
    assert.deepEqual(again, hints)
    assert.equal(new Set(hints.map(({ eventId }) => eventId)).size, deliveries.length)
    for (const id of [once.id, once.paymentId, plan.id, plan.paymentId, plan.subscriptionId]) {
      assert.ok(isObjectId(id), `${id}: an id has 8 to 255 letters, digits, _ and -`)
    }
    for (const id of [once.paymentId, plan.paymentId]) {
      assert.ok(provider.isPaymentId(id), `isPaymentId must know ${id}, which is a payment's id`)
    }
    assert.ok(hints.some(({ checkoutId }) => checkoutId === once.id))
    assert.ok(hints.some(({ checkoutId }) => checkoutId === plan.id))
    assert.ok(hints.some((hint) => hint.refundId && hint.paymentId === once.paymentId))
    assert.ok(hints.some(({ subscriptionId }) => subscriptionId === plan.subscriptionId))
    for (const { livemode, occurredAt, type } of hints) {
      assert.equal(livemode === true, false)
      assert.ok(occurredAt && !Number.isNaN(occurredAt.getTime()), type)
    }
  })

  check('a changed, truncated or wrongly signed body is refused', async (subject) => {
    const { headers, body } = await delivered(subject)
    const { provider, world } = subject
    const parse = (given: Headers, text: string) => () => provider.parseWebhook(given, text)
    await refused(subject, 'invalid_signature', parse(headers, body.replace('{', '{ ')))
    await refused(subject, 'invalid_signature', parse(headers, body.slice(0, -10)))
    await refused(subject, 'invalid_signature', parse(headers, ''))
    await refused(subject, 'invalid_signature', parse(world.sign(body, 'wrong'), body))
    await refused(subject, 'invalid_signature', parse(provider.forgedHeaders(), body))
    await refused(subject, 'missing_signature', parse(new Headers(), body))
    const [name = ''] = [...headers.keys()].filter((key) => key.includes('signature'))
    for (const signature of ['0', '0'.repeat(64), 't=1,v1=', 't=,v1=00']) {
      await refused(subject, 'invalid_signature', parse(new Headers({ [name]: signature }), body))
    }
    assert.equal(provider.parseWebhook(headers, body).length, 1)
  })

  check('a signed body that is not an event is refused', async (subject) => {
    const { provider, world } = subject
    for (const body of [
      'null',
      '[]',
      '"text"',
      '7',
      '{}',
      '{"id":"evt_1"}',
      '{"id":7,"object":{}}',
      'no',
    ]) {
      await refused(subject, 'invalid_payload', () =>
        provider.parseWebhook(world.sign(body, 'right'), body),
      )
    }
  })

  check('a pull finds a payment that was never delivered', async (subject) => {
    const { provider, world, once } = subject
    const open = await provider.createCheckout(checkoutInput(once))
    const known = { checkoutIds: [open.id] }
    assert.ok(
      !(await pulled(provider, EPOCH, known)).some(({ checkoutId }) => checkoutId === open.id),
    )
    await world.pay(open.id)
    const { paymentId } = await provider.retrieveCheckout(open.id)
    const hints = await pulled(provider, EPOCH, known)
    assert.ok(hints.some(({ checkoutId }) => checkoutId === open.id))
    // Even if the checkout is not known, the pull names at least its payment.
    assert.ok((await pulled(provider, EPOCH)).some((hint) => hint.paymentId === paymentId))
    assert.deepEqual(await pulled(provider, EPOCH, known), hints)
  })

  check('a pull finds refunds and ended subscriptions', async (subject) => {
    const { provider, world } = subject
    const { paymentId } = await bought(subject, subject.once)
    const plan = await subscribed(subject)
    const { subscriptionId } = plan
    const known = {
      checkoutIds: ['unknown', plan.id],
      paymentIds: ['unknown', paymentId],
      subscriptionIds: ['unknown', subscriptionId],
    }
    const before = new Set((await pulled(provider, EPOCH, known)).map(({ eventId }) => eventId))
    await world.refund(paymentId, 300)
    await provider.cancelSubscription(subscriptionId, { at: 'now', idempotencyKey: 'end' })
    const news = (await pulled(provider, EPOCH, known)).filter(
      ({ eventId }) => !before.has(eventId),
    )
    assert.ok(news.some((hint) => hint.paymentId === paymentId))
    assert.ok(news.some((hint) => hint.subscriptionId === subscriptionId))
  })

  check('a pull since tomorrow finds nothing', async (subject) => {
    await bought(subject, subject.once)
    assert.deepEqual(await pulled(subject.provider, new Date(Date.now() + 86_400_000)), [])
  })

  check(
    'nothing is done while the provider is down, and everything afterwards',
    async (subject) => {
      const { provider, world, once } = subject
      const { paymentId } = await bought(subject, once)
      const plan = await subscribed(subject)
      const input = checkoutInput(once)
      const key = { idempotencyKey: 'away' }
      const [delivery] = world.deliveries()
      const count = world.count()
      world.setDown(true)
      const attempts = [
        () => provider.createCheckout(input),
        () => provider.retrieveCheckout(plan.id),
        () => provider.expireCheckout(plan.id),
        () => provider.retrievePayment(paymentId),
        () => provider.refund({ paymentId, ...key }),
        () => provider.retrieveSubscription(plan.subscriptionId),
        () => provider.cancelSubscription(plan.subscriptionId, { at: 'now', ...key }),
        () => pulled(provider, EPOCH, { checkoutIds: [plan.id] }),
      ]
      for (const attempt of attempts) await refused(subject, 'provider_unavailable', attempt)
      if (delivery) assert.equal(provider.parseWebhook(delivery.headers, delivery.body).length, 1)
      world.setDown(false)
      assert.equal(world.count(), count)
      assert.equal((await provider.retrieveSubscription(plan.subscriptionId)).status, 'active')
      assert.equal((await provider.createCheckout(input)).status, 'open')
      assert.equal((await provider.refund({ paymentId, ...key })).status, 'succeeded')
      assert.equal(world.count(), count + 2)
    },
  )
}
