/** A key means one request: what was refused is tried under another, and what was done is never done again. */

import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterEach(() => {
  h.sandbox.stripe.setFaults(null)
  vi.restoreAllMocks()
})
afterAll(() => h.close())

/** The next call of a method is answered so by Stripe. It keeps the 500 of `500` and `broken` under the call's key. */
function failOnce<Name extends string>(
  of: Record<Name, (...args: never[]) => unknown>,
  name: Name,
  kind: '500' | '503' | 'applied' | 'broken',
): void {
  const send = of[name].bind(of) as (...args: unknown[]) => unknown
  vi.spyOn(of as Record<string, (...args: unknown[]) => unknown>, name).mockImplementationOnce(
    (...args) => {
      h.sandbox.stripe.setFaults({ rate: 1, kinds: [kind] })
      const answer = send(...args) as Promise<unknown>
      return Promise.resolve(answer).finally(() => h.sandbox.stripe.setFaults(null))
    },
  )
}

const away = { code: 'provider_unavailable', status: 503 }

describe('after one 500, which the provider keeps for a day, the next try works', () => {
  test('of the first customer', async () => {
    const ownerId = await h.owner()
    failOnce(h.stripe.customers, 'create', '500')
    const buy = () => h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    await expect(buy()).rejects.toMatchObject(away)
    await expect(buy()).resolves.toMatchObject({ url: expect.any(String) })
  })

  test.each(['500', 'broken'] as const)('of a plan’s checkout (%s)', async (kind) => {
    const ownerId = await h.owner()
    await h.billing.ensureCustomer(ownerId)
    failOnce(h.stripe.checkout.sessions, 'create', kind)
    const buy = () => h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    await expect(buy()).rejects.toMatchObject(away)
    const { id } = await buy()
    expect((await buy()).id).toBe(id)
  })

  test.each(['PRO_MONTHLY', 'CREDITS_SMALL'])('of an order of %s', async (productId) => {
    const ownerId = await h.owner()
    await h.billing.ensureCustomer(ownerId)
    failOnce(h.stripe.checkout.sessions, 'create', '500')
    const buy = () => h.billing.createOrder({ ownerId, productId })
    await expect(buy()).rejects.toMatchObject(away)
    const { orderId } = await buy()
    expect(await h.orders(ownerId)).toMatchObject([{ id: orderId }])
  })

  test('of a payment intent under a key', async () => {
    const ownerId = await h.owner()
    failOnce(h.stripe.paymentIntents, 'create', '500')
    const buy = () =>
      h.billing.createPaymentIntent(4900, 'usd', { ownerId }, { idempotencyKey: 'call-1' })
    await expect(buy()).rejects.toMatchObject(away)
    const { id } = await buy()
    expect((await buy()).id).toBe(id)
    expect(await h.orders(ownerId)).toHaveLength(1)
  })

  test.each([
    ['500', 'nothing was done'],
    ['broken', 'it was done all the same'],
  ] as const)('of a partial refund (%s: %s), which is made once', async (kind, _) => {
    const { ownerId } = await h.subscriber()
    const [order] = await h.orders(ownerId)
    failOnce(h.stripe.refunds, 'create', kind)
    const refund = () =>
      h.billing.refundOrder(order?.id as string, { amount: 900, idempotencyKey: 'ticket-4' })
    await expect(refund()).rejects.toMatchObject(away)
    expect(await refund()).toMatchObject({ amountRefunded: 900 })
    expect(await refund()).toMatchObject({ amountRefunded: 900 })
  })
})

describe('a payment intent’s key', () => {
  const ages = [0, 25 / 24, 365]
  test.each(ages)('returns the same intent after %d days, also when it is paid', async (days) => {
    const ownerId = await h.owner()
    const buy = () =>
      h.billing.createPaymentIntent(4900, 'usd', { ownerId }, { idempotencyKey: 'course' })
    const { id } = await buy()
    const real = Date.now
    vi.spyOn(Date, 'now').mockImplementation(() => real() + days * 86_400_000)
    expect((await buy()).id).toBe(id)
    await h.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' })
    await h.billing.confirmPayment(id)
    expect(await buy()).toMatchObject({ id, status: 'succeeded' })
    expect(await h.orders(ownerId)).toMatchObject([{ status: 'completed', paymentId: id }])
  })

  test('finds the intent of a call that was interrupted before it stored the intent', async () => {
    const ownerId = await h.owner()
    const buy = () =>
      h.billing.createPaymentIntent(4900, 'usd', { ownerId }, { idempotencyKey: 'cut' })
    const { id } = await buy()
    const createdAt = new Date(Date.now() - 2 * 86_400_000)
    await h.db.order.updateMany({ where: { ownerId }, data: { paymentId: null, createdAt } })
    const real = Date.now
    vi.spyOn(Date, 'now').mockImplementation(() => real() + 2 * 86_400_000)
    expect((await buy()).id).toBe(id)
  })

  test('is refused for another amount or currency, and nothing changes', async () => {
    const ownerId = await h.owner()
    const buy = (amount: number, currency: string) =>
      h.billing.createPaymentIntent(amount, currency, { ownerId }, { idempotencyKey: 'same' })
    const { id } = await buy(4900, 'usd')
    const refused = { code: 'idempotency_conflict', status: 409 }
    await expect(buy(5000, 'usd')).rejects.toMatchObject(refused)
    await expect(buy(4900, 'eur')).rejects.toMatchObject(refused)
    expect((await buy(4900, 'usd')).id).toBe(id)
    expect(await h.orders(ownerId)).toHaveLength(1)
  })
})

test('a payment whose card was declined is confirmed with another card', async () => {
  const ownerId = await h.owner()
  const { id } = await h.billing.createPaymentIntent(4900, 'usd', { ownerId })
  const choose = (payment_method: string) => h.stripe.paymentIntents.update(id, { payment_method })
  await choose('pm_card_visa_chargeDeclined')
  await expect(h.billing.confirmPayment(id)).rejects.toMatchObject({ code: 'card_declined' })
  await choose('pm_card_visa')
  expect(await h.billing.confirmPayment(id)).toMatchObject({ paid: true })
})

test('a kept answer of an interrupted call is skipped', async () => {
  const ownerId = await h.owner()
  await h.billing.ensureCustomer(ownerId)
  failOnce(h.stripe.checkout.sessions, 'create', '500')
  const buy = () => h.billing.createOrder({ ownerId, productId: 'CREDITS_SMALL' })
  await expect(buy()).rejects.toMatchObject(away)
  await h.db.refusedRequest.deleteMany()
  await expect(buy()).resolves.toMatchObject({ url: expect.any(String) })
})

test('repeating a full refund changes nothing', async () => {
  const { ownerId } = await h.subscriber()
  const [order] = await h.orders(ownerId)
  const refund = () => h.billing.refundOrder(order?.id as string)
  expect(await refund()).toMatchObject({ amountRefunded: 2900 })
  expect(await refund()).toMatchObject({ amountRefunded: 2900 })
  expect(
    (await h.stripe.refunds.list({ payment_intent: order?.paymentId as string })).data,
  ).toHaveLength(1)
})

test.each(['500', 'broken', 'applied', '503'] as const)(
  'a customer whose creation was answered with an error (%s) is created once',
  async (kind) => {
    const ownerId = await h.owner()
    failOnce(h.stripe.customers, 'create', kind)
    await expect(h.billing.ensureCustomer(ownerId)).rejects.toMatchObject(away)
    await h.billing.ensureCustomer(ownerId)
    const { data } = await h.stripe.customers.list({ limit: 100 })
    expect(data.filter(({ metadata }) => metadata.ownerId === ownerId)).toHaveLength(1)
  },
)

test('refusals are deleted once their keys can no longer matter, and not before', async () => {
  const [unlinked, linked] = [await h.owner(), await h.owner()]
  await h.db.customer.create({ data: { ownerId: unlinked, ownerType: 'user' } })
  await h.billing.ensureCustomer(linked)
  const buyer = await h.owner()
  const { orderId: open } = await h.billing.createOrder({
    ownerId: buyer,
    productId: 'CREDITS_SMALL',
  })
  const { orderId: over } = await h.billing.createOrder({
    ownerId: buyer,
    productId: 'CREDITS_LARGE',
  })
  await h.billing.cancelOrder(over)
  const [paid] = await h.orders((await h.subscriber()).ownerId)
  const [back] = await h.orders((await h.subscriber()).ownerId)
  await h.billing.refundOrder(back?.id as string)
  const kept = [
    `cus:localhost:3000:${unlinked}`,
    `cus:localhost:3000:${unlinked}:1796000000000`,
    `cus:elsewhere.example:${linked}`,
    `order:${open}`,
    `pi:${open}`,
    `refund:${paid?.id}:0:rest`,
    `refund:${paid?.id}:ticket:42`,
  ]
  const forgotten = [
    `cus:localhost:3000:${linked}`,
    `cus:localhost:3000:${linked}:1796000000000`,
    'cus:localhost:3000:nobody',
    `order:${over}`,
    `pi:${over}`,
    'order:gone',
    `refund:${back?.id}:0:rest`,
    'confirm:pi_1',
  ]
  const note = (names: string[], days: number) =>
    h.db.refusedRequest.createMany({
      data: names.map((name) => ({
        name,
        refusals: 1,
        refusedAt: new Date(Date.now() - days * 86_400_000),
      })),
    })
  await h.db.refusedRequest.deleteMany()
  await note([...kept, ...forgotten], 32)
  await note(['confirm:pi_2', 'order:gone too'], 30)
  await h.db.$queryRaw`SELECT graphile_worker.add_job('billing.emptyPayloads')::text`
  await h.work()
  const rows = await h.db.refusedRequest.findMany({ orderBy: { name: 'asc' } })
  expect(rows.map(({ name }) => name)).toEqual([...kept, 'confirm:pi_2', 'order:gone too'].sort())
})
