/** Facts that Stripe has and events may not tell: disputes of every kind, products that change, drafts that go. */

import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import {
  type Billing,
  createBilling,
  definePlans,
  type Effect,
  type EffectHandlers,
} from '../index.ts'
import { between } from './between.ts'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
const told: string[] = []
const tell = async (_: unknown, effect: Effect<'dispute.created'> | Effect<'dispute.closed'>) =>
  void told.push(`${effect.name} ${effect.payload.status}`)
const effects: EffectHandlers = { 'dispute.created': tell, 'dispute.closed': tell }
beforeAll(async () => {
  h = await createHarness(inject('postgres'), { settings: { effects } })
})
beforeEach(() => void told.splice(0))
afterAll(() => h.close())

describe('disputes', () => {
  test('are listed: a closed inquiry and a second dispute are announced, each once', async () => {
    const { ownerId } = await h.subscriber()
    await h.deliverAll()
    const payment = await h.newestPayment(ownerId)
    const inquiry = h.sandbox.stripe.dispute(payment, { status: 'warning_needs_response' })
    await h.deliverAll()
    h.sandbox.stripe.closeDispute(inquiry.id as string, 'warning_closed')
    await h.deliverAll()
    const status = async () => (await h.billing.listInvoices(ownerId))[0]?.disputeStatus
    expect(await status()).toBe('warning_closed')
    h.sandbox.stripe.dispute(payment)
    await h.deliverAll()
    expect(await status()).toBe('needs_response')
    await h.billing.syncCustomer(ownerId)
    expect(told).toEqual([
      'dispute.created warning_needs_response',
      'dispute.closed warning_closed',
      'dispute.created needs_response',
    ])
  })

  test('are found if the charge does not name them', async () => {
    const without = (value: unknown): unknown =>
      JSON.parse(JSON.stringify(value), (_, each) => {
        if (each?.object === 'charge') delete each.dispute
        return each
      })
    const { ownerId } = await h.subscriber()
    h.sandbox.stripe.dispute(await h.newestPayment(ownerId))
    const { stripeCustomerId } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
    const listed = await h.stripe.paymentIntents.list({
      customer: stripeCustomerId as string,
      expand: ['data.latest_charge.refunds'],
    })
    const through = await between(h.url, ({ path }) => {
      if (path.includes('latest_charge.dispute'))
        return {
          status: 400,
          body: { error: { type: 'invalid_request_error', message: 'cannot be expanded' } },
        }
      return path.startsWith('/v1/payment_intents?')
        ? { status: 200, body: without(listed) }
        : undefined
    })
    await createBilling({ ...h.settings, stripe: through.stripe }).syncCustomer(ownerId)
    expect((await h.billing.listInvoices(ownerId))[0]?.disputeStatus).toBe('needs_response')
    await through.close()
  })
})

test('a product that becomes a plan later counts from its event on', async () => {
  const { ownerId, product } = await h.foreignSubscription()
  await h.deliverAll()
  expect((await h.billing.listFlagged(ownerId))[0]?.needsAttention).toBe('unknown_price')
  await h.stripe.products.update(product.id, { metadata: { plan: 'PRO' } })
  const [event] = (await h.events('product.updated')).slice(-1)
  await h.deliver(event)
  await h.billing.processEvents()
  expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'PRO', status: 'active' })
  // Of a product that nobody here has there is nothing to do.
  const other = await h.stripe.products.create({ name: 'Other' })
  await h.stripe.products.update(other.id, { name: 'Another' })
  const [foreign] = (await h.events('product.updated')).slice(-1)
  await h.deliver(foreign)
  await h.billing.processEvents()
  expect(await h.billing.showEvent((foreign as { id: string }).id)).toMatchObject({
    status: 'ignored',
    reason: 'unknown_product',
  })
})

test('a price without a plan causes no mail, and the log says so', async () => {
  const { ownerId, subscriptionId } = await h.foreignSubscription()
  const failed = h.sandbox.stripe.failPayment(subscriptionId) as { id: string }
  await h.deliverAll()
  const key = `invoice:${failed.id}:attempt:1:failed`
  expect(await h.db.effect.findUnique({ where: { key } })).not.toBeNull()
  expect(h.outbox.to(`${ownerId}@example.com`)).toEqual([])
  const warned = h.logger.entries.filter(({ message }) => message?.startsWith('no mail was sent'))
  expect(warned).toHaveLength(1)
})

test('a draft that Stripe no longer lists is deleted, and nothing else is', async () => {
  const { ownerId } = await h.subscriber()
  const [paid] = await h.db.invoice.findMany({ where: { customer: { ownerId } } })
  const { id, ...rest } = paid as NonNullable<typeof paid>
  const draft = {
    ...rest,
    stripeInvoiceId: 'in_deleted',
    status: 'draft',
    stripePaymentIntentId: null,
  }
  await h.db.invoice.create({ data: draft })
  const open = { ...draft, stripeInvoiceId: 'in_open', status: 'open' }
  await h.db.invoice.create({ data: open })
  const { changes } = await h.billing.syncCustomer(ownerId)
  expect(changes).toContainEqual({ object: 'invoice', id: 'in_deleted', to: 'deleted' })
  const left = await h.db.invoice.findMany({ where: { customer: { ownerId } } })
  expect(left.map(({ stripeInvoiceId }) => stripeInvoiceId).sort()).toEqual(
    [rest.stripeInvoiceId, 'in_open'].sort(),
  )
  expect(id).toBeTruthy()
})

describe('a handler', () => {
  const month = { lookupKey: 'pro_monthly', amount: 2900, currency: 'usd' }
  const plans = definePlans({
    FREE: { name: 'Free' },
    PRO: { name: 'Pro', prices: { month }, credits: { amount: 1000, rollover: 'none' } },
  })
  let handle: EffectHandlers['invoice.paid']
  let billing: Billing
  beforeAll(() => {
    billing = createBilling({
      ...h.settings,
      plans,
      products: {},
      effects: { 'invoice.paid': (tx, effect) => handle?.(tx, effect) ?? Promise.resolve() },
    })
  })
  async function bought() {
    const ownerId = await h.owner()
    const { id } = await billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    await h.pay(id)
    return { ownerId, id }
  }

  test('that writes without its transaction is refused at once, with what to do', async () => {
    let refusal: unknown
    handle = async (_, { ownerId, key }) => {
      await billing.grantCredits(ownerId, 5, { idempotencyKey: `gift:${key}` }).catch((error) => {
        refusal = error
        throw error
      })
    }
    const { ownerId, id } = await bought()
    await billing.confirmCheckout(ownerId, id)
    expect(refusal).toMatchObject({ code: 'transaction_required' })
    expect(String(refusal)).toContain('grantCredits')
    expect((await billing.getSubscription(ownerId)).plan).toBe('PRO')
    expect((await billing.getBalance(ownerId)).balance).toBe(0)
  })

  test('may read, may write with its transaction, and may leave work running that counts as outside', async () => {
    const later: Promise<unknown>[] = []
    let release = () => {}
    const ended = new Promise<void>((done) => {
      release = done
    })
    handle = async (tx, { ownerId, key }) => {
      await billing.getSubscription(ownerId)
      await billing.grantCredits(ownerId, 5, { idempotencyKey: `gift:${key}`, tx })
      later.push(
        ended.then(() => billing.grantCredits(ownerId, 7, { idempotencyKey: `late:${key}` })),
      )
    }
    const { ownerId, id } = await bought()
    await billing.confirmCheckout(ownerId, id)
    release()
    await Promise.all(later)
    expect((await billing.getBalance(ownerId)).balance).toBe(1012)
  })
})
