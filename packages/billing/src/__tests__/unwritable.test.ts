/** One object that cannot be written keeps nothing else of its customer out, and no text does. */

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createBilling } from '../index.ts'
import { subscriptionShape } from '../providers/stripe/shapes.ts'
import { invoiceShape, paymentShape } from '../providers/stripe/shapes-money.ts'
import { createHarness, type Harness } from './harness.ts'

const NUL = '\u0000'
const HALF = '\ud800'
const SIGN = '\ufffd'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

const item = { name: 'Call', amount: 4900, currency: 'usd' }

describe.each([NUL, HALF])('text with %j', (odd) => {
  test("is refused in a host's arguments, by the field's name, and nothing is begun", async () => {
    const ownerId = await h.owner()
    const note = `a${odd}b`
    const refusals: Record<string, () => Promise<unknown>> = {
      'metadata, note': () =>
        h.billing.createCheckoutSession({ ownerId, item, metadata: { note } }),
      'metadata, [note]': () =>
        h.billing.createCheckoutSession({ ownerId, item, metadata: { [note]: 'x' } }),
      'item, name': () =>
        h.billing.createCheckoutSession({ ownerId, item: { ...item, name: note } }),
      note: () => h.billing.createPaymentIntent(4900, 'usd', { ownerId, note }),
      comment: () => h.billing.cancelSubscription(ownerId, { comment: note }),
      productId: () => h.billing.createOrder({ ownerId, productId: note }),
    }
    for (const [name, refused] of Object.entries(refusals)) {
      await expect(refused(), name).rejects.toMatchObject({
        code: 'invalid_argument',
        status: 400,
        message: expect.not.stringContaining(odd),
      })
    }
    expect(await h.orders(ownerId)).toEqual([])
  })

  test('of an owner or of Stripe is stored with a replacement character', async () => {
    const ownerId = await h.owner()
    const billing = createBilling({
      ...h.settings,
      owner: async () => ({ type: 'user', name: `A${odd}da`, email: 'ada@example.com' }),
    })
    const { id } = await billing.createPaymentIntent(4900, 'usd', { ownerId })
    const raw = {
      id,
      amount: 4900,
      currency: 'usd',
      status: 'succeeded',
      metadata: { [`n${odd}`]: `a${odd}b` },
    }
    expect(paymentShape(raw)?.metadata).toEqual({ [`n${SIGN}`]: `a${SIGN}b` })
    const invoice = { id: 'in_1', status: 'open', currency: 'usd', created: 1, number: `A${odd}1` }
    expect(invoiceShape(invoice)?.number).toBe(`A${SIGN}1`)
    // Past us, as in Stripe's dashboard.
    if (odd === NUL) await h.stripe.paymentIntents.update(id, { metadata: { note: `a${odd}b` } })
    await h.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' })
    expect(await billing.confirmPayment(id)).toMatchObject({ paid: true })
    await h.deliverAll()
    expect(await h.billing.listEvents()).toEqual([])
  })
})

test('an impossible time is stored as null', () => {
  const raw = {
    id: 'sub_1',
    status: 'active',
    current_period_start: 1,
    current_period_end: 2,
    cancel_at: 9e12,
    items: { data: [{ price: { id: 'price_1', product: 'prod_1', currency: 'usd' } }] },
  }
  expect(subscriptionShape(raw)).toMatchObject({ cancelAt: null })
  expect(subscriptionShape({ ...raw, current_period_end: 9e12 })).toEqual({
    unreadable: 'missing_period',
  })
})

/** An invoice, a payment and a refund are refused alike, because each table is written by the same statement. */
test('an object that the database refuses is flagged, and the rest of its customer is synced', async () => {
  const { ownerId, subscriptionId } = await h.subscriber()
  await h.deliverAll()
  await h.db
    .$executeRaw`ALTER TABLE "Payment" ADD CONSTRAINT "odd" CHECK ("amount" <> 777) NOT VALID`
  try {
    const { id } = await h.billing.createPaymentIntent(777, 'usd', { ownerId })
    await h.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' })
    const fine = await h.billing.createPaymentIntent(778, 'usd', { ownerId })
    await h.stripe.paymentIntents.confirm(fine.id, { payment_method: 'pm_card_visa' })
    h.sandbox.stripe.renew(subscriptionId)
    const { problems } = await h.billing.syncCustomer(ownerId)
    expect(problems).toEqual([{ id, reason: 'unwritable' }])
    expect(await h.billing.listPayments(ownerId)).toMatchObject([{ amount: 778 }])
    expect(await h.billing.listInvoices(ownerId)).toHaveLength(2)
    await h.deliverAll()
    const open = await h.billing.listEvents()
    expect(new Set(open.map(({ status, reason }) => `${status} ${reason}`))).toEqual(
      new Set(['needs_attention unwritable']),
    )
    expect(h.logger.text).toContain('"reason":"unwritable"')
  } finally {
    await h.db.$executeRaw`ALTER TABLE "Payment" DROP CONSTRAINT "odd"`
  }
  // Once the database takes it, a repair writes it.
  expect((await h.billing.syncCustomer(ownerId)).problems).toEqual([])
  expect(await h.billing.listPayments(ownerId)).toHaveLength(2)
})

test('a subscription that the database refuses is flagged alike', async () => {
  const ownerId = await h.owner()
  await h.db.$executeRaw`ALTER TABLE "Subscription" ADD CONSTRAINT "odd" CHECK ("quantity" <> 77)`
  try {
    const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO', quantity: 77 })
    await h.pay(id)
    const { problems } = await h.billing.syncCustomer(ownerId)
    expect(problems).toMatchObject([{ reason: 'unwritable' }])
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'FREE' })
    expect(await h.billing.listInvoices(ownerId)).toHaveLength(1)
  } finally {
    await h.db.$executeRaw`ALTER TABLE "Subscription" DROP CONSTRAINT "odd"`
  }
  await h.billing.syncCustomer(ownerId)
  expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'PRO', quantity: 77 })
})
