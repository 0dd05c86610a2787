/** Resolving a second subscription: two requests at the provider, of which either may fail. */

import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { type CuttingProxy, cuttingProxy } from './cutting-proxy.ts'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
let way: CuttingProxy
const alive = () => 'pass' as const
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
  way = await cuttingProxy(h)
})
beforeEach(() => {
  way.decide = alive
})
afterAll(async () => {
  await way.close()
  await h.close()
})

async function twice() {
  const { ownerId, subscriptionId } = await h.subscriber()
  const second = await h.secondSubscription(subscriptionId)
  await h.billing.syncCustomer(ownerId)
  const refunds = async () => {
    const { stripeCustomerId } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
    const charges = await h.stripe.charges.list({ customer: stripeCustomerId as string })
    return charges.data.reduce((sum, { amount_refunded }) => sum + amount_refunded, 0)
  }
  return { ownerId, second: second.id, refunds }
}

const requests = [
  ['refund', (method: string, path: string) => method === 'POST' && path === '/v1/refunds'],
  ['cancellation', (method: string) => method === 'DELETE'],
] as const
const fates = ['refused', 'lost', 'unanswered'] as const

test.each(requests.flatMap(([name, is]) => fates.map((fate) => [name, fate, is] as const)))(
  'promise 2: the %s is %s: the repeated command ends the subscription and refunds once',
  async (_, fate, is) => {
    const { ownerId, second, refunds } = await twice()
    way.decide = (method, path) => {
      if (!is(method, path)) return 'pass'
      way.decide = fate === 'refused' ? alive : () => 'lost'
      return fate
    }
    const attempt = way.billing.resolveSubscriptions(ownerId, { confirmed: true })
    await expect(attempt).rejects.toMatchObject({ name: 'BillingError' })
    way.decide = alive
    await way.billing.resolveSubscriptions(ownerId, { confirmed: true })
    expect((await h.stripe.subscriptions.retrieve(second)).status).toBe('canceled')
    expect(await refunds()).toBe(19_900)
    expect(await way.billing.resolveSubscriptions(ownerId, { confirmed: true })).toEqual([])
    expect(await refunds()).toBe(19_900)
    expect(await h.billing.listFlagged(ownerId)).toEqual([])
  },
)

test('two commands at once refund once', async () => {
  const { ownerId, second, refunds } = await twice()
  const resolve = () => h.billing.resolveSubscriptions(ownerId, { confirmed: true })
  await Promise.allSettled([resolve(), resolve()])
  await resolve()
  expect(await refunds()).toBe(19_900)
  expect((await h.stripe.subscriptions.retrieve(second)).status).toBe('canceled')
})

test.each(requests.flatMap(([name, is]) => fates.map((fate) => [name, fate, is] as const)))(
  'promise 2: only its part of a payment for both subscriptions is refunded, once, if the %s is %s',
  async (_, fate, is) => {
    const { ownerId, second, refunds } = await twice()
    const { stripeSubscriptionId } = await h.billing.getSubscription(ownerId)
    const open = [stripeSubscriptionId as string, second].map(
      (id) => h.sandbox.stripe.failPayment(id) as { id: string; amount_due: number },
    )
    const { stripeCustomerId } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
    const { id: payment_intent } = await h.stripe.paymentIntents.create({
      ...{ amount: open.reduce((sum, { amount_due }) => sum + amount_due, 0), currency: 'usd' },
      customer: stripeCustomerId as string,
      automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
    })
    for (const { id } of open) await h.stripe.invoices.attachPayment(id, { payment_intent })
    await h.stripe.paymentIntents.confirm(payment_intent, { payment_method: 'pm_card_visa' })
    await h.billing.syncCustomer(ownerId)
    way.decide = (method, path) => {
      if (!is(method, path)) return 'pass'
      way.decide = fate === 'refused' ? alive : () => 'lost'
      return fate
    }
    const resolve = () => way.billing.resolveSubscriptions(ownerId, { confirmed: true })
    await expect(resolve()).rejects.toMatchObject({ name: 'BillingError' })
    way.decide = alive
    await resolve()
    expect((await h.stripe.subscriptions.retrieve(second)).status).toBe('canceled')
    expect(await refunds()).toBe(19_900)
    expect(await resolve()).toEqual([])
    expect(await refunds()).toBe(19_900)
  },
)
