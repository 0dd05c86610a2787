/** A customer that is deleted at the provider: the end is known, and so is what came before it. */

import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createBilling } from '../index.ts'
import { stripeWebhookRequest } from '../testing.ts'
import { between } from './between.ts'
import { createHarness, type Harness, WEBHOOK_SECRET } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

test('promise 1: purchases before a deletion take effect if only the deletion’s event arrives', async () => {
  const ownerId = await h.owner()
  const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  await h.pay(id)
  const { stripeCustomerId } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  await h.stripe.customers.del(stripeCustomerId as string)
  const [event] = await h.events('customer.deleted')
  await h.billing.handleStripeWebhook(stripeWebhookRequest(event, { secret: WEBHOOK_SECRET }))
  await h.work()

  const customer = await h.db.customer.findUniqueOrThrow({
    where: { ownerId },
    include: { subscriptions: true, invoices: true },
  })
  expect(customer.stripeCustomerId).toBeNull()
  expect(customer.subscriptions).toMatchObject([{ status: 'canceled', endedAt: expect.any(Date) }])
  expect(customer.invoices).toMatchObject([{ status: 'paid' }])
  const effects = await h.db.effect.findMany({ where: { customerId: customer.id } })
  expect(effects.map(({ name }) => name).sort()).toEqual(['invoice.paid', 'subscription.ended'])
})

test('promise 1: a deletion whose handler throws is repeated with the handler, and ends the link', async () => {
  let isBroken = true
  const told: string[] = []
  const billing = createBilling({
    ...h.settings,
    effects: {
      'subscription.ended': async (_, { ownerId: of }) => {
        if (isBroken) throw new Error('not now')
        told.push(of)
      },
    },
  })
  const { ownerId } = await h.subscriber()
  await h.deliverAll()
  const customer = () => h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  const { stripeCustomerId } = await customer()
  await h.stripe.customers.del(stripeCustomerId as string)
  await h.deliverNew()
  await billing.processEvents()
  // The effect is tried again, which needs the link.
  expect((await customer()).stripeCustomerId).toBe(stripeCustomerId)
  expect(await billing.listEvents()).toMatchObject([
    { type: 'customer.deleted', reason: 'effect_failed', attempts: 1 },
  ])
  isBroken = false
  await h.skipDelays()
  await billing.processEvents()
  expect((await customer()).stripeCustomerId).toBeNull()
  expect(told).toEqual([ownerId])
  expect(await billing.listEvents()).toEqual([])
})

test('promise 1: a customer that is deleted while it is linked does not stay linked', async () => {
  const ownerId = await h.owner()
  await h.db.customer.create({ data: { ownerId, ownerType: 'user' } })
  const metadata = { ownerId, environment: new URL(h.settings.appUrl ?? '').host }
  const made = await h.stripe.customers.create({ metadata })
  await h.stripe.customers.update(made.id, { name: 'Ada' })
  // The lane that links was told of the customer before the deletion.
  const asked: string[] = []
  const through = await between(h.url, ({ method, path }) => {
    if (method !== 'GET' || path !== `/v1/customers/${made.id}`) return undefined
    return asked.push(path) === 1 ? { status: 200, body: made } : undefined
  })
  await h.stripe.customers.del(made.id)
  const eventOf = (type: string) =>
    h.sandbox.stripe.events.find(
      (event) => event.type === type && JSON.stringify(event).includes(made.id),
    )
  await h.deliver(eventOf('customer.deleted'))
  await h.billing.processEvents()
  await h.deliver(eventOf('customer.updated'))
  await createBilling({ ...h.settings, stripe: through.stripe }).processEvents()
  await through.close()
  expect(asked.length).toBeGreaterThan(1)
  const row = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  expect(row).toMatchObject({ stripeCustomerId: null, formerStripeIds: [made.id] })
})

test('promise 1: a handler that throws for a customer deleted while it is linked is tried again', async () => {
  const ownerId = await h.owner()
  await h.db.customer.create({ data: { ownerId, ownerType: 'user' } })
  const metadata = { ownerId, environment: new URL(h.settings.appUrl ?? '').host }
  const { id: customer } = await h.stripe.customers.create({ metadata })
  const card = await h.stripe.paymentMethods.attach('pm_card_visa', { customer })
  const [price] = (await h.stripe.prices.list({ lookup_keys: ['pro_monthly'] })).data
  await h.stripe.subscriptions.create({
    customer,
    default_payment_method: card.id,
    items: [{ price: price?.id as string }],
  })
  const alive = await h.stripe.customers.retrieve(customer)
  const asked: string[] = []
  const through = await between(h.url, ({ method, path }) => {
    if (method !== 'GET' || path !== `/v1/customers/${customer}`) return undefined
    return asked.push(path) === 1 ? { status: 200, body: alive } : undefined
  })
  await h.stripe.customers.del(customer)
  let isBroken = true
  const told: string[] = []
  const billing = createBilling({
    ...h.settings,
    stripe: through.stripe,
    effects: {
      'invoice.paid': async (_, { ownerId: of }) => {
        if (isBroken) throw new Error('not now')
        told.push(of)
      },
    },
  })
  const paid = h.sandbox.stripe.events.find(
    (event) => event.type === 'invoice.paid' && JSON.stringify(event).includes(customer),
  )
  await h.deliver(paid)
  await billing.processEvents()
  expect(told).toEqual([])
  expect(await billing.listEvents()).toMatchObject([{ reason: 'effect_failed', attempts: 1 }])
  isBroken = false
  await h.skipDelays()
  await billing.processEvents()
  await through.close()
  expect(told).toEqual([ownerId])
})
