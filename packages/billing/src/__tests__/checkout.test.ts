/** Open checkouts are offered again, two tabs cannot buy two plans, a person has one trial. */

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createBilling, definePlans } from '../index.ts'
import { normalizeEmail } from '../sync/trials.ts'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

const atStripe = (id: string) => h.stripe.checkout.sessions.retrieve(id)

test('the same checkout is returned again, also for twenty calls at once', async () => {
  const ownerId = await h.owner()
  const open = () => h.patient.createCheckoutSession({ ownerId, plan: 'PRO' })
  const first = await open()
  const more = await Promise.all(Array.from({ length: 20 }, open))
  for (const checkout of more) expect(checkout).toEqual(first)

  const racing = await h.owner()
  const sessions = await Promise.all(
    Array.from({ length: 20 }, () =>
      h.patient.createCheckoutSession({ ownerId: racing, plan: 'PRO' }),
    ),
  )
  expect(new Set(sessions.map(({ id }) => id)).size).toBe(1)
  const rows = await h.db.checkoutSession.findMany({ where: { customer: { ownerId: racing } } })
  expect(rows).toMatchObject([{ status: 'open', stripeSessionId: sessions[0]?.id }])
})

test('a checkout for other terms closes the earlier checkout', async () => {
  const ownerId = await h.owner()
  const monthly = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  const yearly = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO', interval: 'year' })
  expect(yearly.id).not.toBe(monthly.id)
  expect(await atStripe(monthly.id)).toMatchObject({ status: 'expired' })
  expect(await atStripe(yearly.id)).toMatchObject({ status: 'open' })
  const again = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  expect(again.id).not.toBe(monthly.id)
})

test('an expired checkout is replaced by a new one', async () => {
  const ownerId = await h.owner()
  const first = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  await h.stripe.checkout.sessions.expire(first.id)
  const second = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  expect(second.id).not.toBe(first.id)
  expect(await atStripe(second.id)).toMatchObject({ status: 'open' })
})

test('promise 2: a customer whose payment we have not heard of yet cannot pay twice', async () => {
  const ownerId = await h.owner()
  const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  await h.pay(id)
  const again = h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  await expect(again).rejects.toMatchObject({ code: 'already_subscribed', status: 409 })
  expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
  await h.billing.cancelSubscription(ownerId, { at: 'now' })
  expect((await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })).id).not.toBe(id)
})

test('promise 4: a checkout that completed unpaid grants nothing until the money arrives', async () => {
  const ownerId = await h.owner()
  const item = { name: 'Call', amount: 4900, currency: 'usd' }
  const { id } = await h.billing.createCheckoutSession({ ownerId, item })
  h.sandbox.stripe.completeCheckout(id, { delayed: true })
  await h.deliverAll()
  expect(await h.billing.confirmCheckout(ownerId, id)).toMatchObject({
    status: 'complete',
    paid: false,
  })
  expect(await h.billing.listPayments(ownerId)).toMatchObject([
    { status: 'processing', paidAt: null },
  ])
  expect(await effects(ownerId)).toEqual([])

  h.sandbox.stripe.settleCheckout(id, 'succeeded')
  await h.deliverAll()
  expect(await h.billing.listPayments(ownerId)).toMatchObject([{ status: 'succeeded' }])
  expect(await effects(ownerId)).toEqual(['order.completed', 'payment.succeeded'])
})

test.each([
  ['fails', 'failed', 'FREE', []],
  ['comes', 'succeeded', 'PRO', ['invoice.paid', 'subscription.activated']],
] as const)(
  'promise 4: a plan paid by a slow debit that %s',
  async (_, outcome, plan, effectNames) => {
    const ownerId = await h.owner()
    const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    h.sandbox.stripe.completeCheckout(id, { delayed: true })
    await h.deliverAll()
    // The provider calls it active, and nothing is granted before the money is there.
    expect(await h.billing.listSubscriptions(ownerId)).toMatchObject([
      { status: 'active', needsAttention: 'first_payment_pending' },
    ])
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('FREE')
    expect(await h.billing.confirmCheckout(ownerId, id)).toMatchObject({ paid: false })
    const second = h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    await expect(second).rejects.toMatchObject({ code: 'already_subscribed' })

    h.sandbox.stripe.settleCheckout(id, outcome)
    await h.deliverAll()
    expect((await h.billing.getSubscription(ownerId)).plan).toBe(plan)
    expect(
      (await effects(ownerId)).filter((name) => name !== 'invoice.payment_failed').sort(),
    ).toEqual(effectNames)
    expect(await h.billing.listEvents()).toEqual([])
  },
)

async function effects(ownerId: string) {
  const customer = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  const rows = await h.db.effect.findMany({ where: { customerId: customer.id } })
  return rows.map(({ name }) => name)
}

describe('trials', () => {
  const trialPlans = (needsCard: boolean) =>
    definePlans({
      FREE: { name: 'Free' },
      PRO: {
        name: 'Pro',
        trialDays: 7,
        trialNeedsCard: needsCard,
        prices: { month: { lookupKey: 'pro_monthly', amount: 2900, currency: 'usd' } },
      },
    })
  const billingWith = (needsCard: boolean) =>
    createBilling({ ...h.settings, plans: trialPlans(needsCard) })

  async function ownerWith(email: string) {
    const ownerId = await h.owner()
    await h.db.user.update({ where: { id: ownerId }, data: { email } })
    return ownerId
  }

  test('without a card begin at once, and end by themselves', async () => {
    const billing = billingWith(false)
    const ownerId = await h.owner()
    const { id } = await billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    h.sandbox.stripe.completeCheckout(id, { card: null })
    await billing.confirmCheckout(ownerId, id)
    const trial = await billing.getSubscription(ownerId)
    expect(trial).toMatchObject({ plan: 'PRO', status: 'trialing' })
    h.sandbox.stripe.renew(trial.stripeSubscriptionId as string)
    await billing.syncCustomer(ownerId)
    expect(await billing.getSubscription(ownerId)).toMatchObject({ plan: 'FREE', status: null })
  })

  test('are given once to a mailbox, however its address is spelt', async () => {
    const billing = billingWith(true)
    const mailbox = `trial${Date.now()}`
    const first = await ownerWith(`${mailbox}@gmail.com`)
    const one = await billing.createCheckoutSession({ ownerId: first, plan: 'PRO' })
    await h.pay(one.id, '5555555555554444')
    await billing.confirmCheckout(first, one.id)
    expect((await billing.getSubscription(first)).status).toBe('trialing')

    const second = await ownerWith(`${mailbox.split('').join('.')}+again@GoogleMail.com`)
    const two = await billing.createCheckoutSession({ ownerId: second, plan: 'PRO' })
    await h.pay(two.id)
    await billing.confirmCheckout(second, two.id)
    expect(await billing.getSubscription(second)).toMatchObject({ status: 'active', plan: 'PRO' })
  })

  test('are given once to a card: a second trial does not count and is flagged', async () => {
    const billing = billingWith(true)
    const card = '378282246310005'
    const first = await h.owner()
    const one = await billing.createCheckoutSession({ ownerId: first, plan: 'PRO' })
    await h.pay(one.id, card)
    await billing.confirmCheckout(first, one.id)
    const second = await h.owner()
    const two = await billing.createCheckoutSession({ ownerId: second, plan: 'PRO' })
    await h.pay(two.id, card)
    await billing.confirmCheckout(second, two.id)
    await billing.confirmCheckout(first, one.id)

    expect((await billing.getSubscription(first)).status).toBe('trialing')
    expect(await billing.getSubscription(second)).toMatchObject({ plan: 'FREE', status: null })
    const [flagged] = await billing.listFlagged(second)
    expect(flagged).toMatchObject({ status: 'trialing', needsAttention: 'trial_already_used' })
    // Once it is paid for it is a subscription like any other.
    h.sandbox.stripe.renew(flagged?.stripeSubscriptionId as string)
    await billing.syncCustomer(second)
    expect(await billing.getSubscription(second)).toMatchObject({ plan: 'PRO', status: 'active' })
  })

  test.each([
    ['Ada+news@Example.com', 'ada@example.com'],
    ['a.d.a@example.com', 'a.d.a@example.com'],
    ['a.d.a@googlemail.com', 'ada@gmail.com'],
  ])('%s reaches %s', (email, mailbox) => {
    expect(normalizeEmail(email)).toBe(mailbox)
  })
})

describe('the short form: owner, plan, interval', () => {
  test.each([
    [undefined, 'pro_monthly'],
    ['month', 'pro_monthly'],
    ['year', 'pro_yearly'],
  ] as const)('opens the same checkout by the %s as the full form', async (interval, lookupKey) => {
    const ownerId = await h.owner()
    const args = interval ? ([ownerId, 'PRO', interval] as const) : ([ownerId, 'PRO'] as const)
    const { id } = await h.billing.createCheckoutSession(...args)
    const input = { ownerId, plan: 'PRO', ...(interval ? { interval } : {}) }
    expect((await h.billing.createCheckoutSession(input)).id).toBe(id)
    const { data } = await h.stripe.checkout.sessions.listLineItems(id)
    expect(data[0]?.price?.lookup_key).toBe(lookupKey)
  })

  test('refuses an unknown owner or plan', async () => {
    const ownerId = await h.owner()
    const ask = h.billing.createCheckoutSession
    await expect(ask('', 'PRO')).rejects.toMatchObject({ code: 'owner_required' })
    await expect(ask(ownerId, 'GOLD')).rejects.toMatchObject({ code: 'plan_not_found' })
    // @ts-expect-error – a plan that is left out.
    await expect(ask(ownerId)).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(ask(ownerId, 'PRO', 'decade' as never)).rejects.toMatchObject({
      code: 'price_not_found',
    })
  })
})
