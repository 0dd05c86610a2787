/** Customers as they are at Stripe: found without its search, taken over with a history, following their owner. */

import { randomUUID } from 'node:crypto'
import { createTestClock } from '@repo/core/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { createBilling, type EffectHandlers } from '../index.ts'
import { between, refusal } from './between.ts'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
const clock = createTestClock(new Date('2025-01-01T00:00:00Z'))
const told: string[] = []
const tell = async (_: unknown, { name }: { name: string }) => void told.push(name)
const effects: EffectHandlers = {
  'subscription.activated': tell,
  'subscription.ended': tell,
  'invoice.paid': tell,
  'invoice.payment_failed': tell,
}
beforeAll(async () => {
  h = await createHarness(inject('postgres'), { clock, settings: { effects } })
})
beforeEach(() => void told.splice(0))
afterAll(() => h.close())

const MONTH = 31 * 86_400_000
const emailOf = async (ownerId: string) => {
  const { stripeCustomerId } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  const found = await h.stripe.customers.retrieve(stripeCustomerId as string)
  return found.deleted ? null : found.email
}

/** A customer at Stripe with a subscription of six months, made past us. */
async function withHistory() {
  const { id: customer } = await h.stripe.customers.create({ name: 'Ada' })
  const pm = await h.stripe.paymentMethods.attach('pm_card_visa', { customer })
  const [price] = (await h.stripe.prices.list({ lookup_keys: ['pro_monthly'] })).data
  const { id } = await h.stripe.subscriptions.create({
    customer,
    default_payment_method: pm.id,
    items: [{ price: price?.id as string }],
  })
  for (let month = 0; month < 6; month += 1) {
    clock.advance(MONTH)
    h.sandbox.stripe.renew(id)
  }
  return { customer, subscriptionId: id }
}

describe('an account without search', () => {
  test('sells to a new owner without a search, and finds a customer that was made and not linked', async () => {
    const through = await between(h.url, ({ path }) =>
      path.startsWith('/v1/customers/search')
        ? refusal(400, { type: 'invalid_request_error', message: 'Search is not available.' })
        : undefined,
    )
    const billing = createBilling({ ...h.settings, stripe: through.stripe })
    const ownerId = await h.owner()
    await billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    expect(through.requests.filter(({ path }) => path.includes('search'))).toEqual([])
    const { stripeCustomerId } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
    // We crashed before it was linked, two days ago. Another customer has the same address.
    const email = `${ownerId}@example.com`
    await h.stripe.customers.create({ email, metadata: { ownerId: 'another' } })
    await h.db.customer.update({
      where: { ownerId },
      data: { stripeCustomerId: null, createdAt: new Date(Date.now() - 2 * 86_400_000) },
    })
    expect((await billing.ensureCustomer(ownerId)).stripeCustomerId).toBe(stripeCustomerId)
    await through.close()
  })

  test('a customer that the search finds belongs to the owner in its metadata, with the same letter case', async () => {
    const owner = async (id: string) => ({
      type: 'organization' as const,
      name: id,
      email: 'a@example.com',
    })
    const billing = createBilling({ ...h.settings, owner })
    const first = await billing.ensureCustomer('Globex')
    await h.db.customer.update({ where: { ownerId: 'Globex' }, data: { stripeCustomerId: null } })
    await h.db.customer.create({
      data: { ownerId: 'globex', ownerType: 'organization', createdAt: new Date(0) },
    })
    const second = await billing.ensureCustomer('globex')
    expect(second.stripeCustomerId).not.toBe(first.stripeCustomerId)
    expect((await billing.ensureCustomer('Globex')).stripeCustomerId).toBe(first.stripeCustomerId)
  })
})

describe('a customer with a history', () => {
  test('is linked with all of its history; the past sets nothing off, and later facts do', async () => {
    const { customer, subscriptionId } = await withHistory()
    const ownerId = await h.owner()
    await h.billing.linkCustomer(ownerId, customer)
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({
      plan: 'PRO',
      status: 'active',
    })
    expect(await h.billing.listInvoices(ownerId)).toHaveLength(7)
    await h.work()
    expect(told).toEqual([])
    expect(h.outbox.to(`${ownerId}@example.com`)).toEqual([])
    const found = await h.stripe.customers.retrieve(customer)
    expect(found).toMatchObject({ metadata: { ownerId }, email: `${ownerId}@example.com` })
    // Again it does nothing, and it is nobody else's.
    await h.billing.linkCustomer(ownerId, customer)
    await expect(h.billing.linkCustomer(await h.owner(), customer)).rejects.toMatchObject({
      code: 'customer_taken',
      status: 409,
    })
    await expect(h.billing.linkCustomer(ownerId, 'cus_none')).rejects.toMatchObject({
      code: 'customer_not_found',
    })
    clock.advance(MONTH)
    h.sandbox.stripe.renew(subscriptionId)
    await h.billing.syncCustomer(ownerId)
    expect(told).toEqual(['invoice.paid'])
    await h.billing.cancelSubscription(ownerId, { at: 'now' })
    expect(told).toEqual(['invoice.paid', 'subscription.ended'])
  })

  test('sets nothing off for the past at its first sync either, only for new facts', async () => {
    const ownerId = await h.owner()
    const { stripeCustomerId: id } = await h.billing.ensureCustomer(ownerId)
    const { subscriptionId } = await (async () => {
      const pm = await h.stripe.paymentMethods.attach('pm_card_visa', { customer: id as string })
      const [price] = (await h.stripe.prices.list({ lookup_keys: ['pro_monthly'] })).data
      const made = await h.stripe.subscriptions.create({
        customer: id as string,
        default_payment_method: pm.id,
        items: [{ price: price?.id as string }],
      })
      return { subscriptionId: made.id }
    })()
    clock.advance(MONTH)
    h.sandbox.stripe.renew(subscriptionId)
    clock.advance(MONTH)
    h.sandbox.stripe.renew(subscriptionId)
    await h.billing.syncCustomer(ownerId)
    // The newest month has begun just now.
    expect(told).toEqual(['invoice.paid'])
  })
})

test('the end is announced only for a subscription whose activation was announced', async () => {
  const { ownerId, subscriptionId } = await h.subscriber()
  const second = await h.secondSubscription(subscriptionId)
  await h.billing.syncCustomer(ownerId)
  told.length = 0
  await h.stripe.subscriptions.cancel(second.id)
  await h.billing.syncCustomer(ownerId)
  expect(told).toEqual([])
  expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
  await h.stripe.subscriptions.cancel(subscriptionId)
  await h.billing.syncCustomer(ownerId)
  expect(told).toEqual(['subscription.ended'])
})

describe('an organization’s customer', () => {
  async function organization() {
    const [owner, other] = [await h.owner('Ada'), await h.owner('Bob')]
    const id = randomUUID()
    await h.db.$transaction(async (tx) => {
      await tx.organization.create({ data: { id, name: 'Acme', slug: `acme-${id.slice(0, 8)}` } })
      const of = { organizationId: id }
      await tx.member.create({ data: { ...of, id: randomUUID(), userId: owner, role: 'OWNER' } })
      await tx.member.create({ data: { ...of, id: randomUUID(), userId: other, role: 'ADMIN' } })
    })
    const { id: session } = await h.billing.createCheckoutSession({ ownerId: id, plan: 'PRO' })
    await h.pay(session)
    await h.billing.confirmCheckout(id, session)
    return { id, owner, other }
  }

  test('gets its owner’s new address, and a new owner’s after a hand-over, at the next sync', async () => {
    const { id, owner, other } = await organization()
    await h.db.user.update({ where: { id: owner }, data: { email: `new-${owner}@example.com` } })
    await h.billing.updateCustomer(owner)
    expect(await emailOf(id)).toBe(`new-${owner}@example.com`)
    await h.db.member.updateMany({
      where: { organizationId: id, userId: other },
      data: { role: 'OWNER' },
    })
    await h.db.member.deleteMany({ where: { organizationId: id, userId: owner } })
    await h.billing.syncCustomer(id)
    expect(await emailOf(id)).toBe(`${other}@example.com`)
  })

  test('keeps its own billing address through a hand-over', async () => {
    const { id, owner } = await organization()
    await h.billing.updateCustomer(id, { billingEmail: 'books@acme.example' })
    expect(await emailOf(id)).toBe('books@acme.example')
    await h.billing.updateCustomer(owner)
    await h.billing.syncCustomer(id)
    expect(await emailOf(id)).toBe('books@acme.example')
    await h.billing.updateCustomer(id, { billingEmail: null })
    expect(await emailOf(id)).toBe(`${owner}@example.com`)
    await expect(h.billing.updateCustomer(id, { billingEmail: 'nobody' })).rejects.toMatchObject({
      status: 400,
    })
  })
})
