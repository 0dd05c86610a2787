/** Coupons and promotion codes: what they take off, how long, and what keeps them. */

import { createTestClock } from '@repo/core/testing'
import type Stripe from 'stripe'
import { expect, test } from 'vitest'
import { at, NEW, OLD, SUCCESS, shop, start, subscribe } from './harness.ts'

const quarter = { percent_off: 25, duration: 'forever' } as const

test.each([OLD, NEW])('in %s a coupon takes its share off every invoice', async (version) => {
  const running = await start({ stripe: { apiVersion: version } })
  const stripe = running.client(version)
  const { customer, price } = await shop(stripe)
  const coupon = await stripe.coupons.create(quarter)
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    default_payment_method: 'pm_card_visa',
    discounts: [{ coupon: coupon.id }],
    expand: ['latest_invoice', 'discounts'],
  })
  const [discount] = subscription.discounts as Stripe.Discount[]
  const named = version === OLD ? 'coupon.id' : 'source.coupon'
  expect(at(discount, named)).toBe(coupon.id)
  if (version === OLD) expect(at(subscription, 'discount.coupon.percent_off')).toBe(25)
  else expect(subscription).not.toHaveProperty('discount')
  expect(subscription.latest_invoice).toMatchObject({
    subtotal: 4900,
    total: 3675,
    amount_paid: 3675,
    total_discount_amounts: [{ amount: 1225, discount: discount?.id }],
    lines: { data: [{ amount: 4900, discount_amounts: [{ amount: 1225 }] }] },
  })
  running.sandbox.stripe.renew(subscription.id)
  const [second] = (await stripe.invoices.list({ subscription: subscription.id })).data
  expect(second).toMatchObject({ total: 3675 })
  expect(await stripe.coupons.retrieve(coupon.id)).toMatchObject({ times_redeemed: 1 })
  // A change in mid-period gives back and charges what the customer pays.
  const other = await stripe.prices.create({
    product: price.product as string,
    currency: 'usd',
    unit_amount: 9800,
    recurring: { interval: 'month' },
  })
  const changed = await stripe.subscriptions.update(subscription.id, {
    items: [{ id: subscription.items.data[0]?.id ?? '', price: other.id }],
    proration_behavior: 'always_invoice',
    expand: ['latest_invoice'],
  })
  const total = Number(at(changed, 'latest_invoice.total'))
  expect(total).toBeLessThanOrEqual(3675)
  expect(total).toBeGreaterThan(3600)
})

test('a coupon for once is used up by its first invoice, one for months by their end', async () => {
  const clock = createTestClock('2026-01-15T10:00:00Z')
  const running = await start({ clock })
  const stripe = running.client()
  const { customer, price } = await shop(stripe)
  const make = async (coupon: Stripe.CouponCreateParams) => {
    const { id } = await stripe.coupons.create(coupon)
    const subscription = await stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      default_payment_method: 'pm_card_visa',
      discounts: [{ coupon: id }],
    })
    const totals = async () =>
      (await stripe.invoices.list({ subscription: subscription.id })).data.map((one) => one.total)
    return { id: subscription.id, totals }
  }
  const once = await make({ amount_off: 900, currency: 'usd', duration: 'once' })
  const months = await make({ percent_off: 50, duration: 'repeating', duration_in_months: 2 })
  for (let month = 0; month < 2; month += 1) {
    clock.advance(31 * 86_400_000)
    running.sandbox.stripe.renew(once.id)
    running.sandbox.stripe.renew(months.id)
  }
  expect(await once.totals()).toEqual([4900, 4900, 4000])
  expect(await months.totals()).toEqual([4900, 2450, 2450])
  expect(await stripe.subscriptions.retrieve(once.id)).toMatchObject({ discounts: [] })
})

test('a buyer’s code takes off at checkout, and all of it makes an order without a payment', async () => {
  const running = await start()
  const stripe = running.client()
  const { customer, price } = await shop(stripe)
  const free = await stripe.coupons.create({ percent_off: 100, duration: 'forever' })
  const code = await stripe.promotionCodes.create({
    coupon: free.id,
    code: 'FREE',
    max_redemptions: 2,
  } as unknown as Stripe.PromotionCodeCreateParams)
  const session = await stripe.checkout.sessions.create({
    mode: 'payment',
    customer: customer.id,
    allow_promotion_codes: true,
    line_items: [
      {
        price_data: { currency: 'usd', unit_amount: 900, product_data: { name: 'x' } },
        quantity: 2,
      },
    ],
    success_url: SUCCESS,
  })
  const { completeCheckout } = running.sandbox.stripe
  expect(() => completeCheckout(session.id, { promotionCode: 'NONE' })).toThrow('invalid')
  expect(completeCheckout(session.id, { promotionCode: 'free', card: null })).toMatchObject({
    status: 'complete',
    payment_status: 'no_payment_required',
    payment_intent: null,
    amount_subtotal: 1800,
    amount_total: 0,
    total_details: { amount_discount: 1800 },
  })
  const named = await stripe.checkout.sessions.create({
    mode: 'subscription',
    customer: customer.id,
    discounts: [{ promotion_code: code.id }],
    line_items: [{ price: price.id, quantity: 1 }],
    success_url: SUCCESS,
  })
  expect(named).toMatchObject({ amount_subtotal: 4900, amount_total: 0 })
  const bought = completeCheckout(named.id)
  expect(bought).toMatchObject({ payment_status: 'no_payment_required' })
  expect(await stripe.subscriptions.retrieve(String(bought.subscription))).toMatchObject({
    status: 'active',
    discount: { promotion_code: code.id },
  })
  // Its two redemptions are spent.
  await expect(
    stripe.checkout.sessions.create({
      mode: 'subscription',
      discounts: [{ promotion_code: code.id }],
      line_items: [{ price: price.id, quantity: 1 }],
      success_url: SUCCESS,
    }),
  ).rejects.toMatchObject({ param: 'discounts[0][promotion_code]' })
})

test('what cannot be redeemed is refused by name', async () => {
  const running = await start()
  const stripe = running.client()
  const { customer, price } = await shop(stripe)
  const refused = (params: object, error: object) =>
    expect(
      stripe.subscriptions.create({
        customer: customer.id,
        items: [{ price: price.id }],
        default_payment_method: 'pm_card_visa',
        ...params,
      }),
    ).rejects.toMatchObject({ statusCode: 400, ...error })
  const euro = await stripe.coupons.create({ amount_off: 100, currency: 'eur' })
  const spent = await stripe.coupons.create({ ...quarter, redeem_by: 1 })
  await refused({ discounts: [{ coupon: euro.id }] }, { param: 'discounts[0][coupon]' })
  await refused({ discounts: [{ coupon: spent.id }] }, { code: 'coupon_expired' })
  await refused({ discounts: [{ coupon: 'none' }] }, { code: 'resource_missing' })
  await stripe.coupons.del(euro.id)
  await expect(stripe.coupons.retrieve(euro.id)).rejects.toMatchObject({ statusCode: 404 })
  await expect(
    stripe.coupons.create({ percent_off: 10, amount_off: 10, currency: 'usd' }),
  ).rejects.toMatchObject({ statusCode: 400 })
  await expect(stripe.coupons.create({ percent_off: 101 })).rejects.toMatchObject({
    param: 'percent_off',
  })
})

test.each([
  ['sent along', true],
  ['not sent', false],
])('a schedule whose phases have the discount %s keeps it: %s', async (_, isSent) => {
  const running = await start()
  const stripe = running.client()
  const { subscription, price } = await subscribe(stripe)
  const coupon = await stripe.coupons.create(quarter)
  await stripe.subscriptions.update(subscription.id, {
    discounts: [{ coupon: coupon.id }],
    description: 'Seats of the north',
  })
  const schedule = await stripe.subscriptionSchedules.create({ from_subscription: subscription.id })
  const [phase] = schedule.phases
  expect(phase).toMatchObject({ description: 'Seats of the north', discounts: [{ coupon: null }] })
  const kept = isSent
    ? {
        description: 'Seats of the north',
        discounts: [{ discount: String(phase?.discounts[0]?.discount) }],
        default_payment_method: String(phase?.default_payment_method),
      }
    : {}
  const items = [{ price: price.id, quantity: 1 }]
  await stripe.subscriptionSchedules.update(schedule.id, {
    phases: [
      {
        items,
        start_date: phase?.start_date as number,
        end_date: phase?.end_date as number,
        ...kept,
      },
      { items: [{ price: price.id, quantity: 3 }], ...kept },
    ],
  })
  const now = await stripe.subscriptions.retrieve(subscription.id)
  expect(now.discounts).toHaveLength(isSent ? 1 : 0)
  expect(now.description).toBe(isSent ? 'Seats of the north' : null)
  expect(now.default_payment_method === null).toBe(!isSent)
  if (!isSent) return
  running.sandbox.stripe.renew(subscription.id)
  const later = await stripe.subscriptions.retrieve(subscription.id, { expand: ['latest_invoice'] })
  expect(later).toMatchObject({ latest_invoice: { subtotal: 14_700, total: 11_025 } })
})

test('a phase that does not send the trial’s end ends the trial', async () => {
  const running = await start()
  const stripe = running.client()
  const { customer, price } = await shop(stripe)
  const { id } = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    default_payment_method: 'pm_card_visa',
    trial_period_days: 7,
  })
  const schedule = await stripe.subscriptionSchedules.create({ from_subscription: id })
  const [phase] = schedule.phases
  const base = {
    items: [{ price: price.id, quantity: 1 }],
    start_date: phase?.start_date as number,
    end_date: phase?.end_date as number,
    default_payment_method: String(phase?.default_payment_method),
  }
  const update = (trial: object) =>
    stripe.subscriptionSchedules.update(schedule.id, { phases: [{ ...base, ...trial }] })
  await update({ trial_end: phase?.trial_end })
  expect((await stripe.subscriptions.retrieve(id)).status).toBe('trialing')
  await update({})
  expect((await stripe.subscriptions.retrieve(id)).status).toBe('active')
})
