/** The key of another account at Stripe changes nothing, and what a mistake has ended is brought back by a person. */

import { createTestLogger } from '@repo/core/testing'
import { createSandbox } from '@repo/sandbox'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { type Alert, createBilling, createStripe, type EffectHandlers } from '../index.ts'
import { between, refusal } from './between.ts'
import { createHarness, type Harness, SECRET_KEY } from './harness.ts'

let h: Harness
let other: ReturnType<typeof createSandbox>
let wrong: ReturnType<typeof createBilling>
const alerts: Alert[] = []
const told: string[] = []
const effects: EffectHandlers = {
  'subscription.activated': async (_, { name }) => void told.push(name),
  'subscription.ended': async (_, { name }) => void told.push(name),
}
beforeAll(async () => {
  const settings = { onAlert: (alert: Alert) => alerts.push(alert), effects }
  h = await createHarness(inject('postgres'), { settings })
  other = createSandbox({ stripe: { secretKey: 'sk_test_another' }, logger: createTestLogger() })
  const { url } = await other.listen()
  const stripe = createStripe('sk_test_another', { apiBase: url, maxNetworkRetries: 0 })
  wrong = createBilling({ ...h.settings, stripe })
  await wrong.pushPlans()
})
beforeEach(() => {
  alerts.length = 0
  told.length = 0
})
afterAll(async () => {
  await other.stop()
  await h.close()
})

describe('promise 2: the key of another account', () => {
  test('is refused at its first use, by every function that asks about customers', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    const fresh = await h.owner()
    const before = await h.db.subscription.findMany()
    for (const act of [
      () => wrong.syncCustomer(ownerId),
      () => wrong.reconcile(),
      () => wrong.pullEvents(),
      () => wrong.ensureCustomer(fresh),
      () => wrong.createCheckoutSession({ ownerId: fresh, plan: 'PRO' }),
      () => wrong.linkCustomer(fresh, 'cus_any'),
    ]) {
      await expect(act()).rejects.toMatchObject({ code: 'other_account', status: 500 })
    }
    expect(await h.db.subscription.findMany()).toEqual(before)
    expect(alerts).toContainEqual(expect.objectContaining({ code: 'other_account' }))
    // Events that wait keep their tries.
    await h.deliver({ ...(await h.events('customer.subscription.created')).at(-1), id: 'evt_wait' })
    await expect(wrong.processEvents()).rejects.toMatchObject({ code: 'other_account' })
    const event = await h.billing.showEvent('evt_wait')
    expect(event).toMatchObject({ status: 'pending', attempts: 0 })
    await h.work()
    const { status } = await h.billing.getSubscription(ownerId)
    expect({ status, subscriptionId }).toMatchObject({ status: 'active' })
  })

  test('the other mode of the same account is refused, too', async () => {
    await h.subscriber()
    const live = createBilling({ ...h.settings, livemode: true })
    await expect(live.reconcile()).rejects.toMatchObject({ code: 'other_account' })
  })

  test('a key that was checked before needs no request to Stripe', async () => {
    const { ownerId } = await h.subscriber()
    const through = await between(h.url, () => undefined)
    await createBilling({ ...h.settings, stripe: through.stripe }).syncCustomer(ownerId)
    expect(through.requests.map(({ path }) => path)).not.toContain('/v1/account')
    await through.close()
  })

  test('a person’s command moves a database to another account', async () => {
    const noted = await h.billing.getAccount()
    expect(noted).toMatchObject({
      stripeAccountId: expect.stringMatching(/^acct_/),
      livemode: false,
    })
    const moved = await wrong.replaceAccount()
    expect(moved.stripeAccountId).not.toBe(noted?.stripeAccountId)
    await expect(wrong.ensureCustomer(await h.owner())).resolves.toBeTruthy()
    await h.billing.replaceAccount()
    expect(await h.billing.getAccount()).toEqual(noted)
  })
})

describe('promise 2: a customer that Stripe does not know', () => {
  const missing = (customer: string) =>
    refusal(400, {
      type: 'invalid_request_error',
      code: 'resource_missing',
      param: 'customer',
      message: `No such customer: '${customer}'`,
    })

  test('does not count as deleted, and nothing ends', async () => {
    const { ownerId } = await h.subscriber()
    const customer = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
    const id = customer.stripeCustomerId as string
    const through = await between(h.url, ({ path }) =>
      path.includes(id) ? missing(id) : undefined,
    )
    const billing = createBilling({ ...h.settings, stripe: through.stripe })
    await expect(billing.syncCustomer(ownerId)).rejects.toMatchObject({
      code: 'customer_not_found',
    })
    const { failed } = await billing.reconcile()
    expect(failed).toContainEqual({ ownerId, reason: 'customer_not_found' })
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
    await through.close()
  })

  test('a comparison that misses more than a few customers stops and raises an alert', async () => {
    const before = await h.db.customer.count({ where: { stripeCustomerId: { not: null } } })
    for (let n = 0; n < 12; n += 1) await h.subscriber()
    await h.billing.reconcile()
    const through = await between(h.url, ({ path }) => {
      const customer = /cus_\w+/.exec(path)?.[0]
      return customer ? missing(customer) : undefined
    })
    const billing = createBilling({ ...h.settings, stripe: through.stripe })
    const result = await billing.reconcile()
    expect(result.outcome).toBe('gone')
    expect(result.customers).toBeLessThan(before + 12)
    expect(alerts).toContainEqual(expect.objectContaining({ code: 'customers_gone' }))
    expect(await h.db.subscription.count({ where: { status: 'canceled' } })).toBe(0)
    await through.close()
    expect((await h.billing.reconcile()).outcome).toBe('done')
  })
})

describe('promise 2: a subscription that was ended by mistake', () => {
  test('runs again by a person’s command, and its end can be announced again', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    const { stripeCustomerId, id } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
    await h.deliverAll()
    // As a deletion was written that never was.
    const lie = (await h.events('customer.created')).at(-1) as { data: { object: object } }
    const through = await between(h.url, ({ path }) =>
      path.startsWith(`/v1/customers/${stripeCustomerId}`)
        ? { status: 200, body: { id: stripeCustomerId, object: 'customer', deleted: true } }
        : undefined,
    )
    const misled = createBilling({ ...h.settings, stripe: through.stripe })
    await h.deliver({
      ...lie,
      id: 'evt_lie',
      type: 'customer.deleted',
      data: { object: { ...lie.data.object, id: stripeCustomerId } },
    })
    await misled.processEvents()
    await h.db.subscription.updateMany({
      where: { customerId: id },
      data: { status: 'canceled', endedAt: new Date() },
    })
    await through.close()
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('FREE')
    told.length = 0

    const restored = await h.billing.restoreCustomer(ownerId)
    expect(restored).toEqual({ stripeCustomerId, subscriptions: [subscriptionId] })
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({
      plan: 'PRO',
      status: 'active',
    })
    await h.billing.restoreCustomer(ownerId)
    // A late event does what a person did not ask for: nothing.
    await h.billing.cancelSubscription(ownerId, { at: 'now' })
    expect(told.at(-1)).toBe('subscription.ended')
    await expect(
      h.db.subscription.updateMany({ where: { customerId: id }, data: { status: 'active' } }),
    ).rejects.toThrow()
    await expect(h.billing.restoreCustomer(await h.owner())).rejects.toMatchObject({
      code: 'customer_not_found',
    })
  })
})

test('a key without the right to read its account is accepted', async () => {
  const { ownerId } = await h.subscriber()
  await h.db.stripeAccount.deleteMany()
  const through = await between(
    h.url,
    ({ path }) =>
      path === '/v1/account'
        ? refusal(403, { type: 'invalid_request_error', message: 'no permission' })
        : undefined,
    SECRET_KEY,
  )
  await createBilling({ ...h.settings, stripe: through.stripe }).syncCustomer(ownerId)
  expect(await h.billing.getAccount()).toEqual({ stripeAccountId: null, livemode: false })
  await through.close()
})
